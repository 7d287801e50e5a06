"""The pass path of each kind of session, beside those of others, on a real Redis."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

import redis

from tests.real_redis import running_redis
from wsgi_token_refresh import (
    JwtVerifier,
    Routes,
    SealedCookie,
    ServerSideSession,
    TokenCookies,
    TokenEndpoint,
    TokenRefreshMiddleware,
)
from wsgi_token_refresh.stores.memory import MemoryStore
from wsgi_token_refresh.stores.redis import RedisStore
from wsgi_token_refresh.tokens import Tokens, received

from . import material
from .others import others
from .passing import REFRESH_TOKEN, _public_key
from .turns import Subject, in_turns

BARE, COOKIES, SEALED = "bare application", "TokenCookies", "SealedCookie"
CHANGING = "SealedCookie, a foreign cookie changes"
SERVER_SIDE, GET = "ServerSideSession on Redis", "one GET of redis-py"
KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


def measure(size: int, *, rounds: int, count: int) -> dict[str, float]:
    """Measure microseconds for each request."""
    logging.getLogger("wsgi_token_refresh").setLevel(logging.WARNING)
    with running_redis() as server:
        client = server.client()
        found = in_turns(_subjects(size, client, RedisStore(client)), rounds=rounds, count=count)
        client.close()
    return found


def _subjects(size: int, client: redis.Redis, store: RedisStore) -> dict[str, Subject]:
    tokens = received(material.access_token(size), REFRESH_TOKEN, now=time.time())
    start, path = material.start_response, material.PLACES["protected"]
    kinds = {COOKIES: TokenCookies(), SEALED: SealedCookie(keys=[KEY]), SERVER_SIDE: ServerSideSession(store)}
    headers = {name: _header(kind, tokens) for name, kind in kinds.items()}
    wrapped = {name: _wrapped(kind, store) for name, kind in kinds.items()}
    client.set("bench", b"x" * 3000)
    subjects = {
        name: Subject(lambda environ, app=app: app(environ, start), _environs(headers[name], path))
        for name, app in wrapped.items()
    }
    changing = _wrapped(kinds[SEALED], store)
    return {
        BARE: Subject(lambda environ: material.application(environ, start), _environs(headers[COOKIES], path)),
        **subjects,
        CHANGING: Subject(
            lambda environ: changing(environ, start),
            lambda count: [material.environ(each, path) for each in material.changing(headers[SEALED], count)],
        ),
        GET: Subject(lambda _: client.get("bench"), lambda count: [None] * count),
        **{name: Subject(call, _environs(header, path)) for name, (call, header) in others(size, client).items()},
    }


def _wrapped(kind: Any, store: RedisStore) -> TokenRefreshMiddleware:
    return TokenRefreshMiddleware(
        material.application,
        token_endpoint=TokenEndpoint("https://auth.example.com/token"),
        routes=Routes(protected=["/dashboard"]),
        verifier=JwtVerifier(key=_public_key(), algorithms=["RS256"], audience="api"),
        session=kind,
        store=store if isinstance(kind, ServerSideSession) else MemoryStore(),
    )


def _header(kind: Any, tokens: Tokens) -> str:
    cookies = (cookie for cookie in kind.begin(tokens, time.time()) if "Max-Age=0" not in cookie)
    return "; ".join([material.FOREIGN, *(cookie.partition(";")[0] for cookie in cookies)])


def _environs(header: str, path: str) -> Callable[[int], Sequence[dict[str, object]]]:
    return lambda count: [material.environ(each, path) for each in material.copies(header, count)]
