"""Calling: what is sent is waited for, what comes late is kept, and what is refused for good ends."""

from __future__ import annotations

import gc
from dataclasses import replace

import pytest

from tests.unit.ledger.test_single_flight import (
    ANSWER_TIMEOUT,
    DUE,
    EXPIRED,
    LIFETIME,
    NOW,
    REFUSED,
    TIMEOUT,
    UNANSWERED,
    Disturbed,
    World,
    issued,
    refresher,
)
from wsgi_token_refresh.ledger.calling import _FOR_GOOD, _MOST_LATE
from wsgi_token_refresh.ledger.records import A_WHILE, DAY, Records
from wsgi_token_refresh.ledger.rules import FIRST_PAUSE, LONGEST_PAUSE, SEND_WITHIN, State
from wsgi_token_refresh.ledger.single_flight import WAIT_TIMEOUT
from wsgi_token_refresh.tokens import Refreshed, Rejected, Tokens, Unreachable

LONGEST_CALL = TIMEOUT + ANSWER_TIMEOUT + SEND_WITHIN
NO_ANSWER = Unreachable(True, "no answer within 5 s")


class Answer:
    """An answer that comes when the test lets it: ``comes`` is what it is, once it is there."""

    def __init__(self, clock):
        self.clock = clock
        self.comes = None
        self.waited = []
        self.closed = False

    def outcome(self, seconds):
        self.waited.append(seconds)
        if self.comes is None:
            self.clock.now += seconds
        return self.comes

    def close(self):
        self.closed = True


@pytest.fixture
def world():
    return World()


@pytest.fixture
def answer(world):
    """Order a call whose answer does not come in time."""
    answer = Answer(world.clock)
    world.endpoint.outcomes.append(replace(NO_ANSWER, pending=answer))
    return answer


@pytest.fixture
def answer_to_many():
    """Order the same where a refresh token may be presented twice."""
    world = World(single_use=False)
    answer = Answer(world.clock)
    world.endpoint.outcomes.append(replace(NO_ANSWER, pending=answer))
    return world, answer


def finish(world, flight, *, is_wanted=lambda: False, to_the_end=False):
    """Wait as a thread does whose response has gone out."""
    world.host.finish(flight, is_wanted, to_the_end=to_the_end)


def far_away(world):
    """Make another host, whose store lets the time pass at once where nothing changes."""
    store = Disturbed(world.clock)
    store.inner = world.store.inner
    return refresher(store, world.endpoint, world.clock)


def family(world, tokens=None):
    return Records(world.store.inner, world.endpoint.identity, 30 * DAY).find(tokens or world.first).family


# How long an answer is waited for.


@pytest.mark.parametrize(
    ("survives", "later", "options", "patience"),
    [
        pytest.param(True, EXPIRED, {"good": False}, ANSWER_TIMEOUT, id="who has no good token waits to the end"),
        pytest.param(True, DUE, {}, WAIT_TIMEOUT, id="who has a good one goes on soon"),
        pytest.param(True, 0, {"forced": True}, ANSWER_TIMEOUT, id="whose token was refused waits to the end"),
        pytest.param(False, DUE, {}, ANSWER_TIMEOUT, id="whose token a refresh kills waits to the end"),
    ],
)
def test_how_long_an_answer_is_waited_for(survives, later, options, patience):
    world = World(old_access_token_survives=survives)
    world.later(later)
    world.newer(1)
    world.refresh(**options)
    assert world.endpoint.patience == [patience]


def test_a_call_is_in_the_record_for_as_long_as_it_can_take(world):
    world.later(EXPIRED)
    began, seen = world.clock(), []
    world.meanwhile(lambda: seen.append(family(world).calling), REFUSED)
    world.refresh(good=False)
    assert seen[0].deadline - began == LONGEST_CALL


# An answer that comes late.


def test_who_has_a_good_token_goes_on_and_the_call_stands(world, answer):
    world.later(DUE)
    flight = world.refresh()
    assert (flight.outcome, flight.own, flight.late) == (NO_ANSWER, False, True)
    assert family(world).calling is not None
    answer.comes = Refreshed(issued(1, world.clock()))
    finish(world, flight)
    assert family(world).calling is None
    assert world.refresh(host=world.other).outcome == answer.comes


def test_who_needs_the_answer_waits_for_it_where_it_will_come(world, answer):
    world.later(DUE)
    world.refresh()
    answer.comes = Refreshed(issued(1, world.clock()))
    waits = []
    answer.outcome = lambda seconds: waits.append(seconds) or (answer.comes if seconds else None)
    world.clock.now = family(world).calling.deadline - 1
    assert world.refresh(good=False).outcome == answer.comes
    assert waits == [0.0, 1.0]
    assert len(world.endpoint.asked) == 1


def test_a_refusal_that_comes_late_ends_the_session(world, answer):
    world.later(DUE)
    flight = world.refresh()
    answer.comes = REFUSED
    finish(world, flight)
    assert family(world).state is State.REFUSED


def test_a_connection_that_ends_without_an_answer_is_a_pause(world, answer):
    world.later(DUE)
    flight = world.refresh()
    answer.comes = Unreachable(True, "connection lost")
    finish(world, flight)
    assert family(world).pause.sent


def test_who_waited_to_the_end_is_unavailable_and_the_answer_is_still_taken(world, answer):
    world.later(EXPIRED)
    flight = world.refresh(good=False)
    assert (flight.outcome, flight.own, flight.late) == (NO_ANSWER, True, True)
    world.later(ANSWER_TIMEOUT + LONGEST_PAUSE)
    answer.comes = Refreshed(issued(1, world.clock()))
    assert world.refresh(good=False).outcome == answer.comes
    assert len(world.endpoint.asked) == 1


@pytest.mark.parametrize(
    ("later", "good"), [(DUE, True), (EXPIRED, False)], ids=["after who went on", "after who gave up"]
)
def test_no_host_presents_again_what_may_be_answered(world, answer, later, good):
    world.later(later)
    world.refresh(good=good)
    began, other = world.clock(), far_away(world)
    while world.clock() < began + ANSWER_TIMEOUT - WAIT_TIMEOUT - 1:
        assert isinstance(world.refresh(good=False, host=other).outcome, Unreachable)
        world.later(1)
    answer.comes = Refreshed(issued(1, world.clock()))
    world.host.caller.collect()
    assert world.refresh(good=False, host=world.other).outcome == answer.comes
    assert len(world.endpoint.asked) == 1


def test_an_answer_that_never_comes_is_one_that_was_lost(world, answer):
    world.later(EXPIRED)
    world.refresh(good=False)
    world.later(ANSWER_TIMEOUT + FIRST_PAUSE)
    newer = world.newer(1)
    assert world.refresh(good=False, host=world.other).outcome == Refreshed(newer)


def test_what_may_be_presented_twice_is_presented_again_at_once(answer_to_many):
    world, answer = answer_to_many
    world.later(EXPIRED)
    flight = world.refresh(good=False)
    assert flight.own
    newer = world.newer(1)
    assert world.refresh(good=False, host=world.other).outcome == Refreshed(newer)
    assert answer.waited == []


def test_but_not_in_the_process_where_the_answer_may_still_come(answer_to_many):
    world, answer = answer_to_many
    world.later(EXPIRED)
    world.refresh(good=False)
    assert isinstance(world.refresh(good=False).outcome, Unreachable)
    assert answer.waited == [0.0, WAIT_TIMEOUT, 0.0]
    answer.comes = Refreshed(issued(1, world.clock()))
    assert world.refresh(good=False).outcome == answer.comes
    assert len(world.endpoint.asked) == 1


def test_who_goes_on_with_a_good_token_lets_a_call_stand_that_may_be_repeated(answer_to_many):
    world, _ = answer_to_many
    world.later(DUE)
    assert world.refresh().late
    assert family(world).calling.lasts == LONGEST_CALL


def test_a_store_that_is_lost_before_it_hears_that_an_answer_is_awaited(world, answer):
    world.later(EXPIRED)
    world.meanwhile(world.store.go_down, world.endpoint.outcomes.pop())
    assert isinstance(world.refresh(good=False).outcome, Unreachable)
    world.store.be_back()
    answer.comes = Refreshed(issued(1, world.clock()))
    assert world.refresh(good=False).outcome == answer.comes


def test_whom_others_have_followed_is_awaited_no_more(world, answer):
    world.later(EXPIRED)
    world.meanwhile(world.sign_out, world.endpoint.outcomes.pop())
    assert isinstance(world.refresh(good=False).outcome, Unreachable)
    assert family(world).state is State.ENDED


def test_a_caller_says_whether_there_may_be_something_to_collect(world, answer):
    caller = world.host.caller
    assert not caller.awaits
    world.later(DUE)
    world.refresh()
    for comes in (None, Refreshed(issued(1, world.clock()))):
        assert caller.awaits
        answer.comes = comes
        caller.collect()
    assert not caller.awaits


def test_a_few_wait_for_what_is_to_come_and_no_more(world):
    """Each holds a thread of the server, whose response has gone out."""
    world.later(DUE)
    world.endpoint.max_calls = 4
    world.host = refresher(world.store, world.endpoint, world.clock)
    answers, flights, inner = [Answer(world.clock) for _ in range(2)], [], []
    for number, answer in enumerate(answers):
        world.endpoint.outcomes.append(replace(NO_ANSWER, pending=answer))
        tokens = issued(0, NOW, sub=f"u{number}", refresh_token=f"r{number}")
        flights.append(world.refresh(tokens))
        answer.waited.clear()
    answers[0].outcome = lambda seconds: inner.append(finish(world, flights[1])) or REFUSED
    finish(world, flights[0])
    assert (inner, answers[1].waited) == ([None], [])
    finish(world, flights[1])
    assert sum(answers[1].waited) > ANSWER_TIMEOUT - WAIT_TIMEOUT - 1


@pytest.mark.parametrize(
    ("later", "good", "to_the_end", "waits"),
    [
        pytest.param(DUE, True, False, ANSWER_TIMEOUT - WAIT_TIMEOUT, id="a worker's only thread until it is due"),
        pytest.param(DUE, True, True, 2 * ANSWER_TIMEOUT - WAIT_TIMEOUT, id="one of several while there is hope"),
        pytest.param(EXPIRED, False, False, 0, id="a worker's only thread that has waited for it before"),
        pytest.param(EXPIRED, False, True, ANSWER_TIMEOUT, id="one of several that has waited for it before"),
    ],
)
def test_how_long_a_thread_waits_for_a_late_answer(world, answer, later, good, to_the_end, waits):
    world.later(later)
    flight = world.refresh(good=good)
    began = world.clock()
    finish(world, flight, to_the_end=to_the_end)
    assert world.clock() - began == pytest.approx(waits)


@pytest.mark.parametrize(
    ("wanted", "looks"),
    [
        pytest.param([True, True], 2, id="whom somebody waits for"),
        pytest.param(
            [True, False, False, True, True], 5, id="whom somebody waits for, and no other thread has taken it"
        ),
    ],
)
def test_a_thread_that_is_wanted_leaves_the_answer_to_who_comes_by(world, answer, wanted, looks):
    world.later(DUE)
    flight, seen = world.refresh(), iter(wanted)
    finish(world, flight, is_wanted=lambda: next(seen))
    assert answer.waited == [pytest.approx(0.1)] * looks
    answer.comes = Refreshed(issued(1, world.clock()))
    world.host.caller.collect()
    assert world.refresh(host=world.other).outcome == answer.comes


def test_a_process_that_ends_waits_for_all_that_is_to_come(world):
    world.later(EXPIRED)
    answers = [Answer(world.clock) for _ in range(3)]
    for number, answer in enumerate(answers):
        world.endpoint.outcomes.append(replace(NO_ANSWER, pending=answer))
        world.refresh(issued(0, NOW, sub=f"u{number}", refresh_token=f"r{number}"), good=False)
    for answer in answers:
        answer.waited.clear()
    answers[1].comes = REFUSED
    began = world.clock()
    world.host.caller.take_all()
    assert world.clock() - began == ANSWER_TIMEOUT
    assert [len(answer.waited) for answer in answers] == [1, 1, 1]


def test_it_is_told_when_it_ends(world, answer, monkeypatch):
    told = []
    monkeypatch.setattr("atexit.register", lambda *call: told.append(call))
    world.later(DUE)
    world.refresh()
    answer.comes = Refreshed(issued(1, world.clock()))
    ((at_the_end, caller),) = told
    at_the_end(caller)
    assert world.refresh(host=world.other).outcome == answer.comes
    world.host = None
    gc.collect()
    at_the_end(caller)


def test_an_answer_is_given_up_once_a_later_call_was_answered(world, answer):
    world.later(EXPIRED)
    world.refresh(good=False)
    world.later(ANSWER_TIMEOUT + FIRST_PAUSE)
    newer = world.newer(1)
    assert world.refresh(good=False).outcome == Refreshed(newer)
    assert answer.closed
    world.host.caller.collect()
    assert not world.host.caller.awaits


def test_an_answer_that_never_comes_is_given_up_at_last(world, answer):
    world.later(EXPIRED)
    world.refresh(good=False)
    world.later(ANSWER_TIMEOUT + _FOR_GOOD - 1)
    world.host.caller.collect()
    assert not answer.closed
    world.later(1)
    world.host.caller.collect()
    assert answer.closed
    assert not world.host.caller.awaits


def test_nobody_waits_for_an_answer_that_somebody_has_taken(world, answer):
    world.later(DUE)
    flight = world.refresh()
    answer.comes = Refreshed(issued(1, world.clock()))
    world.host.caller.collect()
    answer.waited.clear()
    finish(world, flight)
    assert answer.waited == []


def test_another_session_collects_what_has_come(world, answer):
    world.later(EXPIRED)
    world.refresh(good=False)
    answer.comes = Refreshed(issued(1, world.clock()))
    world.host.look_up(issued(5, world.clock(), refresh_token="another"))
    assert world.refresh(good=False, host=world.other).outcome == answer.comes


def test_whoever_would_call_again_waits_for_the_answer_to_the_first_call_instead(world, answer):
    world.later(EXPIRED)
    world.refresh(good=False)
    world.later(3)
    flight = world.refresh(good=False)
    assert isinstance(flight.outcome, Unreachable)
    assert answer.waited[:2] == [0.0, WAIT_TIMEOUT]
    assert len(world.endpoint.asked) == 1


def test_nobody_waits_for_an_answer_for_ever(world, answer):
    world.later(EXPIRED)
    world.refresh(good=False)
    world.later(ANSWER_TIMEOUT + FIRST_PAUSE)
    newer = world.newer(1)
    assert world.refresh(good=False).outcome == Refreshed(newer)


def test_an_answer_that_comes_after_others_have_gone_on_changes_nothing(world, answer):
    world.later(EXPIRED)
    world.refresh(good=False)
    world.later(ANSWER_TIMEOUT + FIRST_PAUSE)
    newer = world.newer(1)
    world.refresh(good=False, host=world.other)
    answer.comes = REFUSED
    assert world.refresh(good=False).outcome == Refreshed(newer)


def test_an_answer_that_comes_after_a_sign_out_is_revoked(world, answer):
    world.later(EXPIRED)
    world.refresh(good=False)
    world.sign_out()
    answer.comes = Refreshed(issued(1, world.clock()))
    assert world.refresh(good=False).outcome == Rejected("ended")
    assert world.endpoint.revoked == ["refresh-1"]


def test_the_oldest_of_too_many_is_given_up(world):
    world.later(EXPIRED)
    world.endpoint.max_calls = 1000
    answers = [Answer(world.clock) for _ in range(_MOST_LATE + 1)]
    for number, answer in enumerate(answers):
        world.endpoint.outcomes.append(replace(NO_ANSWER, pending=answer))
        world.refresh(issued(0, NOW, sub=f"u{number}", refresh_token=f"r{number}"), good=False)
    assert [answer.closed for answer in answers] == [True] + [False] * _MOST_LATE


# Nothing that came is thrown away.


def test_a_refresh_token_that_came_without_an_access_token_is_kept(world):
    world.newer(1)
    first = world.refresh(forced=True).outcome.tokens
    world.later(DUE)
    world.endpoint.outcomes.append(Refreshed(Tokens(None, "refresh-9", genuine=True)))
    tokens = world.refresh(first).outcome.tokens
    assert (tokens.access_token, tokens.refresh_token) == (first.access_token, "refresh-9")
    world.later(LIFETIME)
    newer = world.newer(2)
    assert world.refresh(tokens, good=False).outcome == Refreshed(newer)
    assert world.endpoint.asked[-1] == "refresh-9"


# Refusals that no rule names.

BARE = Unreachable(True, "HTTP 400 without a body", rule="400:")
PAGE = Unreachable(True, "HTTP 400 with text/html", rule="400:Bad%20Request*")
CODE = Rejected("revoked_or_so", ends_session=False, rule="400:revoked_or_so")


def refused(world, outcome, *, times, every):
    """Ask so often; give the last outcome."""
    for _ in range(times):
        world.endpoint.outcomes.append(outcome)
        flight = world.refresh(good=False)
        world.later(every)
    return flight.outcome


@pytest.mark.parametrize(
    ("outcome", "times", "every", "ends"),
    [
        pytest.param(BARE, 1, 0, False, id="once is a hiccup"),
        pytest.param(BARE, 5, 100, False, id="so are many in less than ten minutes"),
        pytest.param(BARE, 3, 301, True, id="for ten minutes it is none"),
        pytest.param(BARE, 11, 61, True, id="also if it was asked for all the time"),
        pytest.param(BARE, 2, 3600, True, id="nor is twice in an hour"),
        pytest.param(PAGE, 8, 3600, False, id="whatever says something can be named and never ends by itself"),
        pytest.param(CODE, 8, 3600, False, id="so can a code"),
    ],
)
@pytest.mark.parametrize("vouched", [True, False])
def test_a_bare_refusal_ends_a_session_at_last(world, outcome, times, every, ends, vouched):
    if vouched:
        world.host.found(world.first)
    world.later(EXPIRED)
    assert refused(world, outcome, times=times, every=every) == (Rejected("http_400") if ends else outcome)


def test_other_words_begin_a_count_of_their_own(world):
    world.later(EXPIRED)
    refused(world, BARE, times=2, every=301)
    refused(world, PAGE, times=1, every=301)
    assert refused(world, BARE, times=1, every=0) == BARE, "a page came in between"


def test_a_refresh_that_went_well_ends_the_count(world):
    world.host.found(world.first)
    world.later(EXPIRED)
    refused(world, BARE, times=2, every=301)
    world.endpoint.outcomes.append(Refreshed(issued(1, world.clock(), refresh_token="refresh-0")))
    world.refresh(good=False)
    world.later(EXPIRED)
    assert refused(world, BARE, times=1, every=0) == BARE


@pytest.mark.parametrize(
    ("outcome", "after", "stuck"),
    [
        pytest.param(PAGE, 0, False, id="just now"),
        pytest.param(PAGE, A_WHILE - 1, False, id="for less than a minute"),
        pytest.param(PAGE, A_WHILE, True, id="for a minute"),
        pytest.param(CODE, A_WHILE, True, id="by a code"),
        pytest.param(UNANSWERED, DAY, False, id="not by silence"),
    ],
)
def test_who_is_refused_for_a_while_is_stuck(world, outcome, after, stuck):
    world.later(EXPIRED)
    refused(world, outcome, times=1, every=after)
    world.endpoint.outcomes.append(outcome)
    assert world.refresh(good=False).stuck is stuck


def test_who_has_a_good_token_is_not_stuck(world):
    world.later(DUE)
    refused(world, PAGE, times=1, every=A_WHILE)
    assert not world.refresh(good=True).stuck


def test_the_first_refusal_that_ends_no_session_may_be_a_hiccup_and_many_are_none(world):
    world.later(EXPIRED)
    pauses = []
    for _ in range(9):
        world.endpoint.outcomes.append(CODE)
        assert world.refresh(good=False).outcome == CODE
        pauses.append(family(world).pause.not_before - world.clock())
        world.later(pauses[-1])
    assert pauses == [2, 2, 2, 4, 8, 16, 32, 60, 60]
    newer = world.newer(1)
    assert world.refresh(good=False).outcome == Refreshed(newer)


def test_a_refusal_that_cannot_be_counted_is_what_it_is(world):
    world.later(EXPIRED)
    world.store.go_down(on="refusals:")
    assert refused(world, BARE, times=1, every=0) == BARE


# Garbage.

MADE_UP = Tokens(refresh_token="m" * 3000)


def left_behind(world):
    """Give the bytes of keys and values that are kept."""
    records = world.store.inner._records.get().values
    now = world.clock()
    return sum(len(key) + len(value) for key, (value, dies) in records.items() if now < dies)


def test_a_made_up_refresh_token_leaves_next_to_nothing(world):
    world.endpoint.outcomes.append(REFUSED)
    assert world.refresh(MADE_UP, good=False).outcome == REFUSED
    assert left_behind(world) <= 150
    world.later(3600)
    assert left_behind(world) == 0


def test_and_is_not_asked_about_again_on_any_host(world):
    world.endpoint.outcomes.append(REFUSED)
    world.refresh(MADE_UP, good=False)
    assert world.refresh(MADE_UP, good=False).outcome == REFUSED
    assert world.refresh(MADE_UP, good=False, host=world.other).outcome == REFUSED
    assert len(world.endpoint.asked) == 1


def test_a_sign_out_with_it_ends_nothing(world):
    world.endpoint.outcomes.append(REFUSED)
    world.refresh(MADE_UP, good=False)
    assert world.host.end(MADE_UP, "sign-out", vouched=False) == (MADE_UP, None)
    assert left_behind(world) <= 150


def test_who_signs_in_with_it_after_all_is_signed_in(world):
    world.endpoint.outcomes.append(REFUSED)
    world.refresh(MADE_UP, good=False)
    signed = issued(3, world.clock(), refresh_token=MADE_UP.refresh_token)
    world.host.found(signed)
    world.later(EXPIRED)
    newer = world.newer(4)
    assert world.refresh(MADE_UP, good=False).outcome == Refreshed(newer)


@pytest.mark.parametrize("operation", ["no:", "family:", "row:"])
def test_what_somebody_has_gone_on_with_is_not_taken_away(world, operation):
    world.endpoint.outcomes.append(REFUSED)
    swaps = []

    def go_on(done, key):
        # Once the refusal has been written another host founds the session anew by a sign-in.
        swaps.extend([key] if done == "swap" else [])
        buries = done == "swap" and key.startswith(operation) and any(each.startswith("no:") for each in swaps)
        if buries and not signed:
            signed.append(world.other.found(issued(5, world.clock(), refresh_token=MADE_UP.refresh_token)))

    signed = []
    world.store.before = go_on
    world.refresh(MADE_UP, good=False)
    world.store.be_back()
    assert signed
    world.later(EXPIRED)
    newer = world.newer(6)
    assert world.refresh(MADE_UP, good=False).outcome == Refreshed(newer)


def test_a_store_that_is_lost_while_it_is_buried_is_a_refusal_all_the_same(world):
    world.endpoint.outcomes.append(REFUSED)
    world.store.go_down("swap", on="no:")
    assert world.refresh(MADE_UP, good=False).outcome == REFUSED


# What a browser has paired decides nothing.


def test_an_access_token_that_a_browser_has_paired_is_nobodys_elses(world):
    """Mallory's good access token beside Jane's refresh token, where the ledger has no record of Jane."""
    world.later(DUE)
    janes, mallorys = world.first, issued(7, world.clock(), sub="mallory")
    paired = replace(mallorys, refresh_token=janes.refresh_token, genuine=False)
    newer = world.newer(1)
    mixed = world.refresh(replace(paired, expires_at=world.clock() + 100))
    assert mixed.outcome == Rejected("subject_changed"), "nobody becomes somebody else from one page to the next"
    world.later(60)
    assert world.refresh(janes, good=False).outcome == Refreshed(newer)
    assert world.endpoint.revoked == []


@pytest.mark.parametrize(
    ("shown", "outcome"),
    [
        pytest.param({"sub": "mallory"}, Rejected("subject_changed"), id="not to somebody else"),
        pytest.param({"sub": "ada", "sid": "older"}, None, id="to the same person with an older session's token"),
    ],
)
def test_handed_over_beside_another_access_token(world, shown, outcome):
    world.host.found(world.first)
    world.later(DUE)
    newer = world.newer(1, sid="newer")
    world.refresh()
    paired = issued(7, world.clock() - DUE, refresh_token="refresh-0", **shown)
    assert world.host.look_up(paired).outcome == (outcome or Refreshed(newer))
    assert world.refresh(paired).outcome == (outcome or Refreshed(newer))


def test_what_was_paired_is_not_handed_to_others(world):
    world.later(DUE)
    paired = replace(issued(7, world.clock(), sub="mallory"), refresh_token="refresh-0", genuine=False)
    world.endpoint.outcomes.append(Unreachable(False, "connection refused"))
    world.refresh(paired)
    other = world.refresh(Tokens(refresh_token="refresh-0"), good=False, host=world.other)
    assert isinstance(other.outcome, Unreachable)


def test_refresher_is_made_with_the_words_of_the_middleware(world):
    host = refresher(world.store, world.endpoint, world.clock, wait_timeout=2.0)
    assert host.limit() == world.clock() + 2.0
