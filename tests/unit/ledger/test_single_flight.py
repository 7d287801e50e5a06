"""Single flight and hand-over, step by step: what happens when something happens in between."""

from __future__ import annotations

import base64
import json
import logging
import threading
from dataclasses import replace

import pytest

from wsgi_token_refresh.authorization_server.dialects import DIALECTS, read_token_response
from wsgi_token_refresh.errors import StoreError
from wsgi_token_refresh.ledger import rules
from wsgi_token_refresh.ledger.calling import NO_TIME
from wsgi_token_refresh.ledger.flight import Flight
from wsgi_token_refresh.ledger.looking import MOST_UNSAVED
from wsgi_token_refresh.ledger.records import DAY, HOUR, Records
from wsgi_token_refresh.ledger.rules import FIRST_PAUSE, SEND_WITHIN
from wsgi_token_refresh.ledger.single_flight import STORE_DOWN, WAIT_TIMEOUT, Refresher
from wsgi_token_refresh.stores.memory import MemoryStore
from wsgi_token_refresh.tokens import Refreshed, Rejected, Tokens, Unreachable, received

NOW = 1_800_000_000.0
TIMEOUT = 5.0
ANSWER_TIMEOUT = 20.0
LIFETIME = 900.0
DUE, EXPIRED = 700, 1000
"""Seconds after which an access token stands so."""
LOST = 60
"""Seconds after which a caller that did not come back is given up."""
PATIENCE = 10.0
REFUSED = Rejected("invalid_grant")
UNANSWERED = Unreachable(True, "timed out")
REFUSED_CONNECTION = Unreachable(False, "connection refused")
WAITED_IN_VAIN = Unreachable(True, "the refresh that it waited for gave nothing", 1.0)
CALLER_LOST = replace(WAITED_IN_VAIN, retry_after=FIRST_PAUSE)
UNDER_WAY = Unreachable(True, "another refresh of this session is under way", 1.0)


class Clock:
    """A clock that is set by hand."""

    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now


class Endpoint:
    """A token endpoint that plays back outcomes; one that is a function is called while the request is out."""

    timeout = TIMEOUT
    answer_timeout = ANSWER_TIMEOUT
    max_calls = 8
    identity = ("https://auth.example/token", "web")

    def __init__(self, clock, *, single_use=True, old_access_token_survives=True):
        self.clock = clock
        self.single_use = single_use
        self.old_access_token_survives = old_access_token_survives
        self.outcomes = []
        self.asked = []
        self.revoked = []
        self.revocation_fails = None
        self.patience = []

    def refresh(self, refresh_token, *, patience, may_send):
        self.patience.append(patience)
        if not may_send():
            return Unreachable(False, "woken late")
        self.asked.append(refresh_token)
        outcome = self.outcomes.pop(0)
        return outcome() if callable(outcome) else outcome

    def revoke(self, refresh_token):
        self.revoked.append(refresh_token)
        return self.revocation_fails

    def read(self, mapping):
        return read_token_response(mapping, DIALECTS["oauth2"], self.clock())


class Disturbed:
    """A real store in front of which something happens: ``before`` is told each operation, may raise, and may write."""

    def __init__(self, clock):
        self.clock = clock
        self.inner = MemoryStore(clock=clock)
        self.before = lambda operation, key: None
        self.done = []

    def read(self, key):
        self._begin("read", key)
        return self.inner.read(key)

    def swap(self, key, old, new, lives):
        self._begin("swap", key)
        return self.inner.swap(key, old, new, lives)

    def touch(self, key, lives):
        self._begin("touch", key)
        self.inner.touch(key, lives)

    def wait(self, key, seen, seconds):
        """Let the time pass at once where nothing changes."""
        self._begin("wait", key)
        if self.inner.read(key).value == seen:
            self.clock.now += seconds
        entry = self.inner.read(key)
        return None if entry.value == seen else entry

    def go_down(self, *operations, on=""):
        """Be down, for these operations (all where none is named), on keys that begin so."""

        def fail(operation, key):
            if key.startswith(on) and (not operations or operation in operations):
                raise StoreError("down")

        self.before = fail

    def be_back(self):
        self.before = lambda operation, key: None

    def once(self, operation, kind, act):
        """Let something happen once, before the first such operation on a key of this kind."""
        left = [act]

        def act_once(done, key):
            if done == operation and key.startswith(kind) and left:
                left.pop()()

        self.before = act_once

    def _begin(self, operation, key):
        self.done.append(operation)
        self.before(operation, key)

    def keys(self, kind):
        return [key for key in self.inner._records.get().values if key.startswith(kind)]


def access_token(serial, now, *, sub="ada", lifetime=LIFETIME, **claims):
    claims = {"sub": sub, "iat": now, "exp": now + lifetime, "n": serial, **claims}
    return "e30." + base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=") + ".c2ln"


def issued(serial, now, *, refresh_token="", **claims):
    """Make the tokens of the ``serial``-th answer."""
    return received(access_token(serial, now, **claims), refresh_token or f"refresh-{serial}", now=now)


def refresher(store, endpoint, clock, **options):
    """Make what one host has."""
    return Refresher(
        store,
        endpoint,
        **{"refresh_before": 300.0, "hand_over": 600.0, "lives": 30 * DAY, "clock": clock, "monotonic": clock}
        | options,
    )


class World:
    """A store, an authorization server and two hosts; the second one's store is never disturbed."""

    def __init__(self, **options):
        self.clock = Clock()
        self.store = Disturbed(self.clock)
        self.endpoint = Endpoint(self.clock, **options)
        self.host = refresher(self.store, self.endpoint, self.clock)
        self.other = refresher(self.store.inner, self.endpoint, self.clock)
        self.first = issued(0, NOW)

    def later(self, seconds):
        self.clock.now += seconds

    def newer(self, serial, **options):
        """Order new tokens, and give them."""
        tokens = issued(serial, self.clock(), **options)
        self.endpoint.outcomes.append(Refreshed(tokens))
        return tokens

    def meanwhile(self, act, outcome):
        """Order an outcome before which something happens while the request is out."""

        def answer():
            act()
            return outcome

        self.endpoint.outcomes.append(answer)

    def refresh(self, tokens=None, *, host=None, good=True, **options):
        return (host or self.host).refresh(tokens or self.first, good=good, **options)

    def sign_out(self, tokens=None):
        self.other.end(tokens or self.first, "sign-out", vouched=True)

    def stir(self, key):
        """Write a family as another host would: its meaning stays."""
        value = self.store.inner.read(key).value
        family = rules.decode_family(value)
        assert self.store.inner.swap(key, value, rules.encode_family(replace(family, reason=family.reason + ".")), DAY)


@pytest.fixture
def world():
    return World()


@pytest.fixture
def lenient():
    """A world in which a refresh token may be used twice."""
    return World(single_use=False)


# One refresh for all.


def test_one_request_asks_and_everybody_is_handed_what_it_got(world):
    world.later(DUE)
    newer = world.newer(1)
    flight = world.refresh()
    assert (flight.outcome, flight.own) == (Refreshed(newer), True)
    for host in (world.host, world.other):
        handed = world.refresh(host=host)
        assert (handed.outcome, handed.own) == (Refreshed(newer), False)
        assert host.to_send(handed) == newer
    assert world.endpoint.asked == ["refresh-0"]


def test_whoever_loses_the_race_to_call_is_handed_what_the_winner_got(world):
    world.later(DUE)
    newer = world.newer(1)
    world.refresh(host=world.other, good=False)
    world.later(DUE)
    newest = world.newer(2)
    world.store.once("swap", "family:", lambda: world.refresh(newer, host=world.other))
    flight = world.refresh(newer)
    assert (flight.outcome, flight.own) == (Refreshed(newest), False)
    assert world.endpoint.asked == ["refresh-0", "refresh-1"]


def test_whoever_always_loses_the_race_to_call_gives_up_and_has_not_asked(world):
    world.later(DUE)

    def another_writes(operation, key):
        if operation == "swap" and key.startswith("family:") and world.store.inner.read(key).value:
            world.stir(key)

    world.store.before = another_writes
    assert world.refresh().outcome == WAITED_IN_VAIN
    assert world.endpoint.asked == []


def let_another_call(world, *, lasts=TIMEOUT + SEND_WITHIN):
    """Let another host be calling; give what it writes with, and what it looked at."""
    records = Records(world.store.inner, world.endpoint.identity, 30 * DAY)
    records.found(world.first)
    look = records.find(world.first)
    calling = rules.called(look.family, "another", world.clock() + lasts, lasts)
    assert records.swap(look.member, look.value, calling)
    return records, look


def test_who_waits_is_handed_what_came(world):
    world.later(EXPIRED)
    records, look = let_another_call(world)
    newer = issued(1, world.clock())
    world.store.once("wait", "family:", lambda: records.keep(look, newer, 600))
    flight = world.refresh(good=False)
    assert (flight.outcome, flight.own) == (Refreshed(newer), False)
    assert world.endpoint.asked == []


@pytest.mark.parametrize(
    ("at_once", "outcome"),
    [
        pytest.param(False, Unreachable(True, "timed out", 2.0), id="there is a pause"),
        pytest.param(True, WAITED_IN_VAIN, id="the next request may call"),
    ],
)
def test_who_waited_does_not_call_when_the_caller_got_no_answer_and(world, at_once, outcome):
    world.later(EXPIRED)
    records, look = let_another_call(world)

    def give_up():
        records.change(
            look.member, lambda family, now: rules.unanswered(family, now, "timed out", sent=True, at_once=at_once)
        )

    world.store.once("wait", "family:", give_up)
    assert world.refresh(good=False).outcome == outcome
    assert world.endpoint.asked == []


def test_who_waits_gives_up_at_its_own_limit(world):
    world.later(EXPIRED)
    let_another_call(world)
    began = world.clock()
    flight = world.refresh(good=False)
    assert world.clock() - began == WAIT_TIMEOUT
    assert flight.outcome == replace(CALLER_LOST, retry_after=FIRST_PAUSE + SEND_WITHIN)
    world.later(flight.outcome.retry_after)
    world.endpoint.outcomes.append(Refreshed(issued(1, world.clock())))
    assert isinstance(world.refresh(good=False).outcome, Refreshed), "whoever comes when told finds no pause"


def test_who_gives_up_before_the_caller_does_comes_again_soon(world):
    world.later(EXPIRED)
    let_another_call(world, lasts=60)
    assert world.refresh(good=False).outcome == WAITED_IN_VAIN


def test_a_good_token_passes_while_another_calls(world):
    world.later(DUE)
    let_another_call(world)
    flight = world.refresh()
    assert flight.outcome is None
    assert flight.member is not None


def test_a_good_token_waits_where_a_refresh_kills_it():
    world = World(old_access_token_survives=False)
    world.later(DUE)
    let_another_call(world)
    assert world.refresh().outcome == replace(CALLER_LOST, retry_after=FIRST_PAUSE + SEND_WITHIN)


# Slots: how many calls go out at once.

SOON = 0.02
"""Seconds of a real clock for which somebody waits for a slot in vain."""


def another(number, now=NOW):
    return issued(0, now, sub=f"user-{number}", refresh_token=f"another-{number}")


def while_calling(world, act):
    """Let something happen while the call for the first session is out, and give what it gave."""
    found = []
    world.meanwhile(lambda: found.append(act()), Refreshed(issued(1, world.clock())))
    world.refresh(good=False)
    return found[0]


def with_slots(most):
    world = World()
    world.endpoint.max_calls = most
    world.host = refresher(world.store, world.endpoint, world.clock)
    return world


def test_nothing_is_asked_when_no_slot_is_free():
    world = with_slots(1)
    world.later(EXPIRED)
    flight = while_calling(world, lambda: world.refresh(another(1), good=False, limit=world.clock() + SOON))
    assert flight.outcome == Unreachable(False, "too many refreshes at once", 1.0)
    assert world.endpoint.asked == ["refresh-0"]
    world.endpoint.outcomes.append(Refreshed(issued(2, world.clock(), sub="user-1")))
    assert isinstance(world.refresh(another(1), good=False).outcome, Refreshed), "nobody is held up by it"


def test_a_good_token_never_waits_for_a_slot():
    world = with_slots(4)
    world.later(DUE)
    writes, flights = [], []

    def ask():
        world.store.done.clear()
        flights.append(world.refresh(another(1)))
        writes.extend(set(world.store.done) - {"read"})

    world.meanwhile(ask, Refreshed(issued(1, world.clock())))
    world.refresh()
    assert (flights[0].outcome, writes) == (None, [])
    assert world.endpoint.asked == ["refresh-0"], "a quarter of the slots is for refreshes that nobody waits for"


def test_refreshes_that_nobody_waits_for_leave_slots_for_the_others():
    world = with_slots(4)
    world.later(DUE)
    waits = []

    def ask():
        world.endpoint.outcomes.append(Refreshed(issued(2, world.clock(), sub="user-1")))
        waits.append(world.refresh(another(1, NOW - EXPIRED), good=False))

    world.meanwhile(ask, Refreshed(issued(1, world.clock())))
    world.refresh()
    assert isinstance(waits[0].outcome, Refreshed)


def test_tokens_that_nothing_vouches_for_cannot_take_the_slots_of_others():
    world = with_slots(2)
    world.later(EXPIRED)
    garbage = Tokens(refresh_token="made up")
    outcomes = []

    def ask():
        outcomes.append(world.refresh(Tokens(refresh_token="too"), good=False, limit=world.clock() + SOON).outcome)
        world.endpoint.outcomes.append(Refreshed(issued(1, world.clock())))
        outcomes.append(world.refresh(world.first, good=False, vouched=True).outcome)

    world.meanwhile(ask, REFUSED)
    world.refresh(garbage, good=False)
    assert outcomes[0] == Unreachable(False, "too many refreshes at once", 1.0)
    assert isinstance(outcomes[1], Refreshed)


def test_a_request_whose_time_is_up_calls_no_more(world):
    world.later(EXPIRED)
    world.store.before = lambda operation, key: world.later(TIMEOUT if operation == "swap" else 0)
    assert world.refresh(good=False).outcome == Unreachable(False, NO_TIME, 1.0)
    assert world.endpoint.asked == []


def test_a_caller_that_took_more_than_a_second_to_begin_sends_while_there_is_time(world):
    world.later(EXPIRED)
    newer = world.newer(1)
    founded = []

    def write_slowly(operation, key):
        if operation == "swap" and key.startswith("family:"):
            founded.append(key)
            world.later(1.5 * SEND_WITHIN if len(founded) == 2 else 0)

    world.store.before = write_slowly
    assert world.refresh(good=False).outcome == Refreshed(newer)


def test_a_caller_that_wrote_too_slowly_does_not_send(world):
    world.later(EXPIRED)
    founded = []

    def write_slowly(operation, key):
        if operation == "swap" and key.startswith("family:"):
            founded.append(key)
            world.later(0.6 * TIMEOUT if len(founded) == 2 else 0)

    world.store.before = write_slowly
    flight = world.refresh(good=False)
    assert flight.outcome == Unreachable(False, "woken late")
    assert world.endpoint.asked == []


# What an answer does.


@pytest.mark.parametrize(
    ("outcome", "pause"),
    [
        pytest.param(UNANSWERED, 2, id="no answer"),
        pytest.param(REFUSED_CONNECTION, 0.5, id="no connection"),
        pytest.param(Unreachable(False, "429", 30.0), 30, id="an answer that says when to come back"),
        pytest.param(Rejected("invalid_client", ends_session=False), 2, id="a refusal that ends no session"),
    ],
)
def test_nobody_asks_again_for_a_while_after(world, outcome, pause):
    world.later(EXPIRED)
    world.endpoint.outcomes.append(outcome)
    flight = world.refresh(good=False)
    assert (flight.outcome, flight.own) == (outcome, True)
    world.later(0.9 * pause)
    again = world.refresh(good=False, host=world.other)
    assert isinstance(again.outcome, Unreachable)
    assert not again.own
    assert len(world.endpoint.asked) == 1
    world.later(0.1 * pause + 0.01)
    newer = world.newer(1)
    assert world.refresh(good=False).outcome == Refreshed(newer)


def test_a_token_that_may_be_used_twice_is_shown_again_at_once(lenient):
    lenient.later(EXPIRED)
    lenient.endpoint.outcomes.append(UNANSWERED)
    lenient.refresh(good=False)
    newer = lenient.newer(1)
    assert lenient.refresh(good=False).outcome == Refreshed(newer)


def test_a_refusal_ends_the_session_for_everybody_and_expires_cookies_once(world):
    world.later(DUE)
    world.endpoint.outcomes.append(REFUSED)
    flight = world.refresh()
    assert (flight.outcome, flight.own, flight.lost) == (REFUSED, True, "")
    late = world.refresh(host=world.other)
    assert (late.outcome, late.own) == (REFUSED, False)
    assert world.other.take_refusal(late.member)
    assert not world.host.take_refusal(flight.member)
    assert world.refresh().outcome == Rejected("ended")


def test_a_refusal_of_a_token_that_nothing_vouched_for_expires_no_cookies(world):
    world.endpoint.outcomes.append(REFUSED)
    flight = world.refresh(Tokens(refresh_token="torn"), good=False)
    assert not world.host.take_refusal(flight.member)


def test_a_refusal_after_a_lost_answer_says_what_was_lost(world):
    world.later(EXPIRED)
    world.endpoint.outcomes += [UNANSWERED, REFUSED]
    world.refresh(good=False)
    world.later(2)
    flight = world.refresh(good=False)
    assert (flight.outcome, flight.lost) == (REFUSED, "timed out")


def test_a_refusal_after_a_connection_that_failed_speaks_of_nothing_lost(world):
    world.later(EXPIRED)
    world.endpoint.outcomes += [REFUSED_CONNECTION, REFUSED]
    world.refresh(good=False)
    world.later(2)
    assert world.refresh(good=False).lost == ""


@pytest.mark.parametrize("failed", [None, "503"], ids=["revoked", "that could not be revoked"])
def test_tokens_of_another_person_are_never_kept_and_are(world, caplog, failed):
    world.later(DUE)
    world.newer(1, sub="eve")
    world.endpoint.revocation_fails = failed
    flight = world.refresh()
    assert flight.outcome == Rejected("subject_changed")
    assert world.endpoint.revoked == ["refresh-1"]
    assert world.host.to_send(flight) is None
    warnings = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
    told = ["a refresh token that nobody will use could not be revoked: 503"]
    assert warnings == (told if failed else [])
    assert world.refresh(host=world.other).outcome == Rejected("subject_changed")


def test_the_refresh_token_of_another_person_is_not_revoked_where_it_is_the_one_that_was_shown(world):
    world.later(DUE)
    world.newer(1, sub="eve", refresh_token="refresh-0")
    assert world.refresh().outcome == Rejected("subject_changed")
    assert world.endpoint.revoked == []


# Something happens while the request is out.


def test_a_sign_out_while_a_refresh_is_out_wins_and_the_new_tokens_are_revoked(world):
    world.later(DUE)
    world.meanwhile(world.sign_out, Refreshed(issued(1, world.clock())))
    flight = world.refresh()
    assert (flight.outcome, flight.own) == (Rejected("ended"), False)
    assert world.endpoint.revoked == ["refresh-1"]


def test_a_sign_out_while_a_refresh_is_out_wins_over_a_refusal(world):
    world.later(DUE)
    world.meanwhile(world.sign_out, REFUSED)
    assert world.refresh().outcome == Rejected("ended")
    assert world.endpoint.revoked == []


def test_a_sign_out_while_a_refresh_is_out_leaves_the_refresh_token_that_stayed_to_itself(world):
    world.later(DUE)
    world.meanwhile(world.sign_out, Refreshed(issued(1, world.clock(), refresh_token="refresh-0")))
    assert world.refresh().outcome == Rejected("ended")
    assert world.endpoint.revoked == []


def let_another_take_over(world, newer):
    """Let a host find that the caller did not come back, and refresh itself."""

    def take_over():
        world.later(LOST)
        world.endpoint.outcomes.insert(0, Refreshed(newer))
        assert world.refresh(host=world.other, good=False).own

    return take_over


@pytest.mark.parametrize(
    "outcome",
    [
        pytest.param(UNANSWERED, id="no answer"),
        pytest.param(REFUSED, id="a refusal"),
        pytest.param(Refreshed(issued(9, NOW + EXPIRED)), id="other tokens"),
    ],
)
def test_a_caller_that_comes_back_late_with(world, outcome):
    world.later(EXPIRED)
    newer = issued(1, world.clock() + LOST)
    world.meanwhile(let_another_take_over(world, newer), outcome)
    flight = world.refresh(good=False)
    assert (flight.outcome, flight.own) == (Refreshed(newer), False), "is handed what the next one got"
    assert world.refresh(newer).outcome is None, "and has changed nothing"


def test_a_caller_that_comes_back_late_while_the_store_is_down_says_that_a_refresh_is_under_way(world):
    world.later(EXPIRED)
    newer = issued(1, world.clock() + LOST)

    def take_over():
        let_another_take_over(world, newer)()
        world.store.before = fail_after_two_swaps

    swaps = []

    def fail_after_two_swaps(operation, key):
        # The row is written, and the family is found changed: then the store is lost.
        swaps.append(key)
        if operation == "read" and len(swaps) > 2:
            raise StoreError("down")

    world.meanwhile(take_over, Refreshed(issued(9, world.clock())))
    assert world.refresh(good=False).outcome == UNDER_WAY


# The clock is set back.


def test_a_pause_from_before_the_clock_was_set_back_has_passed(world):
    world.later(EXPIRED + DAY)
    world.endpoint.outcomes.append(REFUSED_CONNECTION)
    world.refresh(good=False)
    world.later(-DAY)
    newer = world.newer(1)
    assert world.refresh(good=False).outcome == Refreshed(newer)


def test_a_caller_from_before_the_clock_was_set_back_is_given_up(world):
    world.later(EXPIRED + DAY)
    let_another_call(world)
    world.later(-DAY)
    newer = world.newer(1)
    assert world.refresh(good=False).outcome == Refreshed(newer)


# The store fails.


def test_a_store_that_is_down_is_an_answer_and_nothing_is_asked(world):
    world.later(EXPIRED)
    world.store.go_down()
    flight = world.refresh(good=False)
    assert flight.outcome == Unreachable(False, STORE_DOWN)
    assert flight.member is None
    assert world.endpoint.asked == []


def test_tokens_that_a_host_got_by_itself_are_not_sent_once_the_family_has_ended(lenient):
    world = lenient
    world.later(EXPIRED)
    world.newer(1)
    world.store.go_down()
    flight = world.refresh(good=False)
    assert isinstance(flight.outcome, Refreshed)
    world.store.be_back()
    assert world.host.to_send(flight) == flight.outcome.tokens
    world.other.end(world.first, "sign-out", vouched=True)
    assert world.host.to_send(flight) is None


def test_a_store_that_is_down_leaves_a_host_to_itself_where_a_token_may_be_used_twice(lenient):
    lenient.later(EXPIRED)
    lenient.store.go_down()
    newer = lenient.newer(1)
    for own in (True, False):
        flight = lenient.refresh(good=False)
        assert (flight.outcome, flight.own, flight.member) == (Refreshed(newer), own, None)
    assert lenient.host.to_send(flight) is None


def test_a_record_that_vanishes_as_often_as_it_is_written_is_a_store_that_is_down(world):
    def vanish(operation, key):
        if operation == "read" and key.startswith("family:"):
            world.store.inner.touch(key, 0)

    world.store.before = vanish
    world.later(EXPIRED)
    assert world.refresh(good=False).outcome == Unreachable(False, STORE_DOWN)
    assert world.endpoint.asked == []


@pytest.mark.parametrize("outcome", [UNANSWERED, REFUSED], ids=["no answer", "a refusal"])
def test_an_outcome_that_cannot_be_written_is_still_that_of_this_request(world, outcome):
    world.later(EXPIRED)
    world.meanwhile(world.store.go_down, outcome)
    flight = world.refresh(good=False)
    assert (flight.outcome, flight.own) == (outcome, True)


def test_tokens_that_cannot_be_written_go_out_and_are_written_when_the_store_is_back(world):
    world.later(EXPIRED)
    newer = issued(1, world.clock())
    world.meanwhile(world.store.go_down, Refreshed(newer))
    flight = world.refresh(good=False)
    assert (flight.outcome, flight.own) == (Refreshed(newer), True)
    assert world.host.to_send(flight) == newer
    world.store.be_back()
    world.host.look_up(newer)
    assert world.refresh(host=world.other, good=False).outcome == Refreshed(newer)
    assert world.endpoint.asked == ["refresh-0"]


@pytest.mark.parametrize("ends", [False, True], ids=["", "which has ended since"])
def test_all_who_are_welcome_go_along_when_a_family_gives_way_to_another(world, ends):
    world.later(EXPIRED)
    world.newer(1)
    one = world.refresh(good=False).outcome.tokens
    world.later(EXPIRED)
    two = issued(2, world.clock())
    world.meanwhile(world.store.go_down, Refreshed(two))
    assert world.refresh(one, good=False).outcome == Refreshed(two)
    world.other.found(two)
    world.store.be_back()
    world.host.look_up(one)
    if ends:
        world.other.end(two, "sign-out")
    for shown in (world.first, one):
        outcome = world.refresh(shown, good=False).outcome
        assert outcome == (Rejected("ended") if ends else Refreshed(two))
        assert world.host.look_up(shown).outcome == outcome
    assert world.endpoint.asked == ["refresh-0", "refresh-1"]


def test_who_is_welcome_no_more_does_not_go_along_when_a_family_gives_way(world):
    shown = world.first
    for serial in (1, 2):
        world.later(EXPIRED)
        world.newer(serial)
        shown = world.refresh(shown, good=False).outcome.tokens
    world.later(EXPIRED)
    three = issued(3, world.clock())
    world.meanwhile(world.store.go_down, Refreshed(three))
    world.refresh(shown, good=False)
    world.other.found(three)
    world.store.be_back()
    assert world.refresh(shown, good=False).outcome == Refreshed(three)
    assert world.refresh(good=False).outcome == Rejected("ended")


def test_who_waits_while_a_family_gives_way_is_handed_the_tokens_of_the_other(world):
    world.later(EXPIRED)
    records, look = let_another_call(world)
    newer = issued(1, world.clock())

    def give_way():
        records.found(newer)
        records.keep(look, newer, 600)

    world.store.once("wait", "family:", give_way)
    assert world.refresh(good=False).outcome == Refreshed(newer)


def test_no_more_than_so_many_tokens_wait_for_a_store_that_is_down(world):
    many = MOST_UNSAVED + 1
    world.endpoint.max_calls = 2 * many
    world.host = refresher(world.store, world.endpoint, world.clock)
    world.later(EXPIRED)
    arrived, released, flights = threading.Semaphore(0), [threading.Event() for _ in range(many)], {}

    def visit(number):
        old = issued(0, NOW, sub=f"user-{number}", refresh_token=f"old-{number}")
        flights[number] = world.refresh(old, good=False)

    def answer():
        number = int(threading.current_thread().name)
        arrived.release()
        assert released[number].wait(PATIENCE)
        return Refreshed(issued(1, world.clock(), sub=f"user-{number}", refresh_token=f"new-{number}"))

    world.endpoint.outcomes += [answer] * many
    threads = [threading.Thread(target=visit, args=(number,), name=str(number)) for number in range(many)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert arrived.acquire(timeout=PATIENCE)
    world.store.go_down()
    for number, thread in enumerate(threads):
        released[number].set()
        thread.join(PATIENCE)
    assert all(flight.own and isinstance(flight.outcome, Refreshed) for flight in flights.values())
    assert len(world.host._shared.unsaved) == MOST_UNSAVED
    world.store.be_back()
    world.host.look_up(world.first)
    assert world.host._shared.unsaved == {}


def test_who_shows_tokens_of_which_only_the_row_could_be_written_is_welcome(world):
    world.later(EXPIRED)
    newer = issued(1, world.clock())
    world.meanwhile(lambda: world.store.go_down("read", on="family:"), Refreshed(newer))
    world.refresh(good=False)
    assert world.refresh(newer, host=world.other).outcome is None
    assert world.refresh(host=world.other, good=False).outcome == Refreshed(newer), "and so are its other tabs"
    world.later(610)
    assert world.other.look_up(world.first).outcome == Refreshed(newer), "however late, for no browser has passed them"
    assert world.endpoint.asked == ["refresh-0"]


def test_tabs_with_the_old_token_are_welcome_although_the_new_one_was_shown_before_it_could_be_written(world):
    world.later(EXPIRED)
    newer = issued(1, world.clock())
    world.meanwhile(world.store.go_down, Refreshed(newer))
    world.refresh(good=False)
    world.store.be_back()
    newest = world.newer(2)
    world.refresh(newer, host=world.other, good=False)
    world.host.look_up(newest)
    assert world.host._shared.unsaved == {}
    flight = world.refresh(host=world.other, good=False)
    assert (flight.outcome, world.other.to_send(flight)) == (Refreshed(newest), newest)
    assert world.endpoint.asked == ["refresh-0", "refresh-1"]


def test_two_sessions_to_which_one_new_token_is_given_both_go_on_with_it(world):
    another = issued(0, NOW, refresh_token="refresh-another")
    world.later(EXPIRED)
    newer = issued(1, world.clock())
    world.endpoint.outcomes = [Refreshed(newer), Refreshed(newer)]
    for tokens in (world.first, another):
        flight = world.refresh(tokens, good=False)
        assert (flight.outcome, world.host.to_send(flight)) == (Refreshed(newer), newer)
    for tokens in (world.first, another):
        assert world.refresh(tokens, host=world.other, good=False).outcome == Refreshed(newer)


def test_who_shows_tokens_from_before_a_store_lost_its_last_writes_begins_anew(world):
    world.later(DUE)
    newer = world.newer(1)
    world.endpoint.outcomes.insert(0, REFUSED_CONNECTION)
    world.refresh()
    family = world.store.keys("family:")[0]
    before = world.store.inner.read(family).value
    world.later(LOST)
    world.refresh()
    world.later(EXPIRED)
    newest = world.newer(2)
    world.refresh(newer, good=False)
    world.store.inner.swap(family, world.store.inner.read(family).value, before, DAY)
    world.later(DUE)
    last = world.newer(3)
    assert world.refresh(newest).outcome == Refreshed(last)
    assert world.endpoint.asked[-1] == "refresh-2"


# Looking up.


def test_looking_up_tokens_that_nobody_knows_founds_nothing(world):
    assert world.host.look_up(world.first) == Flight(None)
    assert world.store.keys("") == []


def test_looking_up_while_the_store_is_down_lets_good_tokens_pass(world):
    world.store.go_down()
    assert world.host.look_up(world.first) == Flight(None, down="down")


def test_looking_up_tells_that_a_session_has_ended(world):
    world.host.found(world.first)
    world.sign_out()
    assert world.host.look_up(world.first).outcome == Rejected("ended")


def test_looking_up_gives_newer_tokens_and_no_older_ones(world):
    world.later(DUE)
    newer = world.newer(1)
    world.refresh()
    assert world.host.look_up(world.first).outcome == Refreshed(newer)
    assert world.host.look_up(newer).outcome is None


@pytest.mark.parametrize(
    "seconds",
    [pytest.param(EXPIRED, id="that have expired"), pytest.param(600, id="when this one was replaced long ago")],
)
def test_looking_up_hands_over_no_newer_tokens(world, seconds):
    world.later(DUE)
    newer = world.newer(1)
    world.refresh()
    world.later(DUE)
    world.newer(2)
    world.refresh(newer)
    world.later(seconds)
    assert world.host.look_up(world.first).outcome is None


# Sending.


def test_newer_tokens_than_those_handed_over_are_sent(world):
    world.later(DUE)
    newer = world.newer(1)
    flight = world.refresh()
    world.later(DUE)
    newest = world.newer(2)
    world.refresh(newer, host=world.other)
    assert world.host.to_send(flight) == newest


def test_no_tokens_of_a_session_that_has_ended_are_sent(world):
    world.later(DUE)
    world.newer(1)
    flight = world.refresh()
    world.sign_out()
    assert world.host.to_send(flight) is None


@pytest.mark.parametrize("own", [True, False], ids=["sent by who got them", "not sent by who was handed them"])
@pytest.mark.parametrize("how", ["is gone", "cannot be read"])
def test_tokens_whose_record(world, how, own):
    world.later(DUE)
    newer = world.newer(1)
    flight = world.refresh()
    if not own:
        flight = world.refresh()
    if how == "is gone":
        for key in world.store.keys("family:"):
            world.store.inner.touch(key, 0)
    else:
        world.store.go_down()
    assert world.host.to_send(flight) == (newer if own else None)


# Ending, and holding.


def test_a_session_without_a_refresh_token_is_neither_begun_nor_ended(world):
    alone = replace(world.first, refresh_token=None)
    assert world.host.found(alone) is None
    assert world.host.end(alone, "sign-out", vouched=True) == (alone, None)
    assert world.store.done == []


def test_ending_gives_the_newest_tokens_to_be_revoked(world):
    world.later(DUE)
    newer = world.newer(1)
    world.refresh()
    assert world.host.end(world.first, "sign-out", vouched=True)[0] == newer
    assert world.refresh(newer).outcome == Rejected("ended")


def test_a_held_family_is_let_alone_for_longer_each_time(world):
    member = world.host.found(world.first)
    world.later(EXPIRED)
    tokens = world.first
    for serial, seconds in enumerate([2, 2, 2, 4, 8, 16, 32, 60, 60]):
        world.host.hold(member, "aud is wrong")
        world.later(seconds - 1)
        assert world.refresh(tokens, good=False).outcome == Unreachable(False, "aud is wrong", 1.0)
        world.later(1)
        tokens = world.newer(serial + 1, lifetime=0)
        assert world.refresh(good=False).outcome == Refreshed(tokens)


def test_who_would_write_while_the_store_is_down_writes_nothing_and_says_so(world):
    member = world.host.found(world.first)
    world.store.go_down()
    world.host.hold(member, "aud is wrong")
    assert not world.host.take_refusal(member)
    for act in (world.host.found, lambda tokens: world.host.end(tokens, "sign-out", vouched=True)):
        with pytest.raises(StoreError):
            act(world.first)
    world.store.be_back()
    assert world.host.look_up(world.first) == Flight(None, member)


def test_a_token_that_somebody_refused_although_it_looks_good_is_refreshed(world):
    newer = world.newer(1)
    assert world.refresh(forced=True).outcome == Refreshed(newer)


def test_an_access_token_that_nobody_verified_is_handed_to_nobody(world):
    world.endpoint.outcomes.append(REFUSED_CONNECTION)
    world.refresh(replace(world.first, access_token=access_token(7, NOW, sub="eve")), good=False)
    flight = world.refresh(Tokens(refresh_token="refresh-0"), good=False)
    assert flight.outcome == replace(REFUSED_CONNECTION, retry_after=1.0)


def test_who_shows_an_unproven_token_is_asked_for_and_forgotten_within_the_hour(world):
    world.endpoint.outcomes.append(REFUSED)
    world.refresh(Tokens(access_token(7, NOW), "torn", NOW + LIFETIME, LIFETIME), good=False)
    world.later(HOUR)
    assert [key for key in world.store.keys("") if world.store.inner.read(key).value] == []
