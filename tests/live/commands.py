"""Runs the commands of a README as a person would type them, and ends them for sure."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import requests

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0
_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands_of(readme: Path) -> list[str]:
    """Give the commands that a README wants to be run, in its order."""
    return [command for block in _BLOCK.findall(readme.read_text("utf-8")) for command in block.splitlines()]


def free_port() -> int:
    """Give a port of 127.0.0.1 on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def copy_with_ports(folder: Path, copy: Path, ports: Mapping[str, int]) -> None:
    """Copy an example, its README too, with other ports than it names."""
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("__pycache__"))
    for path in copy.iterdir():
        if path.is_file():
            text = path.read_text("utf-8")
            for named, port in ports.items():
                text = text.replace(named, str(port))
            path.write_text(text, "utf-8")


@contextmanager
def running(command: str, *, folder: Path, runtime: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command line; its whole process group ends with the block."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    environ = {**os.environ, "PATH": path, "XDG_RUNTIME_DIR": str(runtime)}
    with subprocess.Popen(["sh", "-c", command], cwd=folder, env=environ, start_new_session=True) as process:
        try:
            yield process
        finally:
            end_group(process)


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End a process that leads a session, and all that it has started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(10)
    for left in living_in(process.pid):
        with suppress(ProcessLookupError):
            os.kill(left, signal.SIGKILL)


def living_in(session: int) -> list[int]:
    """Give the processes of a session that are no zombies, by what /proc says of them (proc(5))."""
    living = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _parent, _group, number = path.read_text("utf-8", "replace").rpartition(")")[2].split()[:4]
            if int(number) == session and state != "Z":
                living.append(int(path.parent.name))
    return living


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until something answers there, as long as the process lives that is to answer."""
    ends = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < ends:
        with suppress(requests.ConnectionError):
            requests.get(url, timeout=5)
            return
        time.sleep(0.05)
    raise AssertionError(f"nothing answers at {url}")
