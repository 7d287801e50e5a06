"""Refresh tokens, the families that they descend in, and what happened to them (RFC 9700 4.14).

State without a clock, a lock or a network: whoever shares a ``Families`` between threads holds a lock around each call.
"""

from __future__ import annotations

import secrets
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

REUSE = ("revoke", "reject", "allow")
"""What reuse of a spent refresh token does: revokes its family, is refused, or is taken like any other."""


@dataclass(slots=True)
class Family:
    """All refresh tokens that descend from one sign-in."""

    id: str
    subject: str
    live: bool = True
    counts: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class RefreshToken:
    """One refresh token: ``expires_at`` is a NumericDate, ``spent`` that its one use is over."""

    family: Family
    expires_at: float
    spent: bool = False


@dataclass(frozen=True, slots=True)
class Granted:
    """A sign-in or a refresh that was granted: whose it is, and the refresh token to answer with."""

    family: str
    subject: str
    refresh_token: str = field(repr=False)


class Families:
    """Every family of one authorization server."""

    def __init__(self) -> None:
        self._families: dict[str, Family] = {}
        self._tokens: dict[str, RefreshToken] = {}
        self._refused_unknown = 0

    def sign_in(self, subject: str, *, expires_at: float) -> Granted:
        """Found a family."""
        family = Family(secrets.token_hex(8), subject)
        self._families[family.id] = family
        return self._issue(family, expires_at)

    def refresh(self, refresh_token: str, *, now: float, expires_at: float, rotate: bool, reuse: str) -> Granted | None:
        """Grant a refresh, or None where it is refused (``invalid_grant``, RFC 6749 5.2)."""
        token = self._tokens.get(refresh_token)
        if token is None:
            self._refused_unknown += 1
            return None
        if token.spent:
            self._reused(token.family, reuse)
        if not token.family.live or now >= token.expires_at or (token.spent and reuse != "allow"):
            token.family.counts["refused"] += 1
            return None
        token.family.counts["grants"] += 1
        if not rotate:
            return Granted(token.family.id, token.family.subject, refresh_token)
        token.spent = True
        return self._issue(token.family, expires_at)

    def revoke(self, refresh_token: str) -> None:
        """Revoke the whole family of a refresh token, unknown ones are no error (RFC 7009 2.2)."""
        token = self._tokens.get(refresh_token)
        if token is not None:
            _revoke(token.family)

    def counts(self) -> dict[str, Any]:
        """Count what happened, in all and for each family under ``families``; ``live`` is how many are."""
        families = self._families.values()
        total = sum((family.counts for family in families), Counter({"refused": self._refused_unknown}))
        return {
            "logins": len(self._families),
            **_named(total, "grants", "refused", "revocations", "reuse"),
            "live": sum(family.live for family in families),
            "families": {
                family.id: {
                    "subject": family.subject,
                    "live": family.live,
                    **_named(family.counts, "grants", "refused", "reuse"),
                }
                for family in families
            },
        }

    def _issue(self, family: Family, expires_at: float) -> Granted:
        refresh_token = secrets.token_urlsafe(32)
        self._tokens[refresh_token] = RefreshToken(family, expires_at)
        return Granted(family.id, family.subject, refresh_token)

    def _reused(self, family: Family, reuse: str) -> None:
        family.counts["reuse"] += 1
        if reuse == "revoke":
            _revoke(family)


def _revoke(family: Family) -> None:
    family.counts["revocations"] += family.live
    family.live = False


def _named(counts: Counter[str], *names: str) -> dict[str, int]:
    return {name: counts[name] for name in names}
