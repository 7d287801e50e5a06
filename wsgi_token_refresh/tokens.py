"""Tokens, what a refresh can give, and what can be read from a token without a key.

Times are NumericDates (seconds since the epoch, RFC 7519 2), durations are seconds.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol

ASSUMED_LIFETIME = 300.0
"""Seconds that an access token is taken to live when nothing says how long, not even the settings."""

_LATEST = float(2**53)
LONGEST_JWT = 4 * 1024 * 1024
_ON_THE_WAY = 600.0


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of one session; ``repr`` shows no token.

    ``expires_at`` and ``lifetime`` are those of the access token; ``refresh_expires_at`` is None
    where the authorization server names no end of the refresh token. ``genuine`` tokens came straight from it, or
    out of our own seal; others came from a browser as they are.
    """

    access_token: str | None = field(default=None, repr=False)
    refresh_token: str | None = field(default=None, repr=False)
    expires_at: float | None = None
    lifetime: float | None = None
    refresh_expires_at: float | None = None
    genuine: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Refreshed:
    """The authorization server gave new tokens."""

    tokens: Tokens


@dataclass(frozen=True, slots=True)
class Rejected:
    """The authorization server refused (RFC 6749 5.2).

    ``ends_session`` is False where ``code`` speaks of our set-up (``invalid_client``) and not of the
    refresh token. ``rule`` is what would name this very answer in a dialect's ``rejected``.
    """

    code: str
    ends_session: bool = True
    rule: str = field(default="", compare=False)


class Pending(Protocol):
    """An answer that may still come."""

    def outcome(self, seconds: float) -> Outcome | None:
        """Wait up to so many seconds, with 0 only look; None where nothing is known yet. Never raises."""

    def close(self) -> None:
        """Wait no more."""


@dataclass(frozen=True, slots=True)
class Unreachable:
    """No readable answer: ``sent`` is False only where the request was surely not processed.

    ``reason`` is a short phrase for the log; ``retry_after`` is in seconds. ``rule`` is what would name this very
    answer in a dialect's ``rejected``, empty where nothing could; ``shape`` tells it from others where it may be a
    refusal all the same. ``pending`` is there where the answer may still come.
    """

    sent: bool
    reason: str
    retry_after: float | None = None
    rule: str = field(default="", compare=False)
    pending: Pending | None = field(default=None, repr=False, compare=False)
    shape: str = field(default="", compare=False)


Outcome = Refreshed | Rejected | Unreachable


@dataclass(frozen=True, slots=True)
class Verified:
    """The signature and every claim that was asked for are right; whether it has expired is not judged here.

    ``of_token`` tells that ``claims`` are those that the token itself holds, so that they can be read from it again.
    """

    claims: Mapping[str, Any] = field(repr=False)
    of_token: bool = field(default=False, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Failed:
    """The token is not what the verifier wants: ``reason`` names the claim, what it held and what was wanted."""

    reason: str


@dataclass(frozen=True, slots=True)
class KeysUnavailable:
    """Nobody can say just now: the keys were never fetched and their server does not answer."""

    reason: str


Verification = Verified | Failed | KeysUnavailable


def unverified_claims(token: str) -> dict[str, Any] | None:
    """Read the claims of a JWT without any check (RFC 7519 7.2); None where it is not a JWT."""
    parts = token.split(".")
    if len(parts) != 3 or len(token) > LONGEST_JWT:
        return None
    payload = parts[1]
    try:
        claims = json.loads(base64.b64decode(payload + "=" * (-len(payload) % 4), b"-_", validate=True))
    except (ValueError, RecursionError, binascii.Error):
        return None
    return claims if isinstance(claims, dict) else None


def numeric_date(value: object) -> float | None:
    """Read a NumericDate (RFC 7519 2); None for what is no plausible moment."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        moment = float(value)
    except OverflowError:
        return None
    return moment if math.isfinite(moment) and 0 < moment < _LATEST else None


def token_times(
    access_token: str, *, now: float | None = None, expires_in: float | None = None
) -> tuple[float | None, float | None]:
    """Tell when an access token expires and how long it lives in all.

    A JWT's own ``exp`` counts before ``expires_in``, which is relative to ``now``, the moment of receipt.
    Either is None where it cannot be known.
    """
    claims = unverified_claims(access_token) or {}
    expires_at, issued_at = numeric_date(claims.get("exp")), numeric_date(claims.get("iat"))
    if expires_at is None and now is not None and expires_in is not None:
        return now + expires_in, expires_in
    if expires_at is None:
        return None, None
    began = now if issued_at is None or issued_at >= expires_at else issued_at
    if began is not None and now is not None and began < now - _ON_THE_WAY:
        # Some servers copy the iat of the refresh token; ten minutes are forgiven for clocks that differ.
        began = now
    return expires_at, None if began is None or began >= expires_at else expires_at - began


def received(
    access_token: str | None,
    refresh_token: str | None,
    *,
    now: float,
    expires_in: float | None = None,
    refresh_expires_in: float | None = None,
    default_expires_in: float = ASSUMED_LIFETIME,
) -> Tokens:
    """Make the tokens of a token response that was received at ``now``.

    ``default_expires_in`` counts where neither the access token nor ``expires_in`` says how long it lives.
    """
    expires_at, lifetime = None, None
    if access_token is not None:
        expires_at, lifetime = token_times(access_token, now=now, expires_in=expires_in)
        if expires_at is None:
            expires_at, lifetime = now + default_expires_in, default_expires_in
    return Tokens(
        access_token,
        refresh_token,
        expires_at,
        lifetime,
        None if refresh_expires_in is None else now + refresh_expires_in,
        genuine=True,
    )


def same_subject(old: str | None, new: str | None, claims: Sequence[str] = ("sub", "sid")) -> bool:
    """Tell whether two access tokens may be one person's in one session: these ``claims`` do not differ.

    7 and "7" are one subject, and null is none: what writes tokens may begin to write them in another way.
    """
    before: Mapping[str, Any] = unverified_claims(old or "") or {}
    after: Mapping[str, Any] = unverified_claims(new or "") or {}
    pairs = [(as_text(before.get(claim)), as_text(after.get(claim))) for claim in claims]
    return all(None in pair or pair[0] == pair[1] for pair in pairs)


def as_text(value: object) -> object:
    """Give a number as its digits, since 7, 7.0 and "7" are one; anything else as it is."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def refresh_window(tokens: Tokens, refresh_before: float) -> float:
    """Seconds before its expiry from which a token is refreshed: at most a third of its life.

    Up to a tenth less, drawn from the token itself, so that tokens issued together are not refreshed together.
    """
    window = min(refresh_before, (tokens.lifetime or ASSUMED_LIFETIME) / 3)
    draw = zlib.crc32((tokens.access_token or "").encode("utf-8", "surrogateescape")) / 2**32
    return window * (1 - draw / 10)


def expiry_margin(tokens: Tokens) -> float:
    """Seconds before its expiry from which a token is too short-lived to hand to an application."""
    return min(10.0, (tokens.lifetime or ASSUMED_LIFETIME) / 10)


class Freshness(Enum):
    """How far an access token is from its end."""

    FRESH = "good for longer than the window"
    DUE = "in the window"
    SHORT = "within the margin"
    EXPIRED = "expired"


def freshness(tokens: Tokens, now: float, refresh_before: float) -> Freshness:
    """Tell how far the access token is from its end; what has none, or none that can be read, has expired."""
    if tokens.access_token is None or tokens.expires_at is None:
        return Freshness.EXPIRED
    left = tokens.expires_at - now
    if left > refresh_window(tokens, refresh_before):
        return Freshness.FRESH
    if left > expiry_margin(tokens):
        return Freshness.DUE
    return Freshness.SHORT if left > 0 else Freshness.EXPIRED
