"""Starts servers on free ports of this machine, and ends them for sure."""
# ruff: noqa: S603

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import NoReturn

from gunicorn.config import KNOWN_SETTINGS

# Newer gunicorns make a socket in the home directory unless told not to.
NO_CONTROL_SOCKET = ["--no-control-socket"] if any(each.name == "control_socket" for each in KNOWN_SETTINGS) else []

ROOT = Path(__file__).resolve().parent.parent
_PATIENCE = 5.0
_STARTS_WITHIN = 60.0


class DidNotStartError(Exception):
    """A server ended, or said nothing, before it answered."""


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let Ctrl-C, SIGTERM and a closed terminal end the block, and not disturb what tidies up after it."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def end(_number: int, _frame: FrameType | None) -> NoReturn:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in numbers:
        signal.signal(number, end)
    with suppress(KeyboardInterrupt):
        yield


@contextmanager
def gunicorn(*options: str, folder: Path, **environ: str) -> Iterator[str]:
    """Run gunicorn in ``folder`` on a free port, and give its URL once it answers."""
    # The socket is made here and handed over: no port can be taken by somebody else in between.
    with TemporaryDirectory() as own, socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        port, number = listener.getsockname()[1], listener.fileno()
        command = [
            sys.executable,
            "-m",
            "gunicorn",
            "--log-level",
            "warning",
            "--graceful-timeout",
            "3",
            *NO_CONTROL_SOCKET,
        ]
        command += ["--bind", f"fd://{number}", *options]
        environ = {**os.environ, "XDG_RUNTIME_DIR": own, **environ}
        with _running(command, folder=folder, environ=environ, pass_fds=[number]) as process:
            listener.close()
            _wait_until_it_answers(process, port)
            yield f"http://127.0.0.1:{port}"


@contextmanager
def _running(
    command: list[str], *, folder: Path, environ: Mapping[str, str], pass_fds: list[int]
) -> Iterator[subprocess.Popen[bytes]]:
    # In a process group of its own: Ctrl-C reaches this process only, which ends gunicorn in good order.
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environ,
        pass_fds=pass_fds,
        preexec_fn=os.setpgrp,  # noqa: PLW1509 (no thread runs here; ``process_group=0`` needs Python 3.11)
    ) as process:
        try:
            yield process
        finally:
            # To gunicorn this is the quick way out; SIGTERM has it wait for connections that browsers keep open.
            process.send_signal(signal.SIGINT)
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


def _wait_until_it_answers(process: subprocess.Popen[bytes], port: int) -> None:
    began = time.monotonic()
    while process.poll() is None and time.monotonic() - began < _STARTS_WITHIN:
        with suppress(OSError):
            connection = HTTPConnection("127.0.0.1", port, timeout=1)
            try:
                connection.request("GET", "/login")
                connection.getresponse().read()
                return
            finally:
                connection.close()
        time.sleep(0.05)
    raise DidNotStartError("gunicorn did not start: the lines above say why")
