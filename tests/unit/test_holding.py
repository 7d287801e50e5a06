"""How tokens stand, and which of several are held."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from tests.unit.ledger.test_single_flight import NOW, Clock, issued
from wsgi_token_refresh.errors import StoreError
from wsgi_token_refresh.holding import NOTHING, UNREAD, Assessor
from wsgi_token_refresh.policy.decision import Access
from wsgi_token_refresh.tokens import Failed, KeysUnavailable, Tokens, Verified, unverified_claims

FULL = issued(1, NOW)
EXPIRED = issued(2, NOW - 2000)
ALONE = replace(EXPIRED, refresh_token=None)
FOREIGN = issued(3, NOW, sub="eve")


@dataclass
class Verifier:
    """Takes the tokens of everybody but eve, and counts; without its keys it can tell nothing."""

    leeway: float = 30.0
    keys_version: int = 0
    has_keys: bool = True
    audience: str = ""
    verified: list[str] = field(default_factory=list)

    def verify(self, token):
        self.verified.append(token)
        if not self.has_keys:
            return KeysUnavailable("the keys were never fetched")
        claims = unverified_claims(token) or {}
        if claims.get("aud", "") != self.audience:
            return Failed(f"aud is not {self.audience!r}")
        return Failed("sub is 'eve'") if claims.get("sub") == "eve" else Verified(claims)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def verifier():
    return Verifier()


@pytest.fixture
def assessor(verifier, clock):
    return Assessor(verifier, refresh_before=300.0, clock=clock)


@pytest.mark.parametrize(
    ("seconds", "access"),
    [
        pytest.param(0, Access.FRESH, id="at first"),
        pytest.param(640, Access.DUE, id="in the window"),
        pytest.param(895, Access.SHORT, id="in the margin"),
        pytest.param(901, Access.LEEWAY, id="in the leeway"),
        pytest.param(930, Access.BAD, id="after the leeway"),
    ],
)
def test_a_verified_token_stands_so(assessor, clock, seconds, access):
    clock.now += seconds
    held = assessor.assess(FULL)
    assert held.access is access
    assert (held.claims or {}).get("sub") == (None if access is Access.BAD else "ada")


@pytest.mark.parametrize(
    ("tokens", "reason"),
    [
        pytest.param(Tokens(refresh_token="refresh"), "missing", id="none"),
        pytest.param(EXPIRED, "expired", id="one that has expired"),
        pytest.param(Tokens("opaque", "refresh"), "expired", id="one that does not say how long it lives"),
        pytest.param(FOREIGN, "sub is 'eve'", id="one that fails verification"),
    ],
)
def test_no_good_token(assessor, tokens, reason):
    held = assessor.assess(tokens)
    assert (held.access, held.claims, held.reason) == (Access.BAD, None, reason)


def test_a_token_that_cannot_be_verified_just_now_is_unknown_and_tried_again(assessor, verifier):
    verifier.has_keys = False
    held = assessor.assess(FULL)
    assert (held.access, held.claims, held.reason) == (Access.UNKNOWN, None, "the keys were never fetched")
    verifier.has_keys = True
    assert assessor.assess(FULL).access is Access.FRESH


@pytest.mark.parametrize(
    ("access_token", "access"),
    [
        pytest.param("opaque", Access.UNSAID, id="an opaque one"),
        pytest.param("e30.e30.c2ln", Access.UNSAID, id="a JWT without exp"),
        pytest.param("not\u2028printable", Access.BAD, id="what can be no token"),
    ],
)
def test_without_a_verifier_what_says_nothing_of_its_end_may_be_good(clock, access_token, access):
    held = Assessor(None, refresh_before=300.0, clock=clock).assess(Tokens(access_token, "refresh"))
    assert (held.access, held.access.good, held.authenticated) == (access, False, False)


def test_without_a_verifier_a_token_is_good_and_says_nothing(clock):
    held = Assessor(None, refresh_before=300.0, clock=clock).assess(FOREIGN)
    assert (held.access, held.claims) == (Access.FRESH, None)


def test_what_is_verified_is_remembered_until_the_keys_change(assessor, verifier):
    for version, times in ((0, 1), (0, 1), (1, 2), (1, 2)):
        verifier.keys_version = version
        assessor.assess(FULL)
        assert len(verifier.verified) == times


def test_what_fails_is_not_remembered(assessor, verifier):
    assessor.assess(FOREIGN)
    assessor.assess(FOREIGN)
    assert len(verifier.verified) == 2


@pytest.mark.parametrize(
    ("tokens", "vouched"),
    [
        pytest.param(FULL, True, id="a good token"),
        pytest.param(EXPIRED, True, id="an expired token"),
        pytest.param(FOREIGN, False, id="a token that fails"),
        pytest.param(Tokens(refresh_token="refresh"), False, id="no token"),
    ],
)
def test_who_is_vouched_for_by(assessor, tokens, vouched):
    assert assessor.vouches(tokens) is vouched


def test_without_a_verifier_nobody_is_vouched_for(clock):
    assert not Assessor(None, refresh_before=300.0, clock=clock).vouches(FULL)


@pytest.mark.parametrize(
    ("candidates", "expected"),
    [
        pytest.param([], NOTHING.tokens, id="nothing of nothing"),
        pytest.param([FOREIGN, FULL, issued(4, NOW)], FULL, id="the first that is good"),
        pytest.param([ALONE, EXPIRED, FOREIGN], EXPIRED, id="else the first that can be refreshed"),
        pytest.param([EXPIRED, ALONE, FOREIGN], EXPIRED, id="else the first that can be refreshed, though others come"),
        pytest.param([ALONE, replace(ALONE, access_token="torn")], ALONE, id="else the first"),
    ],
)
def test_of_several_is_held(assessor, candidates, expected):
    assert assessor.first_session([candidates]).tokens == expected


TORN = replace(ALONE, access_token="torn")
DOWN = StoreError("down")


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        pytest.param([], NOTHING.tokens, id="nothing of no kind"),
        pytest.param([[], []], NOTHING.tokens, id="nothing of kinds that have nothing"),
        pytest.param([[EXPIRED], [FULL]], EXPIRED, id="what can be refreshed, though a later kind has a good one"),
        pytest.param([[issued(4, NOW)], [FULL]], issued(4, NOW), id="what is good, though a later kind has a good one"),
        pytest.param([[], [FULL]], FULL, id="that of a later kind where the first has none"),
        pytest.param([[ALONE, TORN], [FULL]], FULL, id="that of a later kind where the first has only what is useless"),
        pytest.param([[], [EXPIRED], [FULL]], EXPIRED, id="of later kinds too the first that has one"),
        pytest.param([[ALONE], [TORN]], ALONE, id="the first where all are useless"),
        pytest.param([[], [TORN]], TORN, id="what is useless rather than nothing"),
        pytest.param([DOWN, [FULL]], UNREAD.tokens, id="nothing while nobody can say what the first has"),
        pytest.param([[FULL], DOWN], FULL, id="that of the first whatever is down behind it"),
        pytest.param([[ALONE], DOWN], UNREAD.tokens, id="nothing while nobody can say what may be better"),
    ],
)
def test_of_several_kinds_is_held(assessor, kinds, expected):
    assert assessor.first_session(kinds).tokens == expected


def test_a_kind_that_nobody_can_read_is_unread(assessor):
    assert assessor.first_session([DOWN]).access is Access.UNREAD


def test_what_cannot_be_verified_just_now_may_be_a_session(assessor, verifier, clock):
    verifier.has_keys = False
    unknown = replace(FULL, refresh_token=None)
    assert assessor.first_session([[unknown], [issued(4, NOW)]]).tokens == unknown


def test_an_opaque_token_alone_that_says_nothing_of_its_end_is_no_session(clock):
    assessor = Assessor(None, refresh_before=300.0, clock=clock)
    assert assessor.first_session([[Tokens("opaque")], [FULL]]).tokens == FULL


def test_what_is_held_shows_no_token_and_no_claims(assessor):
    shown = repr(assessor.assess(FULL))
    assert FULL.access_token not in shown
    assert FULL.refresh_token not in shown
    assert "ada" not in shown
