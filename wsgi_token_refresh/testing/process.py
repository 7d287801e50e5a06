"""Runs the authorization server in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from .handle import AuthorizationServerHandle

_PATIENCE = 5.0


class AuthorizationServerProcess(AuthorizationServerHandle):
    """An authorization server in a process of its own."""

    def __init__(self, url: str, process: subprocess.Popen[str]) -> None:
        super().__init__(url)
        self._process = process

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._process.pid

    def pause(self) -> None:
        """Stop it in its tracks (SIGSTOP): connections are accepted by the kernel, and nothing answers."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Go on after :meth:`pause` (SIGCONT)."""
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it for good: connections to its port are refused from then on."""
        _end(self._process)


@contextmanager
def run_in_process(*, port: int = 0, **options: Any) -> Iterator[AuthorizationServerProcess]:
    """Serve a ``RotatingAuthorizationServer(**options)`` from a process of its own, which ends with the block.

    It ends as well when this process is killed. Options are those of the class but ``clock``. A server that
    does not start is a RuntimeError; it has said why on stderr.
    """
    with subprocess.Popen(  # noqa: S603
        _command({"port": port, **options}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    ) as process:
        try:
            yield AuthorizationServerProcess(_first_line(process), process)
        finally:
            _end(process)


def _first_line(process: subprocess.Popen[str]) -> str:
    line = process.stdout.readline().strip() if process.stdout else ""
    if not line:
        raise RuntimeError("the authorization server did not start")
    return line


def _end(process: subprocess.Popen[str]) -> None:
    if hasattr(signal, "SIGCONT"):
        # A stopped process would not see the next signal.
        process.send_signal(signal.SIGCONT)
    process.terminate()
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _command(options: Mapping[str, Any]) -> list[str]:
    arguments = [argument for name, value in options.items() for argument in _flags(name, value)]
    return [sys.executable, "-m", "wsgi_token_refresh.testing", "--until-stdin-ends", *arguments]


def _flags(name: str, value: Any) -> list[str]:
    flag = name.replace("_", "-")
    if value is None:
        return []
    if isinstance(value, bool):
        return [f"--{flag}" if value else f"--no-{flag}"]
    if isinstance(value, Mapping):
        return [f"--{flag.removesuffix('s')}={_pair(key, member)}" for key, member in value.items()]
    return [f"--{flag}={value}"]


def _pair(key: str, value: str | None) -> str:
    return key if value is None else f"{key}={value}"
