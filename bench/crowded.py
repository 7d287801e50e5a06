"""How long requests that pass take while many sessions refresh at a slow server, under gunicorn with four threads."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from statistics import quantiles

from demo.processes import NO_CONTROL_SOCKET
from wsgi_token_refresh.testing.process import run_in_process

from .storm import _ROOT, _free_port, _wait_for

DELAY = 0.2
SESSIONS = 20
THREADS = 4
PASSING = 50
"""Requests a second that pass meanwhile."""
_LIFE = 36.0
_IN_WINDOW = 0.68
_LANES = 16
_PATIENCE = 30.0

Address = tuple[str, int]


@dataclass(frozen=True)
class Crowded:
    """Milliseconds of requests that pass, and of those in the window; how many answers were good."""

    p50: float
    p95: float
    p99: float
    window_p50: float
    window_p95: float
    good: int
    requests: int


def measure(*, waves: int) -> Crowded:
    """Let 20 sessions in use come into their window and ask at once each second, while others pass; it has 7 waves."""
    with run_in_process(delay=DELAY, reuse="revoke", access_lifetime=_LIFE) as server, _gunicorn(server.url) as address:
        due = [_cookie(server.login()) for _ in range(SESSIONS * waves)]
        made = time.monotonic()
        for cookie in due:
            _ask(address, cookie)
        time.sleep(max(0.0, made + _LIFE * _IN_WINDOW - time.monotonic()))
        fresh = _cookie(server.login())
        _ask(address, fresh)
        passing, window = _at_once(address, fresh, due, waves)
    statuses = [status for status, _ in (*passing, *window)]
    cuts = quantiles([took for _, took in passing], n=100)
    of_window = quantiles([took for _, took in window], n=20)
    good = sum(status == 200 for status in statuses)
    return Crowded(cuts[49], cuts[94], cuts[98], of_window[9], of_window[18], good, len(statuses))


def _cookie(tokens: dict[str, object]) -> str:
    return f"access_token={tokens['access_token']}; refresh_token={tokens['refresh_token']}"


def _ask(address: Address, cookie: str) -> tuple[int, float]:
    with closing(HTTPConnection(*address, timeout=_PATIENCE)) as connection:
        began = time.perf_counter()
        connection.request("GET", "/", headers={"Cookie": cookie, "Sec-Fetch-Mode": "navigate"})
        response = connection.getresponse()
        response.read()
        return response.status, 1000 * (time.perf_counter() - began)


def _at_once(
    address: Address, fresh: str, due: Sequence[str], waves: int
) -> tuple[list[tuple[int, float]], list[tuple[int, float]]]:
    """Ask whatever happens: who is late does not let others wait. Gives what passed, and what was in the window."""
    passing: list[tuple[int, float]] = []
    window: list[tuple[int, float]] = []
    began = time.monotonic() + 0.1

    def ask(at: float, cookie: str, answers: list[tuple[int, float]]) -> None:
        time.sleep(max(0.0, began + at - time.monotonic()))
        answers.append(_ask(address, cookie))

    def lane(number: int) -> None:
        for turn in range(number, PASSING * waves, _LANES):
            ask(turn / PASSING, fresh, passing)

    threads = [threading.Thread(target=lane, args=(number,)) for number in range(_LANES)]
    threads += [
        threading.Thread(target=ask, args=(number // SESSIONS, cookie, window)) for number, cookie in enumerate(due)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return passing, window


@contextmanager
def _gunicorn(server_url: str) -> Iterator[Address]:
    address = ("127.0.0.1", _free_port())
    with tempfile.TemporaryDirectory() as directory:
        environ = {**os.environ, "BENCH_SERVER": server_url, "BENCH_STORE": f"{directory}/ledger.sqlite"}
        options = ["--workers", "1", "--worker-class", "gthread", "--threads", str(THREADS), "--log-level", "error"]
        command = [sys.executable, "-m", "gunicorn", *options, *NO_CONTROL_SOCKET]
        command += ["--bind", f"{address[0]}:{address[1]}", "bench.served:make()"]
        process = subprocess.Popen(command, env=environ, cwd=_ROOT)
        try:
            _wait_for(address)
            yield address
        finally:
            process.terminate()
            process.wait(_PATIENCE)
