"""A refresh through the middleware, beside a bare POST to the same server over a warm connection."""

from __future__ import annotations

import gc
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

import requests

from wsgi_token_refresh import JwtVerifier, Routes, TokenEndpoint, TokenRefreshMiddleware
from wsgi_token_refresh.stores.sqlite import SqliteStore
from wsgi_token_refresh.testing.process import AuthorizationServerProcess, run_in_process

from . import material

_WARM_UP = 10


@dataclass(frozen=True)
class Refreshing:
    """Milliseconds for one refresh: medians, and the 95th percentiles."""

    bare: float
    bare_p95: float
    wrapped: float
    wrapped_p95: float


def measure(*, count: int) -> Refreshing:
    """Refresh ``count`` sessions each way, in turns; a process of its own serves both."""
    with run_in_process() as server, tempfile.TemporaryDirectory() as directory, requests.Session() as session:
        store = SqliteStore(Path(directory) / "ledger.sqlite")
        wrapped = _wrapped(server, store)
        bare_took, wrapped_took = [], []
        for number in range(count + _WARM_UP):
            bare = _milliseconds(lambda token: _post(session, server, token), _sign_in(server))
            ours = _milliseconds(lambda token: _request(wrapped, token), _sign_in(server))
            if number >= _WARM_UP:
                bare_took.append(bare)
                wrapped_took.append(ours)
        if server.counts()["grants"] != 2 * (count + _WARM_UP):
            raise RuntimeError("not every request was a refresh")
        store.close()
    return Refreshing(median(bare_took), _p95(bare_took), median(wrapped_took), _p95(wrapped_took))


def _wrapped(server: AuthorizationServerProcess, store: SqliteStore) -> TokenRefreshMiddleware:
    return TokenRefreshMiddleware(
        material.application,
        token_endpoint=TokenEndpoint(server.token_endpoint),
        routes=Routes(),
        verifier=JwtVerifier(jwks_url=server.jwks_url, algorithms=["RS256"], audience="api"),
        store=store,
    )


def _sign_in(server: AuthorizationServerProcess) -> str:
    return str(server.login()["refresh_token"])


def _post(session: requests.Session, server: AuthorizationServerProcess, refresh_token: str) -> None:
    form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
    session.post(server.token_endpoint, data=form, timeout=5).json()


def _request(wrapped: TokenRefreshMiddleware, refresh_token: str) -> None:
    wrapped(material.environ(f"{material.FOREIGN}; refresh_token={refresh_token}", "/"), material.start_response)


def _milliseconds(call: Callable[[str], None], argument: str) -> float:
    gc.disable()
    try:
        began = time.perf_counter_ns()
        call(argument)
        return (time.perf_counter_ns() - began) / 1e6
    finally:
        gc.enable()


def _p95(values: list[float]) -> float:
    return quantiles(values, n=20)[-1]
