"""How much a process grows over many distinct sessions: ``python -m bench.memory COUNT`` measures in a process anew."""

from __future__ import annotations

import gc
import json
import logging
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jwt

from wsgi_token_refresh import JwtVerifier, Routes, TokenRefreshMiddleware
from wsgi_token_refresh.stores.sqlite import SqliteStore
from wsgi_token_refresh.tokens import Outcome, Refreshed, Tokens, received

from . import material

_SECRET = secrets.token_hex(32)
_WARM_UP = 500
_ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Growth:
    """Megabytes (2**20 bytes) of resident memory, and of the store's file."""

    sessions: int
    before: float
    after: float
    store: float
    seconds: float


class InProcessEndpoint:
    """Answers at once, and calls nobody: what grows is ours."""

    timeout = answer_timeout = 5.0
    max_calls = 8
    single_use = True
    old_access_token_survives = True
    identity = ("https://auth.example.com/token", "bench")

    def refresh(self, refresh_token: str, *, patience: float, may_send: Callable[[], bool]) -> Outcome:
        return Refreshed(received(new_token(), secrets.token_urlsafe(32), now=time.time()))

    def revoke(self, refresh_token: str) -> str | None:
        return None

    def read(self, mapping: Any) -> Tokens:
        raise NotImplementedError


def new_token() -> str:
    """Sign by HS256, since a hundred thousand RSA signatures take minutes; about 0.6 kB."""
    now = int(time.time())
    claims = {"sub": secrets.token_hex(8), "aud": "api", "iat": now, "exp": now + 7200, "data": secrets.token_hex(150)}
    return jwt.encode(claims, _SECRET, algorithm="HS256")


def measure(sessions: int) -> Growth:
    """Measure in a process of its own."""
    command = [sys.executable, "-m", "bench.memory", str(sessions)]
    done = subprocess.run(command, cwd=_ROOT, check=True, capture_output=True, text=True)
    return Growth(**json.loads(done.stdout))


def measure_here(sessions: int) -> Growth:
    """Refresh each session once, and let it pass once with what the refresh gave."""
    logging.getLogger("wsgi_token_refresh").setLevel(logging.WARNING)
    with tempfile.TemporaryDirectory() as directory:
        store = SqliteStore(Path(directory) / "ledger.sqlite")
        wrapped = TokenRefreshMiddleware(
            material.application,
            token_endpoint=InProcessEndpoint(),  # type: ignore[arg-type]
            routes=Routes(),
            verifier=JwtVerifier(key=_SECRET, algorithms=["HS256"], audience="api"),
            store=store,
        )
        _visit(wrapped, _WARM_UP)
        before, began = _resident(), time.perf_counter()
        _visit(wrapped, sessions)
        seconds, after = time.perf_counter() - began, _resident()
        size = sum(file.stat().st_size for file in Path(directory).iterdir()) / 2**20
        store.close()
    return Growth(sessions, before, after, size, seconds)


def _visit(wrapped: TokenRefreshMiddleware, sessions: int) -> None:
    for _ in range(sessions):
        set_cookies = _request(wrapped, f"refresh_token={secrets.token_urlsafe(32)}")
        if len(set_cookies) != 2:
            raise RuntimeError("a request was no refresh")
        if _request(wrapped, "; ".join(cookie.partition(";")[0] for cookie in set_cookies)):
            raise RuntimeError("a request was not passed")


def _request(wrapped: TokenRefreshMiddleware, cookies: str) -> list[str]:
    seen: list[str] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        seen.extend(value for name, value in headers if name == "Set-Cookie")

    wrapped(material.environ(f"{material.FOREIGN}; {cookies}", "/"), start_response)
    return seen


def _resident() -> float:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    print(json.dumps(asdict(measure_here(int(sys.argv[1])))))
