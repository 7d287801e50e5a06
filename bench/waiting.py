"""How soon those who wait for a refresh have its outcome: two processes wait, a third one refreshes."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from tests.real_redis import running_redis
from wsgi_token_refresh.stores.protocol import Store
from wsgi_token_refresh.stores.redis import RedisStore
from wsgi_token_refresh.stores.sqlite import SqliteStore
from wsgi_token_refresh.tokens import Outcome, Refreshed, Tokens

from .recording import OpaqueEndpoint, opaque, refresher

REDIS, SQLITE = "Redis", "SQLite"
CALL = 0.2
"""Seconds that the authorization server takes."""
PROCESSES = 2
_ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Waiting:
    """Milliseconds from the outcome until somebody who waited for it has the new tokens."""

    waiters: int
    rounds: int
    p50: float
    p95: float
    longest: float


def measure(store: str, *, waiters: int, rounds: int) -> Waiting:
    """Refresh a session while ``waiters`` wait for it, half of them in each of two processes."""
    if store == SQLITE:
        with tempfile.TemporaryDirectory() as directory:
            return _measure(f"{directory}/ledger.sqlite", waiters, rounds)
    with running_redis() as server:
        return _measure(server.url, waiters, rounds)


def _measure(place: str, waiters: int, rounds: int) -> Waiting:
    command = [sys.executable, "-c", f"from bench.waiting import wait; wait({place!r}, {waiters // PROCESSES})"]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    others = [subprocess.Popen(command, cwd=_ROOT, **pipes) for _ in range(PROCESSES)]
    endpoint = _Calls(lambda tokens: [_say(each, tokens) for each in others])
    refreshes = refresher(_store(place), endpoint)
    took = []
    for _ in range(rounds + 1):
        endpoint.shown = opaque()
        refreshes.refresh(endpoint.shown, good=False)
        for each in others:
            took += [1000 * (had - endpoint.ended) for had in json.loads(each.stdout.readline())]  # type: ignore[union-attr]
    for each in others:
        each.stdin.close()  # type: ignore[union-attr]
        each.wait()
    took = took[waiters:]
    return Waiting(waiters, rounds, median(took), quantiles(took, n=20)[-1], max(took))


def _store(place: str) -> Store:
    return RedisStore.from_url(place) if "://" in place else SqliteStore(place)


def _say(process: subprocess.Popen[str], tokens: Tokens) -> None:
    process.stdin.write(json.dumps(asdict(tokens)) + "\n")  # type: ignore[union-attr]
    process.stdin.flush()  # type: ignore[union-attr]


class _Calls(OpaqueEndpoint):
    """Tells others to wait while it is called, and notes when it had the outcome."""

    def __init__(self, tell: Callable[[Tokens], object]) -> None:
        self._tell = tell
        self.shown = opaque()
        self.ended = 0.0

    def refresh(self, refresh_token: str, *, patience: float, may_send: Callable[[], bool]) -> Outcome:
        self._tell(self.shown)
        time.sleep(CALL)
        tokens = opaque()
        # The monotonic clock of Linux and macOS is one for all processes.
        self.ended = time.monotonic()
        return Refreshed(tokens)


class _NeverCalls(OpaqueEndpoint):
    def refresh(self, refresh_token: str, *, patience: float, may_send: Callable[[], bool]) -> Outcome:
        raise RuntimeError("somebody called who should have waited")


def wait(place: str, waiters: int) -> None:
    """Wait with so many threads for each session that stdin names, and say when each had its tokens."""
    refreshes = refresher(_store(place), _NeverCalls())
    for line in sys.stdin:
        shown, had = Tokens(**json.loads(line)), []

        def ask(shown: Tokens = shown, had: list[float] = had) -> None:
            flight = refreshes.refresh(shown, good=False)
            if isinstance(flight.outcome, Refreshed):
                had.append(time.monotonic())

        threads = [threading.Thread(target=ask) for _ in range(waiters)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if len(had) < waiters:
            raise RuntimeError("somebody waited in vain")
        print(json.dumps(had), flush=True)
