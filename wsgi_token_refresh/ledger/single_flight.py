"""Single flight and hand-over: one refresh for all, and its result for everybody who is welcome."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from ..errors import StoreError
from ..stores.memory import MemoryStore
from ..stores.protocol import Store
from ..tokens import Refreshed, Rejected, Tokens, Unreachable, same_subject
from . import rules
from .calling import Caller
from .flight import Asked, Endpoint, Flight
from .looking import Looking
from .records import ATTEMPTS, Look, Member, Records
from .rules import Family, State
from .sealing import Marks
from .standing import Standing

STORE_DOWN = "the store is down"
_BARE = "http_400"
WAIT_TIMEOUT = 5.0
"""Seconds for which a request waits for the refresh of another one."""

log = logging.getLogger("wsgi_token_refresh")


class Refresher:
    """Refreshes each session once, whoever asks, and hands the result to everybody who is welcome.

    ``lives`` is how long a refresh cookie can live, ``refresh_before``, ``hand_over`` and ``wait_timeout`` are those of
    the middleware; all in seconds. ``clock`` gives seconds since the epoch. ``secrets`` gives those of the moment, with
    which the application marks what is genuine in the store.
    """

    def __init__(
        self,
        store: Store,
        endpoint: Endpoint,
        *,
        refresh_before: float,
        hand_over: float,
        lives: float,
        wait_timeout: float = WAIT_TIMEOUT,
        secrets: Callable[[], Sequence[bytes]] = tuple,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        def looking(store: Store) -> Looking:
            return Looking(Records(store, endpoint.identity, lives, Marks(secrets)), hand_over)

        self._shared = looking(store)
        # Where a token may be used twice, a store that is down leaves each process to itself.
        self._alone = None if endpoint.single_use else looking(MemoryStore(clock=clock))
        self._standing = Standing(refresh_before, hand_over, endpoint.old_access_token_survives, clock)
        self.caller = Caller(endpoint, self._standing, patience=wait_timeout, monotonic=monotonic)
        self._wait_timeout = wait_timeout
        self._monotonic = monotonic

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

        Waits ``wait_timeout`` for others at most, or takes the two timeouts of the endpoint and a second for a slot.
        ``vouched`` says that the access token was verified, expired or not; ``forced`` that somebody refused it
        although it looks good.
        """
        if good and not forced and self.caller.slots.are_full():
            # Its token passes, and there is nothing to write for it.
            return self.look_up(tokens)
        limit = self.limit() if limit is None else limit
        asked = Asked(tokens, good and not forced, good or vouched, limit, forced)
        try:
            flight = self._at_last(asked, self._refresh(self._shared, asked))
            return _for_whom(tokens, flight, asked.vouched)
        except StoreError as error:
            down = str(error)
        if self._alone is None:
            return Flight(Unreachable(False, STORE_DOWN), down=down)
        flight = _for_whom(tokens, self._refresh(self._alone, asked), asked.vouched)
        return replace(flight, member=None, shown=tokens, down=down)

    def finish(self, flight: Flight, is_wanted: Callable[[], bool], *, to_the_end: bool) -> None:
        """Wait for the answer to the call of a request that has been answered meanwhile; the words are ``Caller``'s."""
        self.caller.finish("" if flight.member is None else flight.member.family, is_wanted, to_the_end=to_the_end)

    def limit(self) -> float:
        """Tell until when a request that begins now may wait (monotonic seconds)."""
        return self._monotonic() + self._wait_timeout

    def look_up(self, tokens: Tokens) -> Flight:
        """Tell in two reads whether the family of these good tokens has ended, and whether newer ones exist."""
        try:
            self._shared.save()
            self.caller.collect()
            look = self._shared.find(tokens)
        except StoreError as error:
            return Flight(None, down=str(error))
        if look is None:
            return Flight(None)
        over = self._standing.over(look)
        if look.family.state is not State.LIVE:
            return Flight(over, look.member)
        newer = None if over is not None else self._standing.newer(look, tokens)
        return _for_whom(tokens, Flight(None if newer is None else Refreshed(newer), look.member), vouched=True)

    def to_send(self, flight: Flight) -> Tokens | None:
        """Tell, when the response is decided, which tokens the browser is to have; None for no cookies."""
        if not isinstance(flight.outcome, Refreshed):
            return None
        # What nobody else can know goes out even where the ledger cannot be read.
        unknown = flight.outcome.tokens if flight.own else None
        try:
            self._shared.save()
            if flight.member is None:
                return None if self._has_ended(flight.shown) else unknown
            look = self._shared.records.look(flight.member)
            if look is not None:
                self._shared.records.renew(look)
        except StoreError:
            return unknown
        if look is None:
            return unknown
        return look.tokens if look.family.state is State.LIVE else None

    def _has_ended(self, shown: Tokens | None) -> bool:
        look = None if shown is None else self._shared.find(shown)
        return look is not None and look.family.state is not State.LIVE

    def found(self, tokens: Tokens) -> Member | None:
        """Begin a family with the tokens of a sign-in; raises ``StoreError``."""
        return None if tokens.refresh_token is None else self._shared.records.found(tokens, replaces=True)

    def end(self, tokens: Tokens, reason: str, *, vouched: bool = True) -> tuple[Tokens, Member | None]:
        """End the family of these tokens for good; gives its newest ones, to be revoked. Raises ``StoreError``.

        ``vouched`` says that the access token was verified, expired or not.
        """
        if tokens.refresh_token is None:
            return tokens, None
        look = self._shared.look(Asked(tokens, vouched, vouched))
        if isinstance(look, Flight):
            return tokens, None
        self._shared.records.change(look.member, lambda family, now: rules.ended(family, reason))
        return look.tokens, look.member

    def hold(self, member: Member, reason: str) -> None:
        """Let a family alone for a while, longer each time: its newest tokens fail verification."""
        try:
            self._shared.records.change(member, lambda family, now: rules.paused(family, now, reason))
        except StoreError as error:
            log.debug("%s: %s", STORE_DOWN, error)

    def take_refusal(self, member: Member) -> bool:
        """Tell whether this response is the one that expires the cookies of a refused family.

        Once is enough: a later one could expire the cookies of the sign-in that followed. A refresh token that
        nothing vouched for may be a torn or foreign cookie, and the session behind it may live.
        """

        def taken(family: Family, now: float) -> Family | None:
            known = rules.is_vouched(family) and family.state is State.REFUSED
            return rules.ended(family, family.reason) if known else None

        try:
            return self._shared.records.change(member, taken) is not None
        except StoreError:
            return False

    def _refresh(self, looking: Looking, asked: Asked) -> Flight:
        waited, newer = False, None
        for _ in range(ATTEMPTS):
            self.caller.collect()
            found, newer = newer or looking.look(asked), None
            if isinstance(found, Flight):
                return found
            look, looked = found, self._monotonic()
            flight = self._standing.answer(look, asked)
            if flight is None and look.family.calling is not None:
                waited = True
                newer = self._wait(looking, look, look.family.calling.deadline, asked)
            elif flight is None and not waited:
                # A call of this process whose answer may still come is better than another one.
                waited = self.caller.wait_for(look.member.family, max(0.0, self._left(asked)))
                if waited:
                    continue
                flight = self.caller.call(looking, look, asked)
            if flight is not None:
                return flight
            if self._left(asked) <= 0 or (waited and look.family.calling is None):
                break
        again = rules.come_again(look.family, look.now + self._monotonic() - looked)
        return self._standing.best(look, asked, Unreachable(True, "the refresh that it waited for gave nothing", again))

    def _at_last(self, asked: Asked, flight: Flight) -> Flight:
        """Tell who is refused for a while; by a refusal without a word, which nobody can name, it is over at last."""
        outcome = flight.outcome
        is_over = isinstance(outcome, Rejected) and outcome.ends_session
        if asked.good or is_over or not isinstance(outcome, Rejected | Unreachable):
            return flight
        try:
            return self._judged(asked, flight)
        except StoreError:
            return flight

    def _judged(self, asked: Asked, flight: Flight) -> Flight:
        refusals, now = self._shared.records.refusals(asked.tokens), self._standing.clock()
        if refusals is None or flight.member is None or not refusals.are_for_good(now):
            return replace(flight, stuck=refusals is not None and refusals.are_stuck(now))
        self._shared.records.change(flight.member, lambda family, now: rules.refused(family, _BARE))
        return replace(flight, outcome=Rejected(_BARE))

    def _wait(self, looking: Looking, look: Look, deadline: float, asked: Asked) -> Look | None:
        """Wait for a call to end; None where the record must be looked for, as that of a family that gave way."""
        left = max(0.0, min(deadline - look.now, self._left(asked)))
        if self.caller.wait_for(look.member.family, left):
            return None
        newer = looking.records.wait(look, left)
        return newer if newer is not None and newer.family.state is State.LIVE else None

    def _left(self, asked: Asked) -> float:
        return asked.limit - self._monotonic()


def _for_whom(shown: Tokens, flight: Flight, vouched: bool) -> Flight:
    """Let nobody become somebody else by a refresh token that stands beside an access token of another.

    That is over for who shows the two together, and says nothing of the session whose refresh token it is.
    """
    outcome = flight.outcome
    if not vouched or not isinstance(outcome, Refreshed):
        return flight
    if same_subject(shown.access_token, outcome.tokens.access_token, ("sub",)):
        return flight
    return replace(flight, outcome=Rejected("subject_changed"))
