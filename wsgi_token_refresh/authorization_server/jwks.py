"""The keys of an authorization server, fetched when they are needed and kept while it is down (RFC 7517).

What a request gets from ``JwksCache.find``, by what its process holds:

======  =================  =============================  ==============================================
keys    kid of the token   when                           answer
======  =================  =============================  ==============================================
none    any                no try yet, or a failed one    fetch; failed: unavailable, else by the rows below
..      ..                 at least 2 s ago
none    any                a fetch is under way           wait for it, ``timeout`` at most; then likewise
none    any                less than 2 s after a failed   unavailable, at once
fresh   known              always                         its keys, at once
stale   known              due                            fetch; then its keys, renewed or not
stale   known              a fetch is under way           its keys, at once
stale   known              less than 60 s after a failed  its keys, at once
any     unknown            due                            fetch; failed: unavailable, else *missing*
any     unknown            a fetch is under way           wait for it, ``timeout`` at most; then likewise
any     unknown            less than 10 s after a fetch   *missing* and the last fetch did not fail: failed;
..      ..                 for an unknown one             else unavailable; at once
======  =================  =============================  ==============================================

*Missing* is a kid that was asked for while keys were fetched, or was known, and was not in what came: the server
does not have it. Any other unknown kid may be newer than our keys, and a rotation must log nobody out. A token without
``kid`` knows all keys; once none of them matched it, it is an unknown one. A failed fetch changes no key.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, NamedTuple

import jwt
import requests
from cryptography.exceptions import UnsupportedAlgorithm
from jwt.algorithms import AllowedPublicKeys, ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from ..per_process import PerProcess
from ..tokens import Failed, KeysUnavailable
from .calls import Call
from .deadline_http import FAILURES, calling, describe, make_session
from .json_text import read_json
from .jws import ALGORITHMS, fitting, is_named, shown, to_jwk

COLD_PAUSE = 2.0
"""Seconds after a failed fetch in which a process without keys does not try again."""
UNKNOWN_PAUSE = 10.0
"""Seconds after a fetch for an unknown kid in which none is made for another."""
STALE_PAUSE = 60.0
"""Seconds after a failed fetch in which keys that are merely old are not fetched."""

_LARGEST_BODY = 262_144
_MOST_MISSING = 16
_MOST_TOLD = 3
_NO_KIND: Mapping[str | None, str] = MappingProxyType(
    {None: "it has no kty", "oct": "kty oct is a shared secret, which nobody publishes"}
)
_MEMBERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}
)
_READERS = {"RSA": RSAAlgorithm.from_jwk, "EC": ECAlgorithm.from_jwk, "OKP": OKPAlgorithm.from_jwk}

_log = logging.getLogger("wsgi_token_refresh")


class FetchError(Exception):
    """The keys could not be fetched or read; the message says why and holds nothing secret."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key and the algorithms that it may verify; equal to another by ``public``, its JWK in canonical form."""

    id: str | None
    key: AllowedPublicKeys | bytes = field(repr=False, compare=False)
    algorithms: tuple[str, ...]
    public: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Unusable:
    """A member of a set that verifies nothing here, and why."""

    id: str | None
    why: str

    def __str__(self) -> str:
        return f"{'a key without kid' if self.id is None else 'kid ' + shown(self.id)}: {self.why}"


class KeySet(NamedTuple):
    """What a JWK set holds."""

    keys: tuple[Key, ...]
    unusable: tuple[Unusable, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """The keys that may have signed a token, and the version of the set that they are from."""

    keys: tuple[Key, ...]
    version: int = 0


@dataclass(frozen=True, slots=True)
class CacheState:
    """What a process knows of the keys; ``due`` and ``unknown_due`` are monotonic seconds."""

    keys: tuple[Key, ...] = ()
    version: int = 0
    due: float = -math.inf
    unknown_due: float = -math.inf
    missing: tuple[str | None, ...] = ()
    failure: str | None = None
    unusable: tuple[Unusable, ...] = ()

    def known(self, kid: str | None, after: int | None) -> tuple[Key, ...]:
        """Give the keys for a kid; all for None, but none of them if version ``after`` was tried already."""
        if kid is not None:
            return tuple(key for key in self.keys if key.id == kid)
        return self.keys if after is None or self.version > after else ()


def needs_fetch(state: CacheState, kid: str | None, after: int | None, now: float) -> bool:
    """Tell whether a request should fetch the keys, or wait for those who do."""
    if not state.keys or state.known(kid, after):
        return now >= state.due
    return now >= state.unknown_due


def after_fetch(
    state: CacheState,
    outcome: tuple[Key, ...] | str,
    *,
    asked: Iterable[str | None],
    for_unknown: bool,
    now: float,
    max_age: float,
    unusable: tuple[Unusable, ...] = (),
) -> CacheState:
    """Follow a state by what a fetch gave: keys, or the reason why there are none."""
    unknown_due = now + UNKNOWN_PAUSE if for_unknown else state.unknown_due
    if isinstance(outcome, str):
        due = max(state.due, now + (STALE_PAUSE if state.keys else COLD_PAUSE))
        return replace(state, due=due, unknown_due=unknown_due, failure=outcome)
    here = {key.id for key in outcome}
    candidates = dict.fromkeys([*asked, *(key.id for key in state.keys), *state.missing])
    missing = tuple(kid for kid in candidates if kid is None or kid not in here)[:_MOST_MISSING]
    changed = set(outcome) != set(state.keys)
    return CacheState(outcome, state.version + changed, now + max_age, unknown_due, missing, None, unusable)


def answer(state: CacheState, kid: str | None, after: int | None) -> Found | Failed | KeysUnavailable:
    """Say what a state knows of a kid; ``after`` is the version that matched a token without one in vain."""
    if known := state.known(kid, after):
        return Found(known, state.version)
    if not state.keys:
        return KeysUnavailable(f"keys never fetched: {state.failure or 'the first fetch is under way'}")
    if state.failure is None and kid in state.missing:
        return Failed(_not_among(state, kid))
    return KeysUnavailable(f"{_not_among(state, kid)}: {state.failure or 'asked too recently to ask again'}")


def _not_among(state: CacheState, kid: str | None) -> str:
    if kid is None:
        return f"signature matches none of {len(state.keys)} keys, and the token names no kid"
    why = next((f"; {other}" for other in state.unusable if other.id == kid), "")
    return f"kid: holds {shown(kid)}, the keys are {shown([key.id or '' for key in state.keys])}{why}"


class JwksCache:
    """The keys behind a JWKS URL, for each process its own: nothing is made before the fork.

    ``version`` changes after the keys did. ``fetch(url, timeout)`` gives the body of the answer, by any error not.
    """

    def __init__(
        self,
        url: str,
        algorithms: tuple[str, ...],
        *,
        timeout: float,
        max_age: float,
        fetch: Callable[[str, float], bytes],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.version = 0
        self._url = url
        self._shown = url.partition("?")[0]
        self._algorithms = algorithms
        self._timeout = timeout
        self._max_age = max_age
        self._fetch = fetch
        self._monotonic = monotonic
        self._here = PerProcess(lambda: _Process(CacheState(version=self.version)))

    def find(self, kid: str | None, after: int | None = None) -> Found | Failed | KeysUnavailable:
        """Find the keys that may have signed a token, by the table above; waits ``timeout`` at most."""
        process = self._here.get()
        if needs_fetch(process.state, kid, after, self._monotonic()):
            self._fetch_or_wait(process, kid, after)
        return answer(process.state, kid, after)

    def _fetch_or_wait(self, process: _Process, kid: str | None, after: int | None) -> None:
        with process.changed:
            known = bool(process.state.known(kid, after))
            if not needs_fetch(process.state, kid, after, self._monotonic()):
                return  # somebody was faster
            if process.asked is not None:
                if not known:
                    process.wait(kid, self._timeout)
                return
            process.asked = {kid: None}
            for_unknown = bool(process.state.keys) and not known
        self._fetch_for_all(process, for_unknown)

    def _fetch_for_all(self, process: _Process, for_unknown: bool) -> None:
        fetched: KeySet | str = "the fetch was stopped"
        try:
            fetched = self._fetched()
        finally:
            with process.changed:
                process.state = after_fetch(
                    process.state,
                    fetched if isinstance(fetched, str) else fetched.keys,
                    asked=process.asked or (),
                    for_unknown=for_unknown,
                    now=self._monotonic(),
                    max_age=self._max_age,
                    unusable=() if isinstance(fetched, str) else fetched.unusable,
                )
                # After the state: a version read before a verification is never newer than its keys.
                self.version = process.state.version
                process.asked = None
                process.fetches += 1
                process.changed.notify_all()

    def _fetched(self) -> KeySet | str:
        try:
            return read_jwks(self._fetch(self._url, self._timeout), self._algorithms)
        except FetchError as error:
            reason = str(error)
        except Exception as error:  # whatever an injected fetch raises: it is no reason to fail a request
            reason = type(error).__name__
        _log.warning("keys not fetched from %s: %s", self._shown, reason)
        return f"{self._shown}: {reason}"


class _Process:
    """What one process holds of a cache; ``asked`` are the kids that wait for a fetch, None without one."""

    def __init__(self, state: CacheState) -> None:
        self.state = state
        self.asked: dict[str | None, None] | None = None
        self.fetches = 0
        self.changed = threading.Condition()

    def wait(self, kid: str | None, timeout: float) -> None:
        """Wait for the end of the fetch that is under way; the caller holds ``changed``."""
        if self.asked is not None and len(self.asked) < _MOST_MISSING:
            self.asked[kid] = None
        fetches = self.fetches
        self.changed.wait_for(lambda: self.fetches != fetches, timeout)


def read_jwks(body: bytes, algorithms: tuple[str, ...]) -> KeySet:
    """Read the keys of a JWK set that can verify one of the algorithms (RFC 7517 5).

    Others are passed over: one bad key does not spoil the set. Raises FetchError where none is left.
    """
    document = read_json(body)
    entries = document.get("keys") if isinstance(document, dict) else None
    if document is None:
        raise FetchError("the answer is no JSON")
    if not isinstance(entries, list):
        raise FetchError("the answer is no JWK set")
    read = [_read_jwk(entry, algorithms) for entry in entries]
    found = KeySet(
        tuple(key for key in read if isinstance(key, Key)),
        tuple(other for other in read if isinstance(other, Unusable)),
    )
    if not found.keys:
        why = "; ".join(map(str, found.unusable[:_MOST_TOLD])) or "the set is empty"
        raise FetchError(f"none of {len(entries)} keys is for {', '.join(algorithms)}: {why}")
    return found


def _read_jwk(entry: object, algorithms: tuple[str, ...]) -> Key | Unusable:
    jwk = {name: value for name, value in entry.items() if value is not None} if isinstance(entry, dict) else {}
    kid = jwk.get("kid")
    if (why := _unfit(jwk)) is not None:
        return Unusable(kid if isinstance(kid, str) else None, why)
    try:
        key: Any = _READERS[jwk["kty"]](jwk)
    except (jwt.PyJWTError, UnsupportedAlgorithm, ValueError, TypeError):
        return Unusable(kid, f"its members make no {jwk['kty']} key")
    said = jwk.get("alg") or None
    fit = tuple(name for name in fitting(key, algorithms) if said is None or is_named(key, said, name))
    return Key(kid, key, fit, to_jwk(key, fit[0])) if fit else Unusable(kid, _unfit_for(key, said, algorithms))


def _unfit(jwk: Mapping[str, Any]) -> str | None:
    """Say why a key cannot verify signatures, whatever it is; members that are null are absent."""
    kty = jwk.get("kty")
    if not isinstance(jwk.get("kid"), str | None):
        return f"kid holds {shown(jwk['kid'])}, wanted text"
    if not isinstance(kty, str) or kty not in _READERS:
        return _NO_KIND.get(kty if isinstance(kty, str) else None, f"kty {shown(kty)} is not known here")
    if jwk.get("d"):
        return "it is a private key (d), which proves nothing about who signed"
    if jwk.get("use") not in ("sig", "", None):
        return f"it is for use {shown(jwk['use'])}, not for signatures"
    if jwk.get("key_ops", []) != [] and (why := _unfit_operations(jwk["key_ops"])) is not None:
        return why
    lacking = [name for name in _MEMBERS[kty] if not jwk.get(name)]
    return f"{' and '.join(lacking)} are missing{', x5c is not read' if 'x5c' in jwk else ''}" if lacking else None


def _unfit_operations(operations: object) -> str | None:
    """Say why the operations of a key are not those of a verifier (RFC 7517 4.3).

    An empty list is what frameworks write that know no absent one.
    """
    if not isinstance(operations, list) or not all(isinstance(one, str) for one in operations):
        return f"its key_ops hold {shown(operations)}, wanted a list of texts"
    return None if "verify" in operations else f"its key_ops are {shown(operations)}, without verify"


def _unfit_for(key: AllowedPublicKeys, said: object, algorithms: tuple[str, ...]) -> str:
    able, size = fitting(key, ALGORITHMS), getattr(key, "key_size", 0)
    if said is not None and (fitting(key, algorithms) or not able):
        return f"it is for alg {shown(said)}"
    if not able:
        return f"{size} bits are too short"
    return f"it can verify {', '.join(able)}"


def fetch_url(url: str, timeout: float, ca_bundle: str | None = None) -> bytes:
    """Fetch up to 256 KiB of JSON by GET; redirects are not followed, TLS is verified.

    Raises FetchError for any other answer than 200, and for a body that is not there ``timeout`` seconds from now.
    """
    headers = {"Accept": "application/jwk-set+json, application/json"}
    call = Call(timeout, lambda: True, wants_body=lambda status: status == 200, limit=_LARGEST_BODY)
    try:
        # Once in ten minutes: a connection kept open would be dropped by then.
        with (
            make_session(1, ca_bundle) as session,
            calling(call),
            session.get(url, headers=headers, timeout=timeout, stream=True, allow_redirects=False) as response,
        ):
            return _body(response)
    except FAILURES as failure:
        raise FetchError(describe(failure, call)) from None


def _body(response: requests.Response) -> bytes:
    if response.status_code != 200:
        raise FetchError(f"status {response.status_code}")
    body = bytearray()
    for chunk in response.iter_content(8192):
        body += chunk
        if len(body) > _LARGEST_BODY:
            raise FetchError("the answer is larger than 256 KiB")
    return bytes(body)
