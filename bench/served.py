"""The application that the storm is measured on, as gunicorn loads it."""

from __future__ import annotations

import os

from wsgi_token_refresh import JwtVerifier, Routes, TokenEndpoint, TokenRefreshMiddleware
from wsgi_token_refresh.stores.sqlite import SqliteStore

from . import material


def make() -> TokenRefreshMiddleware:
    server = os.environ["BENCH_SERVER"]
    return TokenRefreshMiddleware(
        material.application,
        token_endpoint=TokenEndpoint(f"{server}/token"),
        routes=Routes(),
        verifier=JwtVerifier(jwks_url=f"{server}/jwks.json", algorithms=["RS256"], audience="api"),
        store=SqliteStore(os.environ["BENCH_STORE"]),
    )
