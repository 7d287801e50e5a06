"""What a token response holds (RFC 6749 5.1)."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .dialects import Dialect
from .families import Granted
from .signing import SigningKey, SigningKeys


@dataclass(frozen=True, slots=True)
class Twist:
    """What is odd about a token response.

    With ``keep`` the refresh token is not rotated and not in the answer; the access token is that of ``subject``, or
    ``forged``: signed by a key that is not in the JWKS.
    """

    keep: bool = False
    subject: str | None = None
    forged: bool = False


HONEST = Twist()
"""Nothing is odd."""


class Issuer:
    """Issues access tokens: RS256 JWTs (RFC 9068 2.2), or random strings if ``opaque``."""

    def __init__(
        self, *, issuer: str, audience: str, opaque: bool, dialect: Dialect, clock: Callable[[], float]
    ) -> None:
        self.issuer, self.keys = issuer, SigningKeys()
        self._audience, self._opaque, self._dialect, self._clock = audience, opaque, dialect, clock

    def token_response(self, granted: Granted, lifetime: float, twist: Twist) -> dict[str, Any]:
        """Write a token response whose access token lives for ``lifetime`` seconds."""
        access_token = self._access_token(granted.family, twist.subject or granted.subject, lifetime, twist.forged)
        return self._dialect.token_response(access_token, None if twist.keep else granted.refresh_token, lifetime)

    def _access_token(self, family: str, subject: str, lifetime: float, forged: bool) -> str:
        if self._opaque:
            return secrets.token_urlsafe(32)
        now = int(self._clock())
        claims = {
            "iss": self.issuer,
            "aud": self._audience,
            "sub": subject,
            "sid": family,
            "iat": now,
            "exp": now + lifetime,
            "jti": secrets.token_hex(8),
        }
        return SigningKey().sign(claims) if forged else self.keys.sign(claims)
