"""Calling the authorization server: one request for each family at a time, and nothing that it answers is lost."""

from __future__ import annotations

import atexit
import logging
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from weakref import ref

from ..errors import StoreError
from ..per_process import PerProcess
from ..tokens import Outcome, Pending, Refreshed, Rejected, Tokens, Unreachable, same_subject
from . import rules
from .flight import Asked, Endpoint, Flight
from .looking import Looking
from .records import Look
from .rules import SEND_WITHIN, Family, State
from .slots import Slots
from .standing import Standing

NO_TIME = "no time was left for the call: the store is slow"
SLOT_WITHIN = 1.0
"""Seconds for which a request waits for a free slot."""
_MOST_LATE = 64
_FOR_GOOD = 600.0
"""Seconds without hope after which an answer is given up."""

log = logging.getLogger("wsgi_token_refresh")


@dataclass(frozen=True, slots=True)
class _Call:
    """What a call is made for, and under which nonce."""

    looking: Looking
    look: Look
    asked: Asked
    nonce: str


@dataclass(frozen=True, slots=True)
class _Late:
    """A call whose answer is still to come.

    It is ``due`` by when the call has taken all its time, and others wait for it until ``hopeful_until`` (monotonic
    seconds); it is taken later too.
    """

    call: _Call
    pending: Pending
    due: float
    hopeful_until: float


class Caller:
    """Asks the authorization server for who must call, and writes down what it says.

    ``patience`` is for how many seconds a request waits for an answer that its own good token makes needless.
    ``awaits`` is True while there may be something for ``collect`` to do. ``between_looks`` is for how many seconds a
    thread waits for a late answer before it looks whether it is wanted.
    """

    awaits = False
    between_looks = 0.1

    def __init__(
        self,
        endpoint: Endpoint,
        standing: Standing,
        *,
        patience: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._endpoint = endpoint
        self._standing = standing
        self._patience = min(patience, endpoint.answer_timeout)
        self._monotonic = monotonic
        self.slots = Slots(endpoint.max_calls, monotonic)
        self._late: PerProcess[dict[str, _Late]] = PerProcess(self._begin_to_wait)

    def call(self, looking: Looking, look: Look, asked: Asked) -> Flight | None:
        """Ask the authorization server; None where somebody else changed the record first."""
        came, vouched = self._monotonic(), asked.vouched or rules.is_vouched(look.family)
        left = asked.limit - came
        with self.slots.take(good=asked.good, vouched=vouched, seconds=min(SLOT_WITHIN, left)) as free:
            if not free or asked.limit <= self._monotonic():
                why = "too many refreshes at once" if not free else NO_TIME
                return self._standing.best(look, asked, Unreachable(False, why, 1.0))
            began, nonce = self._monotonic(), secrets.token_hex(8)
            called = self._called(look.family, nonce, look.now + began - came)
            if not looking.records.swap(look.member, look.value, called):
                return None
            outcome = self._endpoint.refresh(
                look.tokens.refresh_token or "",
                patience=self._patience_of(asked),
                may_send=lambda: self._monotonic() - began <= max(SEND_WITHIN, self._endpoint.timeout / 2),
            )
        return self._landed(_Call(looking, look, asked, nonce), outcome)

    def collect(self) -> None:
        """Take what answers of earlier calls of this process have come in meanwhile."""
        self.awaits = False
        for family in list(self._late.made() or ()):
            self.wait_for(family, 0.0)

    def finish(self, family: str, is_wanted: Callable[[], bool], *, to_the_end: bool) -> None:
        """Wait for what is still to come, after the response of who asked has gone out.

        Each who does so holds a thread, so they are few, and end when the thread ``is_wanted``, twice in a row, or once
        the call has taken all its time; ``to_the_end`` as long as there is hope. What they leave is collected.
        """
        late, wanted = (self._late.made() or {}).get(family), False
        if late is None:
            return
        until = late.hopeful_until if to_the_end else late.due
        with self.slots.linger() as free:
            while free and (left := until - self._monotonic()) > 0 and family in self._late.get():
                self.wait_for(family, min(left, self.between_looks))
                before, wanted = wanted, is_wanted()
                if wanted and before:
                    return

    def _begin_to_wait(self) -> dict[str, _Late]:
        """Let a process that ends take what is still to come to it, before nobody can."""
        atexit.register(_at_the_end, ref(self))
        return {}

    def take_all(self) -> None:
        """Wait for every answer that is still to come, as long as there is hope."""
        for family, late in list((self._late.made() or {}).items()):
            self.wait_for(family, max(0.0, late.hopeful_until - self._monotonic()))

    def wait_for(self, family: str, seconds: float) -> bool:
        """Wait for the answer to a call of this process about a family; False where there is none to hope for."""
        late = (self._late.made() or {}).pop(family, None)
        if late is None:
            return False
        is_hopeful = self._monotonic() < late.hopeful_until
        outcome = late.pending.outcome(seconds if is_hopeful else 0.0)
        if outcome is None and self._monotonic() >= late.hopeful_until + _FOR_GOOD:
            late.pending.close()
            return False
        if outcome is None:
            self._await(late)
            return is_hopeful
        self._landed(late.call, outcome)
        what = type(outcome).__name__
        log.info("the answer to an earlier refresh came late: %s session=%s", what, late.call.look.member.name)
        return True

    def _called(self, family: Family, nonce: str, now: float) -> Family:
        lasts = self._endpoint.timeout + self._endpoint.answer_timeout + SEND_WITHIN
        return rules.called(family, nonce, now + lasts, lasts)

    def _patience_of(self, asked: Asked) -> float:
        """Tell how long to wait for the answer: to give up what was sent may cost the session, and a good token waits
        for nobody. Where the refresh kills that token, nothing is left to pass with.
        """
        may_leave = asked.good and self._endpoint.old_access_token_survives
        return self._patience if may_leave else self._endpoint.answer_timeout

    def _landed(self, call: _Call, outcome: Outcome) -> Flight:
        """Write down what came of a call, and answer who made it."""
        if isinstance(outcome, Unreachable) and outcome.pending is not None:
            return self._still_to_come(call, replace(outcome, pending=None), outcome.pending)
        if isinstance(outcome, Refreshed):
            outcome = self._of_the_same_subject(call.look, outcome)
        if isinstance(outcome, Refreshed):
            self._forget_earlier(call)
            return self._keep(call, outcome)
        self._remember_refusal(call, outcome)
        return self._write_down(call, outcome)

    def _still_to_come(self, call: _Call, outcome: Unreachable, pending: Pending) -> Flight:
        """Go on without an answer that may still come, and let nobody present the same token again meanwhile."""
        left = self._endpoint.answer_timeout - self._patience_of(call.asked)
        hope, due = left + self._endpoint.answer_timeout, self._monotonic() + left
        self._await(_Late(call, pending, due, self._monotonic() + hope))
        if self._endpoint.single_use:
            with suppress(StoreError):
                call.looking.records.change(
                    call.look.member, lambda family, now: rules.awaited(family, now, hope, call.nonce)
                )
        elif not left:
            return self._write_down(call, outcome)
        return replace(self._standing.best(call.look, call.asked, outcome), own=not left, late=True)

    def _await(self, late: _Late) -> None:
        """Keep a call whose answer is still to come; the oldest makes room."""
        awaited = self._late.get()
        awaited[late.call.look.member.family] = late
        self.awaits = True
        while len(awaited) > _MOST_LATE:
            awaited.pop(next(iter(awaited))).pending.close()

    def _forget_earlier(self, call: _Call) -> None:
        """Give up the answer to an earlier call of a family that has an answer to a later one."""
        late = (self._late.made() or {}).pop(call.look.member.family, None)
        if late is not None:
            late.pending.close()

    def _of_the_same_subject(self, look: Look, outcome: Refreshed) -> Refreshed | Rejected:
        tokens, before = outcome.tokens, look.tokens
        if tokens.access_token is None:
            # The refresh token alone is the session; the access token from before is as good as it was.
            again, until = tokens.refresh_token, tokens.refresh_expires_at
            return Refreshed(replace(before, refresh_token=again, refresh_expires_at=until))
        if same_subject(before.access_token, tokens.access_token):
            return outcome
        self._revoke_unless_it_stayed(look, tokens)
        return Rejected("subject_changed")

    def _remember_refusal(self, call: _Call, outcome: Rejected | Unreachable) -> None:
        if isinstance(outcome, Rejected) and outcome.ends_session:
            return
        said = outcome.rule or (outcome.shape if isinstance(outcome, Unreachable) else "")
        if said:
            with suppress(StoreError):
                records, now = call.looking.records, self._standing.clock()
                records.refused_again(call.look, call.asked.tokens, said, now)

    def _keep(self, call: _Call, outcome: Refreshed) -> Flight:
        try:
            member = call.looking.records.keep(call.look, outcome.tokens, self._standing.hand_over)
        except StoreError:
            member = call.look.member
            call.looking.save_later(call.look, outcome.tokens)
        if member is None:
            return self._from_record(call, outcome)
        return Flight(outcome, member, own=True)

    def _write_down(self, call: _Call, outcome: Outcome) -> Flight:
        wrote: Family | None
        records, look = call.looking.records, call.look
        try:
            wrote = records.change(look.member, lambda family, now: self._after(family, now, call.nonce, outcome))
            if wrote is not None and wrote.state is State.REFUSED and not rules.is_vouched(wrote):
                records.bury(look.member, look.tokens, wrote)
        except StoreError:
            wrote = look.family
        if wrote is None:
            return self._from_record(call, outcome)
        if isinstance(outcome, Rejected) and outcome.ends_session:
            pause = look.family.pause
            return Flight(outcome, look.member, own=True, lost=pause.reason if pause and pause.sent else "")
        return replace(self._standing.best(look, call.asked, outcome), own=True)

    def _after(self, family: Family, now: float, nonce: str, outcome: Outcome) -> Family | None:
        if not rules.is_callers(family, nonce):
            return None
        if isinstance(outcome, Unreachable):
            single_use = self._endpoint.single_use
            return rules.unanswered(
                family,
                now,
                outcome.reason,
                sent=outcome.sent and single_use,
                retry_after=outcome.retry_after,
                at_once=outcome.sent and not single_use,
            )
        code = outcome.code if isinstance(outcome, Rejected) else ""
        refused = isinstance(outcome, Rejected) and outcome.ends_session
        return rules.refused(family, code) if refused else rules.paused(family, now, code)

    def _from_record(self, call: _Call, outcome: Outcome) -> Flight:
        """Answer whoever's outcome was not written: the record has gone on without it."""
        look, asked = call.look, call.asked
        try:
            newest = call.looking.records.look(look.member)
        except StoreError:
            newest = None
        over = None if newest is None else self._standing.over(newest, let_in=asked.forced)
        if over is not None and isinstance(outcome, Refreshed):
            self._revoke_unless_it_stayed(look, outcome.tokens)
        if over is not None:
            return Flight(over, look.member)
        lost = Unreachable(True, "another refresh of this session is under way", 1.0)
        return self._standing.best(newest or look, asked, lost)

    def _revoke_unless_it_stayed(self, look: Look, tokens: Tokens) -> None:
        # Without rotation a sign-in may have got the same token again, and sign-out has revoked it itself.
        if tokens.refresh_token == look.tokens.refresh_token:
            return
        failed = self._endpoint.revoke(tokens.refresh_token or "")
        if failed is not None:
            log.warning("a refresh token that nobody will use could not be revoked: %s", failed)


def _at_the_end(caller: ref[Caller]) -> None:
    if (waiting := caller()) is not None:
        waiting.take_all()
