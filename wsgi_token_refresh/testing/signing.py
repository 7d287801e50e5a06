"""RS256 keys, what they sign, and their JWKS (RFC 7517)."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An RSA key pair of 2048 bits under a random ``kid``."""

    kid: str = field(default_factory=lambda: secrets.token_hex(4))
    private: rsa.RSAPrivateKey = field(
        default_factory=lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048), repr=False
    )

    def sign(self, claims: Mapping[str, Any]) -> str:
        """Sign claims as a JWT."""
        return jwt.encode(dict(claims), self.private, algorithm="RS256", headers={"kid": self.kid})

    def public_jwk(self) -> dict[str, Any]:
        """Describe the public half (RFC 7517 4)."""
        jwk = RSAAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        return {**jwk, "kid": self.kid, "use": "sig", "alg": "RS256"}


class SigningKeys:
    """The keys of one authorization server: the newest signs, all of them are published."""

    def __init__(self) -> None:
        self._keys = [SigningKey()]

    def rotate(self) -> None:
        """Sign with a new key from now on."""
        self._keys.append(SigningKey())

    def sign(self, claims: Mapping[str, Any]) -> str:
        """Sign claims as a JWT with the newest key."""
        return self._keys[-1].sign(claims)

    def jwks(self) -> dict[str, Any]:
        """Describe all keys (RFC 7517 5)."""
        return {"keys": [key.public_jwk() for key in self._keys]}
