"""Fingerprints, tokens that only the holder of a welcome refresh token can open, and marks that only we can make."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Callable, Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE_BYTES = 12
_MARK_CHARACTERS = 32
_FINGERPRINT = b"wsgi-token-refresh fingerprint"
_ROW = b"wsgi-token-refresh row"
_MARK = b"wsgi-token-refresh genuine "


class Marks:
    """Marks what this application writes into a store, so that whoever can write there cannot say who somebody is.

    ``secrets`` gives those of the moment: the first marks, all are taken. Without any of them nothing that comes out of
    a store is genuine.
    """

    def __init__(self, secrets: Callable[[], Sequence[bytes]] = tuple) -> None:
        self._secrets = secrets

    def of(self, about: str, said: Sequence[object]) -> str | bool:
        """Give the mark of genuine tokens: HMAC-SHA256 (RFC 2104) over what they are written about and what is said."""
        secrets = self._secrets()
        return _mac(secrets[0], about, said) if secrets else True

    def are_genuine(self, mark: object, about: str, said: Sequence[object]) -> bool:
        """Tell whether a mark is one of ours."""
        if not isinstance(mark, str) or not mark.isascii():
            return False
        return any(hmac.compare_digest(mark, _mac(secret, about, said)) for secret in self._secrets())


def _mac(secret: bytes, about: str, said: Sequence[object]) -> str:
    text = json.dumps([about, *said]).encode()
    return hmac.new(secret, _MARK + text, hashlib.sha256).hexdigest()[:_MARK_CHARACTERS]


def fingerprint(identity: tuple[str, str], token: str) -> str:
    """Name a refresh token without showing it: HMAC-SHA256 in hex over token endpoint, client and token.

    The parts are prefixed with their length, so that no two triples read the same.
    """
    mac = hmac.new(_FINGERPRINT, digestmod=hashlib.sha256)
    for part in (*identity, token):
        data = part.encode("utf-8", "surrogateescape")
        mac.update(len(data).to_bytes(8, "big") + data)
    return mac.hexdigest()


def new_key() -> bytes:
    """Make a random key of 256 bits."""
    return AESGCM.generate_key(bit_length=256)


def key_under(token: str, family: str) -> bytes:
    """Derive the key that only a refresh token gives in its family (HKDF-SHA256, RFC 5869)."""
    secret = token.encode("utf-8", "surrogateescape")
    return HKDF(algorithm=SHA256(), length=32, salt=family.encode(), info=_ROW).derive(secret)


def seal(key: bytes, plain: bytes, about: str) -> bytes:
    """Encrypt with AES-256-GCM (NIST SP 800-38D); ``about`` is authenticated along with it."""
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plain, about.encode())


def unseal(key: bytes, sealed: bytes, about: str) -> bytes | None:
    """Decrypt what :func:`seal` made of the same ``about``; None for anything else."""
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], about.encode())
    except (InvalidTag, ValueError):
        return None
