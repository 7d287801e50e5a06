"""The records in a store: what is found, who may write what, and how long it lives."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.ledger.test_single_flight import LIFETIME, NOW, Clock, Disturbed, issued
from wsgi_token_refresh.errors import StoreError
from wsgi_token_refresh.ledger import rules
from wsgi_token_refresh.ledger.records import ATTEMPTS, DAY, HOUR, Member, Records, unproven
from wsgi_token_refresh.ledger.rules import State
from wsgi_token_refresh.ledger.sealing import Marks
from wsgi_token_refresh.tokens import Tokens

IDENTITY = ("https://auth.example/token", "web")
LIVES = 30 * DAY
HAND_OVER = 600.0
FIRST, SECOND, THIRD = (issued(number, NOW + 60 * number) for number in range(3))


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(clock):
    return Disturbed(clock)


@pytest.fixture
def records(store):
    return Records(store, IDENTITY, LIVES)


@pytest.fixture
def another(store):
    """Another host, whose operations are never disturbed."""
    return Records(store.inner, IDENTITY, LIVES)


@pytest.fixture
def member(records):
    return records.found(FIRST)


def ended(family, now):
    return rules.ended(family, "sign-out")


def is_there(store, key):
    return store.inner.read(key).value is not None


def overwrite(store, key, value):
    assert store.inner.swap(key, store.inner.read(key).value, value, DAY)


# Finding.


def test_what_was_founded_is_found_by_its_refresh_token_and_by_no_other(records, member, clock):
    look = records.find(FIRST)
    assert (look.member, look.tokens, look.now) == (member, FIRST, clock())
    assert look.family.state is State.LIVE
    assert records.find(SECOND) is None
    assert records.look(member) == look


def test_another_client_finds_nothing(store, member):
    assert Records(store, (IDENTITY[0], "spa"), LIVES).find(FIRST) is None


def test_a_member_shows_no_key(member):
    assert repr(member) == f"Member({member.family[:8]})"


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda value: b"", id="empty"),
        pytest.param(lambda value: b"{}\nx", id="no row"),
        pytest.param(lambda value: value[:-1], id="a row that the refresh token does not open"),
        pytest.param(lambda value: b'["another",0]\nsealed', id="the row of a family that was never written"),
    ],
)
def test_a_row_that_is_damaged_is_none(records, member, store, damage):
    key = store.keys("row:")[0]
    overwrite(store, key, damage(store.inner.read(key).value))
    assert records.find(FIRST) is None
    assert records.found(FIRST) is not None, "a new one may be founded over it"
    assert records.find(FIRST).tokens == FIRST


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda value: b"", id="empty"),
        pytest.param(lambda value: b"[]\n", id="no family"),
        pytest.param(lambda value: value[:-1], id="torn"),
        pytest.param(lambda value: value.partition(b"\n")[0] + b"\n", id="without its tokens"),
    ],
)
def test_a_family_that_is_damaged_is_none(records, member, store, damage):
    key = store.keys("family:")[0]
    overwrite(store, key, damage(store.inner.read(key).value))
    assert records.look(member) is None
    assert records.find(FIRST) is None
    assert records.found(FIRST) is not None
    assert records.find(FIRST).tokens == FIRST


def test_a_family_that_is_gone_is_none_and_is_not_changed(records, member, store):
    store.inner.touch(store.keys("family:")[0], 0)
    assert records.look(member) is None
    assert records.find(FIRST) is None
    assert records.change(member, ended) is None


# Founding.


def test_who_founds_what_is_there_leaves_nothing_behind(records, member, store):
    assert records.found(FIRST) is None
    assert records.find(FIRST).member == member
    assert [key for key in store.keys("family:") if is_there(store, key)] == [f"family:{member.family}"]


def test_a_sign_in_replaces_what_its_refresh_token_stood_for(records, member):
    newer = records.found(FIRST, replaces=True)
    assert records.find(FIRST).member == newer != member


def test_of_two_who_found_at_once_one_does(records, another, store):
    winners = []
    store.once("swap", "row:", lambda: winners.append(another.found(FIRST)))
    assert records.found(FIRST) is None
    assert records.find(FIRST).member == winners[0]


def test_of_two_sign_ins_at_once_the_later_one_counts(records, another, store):
    store.once("swap", "row:", lambda: another.found(FIRST))
    assert records.find(FIRST) is None
    newer = records.found(FIRST, replaces=True)
    assert records.find(FIRST).member == newer is not None


def test_who_founds_while_others_always_write_in_between_gives_up_and_leaves_nothing_behind(records, another, store):
    def found_too(operation, key):
        if operation == "swap" and key.startswith("row:"):
            another.found(FIRST, replaces=True)

    store.before = found_too
    assert records.found(FIRST, replaces=True) is None
    living = [key for key in store.keys("family:") if is_there(store, key)]
    assert len(living) == ATTEMPTS, "those of the others"
    assert f"family:{records.find(FIRST).member.family}" in living


# Keeping.


def test_new_tokens_are_found_by_both_refresh_tokens(records, member):
    assert records.keep(records.find(FIRST), SECOND, HAND_OVER)
    for tokens, generation in ((FIRST, 0), (SECOND, 1)):
        look = records.find(tokens)
        assert (look.member, look.tokens) == (replace(member, generation=generation), SECOND)


def test_new_tokens_are_written_over_a_change_that_came_in_between(records, another, member, store):
    look = records.find(FIRST)
    store.once("swap", "family:", lambda: another.change(member, lambda family, now: rules.paused(family, now, "?")))
    assert records.keep(look, SECOND, HAND_OVER)
    assert records.find(FIRST).tokens == SECOND


def test_new_tokens_are_written_although_the_family_has_vanished(records, member, store):
    look = records.find(FIRST)
    store.inner.touch(store.keys("family:")[0], 0)
    assert records.keep(look, SECOND, HAND_OVER)
    assert records.find(FIRST).tokens == records.find(SECOND).tokens == SECOND


def test_new_tokens_are_not_written_where_others_have_gone_on(records, another, member):
    look = records.find(FIRST)
    another.keep(look, SECOND, HAND_OVER)
    assert not records.keep(look, THIRD, HAND_OVER)
    assert records.find(FIRST).tokens == SECOND


def test_new_tokens_are_not_written_after_a_sign_out(records, member):
    look = records.find(FIRST)
    records.change(member, ended)
    assert not records.keep(look, SECOND, HAND_OVER)


def test_a_family_whose_new_token_began_another_gives_way_to_it(records, member):
    look = records.find(FIRST)
    newer = records.found(SECOND)
    assert records.keep(look, SECOND, HAND_OVER) == newer
    assert records.find(FIRST).leads_to == records.find(SECOND).member == newer
    assert records.find(FIRST).tokens.refresh_token == FIRST.refresh_token
    assert records.find(SECOND).family.state is State.LIVE
    assert (records.look(member).family.state, records.look(member).family.reason) == (State.ENDED, "superseded")


def test_a_family_gives_way_to_one_that_vanished_and_is_over(records, member, store):
    look = records.find(FIRST)
    newer = records.found(SECOND)
    store.inner.touch(f"family:{newer.family}", 0)
    assert records.keep(look, SECOND, HAND_OVER) == member
    assert records.find(FIRST).family.state is State.ENDED


def test_a_refresh_token_that_stays_keeps_its_row(records, member, store):
    same = replace(SECOND, refresh_token=FIRST.refresh_token)
    assert records.keep(records.find(FIRST), same, HAND_OVER)
    assert records.find(FIRST).tokens == same
    assert len(store.keys("row:")) == 1


# Changing.


def test_a_family_that_changes_as_often_as_it_is_read_is_a_store_error(records, another, member, store):
    tries = []

    def another_pauses(operation, key):
        if operation == "swap":
            tries.append(key)
            another.change(member, lambda family, now: rules.paused(family, now, f"{len(tries)}"))

    store.before = another_pauses
    with pytest.raises(StoreError, match="changed too often"):
        records.change(member, ended)
    assert len(tries) == ATTEMPTS
    assert records.look(member).family.state is State.LIVE


def test_a_change_that_wants_nothing_writes_nothing(records, member, store):
    assert records.change(member, lambda family, now: None) is None
    assert store.done[-1] == "read"


def test_a_damaged_family_is_not_changed(records, member, store):
    overwrite(store, store.keys("family:")[0], b"")
    assert records.change(member, ended) is None


def test_waiting_returns_when_the_family_has_changed(records, another, member, store, clock):
    look = records.find(FIRST)
    store.once("wait", "family:", lambda: another.change(member, ended))
    assert records.wait(look, 5.0).family.state is State.ENDED
    assert clock() == NOW
    assert records.wait(records.find(FIRST), 5.0) is None
    assert clock() == NOW + 5.0


# How long records live.


def forgotten_after(records, tokens, clock, *durations):
    """Tell after which of these durations the tokens are found no more."""
    began = clock.now
    for seconds in durations:
        clock.now = began + seconds
        if records.find(tokens) is None:
            return seconds
    return None


def test_what_nothing_vouches_for_goes_after_an_hour(records, clock):
    records.found(unproven(FIRST), vouched=False)
    records.change(records.find(FIRST).member, lambda family, now: rules.paused(family, now, "429"))
    assert forgotten_after(records, FIRST, clock, HOUR - 1, HOUR) == HOUR


def test_what_was_refused_before_it_was_ever_refreshed_goes_an_hour_later(records, member, clock):
    records.change(member, lambda family, now: rules.refused(family, "invalid_grant"))
    assert forgotten_after(records, FIRST, clock, HOUR - 1, HOUR) == HOUR


def test_a_session_lives_a_day_longer_than_its_cookie(records, member, clock):
    assert forgotten_after(records, FIRST, clock, LIVES, LIVES + DAY - 1, LIVES + DAY) == LIVES + DAY


def test_the_end_of_a_session_is_remembered_as_long(records, member, clock):
    records.change(member, ended)
    assert forgotten_after(records, FIRST, clock, LIVES, LIVES + DAY) == LIVES + DAY


def test_the_end_of_what_nothing_vouches_for_is_remembered_for_an_hour(records, clock):
    records.found(unproven(FIRST), vouched=False)
    records.change(records.find(FIRST).member, ended)
    assert forgotten_after(records, FIRST, clock, HOUR - 1, HOUR) == HOUR


def test_the_first_refresh_vouches_for_a_row_that_nothing_vouched_for(records, clock):
    records.found(unproven(FIRST), vouched=False)
    records.keep(records.find(FIRST), SECOND, HAND_OVER)
    assert forgotten_after(records, FIRST, clock, HOUR, LIVES, LIVES + DAY) == LIVES + DAY


def test_rows_that_are_no_longer_welcome_go_after_a_day(records, member, clock):
    records.keep(records.find(FIRST), SECOND, HAND_OVER)
    records.keep(records.find(SECOND), THIRD, HAND_OVER)
    assert forgotten_after(records, FIRST, clock, DAY - 1, DAY) == DAY
    assert records.find(SECOND).tokens == THIRD


@pytest.mark.parametrize(
    ("days", "lives_on"), [(2, True), (0.5, False)], ids=["a day later", "not on the day of the refresh"]
)
def test_what_is_handed_over_is_renewed(records, member, clock, days, lives_on):
    records.keep(records.find(FIRST), SECOND, HAND_OVER)
    clock.now += days * DAY
    records.renew(records.find(FIRST))
    assert (forgotten_after(records, SECOND, clock, LIVES + DAY - 1) is None) is lives_on


def test_renewing_writes_a_row_that_was_lost(records, member, store, clock):
    records.keep(records.find(FIRST), SECOND, HAND_OVER)
    look = records.find(SECOND)
    store.inner.touch(f"row:{look.family.welcome[-1][1]}", 0)
    assert records.find(SECOND) is None
    clock.now += 2 * DAY
    records.renew(records.find(FIRST))
    assert records.find(SECOND).member == replace(member, generation=1)


def test_nothing_is_renewed_for_tokens_that_cannot_be_refreshed(records, member, store, clock):
    look = replace(records.find(FIRST), tokens=Tokens("opaque", None, NOW + LIFETIME, LIFETIME))
    clock.now += 2 * DAY
    before = len(store.done)
    records.renew(replace(look, now=clock.now))
    assert len(store.done) == before


def test_a_member_of_a_family_that_was_never_written_is_none(records):
    assert records.look(Member("0" * 32, 0, b"k" * 32)) is None


# Who can write the store says nothing of who somebody is.


def with_secrets(store, *secrets):
    return Records(store, IDENTITY, LIVES, Marks(lambda: secrets))


@pytest.mark.parametrize(
    ("writes", "reads", "genuine"),
    [
        pytest.param([b"ours"], [b"ours"], True, id="what this application has written"),
        pytest.param([b"ours"], [b"new", b"ours"], True, id="and under a secret from before"),
        pytest.param([], [b"ours"], False, id="not what somebody else has written who knows the refresh token"),
        pytest.param([b"theirs"], [b"ours"], False, id="nor under a secret of another"),
        pytest.param([], [], False, id="nothing without a secret"),
    ],
)
def test_tokens_of_the_ledger_are_genuine(store, writes, reads, genuine):
    with_secrets(store, *writes).found(FIRST)
    look = with_secrets(store, *reads).find(FIRST)
    assert (look.tokens, look.tokens.genuine) == (FIRST, genuine)
    with_secrets(store, *writes).keep(look, SECOND, HAND_OVER)
    assert with_secrets(store, *reads).find(SECOND).tokens.genuine is genuine


def test_an_access_token_that_came_out_of_a_browser_is_not_read_as_the_familys(records):
    """Hosts of an older version have written some."""
    records.found(replace(FIRST, genuine=False))
    assert records.find(FIRST).tokens == unproven(FIRST)


# Burying.

MADE_UP = Tokens(refresh_token="made up")


@pytest.fixture
def refused(records):
    """A family that nothing vouches for, as it stands once it was refused."""
    member = records.found(MADE_UP, vouched=False)
    return member, records.change(member, lambda family, now: rules.refused(family, "invalid_grant"))


def test_a_family_that_is_buried_leaves_why_it_was_refused(records, refused):
    records.bury(refused[0], MADE_UP, refused[1])
    assert records.find(MADE_UP) is None
    assert records.buried(MADE_UP) == "invalid_grant"


def test_a_family_that_has_gone_on_is_not_buried(records, refused):
    """The answer to an earlier call of another host came late, and was good."""
    member, family = refused
    assert records.keep(replace(records.look(member), tokens=MADE_UP), SECOND, HAND_OVER) == member
    records.bury(member, MADE_UP, family)
    assert records.find(SECOND).tokens == SECOND
    assert records.find(MADE_UP).family.state is State.LIVE


def test_a_family_stands_where_its_grave_is_being_dug_by_another(records, another, refused, store):
    store.once("swap", "no:", lambda: another.bury(refused[0], MADE_UP, refused[1]))
    records.bury(refused[0], MADE_UP, refused[1])
    assert records.find(MADE_UP) is None
    assert records.buried(MADE_UP) == "invalid_grant"
