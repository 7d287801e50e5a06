"""What other sessions cost that hold a token of the same size: Flask's, Flask-Session on Redis, Beaker in a cookie."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import redis
from beaker.middleware import SessionMiddleware
from flask import Flask, session
from flask_session import Session
from werkzeug.test import Client

from . import material

FLASK, FLASK_SESSION, BEAKER = "Flask's signed session", "Flask-Session on Redis", "Beaker, encrypted cookie"


def others(size: int, client: redis.Redis) -> dict[str, tuple[Callable[[Any], object], str]]:
    """Give, by name, what opens a session of a request, and the ``Cookie`` header of somebody who is signed in."""
    return {FLASK: _flask(size), FLASK_SESSION: _flask(size, client), BEAKER: _beaker(size)}


def _flask(size: int, client: redis.Redis | None = None) -> tuple[Callable[[Any], object], str]:
    """Open a session as Flask does for each request; what it writes in the end is left out."""
    app = Flask("bench")
    app.secret_key = secrets.token_hex(32)
    if client is not None:
        app.config.update(SESSION_TYPE="redis", SESSION_REDIS=client)
        Session(app)

    @app.get("/in")
    def sign_in() -> str:
        session["token"], session["user"] = material.access_token(size), "ada"
        return ""

    cookie = app.test_client().get("/in").headers["Set-Cookie"].partition(";")[0]

    def call(environ: Any) -> object:
        return _there(app.session_interface.open_session(app, app.request_class(environ)), "token")

    return call, f"{material.FOREIGN}; {cookie}"


def _beaker(size: int) -> tuple[Callable[[Any], object], str]:
    """Read a session through Beaker's middleware, which is told not to write when it was read last."""

    def application(environ: Any, start_response: Any) -> Any:
        found = environ["beaker.session"]
        if environ["PATH_INFO"] == "/in":
            found["token"], found["user"] = material.access_token(size), "ada"
            found.save()
        _there(found, "token")
        return material.application(environ, start_response)

    settings = {
        "session.type": "cookie",
        "session.encrypt_key": secrets.token_hex(32),
        "session.validate_key": secrets.token_hex(32),
        "session.crypto_type": "cryptography",
        "session.data_serializer": "json",
        "session.save_accessed_time": False,
    }
    wrapped = SessionMiddleware(application, settings)
    cookie = Client(wrapped).get("/in").headers["Set-Cookie"].partition(";")[0]
    return lambda environ: wrapped(environ, material.start_response), f"{material.FOREIGN}; {cookie}"


def _there(found: Any, name: str) -> object:
    if not found or name not in found:
        raise RuntimeError("the session was not read")
    return found
