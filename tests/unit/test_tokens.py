"""What can be read from a token without a key, and how far it is from its end."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgi_token_refresh.tokens import (
    LONGEST_JWT,
    Failed,
    Freshness,
    Refreshed,
    Tokens,
    Verified,
    expiry_margin,
    freshness,
    numeric_date,
    received,
    refresh_window,
    same_subject,
    token_times,
    unverified_claims,
)

NOW = 1_700_000_000.0


def jwt(**claims):
    return raw(json.dumps(claims).encode())


def raw(payload):
    return f"e30.{base64.urlsafe_b64encode(payload).rstrip(b'=').decode()}.c2ln"


@pytest.mark.parametrize(
    ("token", "claims"),
    [
        pytest.param(jwt(a=1), {"a": 1}, id="a JWT"),
        pytest.param(jwt(a="é?>~"), {"a": "é?>~"}, id="a JWT in every letter of base64url"),
        pytest.param(raw(b"{}"), {}, id="a JWT without claims"),
        pytest.param("opaque", None, id="an opaque token"),
        pytest.param("", None, id="nothing"),
        pytest.param("a.b", None, id="two parts"),
        pytest.param("a.b.c.d.e", None, id="an encrypted one"),
        pytest.param("a.!!!.c", None, id="no base64"),
        pytest.param("a.é.c", None, id="no ASCII"),
        pytest.param(raw(b"[1]"), None, id="a list"),
        pytest.param(raw(b"7"), None, id="a number"),
        pytest.param(raw(b"{"), None, id="no JSON"),
        pytest.param(raw(b"\xff"), None, id="no text"),
        pytest.param(raw(b"[" * 12_000), None, id="as deep as it gets"),
        pytest.param(jwt(a="x" * 20_000), {"a": "x" * 20_000}, id="a long one"),
        pytest.param(jwt(a="x" * LONGEST_JWT), None, id="too long"),
    ],
)
def test_unverified_claims(token, claims):
    assert unverified_claims(token) == claims


@given(st.text() | st.binary().map(raw))
def test_any_string_can_be_read(token):
    claims = unverified_claims(token)
    assert claims is None or isinstance(claims, dict)
    token_times(token, now=NOW, expires_in=60)


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        (1, 1.0),
        (1.5, 1.5),
        (0, None),
        (-1, None),
        (2**53, None),
        (10**400, None),
        (float("inf"), None),
        (float("nan"), None),
        (True, None),
        ("1", None),
        (None, None),
        ([], None),
    ],
)
def test_numeric_date(value, moment):
    assert numeric_date(value) == moment


@pytest.mark.parametrize(
    ("token", "told", "times"),
    [
        pytest.param(jwt(exp=NOW + 60, iat=NOW), {}, (NOW + 60, 60), id="exp and iat"),
        pytest.param(
            jwt(exp=NOW + 60, iat=NOW), {"now": NOW + 5, "expires_in": 999}, (NOW + 60, 60), id="before expires_in"
        ),
        pytest.param(jwt(exp=NOW + 60), {}, (NOW + 60, None), id="without iat nobody knows the lifetime"),
        pytest.param(jwt(exp=NOW + 60), {"now": NOW + 10}, (NOW + 60, 50), id="without iat it counts from receipt"),
        pytest.param(jwt(exp=NOW, iat=NOW + 1), {}, (NOW, None), id="an iat after exp is none"),
        pytest.param(jwt(exp=NOW, iat="x"), {"now": NOW - 9}, (NOW, 9), id="an iat that is no date is none"),
        pytest.param(jwt(exp=NOW), {"now": NOW + 1}, (NOW, None), id="received after it expired"),
        pytest.param("opaque", {"now": NOW, "expires_in": 60}, (NOW + 60, 60), id="opaque, by expires_in"),
        pytest.param("opaque", {"now": NOW}, (None, None), id="opaque, without a word"),
        pytest.param("opaque", {}, (None, None), id="opaque, from a cookie"),
        pytest.param(jwt(exp="x"), {"now": NOW, "expires_in": 7}, (NOW + 7, 7), id="an exp that is no date is none"),
    ],
)
def test_token_times(token, told, times):
    assert token_times(token, **told) == times


def test_received():
    token = jwt(exp=NOW + 60, iat=NOW)
    assert received(token, "r", now=NOW, refresh_expires_in=900) == Tokens(token, "r", NOW + 60, 60, NOW + 900)


def test_what_says_nothing_lives_for_five_minutes():
    assert received("opaque", None, now=NOW) == Tokens("opaque", None, NOW + 300, 300)


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        pytest.param(jwt(sub="a", sid="1"), jwt(sub="a", sid="1"), True, id="the same"),
        pytest.param(jwt(sub="a"), jwt(sub="b"), False, id="another sub"),
        pytest.param(jwt(sub="a", sid="1"), jwt(sub="a", sid="2"), False, id="another sid"),
        pytest.param(jwt(sub="a"), jwt(), True, id="a sub that is no longer there"),
        pytest.param(jwt(sub=1), jwt(sub=1), True, id="an integer sub"),
        pytest.param(jwt(sub=7), jwt(sub="7"), True, id="an integer sub that became text"),
        pytest.param(jwt(sub="7"), jwt(sub=7), True, id="a text that became an integer"),
        pytest.param(jwt(sub=7.0), jwt(sub="7"), True, id="a number with a point"),
        pytest.param(jwt(sub=7), jwt(sub="8"), False, id="an integer and another text"),
        pytest.param(jwt(sub="7"), jwt(sub="07"), False, id="texts that are read as one number"),
        pytest.param(jwt(sub=True), jwt(sub="True"), False, id="a truth value is no number"),
        pytest.param(jwt(sub="a"), jwt(sub=None), True, id="a sub that is null"),
        pytest.param(jwt(sub="a", sid=None), jwt(sub="a", sid="1"), True, id="a sid that was null"),
        pytest.param(jwt(sub="a", sid=12), jwt(sub="a", sid="12"), True, id="an integer sid that became text"),
        pytest.param(None, jwt(sub="a"), True, id="no token before"),
        pytest.param("opaque", "other", True, id="opaque ones"),
        pytest.param("opaque", jwt(sub="a"), True, id="a JWT after an opaque one"),
    ],
)
def test_same_subject(old, new, same):
    assert same_subject(old, new) is same


@pytest.mark.parametrize(
    ("lifetime", "refresh_before", "most"),
    [
        pytest.param(3600, 300, 300, id="refresh_before"),
        pytest.param(300, 300, 100, id="a third of its life, if that is shorter"),
        pytest.param(None, 300, 100, id="a third of five minutes where nobody knows"),
    ],
)
def test_refresh_window(lifetime, refresh_before, most):
    windows = {refresh_window(Tokens(f"token{n}", lifetime=lifetime), refresh_before) for n in range(100)}
    assert len(windows) > 90
    assert all(0.9 * most <= window <= most for window in windows)
    assert max(windows) - min(windows) > 0.08 * most


def test_the_window_of_a_token_is_always_the_same():
    assert refresh_window(Tokens("a"), 300) == refresh_window(Tokens("a"), 300)


@pytest.mark.parametrize(("lifetime", "margin"), [(3600, 10), (100, 10), (30, 3), (None, 10)])
def test_expiry_margin(lifetime, margin):
    assert expiry_margin(Tokens("a", lifetime=lifetime)) == margin


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        pytest.param(3000, Freshness.FRESH, id="long before the window"),
        pytest.param(301, Freshness.FRESH, id="just before the window"),
        pytest.param(269, Freshness.DUE, id="in the window"),
        pytest.param(11, Freshness.DUE, id="just before the margin"),
        pytest.param(10, Freshness.SHORT, id="within the margin"),
        pytest.param(0.1, Freshness.SHORT, id="just before its end"),
        pytest.param(0, Freshness.EXPIRED, id="at its end"),
        pytest.param(-1, Freshness.EXPIRED, id="after its end"),
    ],
)
def test_freshness(left, expected):
    assert freshness(Tokens("a", None, NOW + left, 3600), NOW, 300) is expected


@pytest.mark.parametrize(
    "tokens", [pytest.param(Tokens("a"), id="no expiry"), pytest.param(Tokens(expires_at=NOW + 9), id="no token")]
)
def test_what_cannot_be_read_has_expired(tokens):
    assert freshness(tokens, NOW, 300) is Freshness.EXPIRED


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(Tokens("secret1", "secret2", 1, 2, 3), id="tokens"),
        pytest.param(Refreshed(Tokens("secret1", "secret2")), id="an outcome"),
        pytest.param(Verified({"sub": "secret1"}), id="claims"),
    ],
)
def test_repr_shows_no_token(value):
    assert "secret" not in repr(value)


def test_repr_of_a_failure_shows_its_reason():
    assert repr(Failed("aud: holds 'a'")) == "Failed(reason=\"aud: holds 'a'\")"


def test_an_iat_of_hours_ago_is_not_the_token_s_own():
    token = jwt(exp=NOW + 300, iat=NOW - 7200)
    assert received(token, "r", now=NOW).lifetime == 300
    assert received(jwt(exp=NOW + 300, iat=NOW - 60), "r", now=NOW).lifetime == 360
