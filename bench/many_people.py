"""What a process does that meets many people: looks at the ledger, time for a request, and memory of its memos."""

from __future__ import annotations

import gc
import logging
import random
import secrets
import time
import tracemalloc
from collections.abc import Sequence
from dataclasses import dataclass

from wsgi_token_refresh import JwtVerifier, Routes, TokenEndpoint, TokenRefreshMiddleware
from wsgi_token_refresh.stores.memory import MemoryStore
from wsgi_token_refresh.stores.protocol import Entry
from wsgi_token_refresh.tokens import received

from . import material
from .passing import _public_key

PEOPLE = (1, 500, 5000)
REQUESTS = 10
SECONDS = 25.0
"""Within these each person makes so many requests, in no order."""
_READS = 2
"""Of the store, for one look."""


@dataclass(frozen=True)
class Crowd:
    """Looks of one person within the time, microseconds of a request (the first of each included), and megabytes."""

    size: int
    people: int
    looks: float
    took: float
    memos: float


class _Counted(MemoryStore):
    reads = 0

    def read(self, key: str) -> Entry:
        self.reads += 1
        return super().read(key)


class _Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


def measure(size: int, people: int) -> Crowd:
    """Let so many people come with access tokens of ``size`` bytes: once for the time, and once for the memory."""
    logging.getLogger("wsgi_token_refresh").setLevel(logging.WARNING)
    clock = _Clock()
    store = _Counted(max_bytes=2**30, clock=clock)
    headers = _sign_in(_wrapped(store, clock), size, people, clock)
    visits = random.Random(1).sample(headers * REQUESTS, len(headers) * REQUESTS)
    store.reads = 0
    took = _visit(_wrapped(store, clock), visits, clock)
    looks = store.reads / _READS / people
    return Crowd(size, people, looks, took / len(visits) * 1e6, _memory(_wrapped(store, clock), visits, clock) / 2**20)


def _memory(wrapped: TokenRefreshMiddleware, visits: Sequence[str], clock: _Clock) -> int:
    gc.collect()
    tracemalloc.start()
    _visit(wrapped, visits, clock)
    gc.collect()
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return taken


def _wrapped(store: MemoryStore, clock: _Clock) -> TokenRefreshMiddleware:
    return TokenRefreshMiddleware(
        material.application,
        token_endpoint=TokenEndpoint("https://auth.example.com/token"),
        routes=Routes(protected=["/dashboard"]),
        verifier=JwtVerifier(key=_public_key(), algorithms=["RS256"], audience="api"),
        store=store,
        clock=clock,
    )


def _sign_in(wrapped: TokenRefreshMiddleware, size: int, people: int, clock: _Clock) -> list[str]:
    headers = []
    for number in range(people):
        token, refresh_token = material.access_token(size, str(number)), secrets.token_urlsafe(32)
        wrapped._refresher.found(received(token, refresh_token, now=clock.now))
        headers.append(material.cookie_header(token, refresh_token))
    return headers


def _visit(wrapped: TokenRefreshMiddleware, visits: Sequence[str], clock: _Clock) -> float:
    took, path = 0.0, material.PLACES["protected"]
    for header in visits:
        clock.now += SECONDS / len(visits)
        environ = material.environ(material.copies(header, 1)[0], path)
        began = time.perf_counter()
        wrapped(environ, material.start_response)
        took += time.perf_counter() - began
    return took
