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

import json
import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import jwt
import requests
from cryptography.exceptions import UnsupportedAlgorithm
from jwt.algorithms import AllowedPublicKeys, ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from .deadline_http import FAILURES, Call, calling, describe, make_session
from .per_process import PerProcess
from .tokens import Failed, KeysUnavailable

COLD_PAUSE = 2.0
"""Seconds after a failed fetch in which a process without keys does not try again."""
UNKNOWN_PAUSE = 10.0
"""Seconds after a fetch for an unknown kid in which none is made for another."""
STALE_PAUSE = 60.0
"""Seconds after a failed fetch in which keys that are merely old are not fetched."""

ALGORITHMS = tuple(
    sorted(name for name in jwt.PyJWS().get_algorithms() if name.startswith(("HS", "RS", "PS", "ES", "Ed")))
)
"""Every algorithm that can verify; ``none`` cannot."""

_LARGEST_BODY = 262_144
_MOST_MISSING = 16
_LONGEST_SHOWN = 100
_MOST_SHOWN = 4
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
    return CacheState(outcome, state.version + changed, now + max_age, unknown_due, missing)


def answer(state: CacheState, kid: str | None, after: int | None) -> Found | Failed | KeysUnavailable:
    """Say what a state knows of a kid; ``after`` is the version that matched a token without one in vain."""
    if known := state.known(kid, after):
        return Found(known, state.version)
    if not state.keys:
        return KeysUnavailable(f"keys never fetched: {state.failure or 'the first fetch is under way'}")
    if state.failure is None and kid in state.missing:
        return Failed(_not_among(state.keys, kid))
    return KeysUnavailable(f"{_not_among(state.keys, kid)}: {state.failure or 'asked too recently to ask again'}")


def _not_among(keys: tuple[Key, ...], kid: str | None) -> str:
    if kid is None:
        return f"signature matches none of {len(keys)} keys, and the token names no kid"
    return f"kid: holds {shown(kid)}, the keys are {shown([key.id or '' for key in keys])}"


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
        outcome: tuple[Key, ...] | str = "the fetch was stopped"
        try:
            outcome = self._fetched()
        finally:
            with process.changed:
                process.state = after_fetch(
                    process.state,
                    outcome,
                    asked=process.asked or (),
                    for_unknown=for_unknown,
                    now=self._monotonic(),
                    max_age=self._max_age,
                )
                # After the state: a version read before a verification is never newer than its keys.
                self.version = process.state.version
                process.asked = None
                process.fetches += 1
                process.changed.notify_all()

    def _fetched(self) -> tuple[Key, ...] | str:
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


def read_jwks(body: bytes, algorithms: tuple[str, ...]) -> tuple[Key, ...]:
    """Read the keys of a JWK set that can verify one of the algorithms (RFC 7517 5).

    Others are skipped: one bad key does not spoil the set. Raises FetchError where none is left.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise FetchError("the answer is no JSON") from None
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise FetchError("the answer is no JWK set")
    keys = tuple(key for entry in entries if isinstance(entry, dict) and (key := _read_jwk(entry, algorithms)))
    if not keys:
        raise FetchError(f"none of {len(entries)} keys is for {', '.join(algorithms)}")
    return keys


def _read_jwk(jwk: Mapping[str, Any], algorithms: tuple[str, ...]) -> Key | None:
    kid, reader = jwk.get("kid"), _READERS.get(str(jwk.get("kty")))
    # A published private key ("d") proves nothing about who signed.
    if reader is None or "d" in jwk or jwk.get("use", "sig") != "sig" or not isinstance(kid, str | None):
        return None
    try:
        key: Any = reader(dict(jwk))
    except (jwt.PyJWTError, UnsupportedAlgorithm, ValueError, TypeError):
        return None
    fit = tuple(name for name in fitting(key, algorithms) if jwk.get("alg", name) == name)
    return Key(kid, key, fit, jwt.get_algorithm_by_name(fit[0]).to_jwk(key)) if fit else None


def fitting(key: AllowedPublicKeys | bytes, algorithms: Iterable[str]) -> tuple[str, ...]:
    """Name the algorithms that a key can verify: its kind, curve and size are theirs (RFC 7518 3)."""
    return tuple(name for name in algorithms if _fits(key, jwt.get_algorithm_by_name(name)))


def _fits(key: AllowedPublicKeys | bytes, algorithm: jwt.algorithms.Algorithm) -> bool:
    try:
        return algorithm.check_key_length(algorithm.prepare_key(key)) is None
    except (jwt.InvalidKeyError, TypeError):
        return False


def shown(value: object) -> str:
    """Show what a claim holds, printable and short whatever it is."""
    if isinstance(value, str):
        return ascii(value[:_LONGEST_SHOWN]) + ("..." if len(value) > _LONGEST_SHOWN else "")
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        more = ", ..." if len(value) > _MOST_SHOWN else ""
        return "[" + ", ".join(shown(item) for item in value[:_MOST_SHOWN]) + more + "]"
    if isinstance(value, bool | float | None):
        return str(value)
    if isinstance(value, int):
        return str(value) if abs(value) < 10**_LONGEST_SHOWN else "a huge number"
    return f"a {type(value).__name__}"


def fetch_url(url: str, timeout: float, ca_bundle: str | None = None) -> bytes:
    """Fetch up to 256 KiB of JSON by GET; redirects are not followed, TLS is verified.

    Raises FetchError for any other answer than 200, and for a body that is not there ``timeout`` seconds from now.
    """
    headers = {"Accept": "application/jwk-set+json, application/json"}
    try:
        # Once in ten minutes: a connection kept open would be dropped by then.
        with (
            make_session(1, ca_bundle) as session,
            calling(Call(timeout, lambda: True)),
            session.get(url, headers=headers, timeout=timeout, stream=True, allow_redirects=False) as response,
        ):
            return _body(response)
    except FAILURES as failure:
        raise FetchError(describe(failure, timeout)) from None


def _body(response: requests.Response) -> bytes:
    if response.status_code != 200:
        raise FetchError(f"status {response.status_code}")
    body = bytearray()
    for chunk in response.iter_content(8192):
        body += chunk
        if len(body) > _LARGEST_BODY:
            raise FetchError("the answer is larger than 256 KiB")
    return bytes(body)
