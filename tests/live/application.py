"""The application of the live tests: what it sees of its session, as JSON. Configured by the environment."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from typing import Any

from wsgi_token_refresh import JwtVerifier, Routes, TokenCookies, TokenEndpoint, TokenRefreshMiddleware, get_session
from wsgi_token_refresh.stores.redis import RedisStore
from wsgi_token_refresh.stores.sqlite import SqliteStore


def application(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    if environ["PATH_INFO"] == "/file":
        start_response("200 OK", [("Content-Type", "application/octet-stream")])
        return environ["wsgi.file_wrapper"](open(__file__, "rb"))
    session = get_session(environ)
    if environ["PATH_INFO"] == "/logout":
        session.sign_out()
    claims = session.claims or {}
    seen = {"state": session.state, "sid": claims.get("sid"), "expires_at": session.expires_at, "pid": os.getpid()}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(seen).encode()]


server = os.environ["AUTHORIZATION_SERVER"]
store = (RedisStore.from_url if "://" in os.environ["STORE"] else SqliteStore)(os.environ["STORE"])
wrapped = TokenRefreshMiddleware(
    application,
    token_endpoint=TokenEndpoint(
        f"{server}/token", client_id="web", client_secret="secret", timeout=float(os.environ["TIMEOUT"])
    ),
    routes=Routes(optional=["/optional", "/logout"], public=["/public"]),
    verifier=JwtVerifier(jwks_url=f"{server}/jwks.json", algorithms=["RS256"]),
    session=TokenCookies(secure=False),
    store=store,
)
