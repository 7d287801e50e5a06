"""Verification of access tokens: the signature by PyJWT, the claims here (RFC 7515, RFC 7519, RFC 8725)."""

from __future__ import annotations

import base64
import json
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import jwt
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt.algorithms import AllowedPublicKeys

from .errors import ConfigurationError
from .jwks import ALGORITHMS, Found, JwksCache, Key, fetch_url, fitting, shown
from .tokens import LONGEST_JWT, Failed, KeysUnavailable, Verification, Verified, numeric_date
from .urls import url_problems

_MOST_KEYS_TRIED = 16
_KIND_CLAIMS = ("token_type", "token_use", "type", "typ")


class JwtVerifier:
    """Verifies access tokens that are JWTs; whether one has expired is for the caller to judge, by its own clock.

    Give either ``key`` (a shared secret for HS*, else a public key: PEM, certificate or an object of
    ``cryptography``) or ``jwks_url`` (RFC 7517), and always the ``algorithms`` that may be used (RFC 8725 3.1).
    ``audience`` and ``issuer`` are one or several allowed values; None leaves the claim unchecked.
    ``leeway``, ``timeout`` (of one fetch) and ``keys_max_age`` are seconds; ``ca_bundle`` is the path of
    the certificates to trust where they are not the usual ones; ``fetch(url, timeout)`` gives a body.
    Raises ConfigurationError.
    """

    def __init__(
        self,
        *,
        key: str | bytes | AllowedPublicKeys | None = None,
        jwks_url: str | None = None,
        algorithms: str | Sequence[str],
        audience: str | Sequence[str] | None = None,
        issuer: str | Sequence[str] | None = None,
        leeway: float = 60,
        timeout: float = 5,
        keys_max_age: float = 600,
        allow_insecure: bool = False,
        ca_bundle: str | None = None,
        fetch: Callable[[str, float], bytes] | None = None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        names = _several(algorithms)
        prepared = _prepare(key, names)
        problems = [
            *_algorithm_problems(names, jwks_url),
            *_source_problems(key, jwks_url, allow_insecure),
            *([prepared] if isinstance(prepared, str) else []),
            *_claim_problems("audience", audience),
            *_claim_problems("issuer", issuer),
            *_number_problems(leeway, timeout, keys_max_age),
        ]
        if problems:
            raise ConfigurationError(problems)
        self._algorithms = names
        self._audience = None if audience is None else _several(audience)
        self._issuer = None if issuer is None else _several(issuer)
        self.leeway = leeway
        self._clock = clock
        self._jws = jwt.PyJWS(algorithms=names)
        self._keys: _FixedKey | JwksCache = (
            _FixedKey(prepared)
            if isinstance(prepared, Key)
            else JwksCache(
                str(jwks_url),
                names,
                timeout=timeout,
                max_age=keys_max_age,
                fetch=fetch or partial(fetch_url, ca_bundle=ca_bundle),
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
            return Verified(self._claims(token))
        except _NotVerifiedError as error:
            return error.verdict

    def _claims(self, token: str) -> dict[str, Any]:
        claims = _json_object(self._signed_payload(token), "payload")
        reason = (
            _wrong_expiry(claims)
            or _wrong_start(claims, self._clock() + self.leeway)
            or _wrong_audience(claims, self._audience)
            or _wrong_issuer(claims, self._issuer)
            or _wrong_kind(claims)
        )
        if reason is not None:
            raise _failed(reason)
        return claims

    def _signed_payload(self, token: str) -> bytes:
        alg, kid = _read_header(token)
        if alg not in self._algorithms:
            raise _failed(f"alg: holds {shown(alg)}, allowed are {', '.join(self._algorithms)}")
        found = self._find(kid, None)
        payload = self._payload(token, alg, found)
        if payload is None and kid is None:
            found = self._find(kid, found.version)
            payload = self._payload(token, alg, found)
        if payload is None:
            raise _failed(_mismatch(alg, kid, found.keys))
        return payload

    def _find(self, kid: str | None, after: int | None) -> Found:
        found = self._keys.find(kid, after)
        if not isinstance(found, Found):
            raise _NotVerifiedError(found)
        return found

    def _payload(self, token: str, alg: str, found: Found) -> bytes | None:
        """Give the payload as signed by one of the keys; None if none of them did."""
        candidates = [key for key in found.keys if alg in key.algorithms]
        for key in candidates[:_MOST_KEYS_TRIED]:
            try:
                payload: bytes = self._jws.decode_complete(token, key.key, key.algorithms)["payload"]
            except jwt.InvalidSignatureError:
                continue
            except jwt.PyJWTError as error:
                raise _failed(f"no JWT: {shown(str(error))}") from None
            return payload
        return None


class _NotVerifiedError(Exception):
    """Carries a verdict up from where it was found; never leaves this module."""

    def __init__(self, verdict: Failed | KeysUnavailable) -> None:
        self.verdict = verdict


def _failed(reason: str) -> _NotVerifiedError:
    return _NotVerifiedError(Failed(reason))


class _FixedKey:
    """The one key of a verifier, whatever kid a token names."""

    version = 0

    def __init__(self, key: Key) -> None:
        self._found = Found((key,))

    def find(self, kid: str | None, after: int | None) -> Found | Failed:
        return self._found if after is None else Failed("signature does not match the key")


def _read_header(token: str) -> tuple[str, str | None]:
    """Read ``alg`` and ``kid``, by which the key is chosen (RFC 7515 4); PyJWT reads and checks the header again."""
    parts = token.split(".", 3)
    if len(token) > LONGEST_JWT or not token.isascii():
        raise _failed(f"no JWT: {len(token)} characters, wanted up to {LONGEST_JWT} of ASCII")
    if len(parts) != 3:
        raise _failed(f"no JWT: wanted 3 parts, found {token.count('.') + 1} (opaque or encrypted)")
    try:
        text = base64.b64decode(parts[0] + "=" * (-len(parts[0]) % 4), b"-_", validate=True)
    except ValueError:
        raise _failed("no JWT: its header is not base64url") from None
    header = _json_object(text, "header")
    alg, kid = header.get("alg"), header.get("kid")
    if not isinstance(alg, str) or not isinstance(kid, str | None):
        raise _failed(f"alg and kid: hold {shown(alg)} and {shown(kid)}, wanted strings")
    return alg, kid


def _json_object(text: bytes, part: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise _failed(f"no JWT: its {part} is no JSON object")
    return value


def _mismatch(alg: str, kid: str | None, keys: Sequence[Key]) -> str:
    named = "" if kid is None else f" {shown(kid)}"
    if any(alg in key.algorithms for key in keys):
        return f"signature does not match the key{named}"
    return f"alg: holds {shown(alg)}, the key{named} is for {', '.join(keys[0].algorithms)}"


def _wrong_expiry(claims: Mapping[str, Any]) -> str | None:
    exp = claims.get("exp")
    if numeric_date(exp) is not None:
        return None
    return "exp: missing" if exp is None else f"exp: holds {shown(exp)}, wanted seconds since 1970"


def _wrong_start(claims: Mapping[str, Any], latest: float) -> str | None:
    nbf = claims.get("nbf")
    # 0 is no plausible moment, but what old Keycloaks write.
    if nbf is None or (isinstance(nbf, int | float) and nbf <= latest):
        return None
    return f"nbf: holds {shown(nbf)}, wanted at most {latest:.0f} (now and leeway)"


def _wrong_audience(claims: Mapping[str, Any], wanted: tuple[str, ...] | None) -> str | None:
    if wanted is None:
        return None
    aud = claims.get("aud")
    if any(isinstance(one, str) and one in wanted for one in (aud if isinstance(aud, list) else [aud])):
        return None
    return _unwanted("aud", aud, wanted)


def _wrong_issuer(claims: Mapping[str, Any], wanted: tuple[str, ...] | None) -> str | None:
    iss = claims.get("iss")
    if wanted is None or (isinstance(iss, str) and iss in wanted):
        return None
    return _unwanted("iss", iss, wanted)


def _wrong_kind(claims: Mapping[str, Any]) -> str | None:
    """Refuse refresh tokens that are JWTs of the same key: they outlive access tokens, and sign-outs."""
    for name in _KIND_CLAIMS:
        kind = claims.get(name)
        if isinstance(kind, str) and kind.lower() == "refresh":
            return f"{name}: holds {shown(kind)}, wanted an access token"
    return None


def _unwanted(claim: str, held: object, wanted: Sequence[str]) -> str:
    holds = "missing" if held is None else f"holds {shown(held)}"
    return f"{claim}: {holds}, wanted {shown(wanted[0]) if len(wanted) == 1 else 'one of ' + shown(wanted)}"


def _several(value: str | Iterable[str] | None) -> tuple[str, ...]:
    if isinstance(value, Iterable) and not isinstance(value, str):
        return tuple(value)
    return () if value is None else (value,)


def _algorithm_problems(names: tuple[str, ...], jwks_url: str | None) -> Iterator[str]:
    if not names:
        yield "algorithms is empty: list those that the authorization server signs with, as in algorithms=['RS256']"
    for name in names:
        if name not in ALGORITHMS:
            yield f"algorithms: {shown(name)} cannot verify a signature: choose from {', '.join(ALGORITHMS)}"
    symmetric = [name for name in names if _is_symmetric(name)]
    if symmetric and jwks_url is not None:
        yield f"algorithms: {', '.join(symmetric)} wants a shared secret: give it as key= and leave out jwks_url"
    elif symmetric and len(symmetric) != len(names):
        yield (
            "algorithms mixes shared secrets (HS*) with public keys, so that a public key could be taken for a"
            " secret: list one kind only"
        )


def _is_symmetric(name: object) -> bool:
    return isinstance(name, str) and name.startswith("HS")


def _source_problems(key: object, jwks_url: str | None, allow_insecure: bool) -> Iterator[str]:
    if key is None and jwks_url is None:
        yield "key and jwks_url are both missing: give the one that the authorization server offers"
    elif key is not None and jwks_url is not None:
        yield "key and jwks_url are both given: leave one out"
    if jwks_url is not None:
        yield from url_problems("jwks_url", jwks_url, allow_insecure)


def _claim_problems(name: str, wanted: str | Sequence[str] | None) -> Iterator[str]:
    values = _several(wanted)
    if wanted is not None and not (values and all(isinstance(one, str) and one for one in values)):
        yield f"{name} is empty or not text: give one or several strings, or leave it out not to check the claim"


def _number_problems(leeway: float, timeout: float, keys_max_age: float) -> Iterator[str]:
    if not (leeway == 0 or _is_duration(leeway)):
        yield f"leeway is {shown(leeway)}: give 0 or more seconds"
    if not _is_duration(timeout):
        yield f"timeout is {shown(timeout)}: give more than 0 seconds"
    if not _is_duration(keys_max_age):
        yield f"keys_max_age is {shown(keys_max_age)}: give more than 0 seconds"


def _is_duration(value: object) -> bool:
    return isinstance(value, int | float) and 0 < value < math.inf


def _prepare(key: str | bytes | AllowedPublicKeys | None, names: tuple[str, ...]) -> Key | str | None:
    """Make the key ready for use once for all; a string says what is wrong with it, and never shows it."""
    known = tuple(name for name in names if name in ALGORITHMS)
    if key is None or not known:
        return None
    if any(map(_is_symmetric, known)):
        return _prepare_secret(key, known)
    loaded = _load_public_key(key)
    return loaded if isinstance(loaded, str) else _prepare_public_key(loaded, known)


def _prepare_secret(key: str | bytes | AllowedPublicKeys, names: tuple[str, ...]) -> Key | str:
    secret = key.encode() if isinstance(key, str) else key
    try:
        jwt.get_algorithm_by_name("HS256").prepare_key(secret)
    except (jwt.InvalidKeyError, TypeError):
        return "key is no shared secret, which HS* wants: give the secret, or list the algorithm of your public key"
    wanted = max(int(name[2:]) // 8 for name in names if _is_symmetric(name))
    if isinstance(secret, bytes) and len(secret) >= wanted:
        return Key(None, secret, names)
    return (
        f"key is shorter than the {wanted} bytes that {', '.join(names)} wants (RFC 7518 3.2) and can be guessed from"
        f" one token: have the authorization server sign with a random secret of {wanted} bytes or more"
    )


def _load_public_key(key: str | bytes | AllowedPublicKeys) -> AllowedPublicKeys | str:
    if not isinstance(key, str | bytes):
        return _PRIVATE if hasattr(key, "private_bytes") else key
    pem = key.encode() if isinstance(key, str) else key
    if b"PRIVATE KEY-----" in pem:
        return _PRIVATE
    try:
        if b"-----BEGIN CERTIFICATE" in pem:
            return x509.load_pem_x509_certificate(pem).public_key()  # type: ignore[return-value]
        return load_pem_public_key(pem)  # type: ignore[return-value]
    except (ValueError, UnsupportedAlgorithm):
        return (
            "key is no public key or certificate in PEM: give the contents of the file (not its path), with"
            " real line breaks, from -----BEGIN to the last -----"
        )


_PRIVATE = (
    "key is a private key, and a verifier must not have it: give the public one, which"
    " `openssl pkey -in private.pem -pubout` prints"
)


def _prepare_public_key(key: AllowedPublicKeys, names: tuple[str, ...]) -> Key | str:
    fit = fitting(key, names)
    if fit == names:
        return Key(None, key, names)
    unfit = ", ".join(name for name in names if name not in fit)
    able = ", ".join(fitting(key, ALGORITHMS))
    cure = f"list from {able}" if able else "give an RSA key of 2048 bits or more, an EC or an Ed25519 key"
    return f"key is a {_kind(key)} that {unfit} cannot use: {cure}"


def _kind(key: AllowedPublicKeys) -> str:
    curve = getattr(key, "curve", None)
    size = getattr(key, "key_size", "")
    return f"{type(key).__name__} {curve.name if curve is not None else size}".strip()
