"""Twenty requests at once with one expired cookie, under gunicorn with four workers."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from statistics import median, quantiles

from demo.processes import NO_CONTROL_SOCKET
from wsgi_token_refresh.testing.process import AuthorizationServerProcess, run_in_process

WORKERS = {"sync": (), "gthread": ("--threads", "8"), "gevent": ()}
REQUESTS = 20
DELAY = 0.2
_PATIENCE = 20.0
_WARM_UP = 2
_ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Storm:
    """What happened in all rounds; times in milliseconds over the server's delay."""

    rounds: int
    grants: int
    good: int
    p50: float
    p95: float


def measure(worker_class: str, *, rounds: int) -> Storm:
    """Let a session's token expire and ask for it twenty times at once, ``rounds`` times."""
    with run_in_process(delay=DELAY, reuse="revoke") as server, _gunicorn(worker_class, server.url) as address:
        for _ in range(_WARM_UP):
            _round(address, server)
        before = server.counts()["grants"]
        answers = [answer for _ in range(rounds) for answer in _round(address, server)]
        grants = server.counts()["grants"] - before
    over = [1000 * (seconds - DELAY) for _, seconds in answers]
    good = sum(status == 200 for status, _ in answers)
    return Storm(rounds, grants, good, median(over), quantiles(over, n=20)[-1])


def _round(address: tuple[str, int], server: AuthorizationServerProcess) -> list[tuple[int, float]]:
    cookie = f"refresh_token={server.login()['refresh_token']}"
    answers: list[tuple[int, float]] = []
    gate = threading.Barrier(REQUESTS)

    def ask() -> None:
        with closing(HTTPConnection(*address, timeout=_PATIENCE)) as connection:
            gate.wait()
            began = time.perf_counter()
            connection.request("GET", "/", headers={"Cookie": cookie, "Sec-Fetch-Mode": "navigate"})
            status = connection.getresponse().status
            answers.append((status, time.perf_counter() - began))

    threads = [threading.Thread(target=ask) for _ in range(REQUESTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


@contextmanager
def _gunicorn(worker_class: str, server_url: str) -> Iterator[tuple[str, int]]:
    address = ("127.0.0.1", _free_port())
    with tempfile.TemporaryDirectory() as directory:
        environ = {**os.environ, "BENCH_SERVER": server_url, "BENCH_STORE": f"{directory}/ledger.sqlite"}
        process = subprocess.Popen(_command(worker_class, address[1]), env=environ, cwd=_ROOT)
        try:
            _wait_for(address)
            yield address
        finally:
            process.terminate()
            process.wait(_PATIENCE)


def _command(worker_class: str, port: int) -> list[str]:
    options = ["--workers", "4", "--worker-class", worker_class, *WORKERS[worker_class]]
    quiet = ["--log-level", "error", *NO_CONTROL_SOCKET]
    return [sys.executable, "-m", "gunicorn", *options, *quiet, "--bind", f"127.0.0.1:{port}", "bench.served:make()"]


def _free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return int(listener.getsockname()[1])


def _wait_for(address: tuple[str, int]) -> None:
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        try:
            socket.create_connection(address, 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("gunicorn did not start")
