"""The one key of a verifier that has no JWKS URL: said once, or given anew by a function."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt.algorithms import AllowedPublicKeys

from ..tokens import Failed, KeysUnavailable
from .jwks import Found, Key
from .jws import ALGORITHMS, fitting

StaticKey = str | bytes | AllowedPublicKeys
KeySource = Callable[[], StaticKey]

_QUIET = 60.0

_log = logging.getLogger("wsgi_token_refresh")


class FixedKey:
    """The key of a verifier, whatever kid a token names."""

    version = 0

    def __init__(self, key: Key) -> None:
        self._found = Found((key,))

    def find(self, kid: str | None, after: int | None = None) -> Found | Failed | KeysUnavailable:
        """Give the key; ``after`` is the version that matched a token in vain."""
        return self._found if after is None else _MISMATCH


@dataclass(frozen=True, slots=True)
class _Now:
    given: object = field(default=None, repr=False)
    found: Found | None = None
    version: int = 0


class ChangingKey:
    """A key that a function gives, asked at each verification; ``version`` changes with the key.

    While the function fails, or gives what is no key, the last good one counts, and a warning says so once a minute.
    """

    def __init__(
        self, source: KeySource, algorithms: tuple[str, ...], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._source = source
        self._algorithms = algorithms
        self._monotonic = monotonic
        self._now = _Now()
        self._quiet_until = -_QUIET

    @property
    def version(self) -> int:
        """A number that changes with the key."""
        return self._now.version

    def find(self, kid: str | None, after: int | None = None) -> Found | Failed | KeysUnavailable:
        """Give the key as it is now; ``after`` is the version that matched a token in vain."""
        problem = self._look()
        now = self._now
        if now.found is None:
            return KeysUnavailable(problem or "key: there is none")
        return now.found if after is None or now.version > after else _MISMATCH

    def _look(self) -> str | None:
        try:
            given = self._source()
        except Exception as error:  # whatever a function of somebody else's raises; its message may hold anything
            return self._warn(f"key: its function failed by {type(error).__name__}")
        if given == self._now.given:
            return None
        key = prepare(given, self._algorithms)
        if not isinstance(key, Key):
            return self._warn(key or "key: its function gave none")
        version = self._now.version + 1
        # At once: a version read before a verification is never newer than its key.
        self._now = _Now(given, Found((key,), version), version)
        return None

    def _warn(self, problem: str) -> str:
        if self._monotonic() >= self._quiet_until:
            self._quiet_until = self._monotonic() + _QUIET
            _log.warning("%s; the one before it is used, if there was one", problem)
        return problem


_MISMATCH = Failed("signature does not match the key")


def is_symmetric(name: object) -> bool:
    """Tell whether an algorithm wants a shared secret."""
    return isinstance(name, str) and name.startswith("HS")


def prepare(key: object, names: tuple[str, ...]) -> Key | str | None:
    """Make the key ready for use once for all; a string says what is wrong with it, and never shows it."""
    known = tuple(name for name in names if name in ALGORITHMS)
    if key is None or not known:
        return None
    if any(map(is_symmetric, known)):
        return _prepare_secret(key, known)
    loaded = _load_public_key(key)
    return loaded if isinstance(loaded, str) else _prepare_public_key(loaded, known)


def _prepare_secret(key: object, names: tuple[str, ...]) -> Key | str:
    secret: Any = _encoded(key)
    try:
        jwt.get_algorithm_by_name("HS256").prepare_key(secret)
    except (jwt.InvalidKeyError, TypeError):
        return "key is no shared secret, which HS* wants: give the secret, or list the algorithm of your public key"
    wanted = max(int(name[2:]) // 8 for name in names if is_symmetric(name))
    if isinstance(secret, bytes) and len(secret) >= wanted:
        return Key(None, secret, names)
    return (
        f"key is shorter than the {wanted} bytes that {', '.join(names)} wants (RFC 7518 3.2) and can be guessed from"
        f" one token: have the authorization server sign with a random secret of {wanted} bytes or more"
    )


def _encoded(key: object) -> Any:
    """Give the bytes of a text, also of one that cannot be sent: whoever reads it as a key refuses it."""
    return key.encode("utf-8", "surrogatepass") if isinstance(key, str) else key


def _load_public_key(key: object) -> Any:
    if not isinstance(key, str | bytes):
        return _PRIVATE if hasattr(key, "private_bytes") else key
    pem = _encoded(key)
    if b"PRIVATE KEY-----" in pem:
        return _PRIVATE
    try:
        if b"-----BEGIN CERTIFICATE" in pem:
            return x509.load_pem_x509_certificate(pem).public_key()
        return load_pem_public_key(pem)
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
