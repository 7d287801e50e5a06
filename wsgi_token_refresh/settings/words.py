"""Settings: one flat vocabulary for ini files, the environment and Flask's config.

The words are the argument names of the collaborators; where two of them share one, or a name alone says too little,
it has a prefix: ``dialect_send``, ``jwks_timeout``. Values may be text: lists are split on white space,
``true``, ``yes``, ``on`` and ``1`` are true.
"""

from __future__ import annotations

import difflib
import logging
import os
import re
from collections.abc import Callable, Mapping, Set
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import Any, TypedDict, TypeVar, cast

from ..authorization_server.dialects import DIALECTS, Dialect
from ..authorization_server.token_endpoint import TokenEndpoint
from ..authorization_server.verifier import JwtVerifier
from ..errors import ConfigurationError
from ..policy.routes import Routes
from ..secret_files import SecretFile
from ..sessions.sealed_cookie import SealedCookie
from ..sessions.server_side import ServerSideSession
from ..sessions.token_cookies import TokenCookies
from ..stores.default import default_store
from ..stores.memory import MemoryStore
from ..stores.protocol import Store
from ..stores.sqlite import SqliteStore
from .values import (
    Reader,
    as_it_is,
    as_life,
    as_list,
    as_number,
    as_samesite,
    as_seconds,
    as_secret,
    as_text,
    as_truth,
    as_whole,
    from_file,
    one_of,
    several_of,
)

PREFIX = "TOKEN_REFRESH_"
"""What a word begins with in the environment and in Flask's config, where it is upper case."""

T = TypeVar("T")
Kind = TokenCookies | SealedCookie | ServerSideSession
Table = Mapping[str, tuple[str, Reader]]

_NOT_OURS = ("here", "__file__")
_REDIS = ("redis://", "rediss://", "unix://")
_SQLITE = "sqlite:///"
_NEAR_FOR_SURE = 0.75
# "Routes: protected has ..." and "url: is ...": the argument is named first, after the class at most.
_ARGUMENT = re.compile(r"(?:[A-Z]\w+: )?(\w*)")

log = logging.getLogger("wsgi_token_refresh")


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
    problems: list[str] = []
    around, here = _from_environ(environ, problems), _from_mapping(settings or {}, problems)
    reading = _Reading({**around, **here}, problems, around.keys() - here.keys())
    endpoint, routes, verifier = _token_endpoint(reading), _routes(reading), _verifier(reading)
    sessions = _Sessions(reading)
    session, session_reads, store = sessions.one("session"), sessions.several("session_reads"), sessions.store
    tuning = cast("_Tuning", reading.take(_TUNING))
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


# What is said, and where.


def _from_mapping(settings: Mapping[str, object], problems: list[str]) -> dict[str, object]:
    said: dict[str, object] = {}
    for key, value in settings.items():
        word = _word(key)
        if word is None or value is None:
            continue
        if word not in WORDS:
            problems.append(f"{word}: is no setting; {_nearest(word)}")
        elif word in said:
            problems.append(f"{word}: is said twice, as {word} and as {PREFIX}{word.upper()}; leave one out")
        said[word] = value
    return said


def _word(key: object) -> str | None:
    """Give the word of a key; None for what is somebody else's: Flask's, Paste's."""
    name = str(key)
    if name.startswith(PREFIX):
        return name[len(PREFIX) :].lower()
    return None if name.isupper() or name in _NOT_OURS else name


def _from_environ(environ: Mapping[str, str], problems: list[str]) -> dict[str, object]:
    said: dict[str, object] = {}
    for key, value in environ.items():
        word = key[len(PREFIX) :].lower()
        if not key.startswith(PREFIX) or not value:
            continue
        if word in WORDS:
            said[word] = value
        elif difflib.get_close_matches(word, WORDS, 1, _NEAR_FOR_SURE):
            problems.append(f"{key} in the environment: {word} is no setting; {_nearest(word)}")
        else:
            # Others write there too: Kubernetes does for a service that is named token-refresh.
            log.warning("%s in the environment is no setting of ours, and is ignored", key)
    return said


def _nearest(word: str) -> str:
    part = max((known for known in WORDS if word.endswith(f"_{known}")), key=len, default=None)
    near = [part] if part else difflib.get_close_matches(word, WORDS, 1)
    return f"did you mean {near[0]}?" if near else f"there are: {', '.join(sorted(WORDS))}"


class _Reading:
    """What was said, ``around`` in the environment, and all that is wrong with it so far."""

    def __init__(self, said: Mapping[str, object], problems: list[str], around: Set[str]) -> None:
        self._said = said
        self._around = around
        self.problems = problems

    def says(self, *words: str) -> list[str]:
        """Tell which of these words were said."""
        return [word for word in words if word in self._said]

    def text(self, word: str) -> str:
        """Give what was said as it stands; empty where nothing was."""
        return str(self._said.get(word, "")).strip()

    def one(self, word: str, read: Reader) -> Any:
        """Read one word; None where it was not said, or not well."""
        if word not in self._said:
            return None
        try:
            return read(self._said[word])
        except ValueError as error:
            self.problems.append(f"{self._place(word)}: {error}")
            return None

    def take(self, table: Table) -> dict[str, Any]:
        """Read the words of a table that were said, by the arguments that they stand for."""
        read = {argument: self.one(word, reader) for word, (argument, reader) in table.items()}
        return {argument: value for argument, value in read.items() if value is not None}

    def secret(self, word: str) -> str | bytes | None:
        """Read a secret, said itself or in the file that ``<word>_file`` names."""
        file = self.changing_secret(word)
        return file() if isinstance(file, SecretFile) else file

    def changing_secret(self, word: str) -> Any:
        """Read a secret; one in a file is a ``SecretFile``, which follows the file."""
        if len(both := self.says(word, f"{word}_file")) == 2:
            self.problems.append(f"{word}: is said in {both[0]} and in {both[1]}; leave one out")
        found: SecretFile | None = self.one(f"{word}_file", from_file)
        return self.one(word, as_secret) if found is None else found

    def make(self, make: Callable[..., T], arguments: Mapping[str, Any], table: Table) -> T | None:
        """Make a collaborator; what it finds wrong is told in the words of the settings."""
        words = {argument: self._place(word) for word, (argument, _) in table.items()}
        try:
            return make(**arguments)
        except ConfigurationError as error:
            self.problems += [_in_words(problem, words) for problem in error.problems]
            return None

    def _place(self, word: str) -> str:
        return f"{PREFIX}{word.upper()} in the environment" if word in self._around else word


def _in_words(problem: str, words: Mapping[str, str]) -> str:
    return _ARGUMENT.sub(lambda found: words.get(found[1], found[1]), problem, count=1)


# The collaborators.


def _token_endpoint(reading: _Reading) -> TokenEndpoint | None:
    arguments = reading.take(_ENDPOINT)
    dialect, secret = _dialect(reading), reading.changing_secret("client_secret")
    if not reading.says("token_endpoint"):
        reading.problems.append(
            "token_endpoint: is missing; give the URL of the authorization server that answers refresh grants, "
            "such as https://auth.example.com/token"
        )
    # What else is wrong is to be told at once, so something stands for a URL that is missing.
    arguments = {"url": "https://missing.invalid", **arguments, "client_secret": secret, "dialect": dialect}
    return reading.make(TokenEndpoint, arguments, _ENDPOINT)


def _dialect(reading: _Reading) -> Dialect | str:
    named, changes = reading.one("dialect", as_text) or "oauth2", reading.take(_DIALECT)
    if not changes or named not in DIALECTS:
        return str(named)
    return reading.make(lambda **changes: replace(DIALECTS[named], **changes), changes, _DIALECT) or "oauth2"


def _routes(reading: _Reading) -> Routes | None:
    return reading.make(Routes, reading.take(_ROUTES), _ROUTES)


def _verifier(reading: _Reading) -> JwtVerifier | None:
    said = reading.says("key", "key_file", *_VERIFIER)
    kind = reading.one("verifier", one_of("jwt", "none"))
    if kind == "none" and said:
        reading.problems.append(f"verifier: none verifies nothing, but {', '.join(said)} is said; leave out either")
    if kind == "none" or (kind is None and not said):
        if not reading.says("verifier"):
            reading.problems.append(_NOT_SAID)
        return None
    arguments = {"algorithms": (), **reading.take(_VERIFIER), **reading.take(_SHARED)}
    return reading.make(JwtVerifier, {**arguments, "key": reading.changing_secret("key")}, _VERIFIER)


_NOT_SAID = (
    "verifier: is not said, and nobody is authenticated by a token that nobody verified; give jwks_url (or key, or "
    "key_file) and algorithms, or say verifier = none where the API behind checks every token"
)


class _Sessions:
    """Makes the kinds of session that are named; those that lie in a store share the ledger's."""

    def __init__(self, reading: _Reading) -> None:
        self._reading = reading
        replicas = reading.one("redis_replicas", as_whole)
        self.store: Store | None = reading.one("store", partial(_store_of, replicas=replicas or 0))
        if replicas is not None and not reading.text("store").startswith(_REDIS):
            reading.problems.append("redis_replicas: means nothing to this store; leave it out")
        names = [reading.one("session", one_of(*_KINDS)) or "token_cookies", *self._named("session_reads")]
        known = {word for name in names for word in (*_KINDS[name], *_SECRETS_OF.get(name, ()))}
        for word in reading.says(*_SESSION_WORDS):
            if word not in known:
                reading.problems.append(f"{word}: means nothing to {' and '.join(dict.fromkeys(names))}; leave it out")

    def one(self, word: str) -> Kind | None:
        """Make the kind that a word names."""
        return self._make(self._reading.one(word, one_of(*_KINDS)) or "token_cookies")

    def several(self, word: str) -> list[Kind]:
        """Make all kinds that a word names."""
        return [kind for kind in map(self._make, self._named(word)) if kind is not None]

    def _named(self, word: str) -> list[str]:
        return self._reading.one(word, several_of(*_KINDS)) or []

    def _make(self, name: str) -> Kind | None:
        reading, table = self._reading, _KINDS[name]
        arguments = reading.take(table)
        if name == "token_cookies":
            return reading.make(TokenCookies, arguments, table)
        keys, wanted = _keys(reading.secret("session_keys")), {**table, "session_keys": ("keys", as_it_is)}
        if name == "sealed":
            return reading.make(SealedCookie, {"keys": keys, **arguments}, wanted)
        self.store = default_store() if self.store is None else self.store
        kept = {"store": self.store, "index_key": reading.secret("index_key"), "keys": keys}
        return reading.make(ServerSideSession, {**kept, **arguments}, wanted)


def _keys(said: object) -> list[str]:
    if isinstance(said, bytes):
        said = said.decode("ascii", "replace")
    return said.split() if isinstance(said, str) else list(said) if isinstance(said, list | tuple) else []


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


_ENDPOINT: Table = {
    "token_endpoint": ("url", as_text),
    "client_id": ("client_id", as_text),
    "client_auth": ("client_auth", as_text),
    "timeout": ("timeout", as_number),
    "answer_timeout": ("answer_timeout", as_number),
    "default_expires_in": ("default_expires_in", as_life),
    "single_use": ("single_use", as_truth),
    "old_access_token_survives": ("old_access_token_survives", as_truth),
    "revocation_endpoint": ("revocation_endpoint", as_text),
    "scope": ("scope", as_text),
    "allow_insecure": ("allow_insecure", as_truth),
    "ca_bundle": ("ca_bundle", as_text),
    "max_calls": ("max_calls", as_whole),
}
_DIALECT: Table = {
    "dialect_send": ("send", as_text),
    "dialect_refresh_token": ("refresh_token", as_text),
    "dialect_access_token": ("access_token", as_text),
    "dialect_new_refresh_token": ("new_refresh_token", as_text),
    "dialect_expires_in": ("expires_in", as_text),
    "dialect_refresh_expires_in": ("refresh_expires_in", as_text),
    "dialect_error": ("error", as_list),
    "rejected": ("rejected", as_list),
}
_ROUTES: Table = {
    "protected": ("protected", as_list),
    "optional": ("optional", as_list),
    "public": ("public", as_list),
    "guest_only": ("guest_only", as_list),
    "sign_in": ("sign_in", as_list),
    "form_post": ("form_post", as_list),
    "login_url": ("login_url", as_text),
    "home_url": ("home_url", as_text),
    "trusted_origins": ("trusted_origins", as_list),
    "preflight": ("preflight", as_text),
}
_VERIFIER: Table = {
    "jwks_url": ("jwks_url", as_text),
    "algorithms": ("algorithms", as_list),
    "audience": ("audience", as_list),
    "issuer": ("issuer", as_list),
    "leeway": ("leeway", as_number),
    "jwks_timeout": ("timeout", as_number),
    "keys_max_age": ("keys_max_age", as_number),
}
_SHARED: Table = {"allow_insecure": ("allow_insecure", as_truth), "ca_bundle": ("ca_bundle", as_text)}
_ATTRIBUTES: Table = {
    "prefix": ("prefix", as_it_is),
    "secure": ("secure", as_truth),
    "domain": ("domain", as_text),
    "path": ("path", as_text),
    "samesite": ("samesite", as_samesite),
}
_KINDS: Mapping[str, Table] = {
    "token_cookies": {
        **_ATTRIBUTES,
        "access_name": ("access_name", as_text),
        "refresh_name": ("refresh_name", as_text),
        "refresh_max_age": ("refresh_max_age", as_whole),
    },
    "sealed": {
        **_ATTRIBUTES,
        "session_name": ("name", as_text),
        "session_max_bytes": ("max_bytes", as_whole),
        "refresh_max_age": ("refresh_max_age", as_whole),
    },
    "server_side": {
        **_ATTRIBUTES,
        "session_name": ("name", as_text),
        "idle_lifetime": ("idle_lifetime", as_whole),
        "absolute_lifetime": ("absolute_lifetime", as_whole),
    },
}
_KEYS = ("session_keys", "session_keys_file")
_SECRETS_OF = {"sealed": _KEYS, "server_side": ("index_key", "index_key_file", *_KEYS)}
_SESSION_WORDS = frozenset(word for words in (*_KINDS.values(), *_SECRETS_OF.values()) for word in words)
_TUNING: Table = {
    "refresh_before": ("refresh_before", as_seconds),
    "hand_over": ("hand_over", as_seconds),
    "wait_timeout": ("wait_timeout", as_seconds),
    "authorization_header": ("authorization_header", as_truth),
}

_TABLES = (_ENDPOINT, _DIALECT, _ROUTES, _VERIFIER, _TUNING)
_CHOICES = (
    *("dialect", "client_secret", "client_secret_file", "key", "key_file", "verifier", "session", "store"),
    "redis_replicas",
)

WORDS = frozenset((*_CHOICES, "session_reads", *_SESSION_WORDS, *(word for table in _TABLES for word in table)))
"""Every word that there is."""
