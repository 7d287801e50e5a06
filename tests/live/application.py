"""The application of the live tests: what it sees of its session, as JSON. Configured by the environment."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from typing import Any

from wsgi_token_refresh import JwtVerifier, Routes, TokenEndpoint, TokenRefreshMiddleware, get_session

from .kinds import TOKEN_COOKIES, make_kind, make_store


def application(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    if environ["PATH_INFO"] == "/file":
        start_response("200 OK", [("Content-Type", "application/octet-stream")])
        return environ["wsgi.file_wrapper"](open(__file__, "rb"))
    session = get_session(environ)
    if "HTTP_TOKENS" in environ:
        session.sign_in(json.loads(environ["HTTP_TOKENS"]))
    if environ["PATH_INFO"] == "/logout":
        session.sign_out()
    if environ["QUERY_STRING"] == "refresh":
        session.refresh()
    claims = session.claims or {}
    token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")[2]
    seen = {"state": session.state, "sid": claims.get("sid"), "expires_at": session.expires_at, "token": token}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(seen).encode()]


server = os.environ["AUTHORIZATION_SERVER"]
store = make_store(os.environ["STORE"])
kind, *read = (make_kind(name, store) for name in os.environ.get("KINDS", TOKEN_COOKIES).split())
wrapped = TokenRefreshMiddleware(
    application,
    token_endpoint=TokenEndpoint(
        f"{server}/token",
        client_id="web",
        client_secret="secret",
        timeout=float(os.environ["TIMEOUT"]),
        answer_timeout=float(os.environ["ANSWER_TIMEOUT"]),
    ),
    routes=Routes(optional=["/optional", "/logout"], public=["/public"]),
    verifier=JwtVerifier(jwks_url=f"{server}/jwks.json", algorithms=["RS256"]),
    session=kind,
    session_reads=read,
    store=store,
    wait_timeout=float(os.environ["WAIT_TIMEOUT"]),
)
