"""Whatever an argument is, what comes of it is a ConfigurationError that names it, or an object that works."""

from __future__ import annotations

import inspect
import math
import time
from pathlib import Path

import jwt
import pytest
import redis
from cryptography.fernet import Fernet

from wsgi_token_refresh import (
    Dialect,
    JwtVerifier,
    Routes,
    SealedCookie,
    ServerSideSession,
    TokenCookies,
    TokenEndpoint,
    TokenRefreshMiddleware,
)
from wsgi_token_refresh.errors import ConfigurationError
from wsgi_token_refresh.stores.memory import MemoryStore
from wsgi_token_refresh.stores.redis import RedisStore
from wsgi_token_refresh.stores.sqlite import SqliteStore
from wsgi_token_refresh.tokens import Failed, Verified

URL = "https://auth.example.com/token"
GOOD = {
    TokenEndpoint: {"url": URL, "client_id": "web", "client_secret": "s3cret"},
    JwtVerifier: {"jwks_url": URL, "algorithms": ["RS256"]},
    Dialect: {},
    Routes: {},
    TokenCookies: {},
    SealedCookie: {"keys": [Fernet.generate_key()]},
    ServerSideSession: {"store": MemoryStore()},
    MemoryStore: {},
    SqliteStore: {},
    RedisStore: {"client": redis.Redis()},
    TokenRefreshMiddleware: {
        "app": lambda environ, start_response: [],
        "token_endpoint": TokenEndpoint(URL),
        "routes": Routes(),
        "verifier": None,
        "store": MemoryStore(),
    },
}
WRONG = {
    "None": None,
    "a number": 7,
    "a huge number": 10**400,
    "a fraction": 0.5,
    "a truth": True,
    "text": "\ud800",
    "bytes": b"\xff",
    "a list": [None],
    "an empty list": [],
    "a mapping": {"a": 1},
    "a set": {1},
    "an object": object(),
    "a type": int,
    "zero": 0,
    "less than nothing": -7,
    "no number": math.nan,
    "infinity": math.inf,
    "a word": "word",
    "words": ["word"],
    "a path": Path("nowhere"),
    "an iterator": map(str, ()),
}
NUMBERS = ["a number", "a fraction"]
RIGHT = {
    # In several places.
    "allow_insecure": ["a truth"],
    "ca_bundle": ["None"],
    "clock": ["a type"],
    "monotonic": ["a type"],
    "timeout": NUMBERS,
    "prefix": ["a word"],
    "secure": ["a truth"],
    "domain": ["None", "a word"],
    "samesite": ["None"],
    "refresh_max_age": ["a number"],
    "name": ["a word"],
    # TokenEndpoint
    "client_id": ["None", "a word"],
    "client_secret": ["None", "a type", "a word"],
    "client_auth": ["None"],
    "answer_timeout": NUMBERS,
    "default_expires_in": [*NUMBERS, "a huge number", "infinity"],
    "single_use": ["a truth"],
    "old_access_token_survives": ["a truth"],
    "revocation_endpoint": ["None"],
    "scope": ["None", "a word"],
    "max_calls": ["a number", "a huge number"],
    # JwtVerifier
    "fetch": ["None", "a type"],
    "key": ["a type"],
    "audience": ["None", "text", "a word", "words"],
    "issuer": ["None", "text", "a word", "words"],
    "leeway": [*NUMBERS, "zero"],
    "keys_max_age": NUMBERS,
    # Dialect
    "refresh_token": ["a word"],
    "access_token": ["a word"],
    "new_refresh_token": ["a word"],
    "expires_in": ["a word"],
    "refresh_expires_in": ["a word"],
    "error": ["a word", "words"],
    "rejected": ["a word", "words"],
    # Routes
    "protected": ["an empty list"],
    "optional": ["an empty list"],
    "public": ["an empty list"],
    "guest_only": ["an empty list"],
    "sign_in": ["None", "an empty list"],
    "form_post": ["an empty list"],
    "trusted_origins": ["an empty list"],
    # Kinds of session
    "access_name": ["a word"],
    "refresh_name": ["a word"],
    "idle_lifetime": ["a number"],
    "index_key": ["None", "an empty list"],
    "ServerSideSession.keys": ["an empty list"],
    # Stores
    "MemoryStore.max_bytes": ["a huge number"],
    "RedisStore.timeout": ["a fraction"],
    "RedisStore.clock": ["None", "a type"],
    "SqliteStore.path": ["None", "a word", "a path"],
    "replicas": ["a number", "zero"],
    # TokenRefreshMiddleware
    "app": ["a type"],
    "verifier": ["None"],
    "session": ["None"],
    "session_reads": ["an empty list"],
    "TokenRefreshMiddleware.store": ["None"],
    "refresh_before": NUMBERS,
    "hand_over": NUMBERS,
    "wait_timeout": NUMBERS,
    "authorization_header": ["a truth"],
}
"""The arguments, and what of the above is right for them."""


def cases():
    for made, good in GOOD.items():
        for name in inspect.signature(made).parameters:
            for kind, value in WRONG.items():
                yield pytest.param(made, good, name, kind, value, id=f"{made.__name__}: {name} is {kind}")


@pytest.fixture(autouse=True)
def _in_a_directory_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


@pytest.mark.parametrize(("made", "good", "name", "kind", "value"), list(cases()))
def test_a_wrong_type_is_a_configuration_error(made, good, name, kind, value):
    needless = {"key": "jwks_url", "client_id": "client_secret"}.get(name)
    arguments = {**{each: right for each, right in good.items() if each != needless}, name: value}
    if kind in RIGHT.get(f"{made.__name__}.{name}", RIGHT.get(name, [])):
        made(**arguments)
        return
    with pytest.raises(ConfigurationError) as caught:
        made(**arguments)
    assert all(isinstance(problem, str) and problem.isascii() for problem in caught.value.problems)
    assert any(name in problem for problem in caught.value.problems)
    assert "s3cret" not in str(caught.value)


CLASSES = {
    "token_endpoint": TokenEndpoint,
    "routes": Routes,
    "verifier": JwtVerifier,
    "session": TokenCookies,
    "store": MemoryStore,
}


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_is_no_collaborator(name):
    with pytest.raises(ConfigurationError, match=f"TokenRefreshMiddleware: {name} is of type type; give"):
        TokenRefreshMiddleware(**{**GOOD[TokenRefreshMiddleware], name: CLASSES[name]})


@pytest.mark.parametrize("name", ["protected", "optional", "public", "guest_only", "sign_in", "form_post"])
def test_prefixes_that_could_be_read_once_only_are_refused(name):
    """Read a second time they would be none, and nothing would be protected."""
    with pytest.raises(ConfigurationError, match=f"Routes: {name} is <generator"):
        Routes(**{name: (path for path in ["/account"])})


def test_claims_may_be_given_by_what_can_be_read_once():
    verifier = JwtVerifier(key="k" * 32, algorithms=iter(["HS256"]), audience=iter(["api"]), issuer=iter(["us"]))
    said = {"exp": time.time() + 60, "aud": "api", "iss": "us"}
    assert isinstance(verifier.verify(jwt.encode(said, "k" * 32)), Verified)
    assert isinstance(verifier.verify(jwt.encode({**said, "aud": "other"}, "k" * 32)), Failed)
