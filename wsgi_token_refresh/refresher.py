"""Single flight and hand-over: one refresh for all, and its result for everybody who is welcome."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Protocol

from . import ledger
from .errors import StoreError
from .ledger import SEND_WITHIN, Family, State, Step
from .records import ATTEMPTS, HOUR, Look, Member, Records, unproven
from .store import Store
from .stores.memory import MemoryStore
from .tokens import Freshness, Outcome, Refreshed, Rejected, Tokens, Unreachable, freshness, same_subject

STORE_DOWN = "the store is down"
_RECENT = 30.0
_LEAST = 0.8
"""How much of the timeout must be left for a call that begins."""
_MOST_UNSAVED = 256
_PASSING = (Freshness.FRESH, Freshness.DUE)

log = logging.getLogger("wsgi_token_refresh")


class Endpoint(Protocol):
    """What single flight needs of a token endpoint."""

    timeout: float
    single_use: bool
    old_access_token_survives: bool
    identity: tuple[str, str]

    def slot(self, timeout: float) -> AbstractContextManager[bool]:
        """Give one of the calls that may go out at once from this process, or False."""

    def refresh(self, refresh_token: str, *, timeout: float, may_send: Callable[[], bool]) -> Outcome:
        """Ask for new tokens."""

    def revoke(self, refresh_token: str) -> str | None:
        """Revoke a refresh token; a reason where that failed."""


@dataclass(frozen=True, slots=True)
class Flight:
    """What the ledger says to a request.

    ``outcome`` is None where the tokens that it has are the ones to go on with. ``own`` is True where this
    request itself asked the authorization server. ``member`` is None where the ledger could not be read.
    ``lost`` is why the answer to the refresh before this one never came, where that may have been processed.
    ``shown`` are the tokens of a request that went on without the ledger, ``down`` is why the store could not be asked.
    """

    outcome: Outcome | None
    member: Member | None = None
    own: bool = False
    lost: str = ""
    shown: Tokens | None = None
    down: str = ""


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a request shows; ``good`` is whether its access token was verified and has not expired.

    ``vouched`` is whether it was verified, expired or not. ``forced`` is whether a session asks that was let in
    already: a stream may outlive the time in which its tokens are welcome.
    """

    tokens: Tokens
    good: bool
    vouched: bool
    limit: float
    forced: bool = False


class Refresher:
    """Refreshes each session once, whoever asks, and hands the result to everybody who is welcome.

    ``lives`` is how long a refresh cookie can live, ``refresh_before`` and ``hand_over`` are those of the
    middleware; all in seconds. ``clock`` gives seconds since the epoch.
    """

    def __init__(
        self,
        store: Store,
        endpoint: Endpoint,
        *,
        refresh_before: float,
        hand_over: float,
        lives: float,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._records = Records(store, endpoint.identity, lives)
        self._endpoint = endpoint
        self._refresh_before = refresh_before
        self._hand_over = hand_over
        self._clock = clock
        self._monotonic = monotonic
        self._unsaved: dict[str, tuple[Look, Tokens]] = {}
        # Where a token may be used twice, a store that is down leaves each process to itself.
        self._alone = None if endpoint.single_use else Records(MemoryStore(clock=clock), endpoint.identity, lives)

    def refresh(
        self,
        tokens: Tokens,
        *,
        good: bool,
        vouched: bool = False,
        forced: bool = False,
        limit: float | None = None,
    ) -> Flight:
        """Get newer tokens than these: from the ledger, by waiting, or from the authorization server.

        Takes the endpoint's ``timeout`` plus one second at most. ``vouched`` says that the access token was
        verified, expired or not; ``forced`` that somebody refused it although it looks good.
        """
        limit = self.limit() if limit is None else limit
        asked = _Asked(tokens, good and not forced, good or vouched, limit, forced)
        try:
            return self._refresh(self._records, asked)
        except StoreError as error:
            down = str(error)
        if self._alone is None:
            return Flight(Unreachable(False, STORE_DOWN), down=down)
        return replace(self._refresh(self._alone, asked), member=None, shown=tokens, down=down)

    def limit(self) -> float:
        """Tell until when a request that begins now may take (monotonic seconds)."""
        return self._monotonic() + self._endpoint.timeout + SEND_WITHIN

    def look_up(self, tokens: Tokens) -> Flight:
        """Tell in two reads whether the family of these good tokens has ended, and whether newer ones exist."""
        try:
            self._save()
            look = self._find(self._records, tokens)
        except StoreError as error:
            return Flight(None, down=str(error))
        if look is None:
            return Flight(None)
        if look.family.state is not State.LIVE:
            return Flight(self._over(look), look.member)
        if self._over(look) is None and _is_newer(look, tokens) and self._freshness(look.tokens) in _PASSING:
            return Flight(Refreshed(look.tokens), look.member)
        return Flight(None, look.member)

    def to_send(self, flight: Flight) -> Tokens | None:
        """Tell, when the response is decided, which tokens the browser is to have; None for no cookies."""
        if not isinstance(flight.outcome, Refreshed):
            return None
        # What nobody else can know goes out even where the ledger cannot be read.
        unknown = flight.outcome.tokens if flight.own else None
        try:
            self._save()
            if flight.member is None:
                return None if self._has_ended(flight.shown) else unknown
            look = self._records.look(flight.member)
            if look is not None:
                self._records.renew(look)
        except StoreError:
            return unknown
        if look is None:
            return unknown
        return look.tokens if look.family.state is State.LIVE else None

    def _has_ended(self, shown: Tokens | None) -> bool:
        look = None if shown is None else self._find(self._records, shown)
        return look is not None and look.family.state is not State.LIVE

    def found(self, tokens: Tokens) -> Member | None:
        """Begin a family with the tokens of a sign-in; raises ``StoreError``."""
        return None if tokens.refresh_token is None else self._records.found(tokens, replaces=True)

    def end(self, tokens: Tokens, reason: str, *, vouched: bool = True) -> tuple[Tokens, Member | None]:
        """End the family of these tokens for good; gives its newest ones, to be revoked. Raises ``StoreError``.

        ``vouched`` says that the access token was verified, expired or not.
        """
        if tokens.refresh_token is None:
            return tokens, None
        look = self._look(self._records, _Asked(tokens, vouched, vouched, 0.0))
        self._records.change(look.member, lambda family, now: ledger.ended(family, reason))
        return look.tokens, look.member

    def hold(self, member: Member, reason: str) -> None:
        """Let a family alone for a minute: its newest tokens fail verification, which is *our* misconfiguration."""
        try:
            self._records.change(member, lambda family, now: ledger.paused(family, now, reason))
        except StoreError as error:
            log.debug("%s: %s", STORE_DOWN, error)

    def take_refusal(self, member: Member) -> bool:
        """Tell whether this response is the one that expires the cookies of a refused family.

        Once is enough: a later one could expire the cookies of the sign-in that followed. A refresh token that
        nothing vouched for may be a torn or foreign cookie, and the session behind it may live.
        """

        def taken(family: Family, now: float) -> Family | None:
            known = ledger.is_vouched(family) and family.state is State.REFUSED
            return ledger.ended(family, family.reason) if known else None

        try:
            return self._records.change(member, taken) is not None
        except StoreError:
            return False

    def _refresh(self, records: Records, asked: _Asked) -> Flight:
        waited, newer = False, None
        for _ in range(ATTEMPTS):
            look, newer = newer or self._look(records, asked), None
            looked = self._monotonic()
            flight = self._answer(look, asked)
            if flight is None and look.family.calling is not None:
                waited = True
                newer = self._wait(records, look, look.family.calling.deadline, asked)
            elif flight is None and not waited:
                flight = self._call(records, look, asked)
            if flight is not None:
                return flight
            if self._left(asked) <= 0 or (waited and look.family.calling is None):
                break
        again = ledger.come_again(look.family, look.now + self._monotonic() - looked)
        return self._best(look, asked, Unreachable(True, "the refresh that it waited for gave nothing", again))

    def _wait(self, records: Records, look: Look, deadline: float, asked: _Asked) -> Look | None:
        """Wait for a call to end; None where the record must be looked for, as that of a family that gave way."""
        newer = records.wait(look, max(0.0, min(deadline - look.now, self._left(asked))))
        return newer if newer is not None and newer.family.state is State.LIVE else None

    # What the record says.

    def _answer(self, look: Look, asked: _Asked) -> Flight | None:
        """Answer from the record; None where this request must wait or call."""
        over = self._over(look, let_in=asked.forced)
        if over is not None:
            return Flight(over, look.member)
        other = _is_other(look, asked.tokens)
        good = self._is_good(look, asked)
        if good and (_is_recent(look) or (other and self._freshness(look.tokens) is Freshness.FRESH)):
            return self._pass_on(look, asked)
        step = ledger.next_step(look.family, look.now, good=good)
        if step is Step.WAIT and good and self._may_pass_meanwhile(look):
            return self._pass_on(look, asked)
        if step is Step.PAUSE and look.family.pause is not None:
            pause = look.family.pause
            left = max(1.0, pause.not_before - look.now)
            return self._best(look, asked, Unreachable(pause.sent, pause.reason, left))
        return None

    def _over(self, look: Look, *, let_in: bool = False) -> Rejected | None:
        family = look.family
        if family.state is State.ENDED:
            return Rejected("ended")
        if family.state is State.REFUSED:
            return Rejected(family.reason)
        welcome = let_in or ledger.is_welcome(family, look.member.generation, look.now, self._hand_over)
        return None if welcome else Rejected("spent")

    def _is_good(self, look: Look, asked: _Asked) -> bool:
        """Tell whether the current access token is good: as verified by whoever shows it, else by its expiry."""
        if not _is_other(look, asked.tokens):
            return asked.good
        return self._freshness(look.tokens) is not Freshness.EXPIRED

    def _may_pass_meanwhile(self, look: Look) -> bool:
        return self._endpoint.old_access_token_survives and self._freshness(look.tokens) in _PASSING

    def _pass_on(self, look: Look, asked: _Asked) -> Flight:
        return Flight(Refreshed(look.tokens) if _is_other(look, asked.tokens) else None, look.member)

    def _best(self, look: Look, asked: _Asked, outcome: Outcome) -> Flight:
        """Answer a refresh that gave nothing: by the current tokens where they are others, and good."""
        if _is_other(look, asked.tokens) and self._is_good(look, asked):
            return self._pass_on(look, asked)
        return Flight(outcome, look.member)

    def _freshness(self, tokens: Tokens) -> Freshness:
        return freshness(tokens, self._clock(), self._refresh_before)

    def _left(self, asked: _Asked) -> float:
        return asked.limit - self._monotonic()

    # Calling.

    def _call(self, records: Records, look: Look, asked: _Asked) -> Flight | None:
        """Ask the authorization server; None where somebody else changed the record first."""
        before, least = self._left(asked), _LEAST * self._endpoint.timeout
        with self._endpoint.slot(max(0.0, before - SEND_WITHIN - least)) as free:
            began = self._monotonic()
            left = self._left(asked) - SEND_WITHIN
            # Who calls with less time than a server may take loses the answer, and the session with it.
            if not free or left < least:
                why = (
                    "no time was left for the call: the store is slow, or many refresh at once"
                    if free
                    else "too many refreshes at once"
                )
                return self._best(look, asked, Unreachable(False, why, 1.0))
            now = look.now + before - self._left(asked)
            nonce = secrets.token_hex(8)
            lasts = left + SEND_WITHIN
            if not records.swap(look.member, look.value, ledger.called(look.family, nonce, now + lasts, lasts)):
                return None
            outcome = self._endpoint.refresh(
                look.tokens.refresh_token or "",
                timeout=left,
                may_send=lambda: self._monotonic() - began <= max(SEND_WITHIN, left / 2),
            )
        outcome = self._of_the_same_subject(look, outcome)
        if isinstance(outcome, Refreshed):
            return self._keep(records, look, asked, outcome)
        return self._write_down(records, look, asked, nonce, outcome)

    def _of_the_same_subject(self, look: Look, outcome: Outcome) -> Outcome:
        if not isinstance(outcome, Refreshed):
            return outcome
        if same_subject(look.tokens.access_token, outcome.tokens.access_token or ""):
            return outcome
        self._revoke_unless_it_stayed(look, outcome.tokens)
        return Rejected("subject_changed")

    def _keep(self, records: Records, look: Look, asked: _Asked, outcome: Refreshed) -> Flight:
        try:
            member = records.keep(look, outcome.tokens, self._hand_over)
        except StoreError:
            member = look.member
            if len(self._unsaved) < _MOST_UNSAVED:
                self._unsaved[member.family] = (look, outcome.tokens)
        if member is None:
            return self._from_record(records, look, asked, outcome)
        return Flight(outcome, member, own=True)

    def _write_down(self, records: Records, look: Look, asked: _Asked, nonce: str, outcome: Outcome) -> Flight:
        try:
            wrote = records.change(look.member, lambda family, now: self._after(family, now, nonce, outcome))
        except StoreError:
            wrote = look.family
        if wrote is None:
            return self._from_record(records, look, asked, outcome)
        if isinstance(outcome, Rejected) and outcome.ends_session:
            pause = look.family.pause
            return Flight(outcome, look.member, own=True, lost=pause.reason if pause and pause.sent else "")
        return replace(self._best(look, asked, outcome), own=True)

    def _after(self, family: Family, now: float, nonce: str, outcome: Outcome) -> Family | None:
        if not ledger.is_callers(family, nonce):
            return None
        if isinstance(outcome, Unreachable):
            single_use = self._endpoint.single_use
            return ledger.unanswered(
                family,
                now,
                outcome.reason,
                sent=outcome.sent and single_use,
                retry_after=outcome.retry_after,
                at_once=outcome.sent and not single_use,
            )
        code = outcome.code if isinstance(outcome, Rejected) else ""
        refused = isinstance(outcome, Rejected) and outcome.ends_session
        return ledger.refused(family, code) if refused else ledger.paused(family, now, code)

    def _from_record(self, records: Records, look: Look, asked: _Asked, outcome: Outcome) -> Flight:
        """Answer whoever's outcome was not written: the record has gone on without it."""
        try:
            newest = records.look(look.member)
        except StoreError:
            newest = None
        over = None if newest is None else self._over(newest, let_in=asked.forced)
        if over is not None and isinstance(outcome, Refreshed):
            self._revoke_unless_it_stayed(look, outcome.tokens)
        if over is not None:
            return Flight(over, look.member)
        lost = Unreachable(True, "another refresh of this session is under way", 1.0)
        return self._best(newest or look, asked, lost)

    def _revoke_unless_it_stayed(self, look: Look, tokens: Tokens) -> None:
        # Without rotation a sign-in may have got the same token again, and sign-out has revoked it itself.
        if tokens.refresh_token == look.tokens.refresh_token:
            return
        failed = self._endpoint.revoke(tokens.refresh_token or "")
        if failed is not None:
            log.warning("a refresh token that nobody will use could not be revoked: %s", failed)

    # Looking.

    def _look(self, records: Records, asked: _Asked) -> Look:
        """Look at the record of these tokens; whoever finds none founds it."""
        if records is self._records:
            self._save()
        known = asked.tokens if asked.vouched else unproven(asked.tokens)
        for _ in range(ATTEMPTS):
            look = self._find(records, asked.tokens)
            if look is None or look.member.generation > look.family.current + 1:
                records.found(known, lives=None if asked.vouched else HOUR, replaces=look is not None)
            elif look.member.generation > look.family.current and look.family.state is State.LIVE:
                # Its fetcher could write the row and no more: what is shown here is what it got.
                oldest = replace(look.member, generation=look.family.oldest)
                records.keep(replace(look, member=oldest), known, self._hand_over)
            else:
                return look
        raise StoreError("the record of a session vanished as often as it was written")

    def _find(self, records: Records, tokens: Tokens) -> Look | None:
        """Find the family of these tokens, or the one to which it gave way while they were welcome."""
        look = records.find(tokens)
        while look is not None and look.leads_to is not None:
            if not ledger.is_welcome(look.family, look.member.generation, look.now, self._hand_over):
                return look
            look = records.look(look.leads_to)
        return look

    def _save(self) -> None:
        """Write down what could not be written while the store was down."""
        for family, (look, tokens) in list(self._unsaved.items()):
            self._records.keep(look, tokens, self._hand_over)
            self._unsaved.pop(family, None)


def _is_other(look: Look, tokens: Tokens) -> bool:
    """Tell whether the current tokens are not the ones presented."""
    held = look.tokens
    other = held.access_token != tokens.access_token or held.refresh_token != tokens.refresh_token
    return other and held.access_token is not None


def _is_newer(look: Look, tokens: Tokens) -> bool:
    """Tell whether the current tokens came after the ones presented."""
    later = (look.tokens.expires_at or 0.0) > (tokens.expires_at or 0.0)
    return look.member.generation < look.family.current or (later and _is_other(look, tokens))


def _is_recent(look: Look) -> bool:
    """Tell whether the current tokens came so lately that a refresh would give no better ones."""
    lifetime = look.tokens.lifetime or _RECENT
    return look.now - look.family.refreshed_at < min(_RECENT, lifetime / 3)
