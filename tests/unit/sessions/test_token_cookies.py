"""Tokens in cookies of their own."""

from __future__ import annotations

import base64
import json

import pytest

from tests.unit.ledger.test_single_flight import access_token
from wsgi_token_refresh.errors import ConfigurationError, CookieError
from wsgi_token_refresh.sessions.cookies import MOST_BYTES
from wsgi_token_refresh.sessions.token_cookies import TokenCookies
from wsgi_token_refresh.tokens import Tokens

NOW = 1_700_000_000.0
KIND = TokenCookies()


def jwt(**claims):
    return f"e30.{base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b'=').decode()}.c2ln"


JWT = jwt(exp=int(NOW) + 300, iat=int(NOW))


def pairs(cookies):
    return dict(cookie.partition(";")[0].split("=", 1) for cookie in cookies)


def max_ages(cookies):
    parts = [cookie.split("; ") for cookie in cookies]
    return {each[0].partition("=")[0]: next(int(p[8:]) for p in each if p.startswith("Max-Age=")) for each in parts}


@pytest.mark.parametrize(
    ("header", "tokens"),
    [
        pytest.param("", (), id="nothing"),
        pytest.param("b=1", (), id="foreign cookies"),
        pytest.param(f"access_token={JWT}; refresh_token=r", (Tokens(JWT, "r", NOW + 300, 300),), id="both"),
        pytest.param(f"access_token={JWT}", (Tokens(JWT, None, NOW + 300, 300),), id="the access token alone"),
        pytest.param("refresh_token=r", (Tokens(None, "r"),), id="the refresh token alone"),
        pytest.param("access_token_expires=1.2", (), id="the companion alone"),
        pytest.param("access_token=opaque", (Tokens("opaque"),), id="an opaque one without its companion"),
        pytest.param(
            "access_token=opaque; access_token_expires=1700000300.600",
            (Tokens("opaque", None, NOW + 300, 600),),
            id="an opaque one with its companion",
        ),
        pytest.param(
            f"access_token={jwt(exp=int(NOW) + 60)}; access_token_expires=9.600",
            (Tokens(jwt(exp=int(NOW) + 60), None, NOW + 60, 600),),
            id="a JWT's own exp counts, and the companion's lifetime where it has no iat",
        ),
        pytest.param(
            "access_token=a,access_token=b,refresh_token=r",
            (Tokens("a", "r"), Tokens("b", "r")),
            id="two headers joined by a comma: each access token with the one refresh token",
        ),
        pytest.param(
            "access_token=a; refresh_token=r; access_token=b; refresh_token=s",
            (Tokens("a", "r"), Tokens("b", "s")),
            id="two of both: in order",
        ),
        pytest.param(
            "; ".join(f"access_token={n}" for n in range(9)),
            tuple(Tokens(str(n)) for n in range(4)),
            id="four at most",
        ),
        pytest.param(
            "access_token=opaque; access_token_expires=x.y", (Tokens("opaque"),), id="a companion that is garbage"
        ),
        pytest.param(
            "access_token=opaque; access_token_expires=-1.-2", (Tokens("opaque"),), id="a companion below zero"
        ),
        pytest.param(
            f"access_token=opaque; access_token_expires={'9' * 400}", (Tokens("opaque"),), id="a companion too long"
        ),
        pytest.param(
            "access_token=opaque; access_token_expires=\xb2.\u0661".encode().decode("latin-1"),
            (Tokens("opaque"),),
            id="digits that are none",
        ),
    ],
)
def test_load(header, tokens):
    assert KIND.load(header) == tokens


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        pytest.param(Tokens(JWT, "r", NOW + 300, 300), {"access_token": 300, "refresh_token": 2_592_000}, id="a JWT"),
        pytest.param(
            Tokens("opaque", "r", NOW + 300, 300),
            {"access_token": 300, "access_token_expires": 300, "refresh_token": 2_592_000},
            id="an opaque token has its companion",
        ),
        pytest.param(
            Tokens(jwt(exp=int(NOW) + 9), "r", NOW + 9, 300),
            {"access_token": 9, "access_token_expires": 9, "refresh_token": 2_592_000},
            id="a JWT without iat has its companion",
        ),
        pytest.param(
            Tokens(JWT, "r", NOW + 300, 300, NOW + 1000),
            {"access_token": 300, "refresh_token": 1000},
            id="a refresh token that ends sooner",
        ),
        pytest.param(
            Tokens(JWT, "r", NOW + 300, 300, NOW + 10**9),
            {"access_token": 300, "refresh_token": 2_592_000},
            id="a refresh token that ends later",
        ),
        pytest.param(
            Tokens(JWT, "r", NOW - 5, 300, NOW - 5), {"access_token": 1, "refresh_token": 1}, id="never below a second"
        ),
        pytest.param(Tokens(None, "r"), {"refresh_token": 2_592_000}, id="a refresh token alone"),
        pytest.param(
            Tokens(JWT, None, NOW + 300, 300),
            {"access_token": 300, "refresh_token": 0},
            id="without a refresh token, an older one goes",
        ),
    ],
)
def test_set(tokens, expected):
    cookies = KIND.begin(tokens, NOW)
    assert max_ages(cookies) == expected
    assert all({"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(each.split("; ")) for each in cookies)


def test_an_opaque_token_comes_back_with_its_times():
    tokens = Tokens("opaque", "r", NOW + 300, 600)
    header = "; ".join(f"{name}={value}" for name, value in pairs(KIND.begin(tokens, NOW)).items())
    assert KIND.load(header) == (tokens,)


def test_a_token_of_odd_characters_comes_back():
    tokens = Tokens('a;b,c "d"\\é%', "e=f; g", NOW + 300, 600)
    header = "; ".join(f"{name}={value}" for name, value in pairs(KIND.begin(tokens, NOW)).items())
    assert KIND.load(header) == (tokens,)


LARGE = "x" * MOST_BYTES


@pytest.mark.parametrize(
    ("tokens", "name"),
    [
        pytest.param(Tokens(LARGE, "r", NOW + 9, 9), "access_token", id="the access token"),
        pytest.param(Tokens(JWT, LARGE, NOW + 9, 9), "refresh_token", id="the refresh token"),
    ],
)
def test_a_token_that_is_too_large_is_named(tokens, name):
    with pytest.raises(CookieError, match=f"'{name}' has {MOST_BYTES + len(name)} bytes"):
        KIND.begin(tokens, NOW)


@pytest.mark.parametrize(
    ("tokens", "fits", "told"),
    [
        pytest.param(Tokens(JWT, "r", NOW + 9, 9), {"access_token", "refresh_token"}, False, id="both fit"),
        pytest.param(Tokens(LARGE, "r", NOW + 9, 9), {"refresh_token"}, True, id="the refresh token goes alone"),
        pytest.param(Tokens(JWT, LARGE, NOW + 9, 9), set(), True, id="no access token without its refresh token"),
    ],
)
def test_set_what_fits(tokens, fits, told):
    cookies, error = KIND.renew(tokens, NOW)
    assert set(pairs(cookies)) == fits
    assert (error is not None) is told


def test_expire():
    cookies = KIND.expire()
    assert max_ages(cookies) == {"access_token": 0, "refresh_token": 0, "access_token_expires": 0}
    assert set(pairs(cookies).values()) == {""}


@pytest.mark.parametrize(
    ("header", "tokens", "expected"),
    [
        pytest.param("", Tokens("a", "r"), "access_token=a", id="the fresh token, where there was none"),
        pytest.param("b=1; access_token=old; refresh_token=r", Tokens("a"), "b=1; access_token=a", id="in its place"),
        pytest.param("b=1; refresh_token=r", None, "b=1", id="nothing of ours for nobody"),
        pytest.param("b=1; access_token=old", Tokens(None, "r"), "b=1", id="nothing of ours without an access token"),
        pytest.param("access_token=o; access_token_expires=1.2", Tokens("a"), "access_token=a", id="no companion"),
    ],
)
def test_for_application(header, tokens, expected):
    assert KIND.for_application(header, tokens) == expected


def test_without_refresh_token():
    assert KIND.without_refresh_token("a=1; access_token=x; refresh_token=y") == "a=1; access_token=x"


def test_names_and_prefix():
    kind = TokenCookies(access_name="at", refresh_name="rt", prefix="__Host-")
    assert set(pairs(kind.begin(Tokens("a", "r", NOW + 9, 9), NOW))) == {
        "__Host-at",
        "__Host-at_expires",
        "__Host-rt",
    }
    assert kind.load("__Host-at=a; at=b") == (Tokens("a"),)
    assert repr(kind) == "TokenCookies(access_name='__Host-at', refresh_name='__Host-rt')"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        pytest.param({"access_name": "a b"}, "'a b'", id="a name that is none"),
        pytest.param({"refresh_name": ""}, "''", id="no name"),
        pytest.param({"access_name": "a", "refresh_name": "a"}, "two names", id="one name for both"),
        pytest.param({"prefix": "__Host-", "secure": False}, "secure=True", id="__Host- without Secure"),
        pytest.param({"prefix": "__Host-", "domain": "a.example"}, "no domain", id="__Host- with a domain"),
        pytest.param({"prefix": "__Host-", "path": "/b"}, "path='/'", id="__Host- below the root"),
        pytest.param({"prefix": "__Secure-", "secure": False}, "secure=True", id="__Secure- without Secure"),
        pytest.param({"samesite": "lax"}, "samesite", id="a SameSite that is none"),
        pytest.param({"samesite": "None", "secure": False}, "samesite='None'", id="SameSite=None without Secure"),
        pytest.param({"path": "app"}, "path", id="a path without a slash"),
        pytest.param({"path": "/a;b"}, "path", id="a path with a semicolon"),
        pytest.param({"domain": "a.example\r\nX: y"}, "domain", id="a domain with line ends"),
        pytest.param({"refresh_max_age": 0}, "refresh_max_age", id="no life"),
        pytest.param({"refresh_max_age": 401 * 86_400}, "refresh_max_age", id="longer than browsers keep it"),
    ],
)
def test_cannot_be_configured(arguments, problem):
    with pytest.raises(ConfigurationError, match=problem) as raised:
        TokenCookies(**arguments)
    assert all(each.startswith("TokenCookies: ") for each in raised.value.problems)


def test_all_problems_at_once():
    with pytest.raises(ConfigurationError) as raised:
        TokenCookies(access_name="a b", refresh_name="c d", samesite="x", path="y", domain="z z", refresh_max_age=-1)
    assert len(raised.value.problems) == 6


def test_a_life_that_the_token_does_not_tell_truly_travels_beside_it():
    token = access_token(0, NOW, lifetime=300, iat=NOW - 7200)
    tokens = Tokens(token, "r", NOW + 300, 300)
    jar = "; ".join(each.partition(";")[0] for each in KIND.begin(tokens, NOW))
    assert KIND.load(jar) == (tokens,)
