"""What the record of a family says to a request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..tokens import Freshness, Outcome, Refreshed, Rejected, Tokens, Unreachable, freshness
from . import rules
from .flight import Asked, Flight
from .records import Look
from .rules import Pause, State, Step

_RECENT = 30.0
_LATER = 2.0
"""Seconds by which the end of a token must be later to be another one: it is reckoned from when the answer came."""
_PASSING = (Freshness.FRESH, Freshness.DUE)


@dataclass(frozen=True, slots=True)
class Standing:
    """Tells how a request stands by the record of its family; durations are in seconds.

    ``refresh_before`` and ``hand_over`` are those of the middleware; ``clock`` gives seconds since the epoch.
    """

    refresh_before: float
    hand_over: float
    old_access_token_survives: bool
    clock: Callable[[], float]

    def answer(self, look: Look, asked: Asked) -> Flight | None:
        """Answer from the record; None where this request must wait or call."""
        over = self.over(look, let_in=asked.forced)
        if over is not None:
            return Flight(over, look.member)
        good = self._is_good(look, asked)
        if good and (_is_recent(look) or self._has_fresh_ones(look, asked)):
            return self._pass_on(look, asked)
        step = rules.next_step(look.family, look.now, good=good)
        if step is Step.WAIT and good and self._may_pass_meanwhile(look, asked):
            return self._pass_on(look, asked)
        if step is Step.PAUSE and look.family.pause is not None:
            return self.best(look, asked, _paused(look.family.pause, look.now))
        return None

    def over(self, look: Look, *, let_in: bool = False) -> Rejected | None:
        """Tell why the session is over, if it is; who is ``let_in`` is not asked whether it is welcome."""
        family = look.family
        if family.state is State.ENDED:
            return Rejected("ended")
        if family.state is State.REFUSED:
            return Rejected(family.reason)
        welcome = let_in or rules.is_welcome(family, look.member.generation, look.now, self.hand_over)
        return None if welcome else Rejected("spent")

    def best(self, look: Look, asked: Asked, outcome: Outcome) -> Flight:
        """Answer a refresh that gave nothing: by the current tokens where they are others, and good."""
        if _is_other(look, asked) and self._is_good(look, asked):
            return self._pass_on(look, asked)
        return Flight(outcome, look.member)

    def newer(self, look: Look, tokens: Tokens) -> Tokens | None:
        """Give the current tokens where they came after the ones presented, and can be passed."""
        came_later = look.member.generation < look.family.current or ends_later(look.tokens, tokens)
        return look.tokens if came_later and self._freshness(look.tokens) in _PASSING else None

    def _has_fresh_ones(self, look: Look, asked: Asked) -> bool:
        return _is_other(look, asked) and self._freshness(look.tokens) is Freshness.FRESH

    def _is_good(self, look: Look, asked: Asked) -> bool:
        """Tell whether the current access token is good: as verified by whoever shows it, else by its expiry."""
        if not _is_other(look, asked):
            return asked.good
        return self._freshness(look.tokens) is not Freshness.EXPIRED

    def _may_pass_meanwhile(self, look: Look, asked: Asked) -> bool:
        current = look.tokens if look.tokens.access_token is not None else asked.tokens
        return self.old_access_token_survives and self._freshness(current) in _PASSING

    def _pass_on(self, look: Look, asked: Asked) -> Flight:
        return Flight(Refreshed(look.tokens) if _is_other(look, asked) else None, look.member)

    def _freshness(self, tokens: Tokens) -> Freshness:
        return freshness(tokens, self.clock(), self.refresh_before)


def ends_later(current: Tokens, shown: Tokens) -> bool:
    """Tell whether an access token ends later than another: newer is a matter of time, and not of its text."""
    return current.access_token is not None and (current.expires_at or 0.0) > (shown.expires_at or 0.0) + _LATER


def _is_other(look: Look, asked: Asked) -> bool:
    """Tell whether the current tokens are not the ones presented; for a token that was refused its text decides."""
    current, shown = look.tokens, asked.tokens
    if current.access_token is None:
        return False
    if asked.forced:
        return current.access_token != shown.access_token
    same = current.access_token == shown.access_token and current.refresh_token == shown.refresh_token
    return not same or ends_later(current, shown)


def _is_recent(look: Look) -> bool:
    """Tell whether the current tokens came so lately that a refresh would give no better ones."""
    lifetime = look.tokens.lifetime or _RECENT
    return look.now - look.family.refreshed_at < min(_RECENT, lifetime / 3)


def _paused(pause: Pause, now: float) -> Unreachable:
    return Unreachable(pause.sent, pause.reason, max(rules.SOONEST, pause.not_before - now))
