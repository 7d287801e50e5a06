"""Sessions on the server: ids, lifetimes, what the store holds, and a person's list of sessions."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.contract.sessions import Jar
from tests.unit.ledger.test_single_flight import DUE, NOW, Clock, Disturbed, issued
from wsgi_token_refresh import ConfigurationError
from wsgi_token_refresh.errors import StoreError
from wsgi_token_refresh.secret_files import SecretFile, SecretList
from wsgi_token_refresh.sessions.server_side import DAY, SEEN_EVERY, ServerSideSession, SessionInfo
from wsgi_token_refresh.stores.memory import MemoryStore

KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
FIRST, SECOND = issued(0, NOW), issued(1, NOW + 60)


class Shelf:
    """A kind of session on a store that counts, with a clock set by hand."""

    def __init__(self):
        self.clock = Clock()
        self.store = Disturbed(self.clock)
        self.kind = ServerSideSession(self.store, index_key=KEY)

    def begin(self, tokens=FIRST, kind=None):
        jar = Jar()
        jar.take((kind or self.kind).begin(tokens, self.clock()))
        return jar.header

    def later(self, seconds):
        self.clock.now += seconds

    def keys(self, kind):
        return self.store.keys(f"{kind}:")


@pytest.fixture
def shelf():
    return Shelf()


# Ids.


def test_an_id_has_256_bits_and_no_two_are_the_same(shelf):
    ids = {shelf.begin().partition("=")[2] for _ in range(20)}
    assert len(ids) == 20
    assert {len(each) for each in ids} == {43}


@pytest.mark.parametrize(
    "value", ["", "x", "a" * 42, "a" * 44, "a" * 42 + "!", "é" * 43, "a" * 5000], ids=lambda each: each[:9]
)
def test_what_is_no_id_is_not_looked_up(shelf, value):
    assert shelf.kind.load(f"token_session_id={value}") == ()
    assert shelf.store.done == []


def test_an_id_that_nobody_has_is_no_session(shelf):
    assert shelf.kind.load(f"token_session_id={'a' * 43}") == ()
    assert shelf.store.done == ["read"]


def test_of_several_ids_all_that_live_are_read(shelf):
    header, other = shelf.begin(), shelf.begin(SECOND)
    assert shelf.kind.load(f"token_session_id={'a' * 43}; {header}; {other}") == (FIRST, SECOND)


def test_a_record_opens_under_its_own_id_only(shelf):
    mine, other = shelf.begin(FIRST), shelf.begin(SECOND)
    one, two = shelf.keys("session")
    values = shelf.store.inner._records.get().values
    values[one], values[two] = values[two], values[one]
    assert shelf.kind.load(mine) == shelf.kind.load(other) == ()


# Lifetimes.


def test_a_session_that_is_not_seen_ends(shelf):
    header = shelf.begin()
    shelf.later(7 * DAY)
    assert shelf.kind.load(header) == ()


def test_a_session_that_is_seen_goes_on_to_its_end(shelf):
    header = shelf.begin()
    for _ in range(29):
        shelf.later(DAY)
        assert shelf.kind.load(header) == (FIRST,)
    shelf.later(DAY)
    assert shelf.kind.load(header) == ()


def test_refreshes_do_not_put_off_the_end(shelf):
    header = shelf.begin()
    for number in range(1, 30):
        shelf.later(DAY)
        shelf.kind.renew(issued(number, shelf.clock()), shelf.clock(), header)
    shelf.later(DAY)
    assert shelf.kind.load(header) == ()


def test_it_is_written_once_a_minute_that_a_session_was_seen(shelf):
    header = shelf.begin()
    shelf.store.done.clear()
    for _ in range(121):
        shelf.later(1)
        shelf.kind.load(header)
    assert shelf.store.done.count("swap") == 121 // SEEN_EVERY


def test_a_short_idle_lifetime_is_seen_more_often(shelf):
    kind = ServerSideSession(shelf.store, idle_lifetime=30)
    header = shelf.begin(kind=kind)
    for _ in range(40):
        shelf.later(5)
        assert kind.load(header) == (FIRST,)


def test_who_cannot_write_that_it_was_seen_passes(shelf):
    header = shelf.begin()
    shelf.later(SEEN_EVERY)
    shelf.store.go_down("swap")
    assert shelf.kind.load(header) == (FIRST,)


# Refreshed tokens.


def test_refreshed_tokens_are_written_and_set_no_cookie(shelf):
    header = shelf.begin()
    assert shelf.kind.renew(SECOND, NOW, header) == ([], None)
    assert shelf.kind.load(header) == (SECOND,)


def test_older_tokens_replace_no_newer_ones(shelf):
    header = shelf.begin(SECOND)
    shelf.kind.renew(FIRST, NOW, header)
    assert shelf.kind.load(header) == (SECOND,)


def test_who_writes_at_the_same_time_looks_again(shelf):
    header = shelf.begin()
    newest = issued(2, NOW + 120)
    other = ServerSideSession(shelf.store.inner, index_key=KEY)
    shelf.store.once("swap", "session:", lambda: other.renew(newest, NOW, header))
    shelf.kind.renew(SECOND, NOW, header)
    assert shelf.kind.load(header) == (newest,)
    shelf.store.once("swap", "session:", lambda: other.renew(issued(3, NOW + 180), NOW, header))
    shelf.kind.renew(issued(4, NOW + 240), NOW, header)
    assert shelf.kind.load(header) == (issued(4, NOW + 240),)


def test_nothing_is_written_where_the_session_ended_meanwhile(shelf):
    header = shelf.begin()
    other = ServerSideSession(shelf.store.inner, index_key=KEY)
    shelf.store.once("swap", "session:", lambda: other.end(header))
    shelf.kind.renew(SECOND, NOW, header)
    assert shelf.kind.load(header) == ()
    shelf.kind.renew(SECOND, NOW, header)
    assert shelf.kind.load(header) == ()


def test_a_record_that_changes_all_the_time_is_left_to_others(shelf):
    header = shelf.begin()
    other = ServerSideSession(shelf.store.inner, index_key=KEY)
    times = iter(range(1000))

    def change(operation, key):
        if operation == "swap":
            other.renew(replace(FIRST, access_token=f"{next(times)}", expires_at=NOW), NOW, header)

    shelf.store.before = change
    shelf.kind.renew(SECOND, NOW, header)
    shelf.store.be_back()
    assert len(shelf.kind.load(header)) == 1


def test_of_several_ids_that_one_is_written_to_whose_tokens_were_shown(shelf):
    mine, other = shelf.begin(FIRST), shelf.begin(issued(9, NOW, sub="bob"))
    shelf.kind.renew(SECOND, NOW, f"{other}; {mine}", FIRST)
    assert shelf.kind.load(f"{other}; {mine}") == (issued(9, NOW, sub="bob"), SECOND)
    shelf.kind.end(mine)
    shelf.kind.renew(issued(2, NOW + 120), NOW, f"{mine}; {other}", SECOND)
    assert shelf.kind.load(other) == (issued(9, NOW, sub="bob"),), "the one that ended meanwhile was shown"


def test_what_was_shown_is_replaced_also_by_tokens_that_end_sooner(shelf):
    header = shelf.begin(SECOND)
    shelf.kind.renew(replace(FIRST, expires_at=NOW + 5), NOW, header, SECOND)
    assert shelf.kind.load(header) == (replace(FIRST, expires_at=NOW + 5),)


def test_a_record_shows_no_id_and_nobody_s_name(shelf):
    header = shelf.begin()
    (record,) = shelf.kind._records(header)
    assert header.partition("=")[2] not in repr(record)
    assert "ada" not in repr(record)


# A person's sessions.


def test_a_person_s_sessions_are_listed_the_newest_first(shelf):
    headers = []
    for _ in range(3):
        headers.append(shelf.begin())
        shelf.later(10)
    shelf.begin(issued(9, NOW, sub="bob"))
    shelf.later(SEEN_EVERY)
    shelf.kind.load(headers[0])
    handles = [shelf.kind.handle_of(each) for each in headers]
    assert shelf.kind.sessions("ada") == [
        SessionInfo(handles[2], NOW + 20, NOW + 20),
        SessionInfo(handles[1], NOW + 10, NOW + 10),
        SessionInfo(handles[0], NOW, NOW + 30 + SEEN_EVERY),
    ]
    assert shelf.kind.sessions("nobody") == []
    assert shelf.kind.handle_of("a=b") is None


def test_one_of_them_is_ended(shelf):
    mine, other = shelf.begin(), shelf.begin()
    assert shelf.kind.end_session("ada", shelf.kind.handle_of(other))
    assert (shelf.kind.load(mine), shelf.kind.load(other)) == ((FIRST,), ())
    assert not shelf.kind.end_session("ada", shelf.kind.handle_of(other))
    assert len(shelf.kind.sessions("ada")) == 1


def test_nobody_ends_a_session_of_somebody_else(shelf):
    header = shelf.begin()
    assert not shelf.kind.end_session("bob", shelf.kind.handle_of(header))
    assert shelf.kind.load(header) == (FIRST,)


def test_all_of_them_are_ended(shelf):
    headers, bobs = [shelf.begin() for _ in range(3)], shelf.begin(issued(9, NOW, sub="bob"))
    assert shelf.kind.end_sessions("ada") == 3
    assert [shelf.kind.load(each) for each in headers] == [()] * 3
    assert shelf.kind.end_sessions("ada") == 0
    assert shelf.kind.load(bobs) != ()


def test_what_could_not_be_ended_while_the_store_was_down_is_ended_when_it_is_back(shelf):
    header, other = shelf.begin(), shelf.begin(SECOND)
    shelf.store.go_down()
    with pytest.raises(StoreError):
        shelf.kind.end(header)
    with pytest.raises(StoreError):
        shelf.kind.load(other)
    shelf.store.be_back()
    assert shelf.kind.load(other) == (SECOND,)
    elsewhere = ServerSideSession(shelf.store.inner, index_key=KEY)
    assert elsewhere.load(header) == ()
    assert len(elsewhere.sessions("ada")) == 1
    assert shelf.kind._to_end == {}


def test_no_more_than_so_many_sessions_wait_to_be_ended(shelf, monkeypatch):
    monkeypatch.setattr("wsgi_token_refresh.sessions.server_side._MOST_TO_END", 2)
    headers = [shelf.begin() for _ in range(3)]
    shelf.store.go_down()
    for header in headers:
        with pytest.raises(StoreError):
            shelf.kind.end(header)
    shelf.store.be_back()
    assert [shelf.kind.load(header) for header in headers] == [(), (), (FIRST,)]


def test_a_sign_out_takes_a_session_from_the_list(shelf):
    header = shelf.begin()
    shelf.kind.end(header)
    assert shelf.kind.sessions("ada") == []
    shelf.kind.end(header)


def test_what_has_ended_idle_leaves_the_list_when_somebody_looks(shelf):
    for _ in range(3):
        shelf.begin()
    shelf.later(8 * DAY)
    shelf.begin()
    assert len(shelf.kind._people().handles("ada")) == 4
    assert len(shelf.kind.sessions("ada")) == 1
    assert len(shelf.kind._people().handles("ada")) == 1


def test_who_looks_while_a_session_begins_takes_it_from_no_list(shelf):
    other = ServerSideSession(shelf.store.inner, index_key=KEY)
    shelf.store.once("swap", "session:", lambda: other.sessions("ada"))
    shelf.begin()
    assert len(shelf.kind.sessions("ada")) == 1


def test_a_list_has_the_newest_thousand(shelf, monkeypatch):
    monkeypatch.setattr("wsgi_token_refresh.sessions.person_index._MOST", 3)
    for _ in range(5):
        last = shelf.begin()
    assert shelf.kind._people().handles("ada")[-1] == shelf.kind.handle_of(last)
    assert len(shelf.kind.sessions("ada")) == 3


def test_a_subject_that_is_no_text_is_listed_all_the_same(shelf):
    shelf.begin(issued(0, NOW, sub="\ud800"))
    assert len(shelf.kind.sessions("\ud800")) == 1


def test_what_has_died_of_age_leaves_the_list_in_time(shelf):
    shelf.begin()
    shelf.later(31 * DAY)
    shelf.begin()
    assert len(shelf.kind._people().handles("ada")) == 1


def test_no_entry_of_a_list_is_lost_when_many_sign_in_at_once(shelf):
    other = ServerSideSession(shelf.store.inner, index_key=KEY)
    shelf.store.once("swap", "person:", lambda: other.begin(SECOND, NOW))
    shelf.begin()
    assert len(shelf.kind.sessions("ada")) == 2


def test_a_list_that_changes_all_the_time_is_a_store_that_fails(shelf):
    other = ServerSideSession(shelf.store.inner, index_key=KEY)

    def change(operation, key):
        if operation == "swap" and key.startswith("person:"):
            other.begin(SECOND, NOW)

    shelf.store.before = change
    with pytest.raises(StoreError, match="changed too often"):
        shelf.begin()


@pytest.mark.parametrize(
    "tokens", [replace(FIRST, access_token="opaque"), issued(0, NOW, sub=None), issued(0, NOW, sub=True)]
)
def test_who_has_no_subject_is_on_no_list(shelf, tokens):
    assert shelf.kind.load(shelf.begin(tokens)) == (tokens,)
    assert shelf.keys("person") == []


@pytest.mark.parametrize("subject", ["42", 42, 42.0], ids=["as text", "as a number", "as one with a point"])
def test_a_subject_that_is_a_number_is_listed_by_its_digits(shelf, subject):
    header = shelf.begin(issued(0, NOW, sub=42))
    shelf.begin(issued(0, NOW, sub=42.0))
    assert len(shelf.kind.sessions(subject)) == 2
    assert shelf.kind.end_session(subject, shelf.kind.handle_of(header))
    assert shelf.kind.end_sessions(subject) == 1


def test_the_store_names_nobody(shelf):
    shelf.begin()
    (person,) = shelf.keys("person")
    assert "ada" not in person
    other = ServerSideSession(shelf.store, index_key=KEY[::-1])
    assert other.sessions("ada") == []


def test_without_a_key_there_is_no_list(shelf):
    kind = ServerSideSession(shelf.store)
    shelf.begin(kind=kind)
    assert shelf.keys("person") == []
    for act in (
        lambda: kind.sessions("ada"),
        lambda: kind.end_sessions("ada"),
        lambda: kind.end_session("ada", "x"),
    ):
        with pytest.raises(ConfigurationError, match="give index_key="):
            act()


# Adopted.


def test_who_come_together_from_another_kind_get_one_session(shelf):
    cookies = {tuple(shelf.kind.adopt(FIRST, NOW)) for _ in range(3)}
    assert len(cookies) == 1
    assert len(shelf.keys("session")) == 1
    assert shelf.kind.adopt(SECOND, NOW) != list(cookies.pop())


def test_who_has_no_refresh_token_gets_an_id_of_their_own(shelf):
    tokens = replace(FIRST, refresh_token=None)
    assert shelf.kind.adopt(tokens, NOW) != shelf.kind.adopt(tokens, NOW)


def test_the_store_that_is_down_is_told(shelf):
    header = shelf.begin()
    shelf.store.go_down()
    for act in (
        lambda: shelf.kind.load(header),
        lambda: shelf.kind.begin(FIRST, NOW),
        lambda: shelf.kind.renew(SECOND, NOW, header),
        lambda: shelf.kind.end(header),
    ):
        with pytest.raises(StoreError):
            act()


# Keys that change.

NEW_KEY = "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA="


class Given:
    """Two workers on one store, whose keys are given by functions."""

    def __init__(self, store, **secrets):
        self.now, self.secrets = 100.0, secrets
        self.kind, self.other = (
            ServerSideSession(store, **{name: self.giving(name) for name in secrets}, monotonic=lambda: self.now)
            for _ in range(2)
        )

    def giving(self, name):
        return lambda: self.secrets[name]

    def become(self, **secrets):
        self.secrets |= secrets
        self.now += 1


@pytest.mark.parametrize("name", ["keys", "index_key"])
@pytest.mark.parametrize(
    ("become", "genuine"),
    [
        pytest.param([KEY, NEW_KEY], True, id="another follows"),
        pytest.param([NEW_KEY, KEY], True, id="another comes first"),
        pytest.param([NEW_KEY], False, id="it was taken out"),
        pytest.param(None, True, id="there is none just now"),
        pytest.param(["s3cret"], True, id="what there is is none"),
    ],
)
def test_what_was_marked_under_a_key_is_genuine_when(shelf, name, become, genuine):
    given = Given(shelf.store, **{name: [KEY]})
    header = shelf.begin(replace(FIRST, genuine=True), kind=given.kind)
    assert [each.genuine for each in given.kind.load(header)] == [True]
    given.become(**{name: become})
    for kind in (given.kind, given.other):
        assert [(each, each.genuine) for each in kind.load(header)] == [(FIRST, genuine)]
        assert kind.authenticates


def test_the_first_key_of_the_moment_marks(shelf):
    given = Given(shelf.store, keys=[KEY])
    given.become(keys=[NEW_KEY, KEY])
    header = shelf.begin(replace(FIRST, genuine=True), kind=given.kind)
    given.become(keys=[NEW_KEY])
    assert [each.genuine for each in given.kind.load(header)] == [True]


def test_a_person_is_listed_under_the_first_index_key_and_found_under_all(shelf):
    given = Given(shelf.store, index_key=KEY)
    old, ended = shelf.begin(kind=given.kind), shelf.begin(kind=given.kind)
    given.become(index_key=[NEW_KEY, KEY])
    new = shelf.begin(SECOND, kind=given.kind)
    assert len(given.other.sessions("ada")) == 3
    given.kind.end(ended)
    assert given.other.end_session("ada", given.kind.handle_of(old))
    assert [each.handle for each in given.kind.sessions("ada")] == [given.kind.handle_of(new)]
    given.become(index_key=NEW_KEY)
    assert given.other.end_sessions("ada") == 1
    assert given.kind.load(new) == ()


def test_everywhere_means_under_every_index_key(shelf):
    given = Given(shelf.store, index_key=[KEY])
    headers = [shelf.begin(kind=given.kind)]
    given.become(index_key=[NEW_KEY, KEY])
    headers.append(shelf.begin(SECOND, kind=given.other))
    assert given.kind.end_sessions("ada") == 2
    assert [given.kind.load(each) for each in headers] == [(), ()]


def test_what_another_worker_lists_under_a_key_that_was_just_written_is_found_at_once(shelf, tmp_path):
    path = tmp_path / "index_key"
    path.write_text(KEY)
    late, early = (
        ServerSideSession(shelf.store, index_key=SecretList(SecretFile(path), str.splitlines), monotonic=lambda: 0.0)
        for _ in range(2)
    )
    path.write_text(f"{NEW_KEY}\n{KEY}\n")
    header = shelf.begin(replace(FIRST, genuine=True), kind=early)
    assert [each.genuine for each in late.load(header)] == [True]
    assert late.end_sessions("ada") == 1


# Making one.


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"store": "redis://"}, "store is of type str; give a store"),
        (
            {"index_key": "s3cret"},
            "index_key is too short for a secret; give what `wsgi-token-refresh keygen` prints",
        ),
        ({"index_key": 7}, "index_key is neither text nor a list but of type int; give index_key=..."),
        ({"keys": [KEY, "s3cret"]}, "keys[1] is too short for a secret"),
        ({"keys": [None]}, "keys is no text but None; give what"),
        ({"keys": [KEY, "s3cret\udcff" * 9]}, "keys[1] has half a character"),
        ({"keys": KEY}, "keys is no list but of type str; give keys=[...]"),
        ({"keys": lambda: []}, "keys is empty; give what `wsgi-token-refresh keygen` prints, or leave it out"),
        ({"index_key": lambda: None}, "index_key is neither text nor a list but None; give index_key=..."),
        ({"index_key": lambda: "s3cret"}, "index_key is too short for a secret; give what"),
        ({"index_key": lambda: {}["s3cret"]}, "index_key: its function failed by KeyError"),
        ({"keys": {KEY}}, "keys is no list but of type set; give keys=[...]"),
        ({"idle_lifetime": 0}, "idle_lifetime is 0"),
        ({"idle_lifetime": 31 * DAY}, f"idle_lifetime is {31 * DAY}; give seconds, absolute_lifetime at most"),
        ({"absolute_lifetime": 500 * DAY}, f"absolute_lifetime is {500 * DAY}; give 1 to"),
        ({"prefix": "__Host-", "secure": False}, "the cookie '__Host-token_session_id' needs secure=True"),
        ({"samesite": "x"}, "samesite is 'x'"),
    ],
    ids=repr,
)
def test_what_cannot_work_is_refused_with_its_cure(arguments, problem):
    with pytest.raises(ConfigurationError) as raised:
        ServerSideSession(**{"store": MemoryStore(), **arguments})
    assert [each.startswith(f"ServerSideSession: {problem}") for each in raised.value.problems] == [True]
    assert "s3cret" not in str(raised.value)


def test_repr_says_where_sessions_lie():
    assert repr(ServerSideSession(MemoryStore())) == "ServerSideSession(MemoryStore(), name='token_session_id')"


def test_due_tokens_are_loaded_as_they_are(shelf):
    header = shelf.begin()
    shelf.later(DUE)
    assert shelf.kind.load(header) == (FIRST,)
