"""Real gunicorns in front of a real authorization server, each in processes of its own."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from demo.processes import NO_CONTROL_SOCKET

ROOT = Path(__file__).parents[2]
PATIENCE = 20.0


@dataclass
class Reply:
    """One answer, and how long it took in seconds."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    took: float

    @property
    def seen(self) -> dict[str, Any]:
        return json.loads(self.body)

    def cookies(self) -> dict[str, str]:
        """What a browser keeps of it; an expired cookie reads as empty."""
        pairs = [value.partition(";")[0].partition("=") for name, value in self.headers if name == "Set-Cookie"]
        return {name: value for name, _, value in pairs}


@dataclass
class Browser:
    """A jar, and requests with what it holds."""

    port: int
    jar: dict[str, str] = field(default_factory=dict)

    def get(self, path: str = "/page", *, port: int | None = None, keep: bool = True, **headers: str) -> Reply:
        reply = request(port or self.port, path, self.jar, **headers)
        if keep:
            self.jar = {name: value for name, value in {**self.jar, **reply.cookies()}.items() if value}
        return reply


@dataclass
class Gunicorn:
    """A running gunicorn: its port, its process group, and what it writes to stderr."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path

    def signal(self, number: int) -> None:
        """Send a signal to the master and all workers."""
        os.killpg(self.process.pid, number)


def request(port: int, path: str, jar: dict[str, str], **headers: str) -> Reply:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        return request_on(connection, path, jar, **headers)


def request_on(connection: http.client.HTTPConnection, path: str, jar: dict[str, str], **headers: str) -> Reply:
    """Send a request on a connection that may have carried others."""
    sent = {"Accept": "text/html", "Cookie": "; ".join(f"{name}={value}" for name, value in jar.items())}
    sent.update({name.replace("_", "-"): value for name, value in headers.items()})
    began = time.monotonic()
    connection.request("GET", path, headers=sent)
    response = connection.getresponse()
    body = response.read()
    return Reply(response.status, response.getheaders(), body, time.monotonic() - began)


def at_once(calls: Sequence[tuple[int, str, dict[str, str]]]) -> list[Reply]:
    """Send requests from a thread each, all released by one barrier."""
    barrier = threading.Barrier(len(calls))
    replies: list[Reply | None] = [None] * len(calls)

    def send(index: int) -> None:
        port, path, jar = calls[index]
        barrier.wait(PATIENCE)
        replies[index] = request(port, path, jar)

    threads = [threading.Thread(target=send, args=(index,)) for index in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    return [reply for reply in replies if reply is not None]


@contextmanager
def gunicorn(
    server: str,
    store: Path | str,
    *,
    workers: int = 4,
    worker_class: str = "gthread",
    preload: bool = False,
    timeout: float = 5,
    answer_timeout: float | None = None,
    wait_timeout: float = 5,
    graceful: int = 1,
    kinds: str = "token_cookies",
) -> Iterator[Gunicorn]:
    """Run the application of the live tests, and end it for sure; what it has said goes to stderr then.

    The first of ``kinds`` is the kind of session that is written, the others are read.
    """
    with socket.socket() as listener, tempfile.NamedTemporaryFile() as log:
        listener.bind(("127.0.0.1", 0))
        listener.listen(256)
        port = listener.getsockname()[1]
        command = [
            *(sys.executable, "-m", "gunicorn", "--bind", f"fd://{listener.fileno()}", "--log-level", "warning"),
            *("--workers", str(workers), "--worker-class", worker_class),
            *("--graceful-timeout", str(graceful)),
            # gunicorn takes a sync worker with threads for gthread.
            *(["--threads", "8"] if worker_class == "gthread" else []),
            *(["--preload"] if preload else []),
            *NO_CONTROL_SOCKET,
            "tests.live.application:wrapped",
        ]
        environ = {
            **os.environ,
            "AUTHORIZATION_SERVER": server,
            "STORE": str(store),
            "TIMEOUT": str(timeout),
            "ANSWER_TIMEOUT": str(timeout if answer_timeout is None else answer_timeout),
            "WAIT_TIMEOUT": str(wait_timeout),
            "KINDS": kinds,
            "PYTHONPATH": str(ROOT),
        }
        process = subprocess.Popen(
            command, cwd=ROOT, env=environ, pass_fds=[listener.fileno()], start_new_session=True, stderr=log
        )
        running = Gunicorn(port, process, Path(log.name))
        try:
            _wait_until_it_answers(port)
            yield running
        finally:
            _end(running)
            sys.stderr.write(running.log.read_text())


def _wait_until_it_answers(port: int) -> None:
    until = time.monotonic() + PATIENCE
    while True:
        try:
            if request(port, "/public", {}).status == 200:
                return
        except OSError:
            pass
        if time.monotonic() > until:
            raise TimeoutError("gunicorn did not answer")
        time.sleep(0.02)


def _end(running: Gunicorn) -> None:
    with suppress(ProcessLookupError, subprocess.TimeoutExpired):
        running.signal(signal.SIGCONT)
        running.signal(signal.SIGTERM)
        running.process.wait(5)
    with suppress(ProcessLookupError):
        running.signal(signal.SIGKILL)
    running.process.wait(5)
