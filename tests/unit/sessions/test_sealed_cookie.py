"""The sealed cookie: its parts, its keys, its budget, and what counts as torn."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from tests.contract.sessions import FOREIGN, NOW, Jar, with_jar
from tests.contract.stores import in_child
from tests.unit.policy.test_decision import Access
from tests.unit.test_holding import Verifier
from wsgi_token_refresh import ConfigurationError, CookieError
from wsgi_token_refresh.holding import Assessor
from wsgi_token_refresh.secret_files import SecretFile, SecretList
from wsgi_token_refresh.sessions.sealed_cookie import SealedCookie
from wsgi_token_refresh.tokens import KeysUnavailable, Tokens

OLD_KEY, NEW_KEY, OTHER_KEY = (Fernet.generate_key().decode() for _ in range(3))
KIND = SealedCookie(keys=[OLD_KEY])
SMALL = Tokens("small-access", "small-refresh", NOW + 300, 300)
LARGE = Tokens("A" * 1900, "R" * 1100, NOW + 300, 300, NOW + 9000, genuine=True)
OTHERS = Tokens("B" * 1900, "S" * 1100, NOW + 300, 300)


def jar_of(tokens, kind=KIND):
    jar = Jar()
    jar.take(kind.begin(tokens, NOW))
    return jar


def header(*jars):
    return "; ".join(jar.header for jar in jars)


# What is written.


def test_all_that_is_known_travels_inside():
    (opened,) = KIND.load(jar_of(LARGE).header)
    assert opened == LARGE
    assert opened.genuine


def test_tokens_that_a_browser_showed_stay_what_they_are():
    (opened,) = KIND.load(jar_of(SMALL).header)
    assert not opened.genuine


def test_nothing_can_be_read_without_the_key():
    shown = jar_of(SMALL).header
    assert "small" not in shown
    assert "c21hbGw" not in shown, "nor in base64"


@pytest.mark.parametrize(("size", "parts"), [(100, 1), (2_700, 1), (3_000, 2), (5_000, 2)])
def test_as_many_parts_as_browsers_want_and_no_more(size, parts):
    cookies = KIND.begin(Tokens("a" * size, None, NOW + 300, 300), NOW)
    written = [each for each in cookies if "Max-Age=0" not in each]
    assert (len(written), len(cookies)) == (parts, 2)
    for each in cookies:
        name, _, value = each.partition(";")[0].partition("=")
        assert len(name) + len(value) <= 4096


def test_a_smaller_set_takes_the_parts_of_a_larger_one_out():
    jar = jar_of(LARGE)
    assert len(jar) == 2
    jar.take(KIND.begin(SMALL, NOW))
    assert list(jar) == ["token_session.0"]
    assert KIND.load(jar.header) == (SMALL,)


@pytest.mark.parametrize(
    ("tokens", "large"),
    [
        pytest.param(Tokens("a" * 9000, "r", NOW, 1), "the access token has 9000 bytes", id="the access token"),
        pytest.param(Tokens("a", "r" * 8000, NOW, 1), "the refresh token has 8000 bytes", id="the refresh token"),
        pytest.param(Tokens("a" * 5300, "r", NOW, 1), "the access token has 5300 bytes", id="just too large"),
    ],
)
def test_more_than_the_budget_is_refused_and_the_large_part_is_named(tokens, large):
    with pytest.raises(CookieError, match=f"may take 7168: {large}; ask"):
        KIND.begin(tokens, NOW)


def test_the_budget_counts_what_a_request_carries():
    for size in range(4_000, 5_400, 50):
        try:
            jar = jar_of(Tokens("a" * size, "r", NOW + 300, 300))
        except CookieError:
            assert size > 5_000
            break
        assert len(f"; {jar.header}") <= 7168
    else:
        pytest.fail("no size was refused")


def test_a_refreshed_access_token_that_is_too_large_leaves_the_refresh_token():
    cookies, error = KIND.renew(Tokens("a" * 9000, "r", NOW + 300, 300), NOW)
    jar = Jar()
    jar.take(cookies)
    assert KIND.load(jar.header) == (Tokens(None, "r"),)
    assert "access token has 9000" in str(error)
    assert KIND.renew(Tokens("a", "r" * 9000), NOW)[0] == []


@pytest.mark.parametrize(
    ("tokens", "lasts"),
    [
        pytest.param(SMALL, 30 * 86_400, id="as long as a refresh token may"),
        pytest.param(replace(SMALL, refresh_expires_at=NOW + 77), 77, id="as long as this one does"),
        pytest.param(replace(SMALL, refresh_token=None), 300, id="as long as the access token alone"),
        pytest.param(replace(SMALL, refresh_expires_at=NOW - 5), 1, id="not for no time"),
    ],
)
def test_the_cookie_lives(tokens, lasts):
    assert f"Max-Age={lasts}" in KIND.begin(tokens, NOW)[0].split("; ")


# Keys.


def test_the_first_key_seals_and_all_open():
    step_one, step_two = SealedCookie(keys=[OLD_KEY, NEW_KEY]), SealedCookie(keys=[NEW_KEY, OLD_KEY])
    behind, ahead = jar_of(SMALL, step_one), jar_of(SMALL, step_two)
    for kind in (step_one, step_two):
        assert kind.load(behind.header) == kind.load(ahead.header) == (SMALL,)
    assert KIND.load(behind.header) == (SMALL,)
    assert SealedCookie(keys=[NEW_KEY]).load(ahead.header) == (SMALL,)


class Given:
    """A list of keys that a function gives, with a clock set by hand."""

    def __init__(self, *keys):
        self.keys, self.now = list(keys), 100.0
        self.kind = SealedCookie(keys=lambda: self.keys, monotonic=lambda: self.now)

    def become(self, *keys):
        self.keys = list(keys)
        self.now += 1


def test_the_first_key_of_the_moment_seals_and_all_of_them_open():
    given = Given(OLD_KEY)
    before = jar_of(SMALL, given.kind)
    given.become(NEW_KEY, OLD_KEY)
    after = jar_of(SMALL, given.kind)
    assert [KIND.load(each.header) for each in (before, after)] == [(SMALL,), ()]
    assert [given.kind.load(each.header) for each in (before, after)] == [(SMALL,), (SMALL,)]
    assert given.kind.secrets == (NEW_KEY.encode(), OLD_KEY.encode())


def test_what_was_opened_under_a_key_goes_with_it():
    given = Given(NEW_KEY, OLD_KEY)
    shown = jar_of(SMALL).header
    assert given.kind.load(shown) == given.kind.load(shown) == (SMALL,)
    given.become(NEW_KEY)
    assert given.kind.load(shown) == ()
    given.become(NEW_KEY, OLD_KEY)
    assert given.kind.load(shown) == (SMALL,)


@pytest.mark.parametrize("keys", [None, [], "hunter2", ["hunter2"], [7]], ids=repr)
def test_a_function_that_gives_no_keys_any_more_ends_no_session(keys, caplog):
    given = Given(OLD_KEY)
    shown = jar_of(SMALL, given.kind).header
    given.keys = keys
    given.now += 1
    assert given.kind.load(shown) == given.kind.load(jar_of(SMALL, given.kind).header) == (SMALL,)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "hunter2" not in caplog.text


def test_what_another_worker_seals_under_a_key_that_was_just_written_is_opened_at_once(tmp_path):
    path = tmp_path / "keys"
    path.write_text(OLD_KEY)
    late, early = (SealedCookie(keys=SecretList(SecretFile(path), str.split), monotonic=lambda: 0.0) for _ in "12")
    path.write_text(f"{NEW_KEY}\n{OLD_KEY}")
    sealed = jar_of(SMALL, early).header
    assert KIND.load(sealed) == ()
    assert late.load(sealed) == late.load(jar_of(SMALL).header) == (SMALL,)


def test_a_kind_made_before_the_fork_follows_its_file_in_every_worker(tmp_path):
    path = tmp_path / "keys"
    path.write_text(OLD_KEY)
    made = SealedCookie(keys=SecretList(SecretFile(path), str.split))
    before = jar_of(SMALL, made).header

    def changed_by_a_worker():
        path.write_text(f"{NEW_KEY}\n{OLD_KEY}")
        return KIND.load(jar_of(SMALL, made).header) == () and made.load(before) == (SMALL,)

    assert in_child(changed_by_a_worker)
    assert SealedCookie(keys=[NEW_KEY]).load(jar_of(SMALL, made).header) == (SMALL,)


def test_an_unknown_key_is_no_session():
    assert SealedCookie(keys=[OTHER_KEY]).load(jar_of(LARGE).header) == ()


def test_what_was_sealed_for_another_cookie_is_no_session():
    other = SealedCookie(keys=[OLD_KEY], name="other")
    moved = jar_of(SMALL, other).header.replace("other.", "token_session.")
    assert KIND.load(moved) == ()


@pytest.mark.parametrize(
    "content",
    [b"", b"null", b"[]", b"{}", b"[1,2,3,4,5,6,7]", b'["token_session",null,null,1,1,1,true]', b"\xff", b"[" * 9999],
    ids=repr,
)
def test_what_we_never_wrote_is_no_session_though_our_key_has_sealed_it(content):
    sealed = Fernet(OLD_KEY).encrypt(content).decode()
    assert KIND.load(f"token_session.0=tag.1.{sealed}") == ()


# Torn.


@pytest.mark.parametrize(
    ("cookies", "opened"),
    [
        pytest.param(lambda a, b: [a[0]], (), id="a part is missing"),
        pytest.param(lambda a, b: [a[1]], (), id="the first part is missing"),
        pytest.param(lambda a, b: [a[0], b[1]], (), id="parts of two sets are mixed"),
        pytest.param(lambda a, b: [(a[0][0], a[1][1]), (a[1][0], a[0][1])], (), id="parts have changed places"),
        pytest.param(lambda a, b: [a[0], (a[1][0], a[1][1][:-1])], (), id="a part was cut short"),
        pytest.param(lambda a, b: [a[0], (a[1][0], a[1][1] + "A")], (), id="a part was added to"),
        pytest.param(lambda a, b: [a[0], (a[1][0], a[1][1].replace(".2.", ".1."))], (), id="another count"),
        pytest.param(lambda a, b: [a[1], a[0]], (LARGE,), id="the order of cookies does not matter"),
        pytest.param(lambda a, b: [*a, *b], (LARGE, OTHERS), id="two whole sets are two sessions, the first first"),
        pytest.param(lambda a, b: [*a, b[1]], (LARGE,), id="a surplus part of another set is nothing"),
        pytest.param(lambda a, b: [b[1], *a], (LARGE,), id="wherever it stands"),
    ],
)
def test_a_set_is_opened_whole_or_not_at_all(cookies, opened):
    first, second = list(jar_of(LARGE).items()), list(jar_of(OTHERS).items())
    shown = "; ".join(f"{name}={value}" for name, value in cookies(first, second))
    assert KIND.load(shown) == opened


MUTATIONS = st.lists(
    st.tuples(
        st.sampled_from(["tamper", "cut", "drop", "swap", "splice", "double", "insert"]),
        st.integers(0, 2**16),
        st.integers(0, 2**16),
        st.characters(min_codepoint=1, max_codepoint=255),
    ),
    min_size=1,
    max_size=4,
)
WHOLE = [list(jar_of(LARGE).items()), list(jar_of(SMALL).items()), list(jar_of(OTHERS).items())]


def mutated(cookies, how, where, other, character):
    """Change one cookie of a list in one way."""
    place = where % len(cookies)
    name, value = cookies[place]
    at = other % (len(value) + 1)
    foreign = WHOLE[other % 3][where % len(WHOLE[other % 3])]
    changed = {
        "tamper": [(name, value[:at] + character + value[at + 1 :])],
        "cut": [(name, value[:at])],
        "drop": [],
        "swap": [(cookies[other % len(cookies)][0], value)],
        "splice": [(name, value[:at] + foreign[1][at:])],
        "double": [(name, value), foreign],
        "insert": [(name, value[:at] + character + value[at:])],
    }[how]
    return [*cookies[:place], *changed, *cookies[place + 1 :]] or [foreign]


@given(start=st.integers(0, 2), mutations=MUTATIONS)
def test_no_mutation_raises_and_none_is_accepted(start, mutations):
    cookies = WHOLE[start]
    for mutation in mutations:
        cookies = mutated(cookies, *mutation)
    shown = "; ".join(f"{name}={value}" for name, value in cookies)
    assert set(KIND.load(shown)) <= {LARGE, SMALL, OTHERS}
    assert KIND.load(KIND.for_application(shown, None)) == ()


def test_the_application_sees_no_part():
    assert KIND.for_application(header(jar_of(LARGE), Jar(a="b")), LARGE) == "a=b"
    assert KIND.without_refresh_token(f"{FOREIGN}; {jar_of(LARGE).header}") == FOREIGN


# Who counts as authenticated.


@pytest.mark.parametrize(
    ("genuine", "verdict", "expected"),
    [
        pytest.param(True, KeysUnavailable("down"), (Access.FRESH, True), id="our seal, while there are no keys"),
        pytest.param(False, KeysUnavailable("down"), (Access.UNKNOWN, False), id="a browser's, while there are none"),
        pytest.param(True, None, (Access.FRESH, True), id="our seal, without a verifier"),
        pytest.param(False, None, (Access.FRESH, False), id="a browser's, without a verifier"),
    ],
)
@pytest.mark.parametrize("authenticates", [True, False], ids=["sealed", "as they are"])
def test_what_was_opened_from_our_seal_counts_as_authenticated(genuine, verdict, expected, authenticates):
    verifier = None
    if verdict is not None:
        verifier = Verifier()
        verifier.verify = lambda token: verdict
    assessor = Assessor(verifier, refresh_before=10.0, clock=lambda: NOW, authenticates=authenticates)
    held = assessor.assess(replace(SMALL, genuine=genuine))
    if not authenticates and genuine:
        expected = (Access.FRESH if verdict is None else Access.UNKNOWN, False)
    assert (held.access, held.authenticated) == expected
    assert assessor.vouches(replace(SMALL, genuine=genuine)) == (authenticates and genuine)


# Making one.


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"keys": []}, "keys is empty; give a key that `wsgi-token-refresh keygen` prints"),
        ({"keys": OLD_KEY}, "keys is no list"),
        ({"keys": None}, "keys is no list"),
        ({"keys": [OLD_KEY, "s3cret"]}, "keys[1] is no key; make one with `wsgi-token-refresh keygen`"),
        ({"keys": [7]}, "keys[0] is no key"),
        ({"keys": {OLD_KEY}}, "keys is no list but of type set; give keys=[...], the key that comes first"),
        ({"keys": (key for key in [OLD_KEY])}, "keys is no list but of type generator"),
        ({"keys": lambda: OLD_KEY}, "keys is no list but of type str"),
        ({"keys": lambda: [OLD_KEY, "s3cret"]}, "keys[1] is no key; make one with `wsgi-token-refresh keygen`"),
        ({"keys": list}, "keys is empty; give a key that `wsgi-token-refresh keygen` prints"),
        ({"keys": lambda: {}["s3cret"]}, "keys: its function failed by KeyError; let it give"),
        ({"keys": [f"{OLD_KEY},{OLD_KEY}"]}, "keys[0] is no key"),
        ({"keys": [OLD_KEY + OLD_KEY]}, "keys[0] is no key"),
        ({"keys": [f"{OLD_KEY}\n"]}, "keys[0] is no key"),
        ({"name": "a b"}, "the cookie name 'a b.0' has characters"),
        ({"prefix": "__Host-", "path": "/app"}, "the cookie '__Host-token_session.0' needs path='/'"),
        ({"samesite": "None", "secure": False}, "samesite='None' needs secure=True"),
        ({"refresh_max_age": 0}, "refresh_max_age is 0"),
        ({"max_bytes": 100}, "max_bytes is 100; give 512 to 65536"),
        ({"max_bytes": True}, "max_bytes is True"),
    ],
    ids=repr,
)
def test_what_cannot_work_is_refused_with_its_cure(arguments, problem):
    with pytest.raises(ConfigurationError) as raised:
        SealedCookie(**{"keys": [OLD_KEY], **arguments})
    assert [each.startswith(f"SealedCookie: {problem}") for each in raised.value.problems] == [True]
    assert "s3cret" not in str(raised.value)


def test_every_problem_is_named():
    with pytest.raises(ConfigurationError) as raised:
        SealedCookie(keys=["x", "y"], samesite="sometimes", max_bytes=0)
    assert len(raised.value.problems) == 4


def test_repr_shows_no_key():
    assert repr(KIND) == "SealedCookie(name='token_session')"
    assert json.dumps(OLD_KEY) not in repr(vars(KIND))


def test_a_whole_cookie_that_no_key_opens_is_told_once(caplog):
    other = SealedCookie(keys=[Fernet.generate_key()])
    header = with_jar(other).header
    for _ in range(3):
        assert SealedCookie(keys=[OLD_KEY]).load("token_session.0=torn") == ()
    assert caplog.records == []
    kind = SealedCookie(keys=[OLD_KEY])
    for _ in range(3):
        assert kind.load(header) == ()
    assert [each.levelname for each in caplog.records] == ["WARNING"]
    assert "none of the 1 session keys opens" in caplog.text
    assert header.partition("=")[2][:40] not in caplog.text
