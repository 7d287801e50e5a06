"""The ledger's rules: who is welcome, who may call, and which record may follow which.

A **family** is everything that descends from one sign-in, its refresh tokens are **generations** 0, 1, 2, ...
Two kinds of record are kept in the store: a :class:`Row` for each refresh token, and one :class:`Family`.
Everything here takes values and returns values. Times are the store's, in seconds since the epoch.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from ..written import count, fields_of, listed, name, number, text

FIRST_PAUSE = 2.0
FIRST_PAUSE_UNSENT = 0.5
LONGEST_PAUSE = 60.0
SOONEST = 1.0
"""Seconds after which somebody is told to come again at the soonest."""
SEND_WITHIN = 1.0
"""Seconds within which a caller must begin to send, counted from before it wrote ``calling``."""

VOUCHED = 0.0
"""The end of an access token that is not kept, of a family that is no garbage all the same."""

_MOST_PASSES = 64
_MOST_WELCOME = 32


class State(str, Enum):
    """What has become of a family."""

    LIVE = "live"
    REFUSED = "refused"
    ENDED = "ended"


class Step(Enum):
    """What a request may do that finds a refresh due."""

    CALL = "call"
    WAIT = "wait"
    PAUSE = "pause"


@dataclass(frozen=True, slots=True)
class Row:
    """The record of one refresh token: whose it is, and the family's key, sealed under it."""

    family: str
    generation: int
    sealed_key: bytes


@dataclass(frozen=True, slots=True)
class Calling:
    """Somebody is asking the authorization server, and will know by ``deadline``, ``lasts`` seconds after it began."""

    nonce: str
    deadline: float
    lasts: float = 3600.0


@dataclass(frozen=True, slots=True)
class Pause:
    """No refresh before ``not_before``; ``sent`` where the last one may have been processed."""

    sent: bool
    tries: int
    not_before: float
    reason: str


@dataclass(frozen=True, slots=True)
class Passed:
    """The generations from ``since`` on and below ``below`` were passed by ``oldest`` at ``when``."""

    since: int
    below: int
    when: float


@dataclass(frozen=True, slots=True)
class Family:
    """The record of one family.

    ``oldest`` is the newest generation that a browser has shown when tokens were fetched for it: from there on
    all are welcome. ``expires_at`` is that of the current access token, ``sealed`` are the current tokens, and
    ``refreshed_at`` is when they were fetched.
    ``welcome`` pairs welcome generations with their fingerprints.
    """

    current: int
    sealed: bytes
    expires_at: float | None
    refreshed_at: float
    welcome: tuple[tuple[int, str], ...]
    oldest: int = 0
    passed: tuple[Passed, ...] = ()
    state: State = State.LIVE
    reason: str = ""
    calling: Calling | None = None
    pause: Pause | None = None


def founded(sealed: bytes, expires_at: float | None, fingerprint: str) -> Family:
    """Begin a family with its generation 0, whose tokens no refresh of ours has fetched.

    ``expires_at`` is ``VOUCHED`` where an access token vouches for the refresh token that is none of the family's.
    """
    return Family(0, sealed, expires_at, 0.0, ((0, fingerprint),))


def is_welcome(family: Family, generation: int, now: float, hand_over: float) -> bool:
    """Tell whether this generation is handed the current tokens: it was not passed, or not long ago."""
    if generation >= family.oldest:
        return True
    passes = [passed.when for passed in family.passed if passed.since <= generation < passed.below]
    return any(now - when < hand_over for when in passes)


def is_vouched(family: Family) -> bool:
    """Tell whether a refresh or a verified access token says that there is such a session."""
    return family.refreshed_at > 0 or family.expires_at is not None


def as_of(family: Family, now: float) -> Family:
    """Read the record at ``now``: a ``calling`` past its deadline is the unknown outcome of somebody who died.

    What lies further ahead than it can was written before the clock was set back, and has passed.
    """
    calling, pause = family.calling, family.pause
    if pause is not None and pause.not_before > now + LONGEST_PAUSE:
        family = replace(family, pause=replace(pause, not_before=now))
    if calling is None or now < calling.deadline <= now + calling.lasts + LONGEST_PAUSE:
        return family
    pause = _next_pause(family, True, calling.deadline, "the caller was lost")
    if calling.deadline > now:
        pause = replace(pause, not_before=now)
    return replace(family, calling=None, pause=pause)


def come_again(family: Family, now: float) -> float:
    """Tell in how many seconds to try again: after the pause that follows a caller whose deadline is about to pass."""
    calling = family.calling
    if calling is None or calling.deadline - now > SEND_WITHIN:
        return SOONEST
    pause = as_of(family, max(now, calling.deadline)).pause
    return SOONEST if pause is None else pause.not_before - now


def next_step(family: Family, now: float, *, good: bool) -> Step:
    """Tell what a request may do that finds a refresh due; ``good`` is whether the current access token is.

    What may have been processed is not repeated while the access token is good: repeating may be reuse.
    """
    if family.calling is not None:
        return Step.WAIT
    pause = family.pause
    if pause is None or (now >= pause.not_before and not (pause.sent and good)):
        return Step.CALL
    return Step.PAUSE


def called(family: Family, nonce: str, deadline: float, lasts: float = 3600.0) -> Family:
    """Let one request call, for ``lasts`` seconds at most."""
    return replace(family, calling=Calling(nonce, deadline, lasts))


def is_callers(family: Family, nonce: str) -> bool:
    """Tell whether an outcome other than new tokens may be written: only by whoever is the caller still."""
    return family.state is not State.ENDED and family.calling is not None and family.calling.nonce == nonce


def awaited(family: Family, now: float, lasts: float, nonce: str) -> Family | None:
    """Let who calls read on for ``lasts`` seconds: nobody is to present again what may be answered still."""
    return called(family, nonce, now + lasts, lasts) if is_callers(family, nonce) else None


def unanswered(
    family: Family, now: float, reason: str, *, sent: bool, retry_after: float | None = None, at_once: bool = False
) -> Family:
    """Write down that the authorization server gave no readable answer; ``at_once`` spares the first pause."""
    pause = _next_pause(family, sent, now, reason, retry_after or 0.0)
    if at_once and pause.tries == 1:
        pause = replace(pause, not_before=now)
    return replace(family, calling=None, pause=pause)


def paused(family: Family, now: float, reason: str) -> Family:
    """Write down what used up no refresh token: a refusal that ends no session, or new tokens that we cannot verify.

    The first may be a hiccup, and many mean that *we* are set up wrongly. Who has a good access token may try as well.
    """
    return replace(family, calling=None, pause=_next_pause(family, False, now, reason, FIRST_PAUSE))


def refused(family: Family, reason: str) -> Family:
    """Write down that the authorization server refused the current refresh token."""
    return replace(family, state=State.REFUSED, reason=reason, calling=None, pause=None)


def ended(family: Family, reason: str) -> Family:
    """End a family for good."""
    return replace(family, state=State.ENDED, reason=reason, calling=None, pause=None)


def may_follow(family: Family, answered: int, expires_at: float | None, *, rotated: bool) -> bool:
    """Tell whether new tokens may be written that answer generation ``answered``, whoever fetched them."""
    if family.state is State.ENDED or family.current != answered:
        return False
    return rotated or (expires_at or 0.0) >= (family.expires_at or 0.0)


def refreshed(
    family: Family,
    *,
    presented: int,
    sealed: bytes,
    expires_at: float | None,
    fingerprint: str | None,
    now: float,
    hand_over: float,
) -> Family:
    """Write down new tokens, fetched for a browser that showed ``presented``.

    ``fingerprint`` is that of the new refresh token, None where the old one stays. ``oldest`` moves up to
    what the browser has shown, and never back.
    """
    oldest = max(family.oldest, presented)
    passed = tuple(each for each in family.passed if now - each.when < hand_over)
    if oldest > family.oldest:
        passed = _few((*passed, Passed(family.oldest, oldest, now)))
    current = family.current if fingerprint is None else family.current + 1
    welcome = tuple(each for each in family.welcome if each[0] >= oldest)
    if fingerprint is not None:
        welcome = (*welcome, (current, fingerprint))
    pause = _remembered(family.pause, now)
    return Family(current, sealed, expires_at, now, _bounded(welcome), oldest, passed, pause=pause)


def no_longer_welcome(before: Family, after: Family) -> tuple[str, ...]:
    """Name the fingerprints of the generations that ``after`` has passed."""
    return tuple(fingerprint for generation, fingerprint in before.welcome if generation < after.oldest)


def encode_row(row: Row) -> bytes:
    """Write a row as bytes."""
    return json.dumps([row.family, row.generation], separators=(",", ":")).encode() + b"\n" + row.sealed_key


def decode_row(value: bytes) -> Row | None:
    """Read a row; None for bytes that are none."""
    head, _, sealed_key = value.partition(b"\n")
    try:
        family, generation, *_ = listed(head, 2)
        return Row(name(family), count(generation), sealed_key)
    except ValueError:
        return None


def encode_family(family: Family) -> bytes:
    """Write a family as bytes."""
    calling, pause = family.calling, family.pause
    head: list[Any] = [
        family.current,
        family.expires_at,
        family.refreshed_at,
        family.welcome,
        family.oldest,
        [(each.since, each.below, each.when) for each in family.passed],
        family.state.value,
        family.reason,
        calling and (calling.nonce, calling.deadline, calling.lasts),
        pause and (pause.sent, pause.tries, pause.not_before, pause.reason),
    ]
    return json.dumps(head, separators=(",", ":")).encode() + b"\n" + family.sealed


def decode_family(value: bytes) -> Family | None:
    """Read a family; None for bytes that are none."""
    head, _, sealed = value.partition(b"\n")
    try:
        said = listed(head, 10)
        current, expires_at, refreshed_at, welcome, oldest, passed, state, reason, calling, pause = said[:10]
        return Family(
            count(current),
            sealed,
            None if expires_at is None else number(expires_at),
            number(refreshed_at),
            tuple(_welcome(*fields_of(each, 2)[:2]) for each in fields_of(welcome)),
            count(oldest),
            tuple(_passed(*fields_of(each, 3)[:3]) for each in fields_of(passed)),
            State(state),
            text(reason),
            None if calling is None else _calling(*fields_of(calling, 2)[:3]),
            None if pause is None else _pause(*fields_of(pause, 4)[:4]),
        )
    except ValueError:
        return None


def _welcome(generation: object, fingerprint: object) -> tuple[int, str]:
    return count(generation), name(fingerprint)


def _passed(since: object, below: object, when: object) -> Passed:
    return Passed(count(since), count(below), number(when))


def _calling(nonce: object, deadline: object, *lasts: object) -> Calling:
    return Calling(text(nonce), number(deadline), *map(number, lasts))


def _pause(sent: object, tries: object, not_before: object, reason: object) -> Pause:
    return Pause(sent is not False, count(tries), number(not_before), text(reason))


def _next_pause(family: Family, sent: bool, now: float, reason: str, at_least: float = 0.0) -> Pause:
    tries = family.pause.tries + 1 if family.pause else 1
    first = FIRST_PAUSE if sent else FIRST_PAUSE_UNSENT
    seconds = min(LONGEST_PAUSE, max(first * 2.0 ** min(tries - 1, 8), at_least))
    return Pause(sent, tries, now + seconds, reason)


def _remembered(pause: Pause | None, now: float) -> Pause | None:
    """Count on where a pause is not long over: what comes of a refresh may be no better than before."""
    if pause is None or pause.sent or now - pause.not_before >= LONGEST_PAUSE:
        return None
    return replace(pause, not_before=now)


def _few(passed: tuple[Passed, ...]) -> tuple[Passed, ...]:
    # Two that were passed one after the other may be taken for passed together, by the later one.
    if len(passed) <= _MOST_PASSES:
        return passed
    first, second, *rest = passed
    return (Passed(first.since, second.below, second.when), *rest)


def _bounded(welcome: tuple[tuple[int, str], ...]) -> tuple[tuple[int, str], ...]:
    # A client that never stores a cookie shows its first one for ever; those in the middle reached nobody.
    half = _MOST_WELCOME // 2
    return welcome if len(welcome) <= _MOST_WELCOME else welcome[:half] + welcome[-half:]
