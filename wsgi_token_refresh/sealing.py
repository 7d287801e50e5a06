"""Fingerprints, and tokens that only the holder of a welcome refresh token can open."""

from __future__ import annotations

import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE_BYTES = 12
_FINGERPRINT = b"wsgi-token-refresh fingerprint"
_ROW = b"wsgi-token-refresh row"


def fingerprint(identity: tuple[str, str], refresh_token: str) -> str:
    """Name a refresh token without showing it: HMAC-SHA256 in hex over token endpoint, client and token.

    The parts are prefixed with their length, so that no two triples read the same.
    """
    mac = hmac.new(_FINGERPRINT, digestmod=hashlib.sha256)
    for part in (*identity, refresh_token):
        data = part.encode("utf-8", "surrogateescape")
        mac.update(len(data).to_bytes(8, "big") + data)
    return mac.hexdigest()


def new_key() -> bytes:
    """Make a random key of 256 bits."""
    return AESGCM.generate_key(bit_length=256)


def key_under(refresh_token: str, family: str) -> bytes:
    """Derive the key that only a refresh token gives in its family (HKDF-SHA256, RFC 5869)."""
    secret = refresh_token.encode("utf-8", "surrogateescape")
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
