"""Settings: one flat vocabulary for ini files, the environment and Flask's config.

Values may be text: lists are split on white space, ``true``, ``yes``, ``on`` and ``1`` are true.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import TypedDict, cast

from ..arguments import kind_of
from ..authorization_server.dialects import DIALECTS, Dialect
from ..authorization_server.token_endpoint import TokenEndpoint
from ..authorization_server.verifier import JwtVerifier
from ..errors import ConfigurationError
from ..policy.routes import Routes
from ..sessions.sealed_cookie import SealedCookie
from ..sessions.server_side import ServerSideSession
from ..sessions.token_cookies import TokenCookies
from ..stores.default import default_store
from ..stores.memory import MemoryStore
from ..stores.protocol import Store
from ..stores.sqlite import SqliteStore
from .said import Reading, from_environ, from_mapping
from .values import as_key, as_keys, as_lines, as_text, as_whole, lines, one_of, several_of
from .words import DIALECT, ENDPOINT, KINDS, ROUTES, SECRETS_OF, SESSION_WORDS, SHARED, TUNING, VERIFIER

Kind = TokenCookies | SealedCookie | ServerSideSession

_REDIS = ("redis://", "rediss://", "unix://")
_SQLITE = "sqlite:///"


class _Tuning(TypedDict, total=False):
    refresh_before: float
    hand_over: float
    wait_timeout: float
    authorization_header: bool


class Arguments(_Tuning):
    """What ``TokenRefreshMiddleware`` takes beside the application; ``store`` is None where none was named."""

    token_endpoint: TokenEndpoint
    routes: Routes
    verifier: JwtVerifier | None
    session: Kind
    session_reads: list[Kind]
    store: Store | None


def read_settings(settings: Mapping[str, object] | None = None, environ: Mapping[str, str] = os.environ) -> Arguments:
    """Make the collaborators that a mapping describes; words that it lacks are looked for in the environment.

    The environment has them as ``TOKEN_REFRESH_*``, and so may the mapping, whose other upper-case keys are let
    alone then (Flask's config). None counts as not said. Raises one ``ConfigurationError`` that names every wrong
    setting, and no secret.
    """
    if settings is not None and not isinstance(settings, Mapping):
        raise ConfigurationError(
            f"settings: is no mapping but {kind_of(settings)}; give a dict, or app.config of Flask"
        )
    problems: list[str] = []
    around, here = from_environ(environ, problems), from_mapping(settings or {}, problems)
    reading = Reading({**around, **here}, problems, around.keys() - here.keys())
    endpoint, routes, verifier = _token_endpoint(reading), _routes(reading), _verifier(reading)
    sessions = _Sessions(reading)
    session, session_reads, store = sessions.one("session"), sessions.several("session_reads"), sessions.store
    tuning = cast("_Tuning", reading.take(TUNING))
    if problems or endpoint is None or routes is None or session is None:
        raise ConfigurationError(dict.fromkeys(problems))
    return {
        "token_endpoint": endpoint,
        "routes": routes,
        "verifier": verifier,
        "session": session,
        "session_reads": session_reads,
        "store": store,
        **tuning,
    }


def _token_endpoint(reading: Reading) -> TokenEndpoint | None:
    arguments = reading.take(ENDPOINT)
    dialect, secret = _dialect(reading), reading.secret("client_secret")
    if not reading.says("token_endpoint"):
        reading.problems.append(
            "token_endpoint: is missing; give the URL of the authorization server that answers refresh grants, "
            "such as https://auth.example.com/token"
        )
    # What else is wrong is to be told at once, so something stands for a URL that is missing.
    arguments = {"url": "https://missing.invalid", **arguments, "client_secret": secret, "dialect": dialect}
    return reading.make(TokenEndpoint, arguments, {**ENDPOINT, **reading.of_secret("client_secret", "client_secret")})


def _dialect(reading: Reading) -> Dialect | str:
    named, changes = reading.one("dialect", as_text) or "oauth2", reading.take(DIALECT)
    if not changes or named not in DIALECTS:
        return str(named)
    return reading.make(lambda **changes: replace(DIALECTS[named], **changes), changes, DIALECT) or "oauth2"


def _routes(reading: Reading) -> Routes | None:
    return reading.make(Routes, reading.take(ROUTES), ROUTES)


def _verifier(reading: Reading) -> JwtVerifier | None:
    said = reading.says("key", "key_file", *VERIFIER)
    kind = reading.one("verifier", one_of("jwt", "none"))
    if kind == "none" and said:
        reading.problems.append(f"verifier: none verifies nothing, but {', '.join(said)} is said; leave out either")
    if kind == "none" or (kind is None and not said):
        if not reading.says("verifier"):
            reading.problems.append(_NOT_SAID)
        return None
    arguments = {"algorithms": (), **reading.take(VERIFIER), **reading.take(SHARED)}
    words = {**VERIFIER, **reading.of_secret("key", "key")}
    return reading.make(JwtVerifier, {**arguments, "key": reading.secret("key", as_key)}, words)


_NOT_SAID = (
    "verifier: is not said, and nobody is authenticated by a token that nobody verified; give jwks_url (or key, or "
    "key_file) and algorithms, or say verifier = none where the API behind checks every token"
)


class _Sessions:
    """Makes the kinds of session that are named; those that lie in a store share the ledger's."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        replicas = reading.one("redis_replicas", as_whole)
        self.store: Store | None = reading.one("store", partial(_store_of, replicas=replicas or 0))
        if replicas is not None and not reading.text("store").startswith(_REDIS):
            reading.problems.append("redis_replicas: means nothing to this store; leave it out")
        names = [reading.one("session", one_of(*KINDS)) or "token_cookies", *self._named("session_reads")]
        known = {word for name in names for word in (*KINDS[name], *SECRETS_OF.get(name, ()))}
        for word in reading.says(*SESSION_WORDS):
            if word not in known:
                reading.problems.append(f"{word}: means nothing to {' and '.join(dict.fromkeys(names))}; leave it out")

    def one(self, word: str) -> Kind | None:
        """Make the kind that a word names."""
        return self._make(self._reading.one(word, one_of(*KINDS)) or "token_cookies")

    def several(self, word: str) -> list[Kind]:
        """Make all kinds that a word names."""
        return [kind for kind in map(self._make, self._named(word)) if kind is not None]

    def _named(self, word: str) -> list[str]:
        return self._reading.one(word, several_of(*KINDS)) or []

    def _make(self, name: str) -> Kind | None:
        reading, table = self._reading, KINDS[name]
        arguments = reading.take(table)
        if name == "token_cookies":
            return reading.make(TokenCookies, arguments, table)
        keys = reading.secrets("session_keys", as_keys, str.split) or []
        words = {**table, **reading.of_secret("session_keys", "keys")}
        if name == "sealed":
            return reading.make(SealedCookie, {"keys": keys, **arguments}, words)
        self.store = default_store() if self.store is None else self.store
        kept = {"store": self.store, "index_key": reading.secrets("index_key", as_lines, lines), "keys": keys}
        return reading.make(
            ServerSideSession, {**kept, **arguments}, {**words, **reading.of_secret("index_key", "index_key")}
        )


def _store_of(value: object, *, replicas: int = 0) -> Store:
    text = as_text(value)
    if text == "memory":
        return MemoryStore()
    if text == "sqlite":
        return SqliteStore()
    if text.startswith(_SQLITE) and text.strip("/") != "sqlite:":
        return SqliteStore("/" + text[len(_SQLITE) :].lstrip("/"))
    if text.startswith(_REDIS):
        return _redis_store(text, replicas)
    # A URL may hold a password: it is not shown.
    raise ValueError(
        "is unknown; give memory, sqlite, sqlite:///var/lib/app/sessions.sqlite (an absolute path), or redis://host:6379/0"
    )


def _redis_store(url: str, replicas: int) -> Store:
    # An extra: whoever names no Redis need not have its client.
    try:
        stores_redis = import_module("..stores.redis", __package__)
    except ImportError:
        raise ValueError("wants redis-py: pip install 'wsgi-token-refresh[redis]'") from None
    store: Store = stores_redis.RedisStore.from_url(url, replicas=replicas)
    return store
