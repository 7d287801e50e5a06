"""Verification of access tokens: their signature and claims (RFC 7515, RFC 7519, RFC 8725)."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, cast

from ..arguments import bundle_problems, callable_problems, is_seconds, truth_problems
from ..errors import ConfigurationError
from ..secret_files import SecretFile
from ..tokens import Failed, KeysUnavailable, Verification, Verified
from .claims import wrong_audience, wrong_expiry, wrong_issuer, wrong_start
from .fixed_keys import ChangingKey, FixedKey, KeySource, StaticKey, is_symmetric, prepare
from .jwks import Found, JwksCache, Key, fetch_url
from .jws import (
    ALGORITHMS,
    Header,
    Jws,
    TokenError,
    is_named,
    json_object,
    read_header,
    read_jws,
    same_algorithm,
    shown,
)
from .kinds import wrong_kind
from .urls import url_problems

_MOST_KEYS_TRIED = 16
_LONGEST = 100 * 365 * 86_400


class JwtVerifier:
    """Verifies access tokens that are JWTs; whether one has expired is for the caller to judge, by its own clock.

    Give either ``key`` (a shared secret for HS*, else a public key: PEM, certificate or an object of
    ``cryptography``; or a function that gives one of these, asked at each verification) or ``jwks_url`` (RFC 7517), and
    always the ``algorithms`` that may be used (RFC 8725 3.1).
    ``audience`` and ``issuer`` are one or several allowed values; None leaves the claim unchecked.
    ``leeway``, ``timeout`` (of one fetch) and ``keys_max_age`` are seconds; ``ca_bundle`` is the path of
    the certificates to trust where they are not the usual ones; ``fetch(url, timeout)`` gives a body.
    Raises ConfigurationError.
    """

    def __init__(
        self,
        *,
        key: StaticKey | KeySource | None = None,
        jwks_url: str | None = None,
        algorithms: str | Sequence[str],
        audience: str | Sequence[str] | None = None,
        issuer: str | Sequence[str] | None = None,
        leeway: float = 60,
        timeout: float = 5,
        keys_max_age: float = 600,
        allow_insecure: bool = False,
        ca_bundle: str | os.PathLike[str] | None = None,
        fetch: Callable[[str, float], bytes] | None = None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        names, audiences, issuers = _several(algorithms), _several(audience), _several(issuer)
        # A file has been read already, any other function is asked when the first token comes.
        prepared = prepare(key() if isinstance(key, SecretFile) else key, names)
        problems = [
            *_algorithm_problems(names, jwks_url),
            *_source_problems(key, jwks_url, allow_insecure is True),
            *([prepared] if isinstance(prepared, str) and (isinstance(key, SecretFile) or not callable(key)) else []),
            *_claim_problems("audience", audience, audiences),
            *_claim_problems("issuer", issuer, issuers),
            *_number_problems(leeway, timeout, keys_max_age),
            *truth_problems("allow_insecure", allow_insecure),
            *bundle_problems("ca_bundle", ca_bundle),
            *(() if fetch is None else callable_problems("fetch", fetch)),
            *callable_problems("clock", clock),
            *callable_problems("monotonic", monotonic),
        ]
        if problems:
            raise ConfigurationError(problems)
        self._algorithms = names
        self._audience = None if audience is None else audiences
        self._issuer = None if issuer is None else issuers
        self.leeway = leeway
        self._clock = clock
        bundle = None if ca_bundle is None else os.fspath(ca_bundle)
        self._keys: FixedKey | ChangingKey | JwksCache = (
            _fixed(key, prepared, names)
            if jwks_url is None
            else JwksCache(
                jwks_url,
                names,
                timeout=timeout,
                max_age=keys_max_age,
                fetch=fetch or partial(fetch_url, ca_bundle=bundle),
                monotonic=monotonic,
            )
        )

    @property
    def keys_version(self) -> int:
        """A number that changes when the keys did: read it before ``verify`` to keep a result under it."""
        return self._keys.version

    def verify(self, token: str) -> Verification:
        """Verify a token's signature and claims (RFC 7519 7.2); any string is answered, none raises."""
        try:
            return Verified(self._claims(token), of_token=True)
        except _NotVerifiedError as error:
            return error.verdict
        except TokenError as error:
            return Failed(str(error))

    def _claims(self, token: str) -> dict[str, Any]:
        header = read_header(token)
        claims = json_object(self._signed(header).payload, "payload")
        reason = (
            wrong_expiry(claims)
            or wrong_start(claims, self._clock() + self.leeway)
            or wrong_audience(claims, self._audience)
            or wrong_issuer(claims, self._issuer)
            or wrong_kind(header.typ, claims, id_tokens=self._audience is not None)
        )
        if reason is not None:
            raise TokenError(reason)
        return claims

    def _signed(self, header: Header) -> Jws:
        alg, kid = header.alg, header.kid
        if not any(same_algorithm(alg, name) for name in self._algorithms):
            raise TokenError(f"alg: holds {shown(alg)}, allowed are {', '.join(self._algorithms)}")
        found = self._find(kid, None)
        jws = read_jws(header)
        if _is_signed(jws, found):
            return jws
        if kid is None:
            found = self._find(kid, found.version)
            if _is_signed(jws, found):
                return jws
        raise TokenError(_mismatch(alg, kid, found.keys))

    def _find(self, kid: str | None, after: int | None) -> Found:
        found = self._keys.find(kid, after)
        if not isinstance(found, Found):
            raise _NotVerifiedError(found)
        return found


def _fixed(key: object, prepared: object, names: tuple[str, ...]) -> FixedKey | ChangingKey:
    return ChangingKey(cast("KeySource", key), names) if callable(key) else FixedKey(cast("Key", prepared))


class _NotVerifiedError(Exception):
    """Carries a verdict up from where it was found; never leaves this module."""

    def __init__(self, verdict: Failed | KeysUnavailable) -> None:
        self.verdict = verdict


def _is_signed(jws: Jws, found: Found) -> bool:
    candidates = [key for key in found.keys if _is_for(key, jws.alg)]
    return any(jws.is_signed_by(key.key) for key in candidates[:_MOST_KEYS_TRIED])


def _is_for(key: Key, alg: str) -> bool:
    return any(is_named(key.key, alg, name) for name in key.algorithms)


def _mismatch(alg: str, kid: str | None, keys: Sequence[Key]) -> str:
    named = "" if kid is None else f" {shown(kid)}"
    if any(_is_for(key, alg) for key in keys):
        return f"signature does not match the key{named}"
    return f"alg: holds {shown(alg)}, the key{named} is for {', '.join(keys[0].algorithms)}"


def _several(value: object) -> tuple[Any, ...]:
    if isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping):
        return tuple(value)
    return () if value is None else (value,)


def _algorithm_problems(names: tuple[str, ...], jwks_url: str | None) -> Iterator[str]:
    if not names:
        yield "algorithms is empty: list those that the authorization server signs with, as in algorithms=['RS256']"
    for name in names:
        if name not in ALGORITHMS:
            yield f"algorithms: {shown(name)} cannot verify a signature: choose from {', '.join(ALGORITHMS)}"
    symmetric = [name for name in names if is_symmetric(name)]
    if symmetric and jwks_url is not None:
        yield f"algorithms: {', '.join(symmetric)} wants a shared secret: give it as key= and leave out jwks_url"
    elif symmetric and len(symmetric) != len(names):
        yield (
            "algorithms mixes shared secrets (HS*) with public keys, so that a public key could be taken for a"
            " secret: list one kind only"
        )


def _source_problems(key: object, jwks_url: str | None, allow_insecure: bool) -> Iterator[str]:
    if key is None and jwks_url is None:
        yield "key and jwks_url are both missing: give the one that the authorization server offers"
    elif key is not None and jwks_url is not None:
        yield "key and jwks_url are both given: leave one out"
    if jwks_url is not None:
        yield from url_problems("jwks_url", jwks_url, allow_insecure)


def _claim_problems(name: str, wanted: object, values: tuple[object, ...]) -> Iterator[str]:
    if wanted is not None and not (values and all(isinstance(one, str) and one for one in values)):
        yield f"{name} is empty or not text: give one or several strings, or leave it out not to check the claim"


def _number_problems(leeway: float, timeout: float, keys_max_age: float) -> Iterator[str]:
    if not (_is_duration(leeway) or (leeway == 0 and not isinstance(leeway, bool))):
        yield f"leeway is {shown(leeway)}: give 0 or more seconds"
    if not _is_duration(timeout):
        yield f"timeout is {shown(timeout)}: give more than 0 seconds"
    if not _is_duration(keys_max_age):
        yield f"keys_max_age is {shown(keys_max_age)}: give more than 0 seconds"


def _is_duration(value: object) -> bool:
    return is_seconds(value, _LONGEST)
