"""What a request holds: its tokens, and how they stand once verified."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from .errors import StoreError
from .memo import Memo, digest
from .policy.decision import Access, access_of
from .tokens import (
    Failed,
    Freshness,
    KeysUnavailable,
    Tokens,
    Verification,
    Verified,
    freshness,
    unverified_claims,
)

_MOST_VERIFIED = 2 * 2**20
_MOST_CLAIMS = 2**20
_WEIGHT = 384
_LARGER = 6
"""How many times as large claims are as their text."""
_OF_TOKEN = Verified({}, of_token=True)


class Verifier(Protocol):
    """What is needed of a verifier of access tokens."""

    @property
    def leeway(self) -> float:
        """Seconds by which clocks may differ."""

    @property
    def keys_version(self) -> int:
        """A number that changes whenever the keys do."""

    def verify(self, token: str) -> Verification:
        """Check signature and claims; whether the token has expired is not judged."""


@dataclass(frozen=True, slots=True)
class Held:
    """Tokens, how the access token stands, and what is known from it.

    ``authenticated`` tells whether something vouches for them: a verifier, or our own seal. ``said`` are claims that a
    verifier has from elsewhere than the token. ``reason`` says why a token is not good.
    """

    tokens: Tokens
    access: Access
    said: Mapping[str, Any] | None = field(default=None, repr=False)
    reason: str = ""
    authenticated: bool = False

    @property
    def claims(self) -> Mapping[str, Any] | None:
        """Read the claims; None unless something vouches for them, or where the token has none."""
        if self.said is not None or not self.authenticated:
            return self.said
        return unverified_claims(self.tokens.access_token or "")

    @property
    def refreshable(self) -> bool:
        """Tell whether there is a refresh token."""
        return self.tokens.refresh_token is not None

    @property
    def may_be_a_session(self) -> bool:
        """Tell whether these tokens pass, could be refreshed, or are such as nobody can judge just now."""
        return self.refreshable or self.access not in (Access.BAD, Access.UNSAID)


NOTHING = Held(Tokens(), Access.BAD)
UNREAD = Held(Tokens(), Access.UNREAD, reason=Access.UNREAD.value)

Found = Sequence[Tokens] | StoreError
"""What one kind of session has read of a request, or why nobody can say whether there is a session."""


class Assessor:
    """Tells how tokens stand; remembers that they were verified, bounded, and never past a change of keys.

    What can be read from a token again is not kept with it, since claims are many times as large as their text.

    ``authenticates`` tells whether genuine tokens need no verifier to say whose they are.
    """

    def __init__(
        self,
        verifier: Verifier | None,
        *,
        refresh_before: float,
        clock: Callable[[], float] = time.time,
        authenticates: bool = False,
    ) -> None:
        self._verifier = verifier
        self._authenticates = authenticates
        self._refresh_before = refresh_before
        self._clock = clock
        self._leeway = 0.0 if verifier is None else verifier.leeway
        self._verified: Memo[tuple[int, Verified]] = Memo(_MOST_VERIFIED)
        self._claims: Memo[Mapping[str, Any]] = Memo(_MOST_CLAIMS)

    def assess(self, tokens: Tokens) -> Held:
        """Tell how these tokens stand at this moment."""
        token = tokens.access_token
        if token is None:
            return Held(tokens, Access.BAD, reason="missing")
        now = self._clock()
        if tokens.expires_at is None and self._verifier is None and isinstance(self._verify(token), Verified):
            return Held(tokens, Access.UNSAID, reason=Access.UNSAID.value)
        if tokens.expires_at is None or now >= tokens.expires_at + self._leeway:
            # What has expired wants a refresh, whether its key is still known or not.
            return Held(tokens, Access.BAD, reason=Freshness.EXPIRED.value)
        return self._hold(tokens, token, now)

    def _hold(self, tokens: Tokens, token: str, now: float) -> Held:
        said, sealed = self._verify(token), self._is_vouched_for(tokens)
        if isinstance(said, Failed):
            return Held(tokens, Access.BAD, reason=said.reason)
        if isinstance(said, KeysUnavailable) and not sealed:
            return Held(tokens, Access.UNKNOWN, reason=said.reason)
        fresh = freshness(tokens, now, self._refresh_before)
        if isinstance(said, Verified) and self._verifier is not None:
            elsewhere = None if said.of_token else said.claims
            return Held(tokens, access_of(fresh), elsewhere, fresh.value, authenticated=True)
        return Held(tokens, access_of(fresh), reason=fresh.value, authenticated=sealed)

    def claims(self, held: Held) -> Mapping[str, Any] | None:
        """Give the claims of what is held, which are read once for a token while there is room; None as there."""
        token = held.tokens.access_token
        if held.said is not None or not held.authenticated or token is None:
            return held.said
        claims = self._claims.get(token)
        if claims is None and (claims := held.claims) is not None:
            self._claims.put(token, claims, _WEIGHT + (1 + _LARGER) * len(token))
        return claims

    def vouches(self, tokens: Tokens) -> bool:
        """Tell whether the signature, or our seal, says who these tokens are for, expired or not."""
        if self._is_vouched_for(tokens):
            return True
        if self._verifier is None or tokens.access_token is None:
            return False
        return isinstance(self._verify(tokens.access_token), Verified)

    def first_session(self, kinds: Sequence[Found]) -> Held:
        """Hold the session of the first kind that has one, be it that its access token has run out.

        A cookie of a later kind is no reason to leave that session: others may have been able to write it.
        """
        first = NOTHING
        for found in kinds:
            held = UNREAD if isinstance(found, StoreError) else self._first_good(found)
            if held.may_be_a_session:
                return held
            first = held if first is NOTHING else first
        return first

    def _first_good(self, candidates: Sequence[Tokens]) -> Held:
        """Assess candidates in turn: the first that is good, else the first that can be refreshed, else the first."""
        first = NOTHING
        for tokens in candidates:
            held = self.assess(tokens)
            if held.access.good:
                return held
            if first is NOTHING or (held.refreshable and not first.refreshable):
                first = held
        return first

    def _is_vouched_for(self, tokens: Tokens) -> bool:
        return self._authenticates and tokens.genuine

    def _verify(self, token: str) -> Verification:
        verifier = self._verifier
        if verifier is None:
            return Verified({}) if token.isascii() and token.isprintable() else Failed("not printable ASCII")
        version, key = verifier.keys_version, digest(token)
        known = self._verified.get(key)
        if known is not None and known[0] == version:
            return known[1]
        verification = verifier.verify(token)
        if isinstance(verification, Verified):
            kept = _OF_TOKEN if verification.of_token else verification
            self._verified.put(key, (version, kept), _WEIGHT + _LARGER * len(repr(dict(kept.claims))))
        return verification
