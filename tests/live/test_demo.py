"""``make demo`` and ``make demo-storm``, by the commands that they run."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
import requests

from .commands import PATIENCE, ROOT, end_group, living_in

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a module of the demo in a session of its own."""
    started = []

    def start(module: str, **environ: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", module],
            cwd=ROOT,
            env={**os.environ, **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        with process:
            end_group(process)


def _address(process: subprocess.Popen[bytes]) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(rb"http://\S+", line):
            return found[0].decode()
    raise AssertionError("the demo has printed no address")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("to_all", [False, True], ids=["the demo alone", "all its processes, as Ctrl-C does"])
def test_the_demo_prints_an_address_and_leaves_no_process(start: Start, number: int, to_all: bool) -> None:
    demo = start("demo")
    page = requests.get(_address(demo), headers={"Accept": "text/html"}, timeout=10)
    assert "Log in" in page.text
    (os.killpg if to_all else os.kill)(demo.pid, number)
    _, said = demo.communicate(timeout=PATIENCE)
    assert demo.returncode == 0
    # A worker of gunicorn's that is told to quit while it hands out work can lock itself out; gunicorn kills it then.
    assert [line for line in said.splitlines() if b"was sent SIGKILL" not in line] == []
    assert not living_in(demo.pid)


def test_a_demo_that_cannot_start_says_so_and_leaves_no_process(start: Start) -> None:
    demo = start("demo", GUNICORN_CMD_ARGS="--worker-class=nonsense")
    _, said = demo.communicate(timeout=PATIENCE)
    assert demo.returncode == 1
    assert said.splitlines()[-1] == b"gunicorn did not start: the lines above say why"
    assert not living_in(demo.pid)


def test_the_storm_is_one_refresh_for_ours_and_the_end_for_a_naive_one(start: Start) -> None:
    storm = start("demo.storm")
    said, errors = storm.communicate(timeout=PATIENCE)
    assert (storm.returncode, errors) == (0, b"")
    lines = said.decode().splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    table = {name: values for name, *values in (re.split(r"\s{2,}", line) for line in lines)}
    assert table["refreshes granted"][0] == "1"
    assert table["refreshes refused"] == ["0", "19"]
    assert table["good answers"] == ["20 of 20", "1 of 20"]
    assert table["signed in afterwards"] == ["yes (5 of 5)", "no (0 of 5)"]
    assert not living_in(storm.pid)
