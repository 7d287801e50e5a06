"""The pass path, beside what an application pays anyway."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from flask import Flask
from flask_jwt_extended import JWTManager, verify_jwt_in_request
from werkzeug.sansio.http import parse_cookie

from wsgi_token_refresh import JwtVerifier, Routes, TokenEndpoint, TokenRefreshMiddleware
from wsgi_token_refresh.stores.sqlite import SqliteStore

from . import material
from .turns import Subject, in_turns

BARE, NOOP = "bare application", "no-op middleware"
PARSE, DECODE, EXTENDED = "werkzeug parse_cookie", "PyJWT decode (RS256)", "flask-jwt-extended verify_jwt_in_request"
CONTEXT = "(its request context alone)"
DECODE_NEW = "PyJWT decode, a token never seen"
CHANGING, MISS = "protected, a foreign cookie changes", "protected, a token never seen (a miss)"
_FEW = 20
REFRESH_TOKEN = "dGhpcyBpcyBub3QgYSByZWFsIHJlZnJlc2ggdG9rZW4"


def measure(size: int, *, rounds: int, count: int) -> dict[str, float]:
    """Measure microseconds for each request with an access token of ``size`` bytes."""
    logging.getLogger("wsgi_token_refresh").setLevel(logging.WARNING)
    with tempfile.TemporaryDirectory() as directory:
        store = SqliteStore(Path(directory) / "ledger.sqlite")
        found = in_turns(_subjects(size, _wrapped(store), _wrapped(store)), rounds=rounds, count=count)
        found |= _misses(size, _wrapped(store), rounds=rounds)
        store.close()
    found[EXTENDED] -= found.pop(CONTEXT)
    return found


def _wrapped(store: SqliteStore) -> TokenRefreshMiddleware:
    return TokenRefreshMiddleware(
        material.application,
        token_endpoint=TokenEndpoint("https://auth.example.com/token"),
        routes=Routes(protected=["/dashboard"], optional=["/"], public=["/static"]),
        verifier=JwtVerifier(key=_public_key(), algorithms=["RS256"], audience="api"),
        store=store,
    )


def _public_key() -> str:
    return material.private_key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _subjects(size: int, wrapped: TokenRefreshMiddleware, crowded: TokenRefreshMiddleware) -> dict[str, Subject]:
    """Make everything that takes turns; ``crowded`` is for headers that push others out of its memo."""
    token = material.access_token(size)
    header = material.cookie_header(token, REFRESH_TOKEN)
    dashboard = _environs(header, material.PLACES["protected"])
    start = material.start_response
    extended, key = _extended(), _public_key()
    ways = {name: _environs(header, path) for name, path in material.PLACES.items()}
    return {
        BARE: Subject(lambda environ: material.application(environ, start), dashboard),
        NOOP: Subject(lambda environ: _noop(environ, start), dashboard),
        **{name: Subject(lambda environ: wrapped(environ, start), way) for name, way in ways.items()},
        CHANGING: Subject(lambda environ: crowded(environ, start), _changing(header)),
        PARSE: Subject(parse_cookie, lambda count: material.copies(header, count)),
        DECODE: Subject(
            lambda token: jwt.decode(token, key, ["RS256"], audience="api"), lambda count: material.copies(token, count)
        ),
        EXTENDED: Subject(lambda environ: _verify(extended, environ), dashboard),
        CONTEXT: Subject(lambda environ: _context(extended, environ), dashboard),
    }


def _misses(size: int, wrapped: TokenRefreshMiddleware, *, rounds: int) -> dict[str, float]:
    """Measure requests with tokens that nobody has seen; few, since each is signed for it."""
    start, key = material.start_response, _public_key()

    def new_tokens(count: int) -> list[str]:
        return [material.access_token(size) for _ in range(count)]

    def new_environs(count: int) -> list[dict[str, object]]:
        headers = [material.cookie_header(token, token[-43:]) for token in new_tokens(count)]
        return [material.environ(header, material.PLACES["protected"]) for header in headers]

    subjects = {
        MISS: Subject(lambda environ: wrapped(environ, start), new_environs),
        DECODE_NEW: Subject(lambda token: jwt.decode(token, key, ["RS256"], audience="api"), new_tokens),
    }
    return in_turns(subjects, rounds=rounds, count=_FEW)


def _environs(header: str, path: str) -> Callable[[int], Sequence[dict[str, object]]]:
    return lambda count: [material.environ(each, path) for each in material.copies(header, count)]


def _changing(header: str) -> Callable[[int], Sequence[dict[str, object]]]:
    path = material.PLACES["protected"]
    return lambda count: [material.environ(each, path) for each in material.changing(header, count)]


def _noop(environ: Any, start_response: Any) -> Any:
    return material.application(environ, start_response)


def _extended() -> Flask:
    app = Flask("bench")
    app.config.update(
        JWT_ALGORITHM="RS256",
        JWT_PUBLIC_KEY=_public_key(),
        JWT_TOKEN_LOCATION=["cookies"],
        JWT_ACCESS_COOKIE_NAME="access_token",
        JWT_COOKIE_CSRF_PROTECT=False,
        JWT_DECODE_AUDIENCE="api",
    )
    JWTManager(app)
    return app


def _verify(app: Flask, environ: Any) -> None:
    with app.request_context(environ):
        verify_jwt_in_request()


def _context(app: Flask, environ: Any) -> None:
    with app.request_context(environ):
        pass
