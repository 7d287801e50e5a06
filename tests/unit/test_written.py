"""Whatever stands in a store: nothing of it raises, and junk is as if nothing were there."""

from __future__ import annotations

import json
from dataclasses import astuple, replace

import pytest
from cryptography.fernet import Fernet
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.contract.sessions import with_jar
from tests.unit.ledger.test_records import HAND_OVER, IDENTITY, LIVES, overwrite
from tests.unit.ledger.test_single_flight import NOW, Clock, Disturbed, World, issued
from wsgi_token_refresh.ledger import rules
from wsgi_token_refresh.ledger.looking import Looking
from wsgi_token_refresh.ledger.records import ATTEMPTS, HOUR, Member, Records, _grave_key, _refusals_key
from wsgi_token_refresh.ledger.sealing import key_under, seal
from wsgi_token_refresh.sessions.sealed_cookie import SealedCookie
from wsgi_token_refresh.sessions.server_side import ServerSideSession
from wsgi_token_refresh.tokens import Refreshed, Tokens
from wsgi_token_refresh.written import count, listed, name, number, text, tokens_of

KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
TOKENS = issued(1, NOW)
DEEP = b"[" * 100_000
JUNK = [
    pytest.param(b"", id="nothing"),
    pytest.param(b"\x00\xff\xfe\n\x80", id="bytes"),
    pytest.param(b"null", id="null"),
    pytest.param(b"7", id="a number"),
    pytest.param(b'"text"', id="a text"),
    pytest.param(b"[]", id="an empty list"),
    pytest.param(b"{}", id="an object"),
    pytest.param(b'{"a":{"b":[]}}', id="an object of others"),
    pytest.param(b"[[],{},null,true,[[]],{},7,8,9,10]", id="a list of anything"),
    pytest.param(b"[NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN]", id="no numbers"),
    pytest.param(b"[Infinity,-Infinity]", id="numbers without an end"),
    pytest.param(b"[1e999,1e999]", id="numbers beyond all"),
    pytest.param(b"[1" + b"0" * 400 + b",1" + b"0" * 400 + b"]", id="numbers of 400 digits"),
    pytest.param(b"[1" + b"0" * 5000 + b",1]", id="numbers of 5000 digits"),
    pytest.param(b'["\\ud800","\\ud800"]', id="half a character"),
    pytest.param(DEEP, id="a list that is deep"),
    pytest.param(b'{"a":' * 100_000, id="an object that is deep"),
]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=4),
    lambda inside: st.lists(inside, max_size=12) | st.dictionaries(st.text(max_size=3), inside, max_size=3),
    max_leaves=14,
).map(lambda value: json.dumps(value).encode())
BYTES = st.binary(max_size=40) | ANYTHING | st.tuples(ANYTHING, st.binary(max_size=40)).map(b"\n".join)
FEW = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def store():
    return Disturbed(Clock())


@pytest.fixture
def server(store):
    return ServerSideSession(store, index_key=KEY)


def jar_of(server):
    jar = with_jar(server, TOKENS)
    return jar.header, jar["token_session_id"]


def everywhere(store, value, *prefixes):
    """Write a value under every key that there is."""
    for prefix in prefixes:
        for key in store.keys(prefix):
            overwrite(store, key, value)


# What stands in the store as it is.


@pytest.mark.parametrize("value", JUNK)
@pytest.mark.parametrize("prefix", ["row:", "family:"])
def test_junk_in_the_ledger_is_as_if_nothing_were_there(value, prefix):
    world = World()
    alone = Tokens(refresh_token=world.first.refresh_token)
    world.host.found(world.first)
    everywhere(world.store, value, prefix)
    newer = world.newer(1)
    flight = world.refresh(alone, good=False)
    assert flight.outcome == Refreshed(newer)
    assert world.host.look_up(newer).outcome is None


@pytest.mark.parametrize("value", [*JUNK, b'["400:",-1]', b'["400:",NaN]', b"[400,1]"])
def test_refusals_that_nobody_can_read_end_no_session(store, value):
    records = Records(store, IDENTITY, LIVES)
    records.found(TOKENS)
    store.inner.swap(_refusals_key(records._fingerprint(TOKENS)), None, value, HOUR)
    assert records.refusals(TOKENS) is None
    records.refused_again(records.find(TOKENS), TOKENS, "400:", NOW)
    assert records.refusals(TOKENS).since == NOW


@pytest.mark.parametrize("value", [b"", b"\x00\xff", b"two\nlines", b"\xc3\xa9", b"[]", b"x" * 65], ids=repr)
def test_a_grave_that_says_nothing_is_none(store, value):
    records = Records(store, IDENTITY, LIVES)
    store.inner.swap(_grave_key(records._fingerprint(TOKENS)), None, value, HOUR)
    assert records.buried(TOKENS) is None


@pytest.mark.parametrize("value", JUNK)
def test_junk_for_a_session_is_no_session_and_its_person_signs_in_again(server, store, value):
    header, _ = jar_of(server)
    everywhere(store, value, "session:", "person:")
    assert server.load(header) == ()
    assert server.renew(TOKENS, NOW, header, TOKENS) == ([], None)
    assert server.sessions("ada") == []
    server.end(header)
    again, _ = jar_of(server)
    assert server.load(again) == (TOKENS,)
    assert len(server.sessions("ada")) == 1
    assert server.end_sessions("ada") == 1


@pytest.mark.parametrize("value", JUNK)
def test_a_session_lives_whose_times_are_junk_and_ends_with_the_others(server, store, value):
    header, _ = jar_of(server)
    (key,) = store.keys("session:")
    sealed = store.read(key).value.partition(b"\n")[2]
    overwrite(store, key, value.replace(b"\n", b"") + b"\n" + sealed)
    assert [each.handle for each in server.sessions("ada")] == [server.handle_of(header)]
    assert server.load(header) == (TOKENS,)
    assert json.loads(store.read(key).value.partition(b"\n")[0]) == [NOW, NOW], "it is written anew when it is seen"
    overwrite(store, key, value.replace(b"\n", b"") + b"\n" + sealed)
    assert server.end_sessions("ada") == 1
    assert server.load(header) == ()


@FEW
@given(value=BYTES)
@example(value=DEEP)
def test_nothing_in_a_store_raises(value):
    store = Disturbed(Clock())
    server, records = ServerSideSession(store, index_key=KEY), Records(store, IDENTITY, LIVES)
    header, _ = jar_of(server)
    member = records.found(TOKENS)
    everywhere(store, value, "session:", "person:", "row:", "family:")
    for key_of in (_grave_key, _refusals_key):
        store.inner.swap(key_of(records._fingerprint(TOKENS)), None, value, HOUR)
    assert server.load(header) in ((), (TOKENS,))
    server.sessions("ada")
    server.end_sessions("ada")
    looking = Looking(records, HAND_OVER)
    looking.find(TOKENS)
    records.look(member)
    records.refusals(TOKENS)
    records.buried(TOKENS)
    assert records.found(TOKENS, replaces=True) is not None
    assert records.find(TOKENS).tokens == TOKENS


# What is sealed by those who have a key, as another version of ours has.


@FEW
@given(plain=BYTES)
@example(plain=DEEP)
@example(plain=b'[0,null,"\\ud800","r",1,1,1,true]')
@example(plain=b"[1,2,3,4,5,6,7,8,9]")
def test_nothing_under_a_seal_raises(plain):
    store = Disturbed(Clock())
    server, records = ServerSideSession(store, index_key=KEY), Records(store, IDENTITY, LIVES)
    header, id = jar_of(server)
    (key,) = store.keys("session:")
    overwrite(store, key, b"[0,0]\n" + seal(key_under(id, key), plain, key))
    assert all(isinstance(each, Tokens) for each in server.load(header))
    member = records.found(TOKENS)
    family = replace(records.look(member).family, sealed=seal(member.key, plain, member.family))
    overwrite(store, f"family:{member.family}", rules.encode_family(family))
    records.find(TOKENS)
    sealed = SealedCookie(keys=[KEY])
    sealed_text = Fernet(KEY).encrypt(plain).decode()
    sealed.load(f"token_session.0=tag.1.{sealed_text}")


@pytest.mark.parametrize(
    ("fields", "tokens"),
    [
        pytest.param(lambda said: said, TOKENS, id="as it is written"),
        pytest.param(lambda said: [*said, "newer", {}], TOKENS, id="fields of a newer version, which are left alone"),
        pytest.param(lambda said: said[:2], Tokens(*astuple(TOKENS)[:2]), id="an older version without times"),
        pytest.param(lambda said: [*said[:2], "x", [], {}], Tokens(*astuple(TOKENS)[:2]), id="times that are none"),
    ],
)
def test_tokens_of_other_versions_are_read(server, store, fields, tokens):
    header, id = jar_of(server)
    (key,) = store.keys("session:")
    said = [NOW, "ada", *fields(list(astuple(TOKENS)[:-1])), True]
    overwrite(store, key, b"[0,0]\n" + seal(key_under(id, key), json.dumps(said).encode(), key))
    assert server.load(header) == (tokens,)


def test_a_family_of_a_newer_version_is_read_and_one_of_an_older():
    family = replace(rules.called(rules.founded(b"sealed", NOW, "aa"), "n", NOW), passed=(rules.Passed(0, 1, NOW),))
    head, _, sealed = rules.encode_family(family).partition(b"\n")
    said = json.loads(head)
    assert rules.decode_family(json.dumps([*said, "newer"]).encode() + b"\n" + sealed) == family
    said[8] = said[8][:2]
    assert rules.decode_family(json.dumps(said).encode() + b"\n" + sealed) == family
    assert rules.decode_row(b'["family",0,"newer"]\nkey') == rules.Row("family", 0, b"key")


def test_a_reason_in_any_language_is_read():
    family = rules.unanswered(
        rules.founded(b"", NOW, "aa"), NOW, "Verbindung verweigert: Zeitüberschreitung", sent=True
    )
    assert rules.decode_family(rules.encode_family(family)) == family


@pytest.mark.parametrize(
    "lead",
    [
        pytest.param(["family"], id="too short"),
        pytest.param([7, 0, "aa"], id="a family that is a number"),
        pytest.param(["family", "0", "aa"], id="a generation that is a text"),
        pytest.param(["family", 0, "xyz"], id="a key that is none"),
    ],
)
def test_a_family_that_leads_nowhere_is_none(store, lead):
    records = Records(store, IDENTITY, LIVES)
    member = records.found(TOKENS)
    plain = json.dumps([*astuple(TOKENS)[:-1], True, *lead]).encode()
    family = replace(records.look(member).family, sealed=seal(member.key, plain, member.family))
    overwrite(store, f"family:{member.family}", rules.encode_family(family))
    assert records.look(member) is None


def test_a_family_that_leads_to_itself_is_not_followed_for_ever(store):
    records = Records(store, IDENTITY, LIVES)
    member = records.found(TOKENS)
    family = replace(records.look(member).family, sealed=records._sealed(member, TOKENS, leads_to=member))
    overwrite(store, f"family:{member.family}", rules.encode_family(family))
    store.done.clear()
    assert Looking(records, HAND_OVER).find(TOKENS).leads_to == Member(member.family, 0, member.key)
    assert len(store.done) <= ATTEMPTS + 2


# Its parts.


@pytest.mark.parametrize(
    ("take", "value"),
    [
        pytest.param(listed, b"{}", id="an object is no list"),
        pytest.param(number, True, id="true is no number"),
        pytest.param(number, float("nan"), id="nan is no number"),
        pytest.param(number, 10**400, id="what nobody can reckon with is no number"),
        pytest.param(count, 1.0, id="a fraction is no count"),
        pytest.param(count, -1, id="less than nothing is no count"),
        pytest.param(text, None, id="null is no text"),
        pytest.param(name, "\xe9", id="what not every store takes is no name"),
        pytest.param(tokens_of, [7, "refresh"], id="a number is no token"),
        pytest.param(tokens_of, ["\ud800", "refresh"], id="half a character is no token"),
        pytest.param(tokens_of, ["access"], id="one field is no tokens"),
    ],
)
def test_it_is_refused(take, value):
    with pytest.raises(ValueError, match=r".+"):
        take(value)


def test_bytes_that_a_browser_has_sent_are_a_token():
    assert tokens_of(["\udcff", None]) == Tokens("\udcff")
