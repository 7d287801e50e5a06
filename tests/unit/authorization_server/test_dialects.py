"""What each dialect sends, and what the answers of authorization servers mean in it."""

from __future__ import annotations

import json
import re
from collections import UserDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgi_token_refresh.authorization_server.calls import MAX_BODY
from wsgi_token_refresh.authorization_server.dialects import (
    DIALECTS,
    Answer,
    Dialect,
    is_token,
    judged_by_body,
    read_token_response,
)
from wsgi_token_refresh.errors import ConfigurationError, TokenResponseError
from wsgi_token_refresh.tokens import ASSUMED_LIFETIME, Refreshed, Rejected, Tokens, Unreachable

NOW = 1_700_000_000.0
OAUTH2, SIMPLEJWT, CAMEL, BEARER = (DIALECTS[name] for name in ("oauth2", "simplejwt", "camel", "bearer"))


def outcome(dialect, status, content, *, content_type="application/json", retry_after=None):
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    answer = Answer(status, body, content_type, retry_after)
    return dialect.outcome(answer, refresh_token="old", now=NOW)


@pytest.mark.parametrize(
    ("dialect", "fields"),
    [
        pytest.param(OAUTH2, {"grant_type": "refresh_token", "refresh_token": "r"}, id="oauth2 sends the grant"),
        pytest.param(SIMPLEJWT, {"refresh": "r"}, id="simplejwt sends refresh"),
        pytest.param(CAMEL, {"refreshToken": "r"}, id="camel sends refreshToken"),
        pytest.param(BEARER, {}, id="bearer has no body"),
        pytest.param(Dialect("json", "data.auth.token"), {"data": {"auth": {"token": "r"}}}, id="a dot nests JSON"),
        pytest.param(
            Dialect("form", "data.token"),
            {"grant_type": "refresh_token", "data.token": "r"},
            id="a form has no nesting",
        ),
    ],
)
def test_what_is_sent(dialect, fields):
    assert dialect.fields("r") == fields


@pytest.mark.parametrize(
    ("dialect", "mapping", "tokens"),
    [
        pytest.param(
            OAUTH2,
            {"access_token": "a", "refresh_token": "r", "expires_in": 60, "token_type": "Bearer", "x": [{}]},
            Tokens("a", "r", NOW + 60, 60),
            id="RFC 6749, and unknown keys are ignored",
        ),
        pytest.param(
            OAUTH2,
            {"access_token": "a", "refresh_token": "r", "expires_in": 60, "refresh_expires_in": 1800},
            Tokens("a", "r", NOW + 60, 60, NOW + 1800),
            id="the end of the refresh token",
        ),
        pytest.param(
            OAUTH2,
            {"access_token": "a", "expires_in": 60, "refresh_expires_in": 0},
            Tokens("a", None, NOW + 60, 60),
            id="a refresh token is optional, and 0 is no end of one",
        ),
        pytest.param(
            SIMPLEJWT, {"access": "a", "refresh": "r", "expires_in": 9}, Tokens("a", "r", NOW + 9, 9), id="simplejwt"
        ),
        pytest.param(
            CAMEL,
            {"accessToken": "a", "refreshToken": "r", "expiresIn": 9, "refreshExpiresIn": 99},
            Tokens("a", "r", NOW + 9, 9, NOW + 99),
            id="camel",
        ),
        pytest.param(
            BEARER,
            {"access_token": "a", "expires_in": 9},
            Tokens("a", None, NOW + 9, 9),
            id="bearer answers as RFC 6749",
        ),
        pytest.param(
            Dialect(access_token="data.token", new_refresh_token="data.next", expires_in="data.ttl"),
            {"data": {"token": "a", "next": "r", "ttl": 9}},
            Tokens("a", "r", NOW + 9, 9),
            id="a dotted path descends",
        ),
        pytest.param(
            OAUTH2, UserDict(access_token="a", expires_in=9), Tokens("a", None, NOW + 9, 9), id="any mapping will do"
        ),
        pytest.param(
            OAUTH2,
            {"access_token": "a", "refresh_token": None, "expires_in": 9},
            Tokens("a", None, NOW + 9, 9),
            id="null is no new refresh token",
        ),
        pytest.param(
            OAUTH2,
            {"access_token": "a", "refresh_token": "", "expires_in": 9},
            Tokens("a", None, NOW + 9, 9),
            id="an empty text is no new refresh token",
        ),
    ],
)
def test_reading_a_token_response(dialect, mapping, tokens):
    assert dialect.read(mapping, NOW) == tokens


@pytest.mark.parametrize(
    ("expires_in", "lifetime"),
    [
        pytest.param(3600, 3600, id="an integer"),
        pytest.param(3600.5, 3600.5, id="a fraction"),
        pytest.param("3600", 3600, id="a text of digits"),
        pytest.param("3600.5", 3600.5, id="a text with a fraction"),
        pytest.param(0, ASSUMED_LIFETIME, id="zero is ignored"),
        pytest.param(-5, ASSUMED_LIFETIME, id="less than zero is ignored"),
        pytest.param(True, ASSUMED_LIFETIME, id="a boolean is ignored"),
        pytest.param(10**400, ASSUMED_LIFETIME, id="a huge integer is ignored"),
        pytest.param(float("nan"), ASSUMED_LIFETIME, id="NaN is ignored"),
        pytest.param(float("inf"), ASSUMED_LIFETIME, id="infinity is ignored"),
        pytest.param("1e3", ASSUMED_LIFETIME, id="a text of another kind is ignored"),
        pytest.param("٣", ASSUMED_LIFETIME, id="digits of other scripts are ignored"),
        pytest.param([60], ASSUMED_LIFETIME, id="a list is ignored"),
    ],
)
def test_expires_in(expires_in, lifetime):
    tokens = OAUTH2.read({"access_token": "a", "expires_in": expires_in}, NOW)
    assert (tokens.lifetime, tokens.expires_at) == (lifetime, NOW + lifetime)


@pytest.mark.parametrize(
    ("mapping", "says"),
    [
        pytest.param({"token": "s3cret", "user": 1}, "access_token is missing; keys found: token, user", id="missing"),
        pytest.param({}, "keys found: none", id="nothing there"),
        pytest.param(
            {"data": {"access": "s3cret"}}, "access_token is missing; keys found: data, data.access", id="nested keys"
        ),
        pytest.param({"access_token": 7}, "access_token is no text", id="a number"),
        pytest.param({"access_token": ["s3cret"]}, "access_token is no text", id="a list"),
        pytest.param({"access_token": ""}, "access_token is empty", id="empty"),
        pytest.param({"access_token": "s3cret\r\nX: 1"}, "not printable ASCII", id="a control character"),
        pytest.param({"access_token": "s3cretł"}, "not printable ASCII", id="not latin"),
        pytest.param({"access_token": "s3cret\ud800"}, "not printable ASCII", id="a lone surrogate"),
        pytest.param({"access_token": "a" * (MAX_BODY + 1)}, "over 4 MiB", id="too long"),
        pytest.param(
            {"access_token": "a", "refresh_token": 7}, "refresh_token is no text", id="refresh token a number"
        ),
        pytest.param(
            {"access_token": "a", "refresh_token": "s3cret\ud800"},
            "refresh_token is no text that could be sent",
            id="refresh token with a lone surrogate",
        ),
        pytest.param(
            {"s3cret token": 1, 5: 1}, "keys found: (not shown), (not shown)", id="keys that may hold a token"
        ),
        pytest.param({f"k{i}": 1 for i in range(99)}, "k19, ...", id="many keys"),
        pytest.param(["s3cret"], "a token response is a mapping, not list", id="no mapping"),
    ],
)
def test_no_token_response(mapping, says):
    with pytest.raises(TokenResponseError) as caught:
        OAUTH2.read(mapping, NOW)
    assert says in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_sign_in_reads_the_dialect_first():
    mapping = {"accessToken": "ours", "access_token": "theirs"}
    assert read_token_response(mapping, CAMEL, NOW).access_token == "ours"


def test_sign_in_reads_the_names_of_rfc_6749_too():
    mapping = {"access_token": "a", "refresh_token": "r", "expires_in": 60, "expires_at": 5, "userinfo": {}}
    assert read_token_response(mapping, CAMEL, NOW) == Tokens("a", "r", NOW + 60, 60)


def test_sign_in_complains_in_the_words_of_the_dialect():
    with pytest.raises(TokenResponseError, match="accessToken is missing; keys found: token"):
        read_token_response({"token": "a"}, CAMEL, NOW)


def test_a_new_refresh_token_replaces_the_old_one():
    answer = {"access_token": "a", "refresh_token": "new", "expires_in": 60}
    assert outcome(OAUTH2, 200, answer) == Refreshed(Tokens("a", "new", NOW + 60, 60))


def test_without_a_new_refresh_token_the_old_one_stays():
    assert outcome(OAUTH2, 200, {"access_token": "a", "expires_in": 60}) == Refreshed(Tokens("a", "old", NOW + 60, 60))


KEPT = Refreshed(Tokens(None, "new"))
"""What is left where the access token cannot be used: the one before it is spent, and the refresh token is not."""


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param({"access_token": "a" * 30_000}, Refreshed(Tokens("a" * 30_000, "old", NOW + 300, 300)), id="long"),
        pytest.param(
            {"access_token": "a", "refresh_token": "r" * 30_000, "expires_in": 9},
            Refreshed(Tokens("a", "r" * 30_000, NOW + 9, 9)),
            id="a long refresh token",
        ),
        pytest.param(
            {"access_token": "a", "refresh_token": "ré\n", "expires_in": 9},
            Refreshed(Tokens("a", "ré\n", NOW + 9, 9)),
            id="a refresh token of any text",
        ),
        pytest.param(
            {"access_token": "a", "refresh_token": 7, "expires_in": 9},
            Refreshed(Tokens("a", "7", NOW + 9, 9)),
            id="a refresh token that is a number",
        ),
        pytest.param(
            {"access_token": "a", "refresh_token": ["r"], "expires_in": 9},
            Refreshed(Tokens("a", "old", NOW + 9, 9)),
            id="a refresh token that is none",
        ),
        pytest.param(
            {"access_token": "a", "refresh_token": True, "expires_in": 9},
            Refreshed(Tokens("a", "old", NOW + 9, 9)),
            id="a refresh token that is a boolean",
        ),
        pytest.param(
            {"access_token": "a", "refresh_token": "\ud800", "expires_in": 9},
            Refreshed(Tokens("a", "old", NOW + 9, 9)),
            id="a refresh token that cannot be sent",
        ),
        pytest.param({"refresh_token": "new"}, KEPT, id="no access token"),
        pytest.param({"access_token": None, "refresh_token": "new"}, KEPT, id="an access token of null"),
        pytest.param({"access_token": 7, "refresh_token": "new"}, KEPT, id="an access token that is a number"),
        pytest.param({"access_token": "", "refresh_token": "new"}, KEPT, id="an empty access token"),
        pytest.param({"access_token": "é", "refresh_token": "new"}, KEPT, id="an access token that no header takes"),
        pytest.param({"access_token": "a\nb", "refresh_token": "new"}, KEPT, id="an access token of two lines"),
        pytest.param({"access_token": float("nan"), "refresh_token": "new"}, KEPT, id="an access token of NaN"),
        pytest.param(
            {"refresh_token": "new", "refresh_expires_in": 60},
            Refreshed(Tokens(None, "new", refresh_expires_at=NOW + 60)),
            id="the end of the refresh token",
        ),
        pytest.param(
            {"access_token": "a", "refresh_token": "new", "expires_in": None, "error": None},
            Refreshed(Tokens("a", "new", NOW + 300, 300)),
            id="null members are absent",
        ),
        *(
            pytest.param(
                {"access_token": "a", "refresh_token": "new", "expires_in": odd},
                Refreshed(Tokens("a", "new", NOW + 300, 300)),
                id=f"expires_in {str(odd)[:8]}",
            )
            for odd in (-1, "soon", 10**300, [], {}, "", True)
        ),
    ],
)
@pytest.mark.parametrize("status", [200, 201, 202, 206, 299])
def test_nothing_of_an_answer_with_success_is_lost(status, content, expected):
    assert outcome(OAUTH2, status, content) == expected


def test_the_same_refresh_token_again_is_no_new_one():
    assert isinstance(outcome(OAUTH2, 200, {"refresh_token": "old"}), Unreachable)


def test_bearer_sends_what_a_header_takes():
    content = {"access_token": "a", "refresh_token": "é", "expires_in": 9}
    assert outcome(BEARER, 200, content) == Refreshed(Tokens("a", "old", NOW + 9, 9))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(
            b'\xef\xbb\xbf{"access_token": "a", "refresh_token": "r", "expires_in": 9}', id="a byte order mark"
        ),
        pytest.param('{"access_token": "a", "refresh_token": "r", "expires_in": 9}'.encode("utf-16"), id="UTF-16"),
        pytest.param(
            '{"access_token": "a", "refresh_token": "r", "expires_in": 9}'.encode("utf-16-le"),
            id="UTF-16 without a mark",
        ),
        pytest.param('{"access_token": "a", "refresh_token": "r", "expires_in": 9}'.encode("utf-32"), id="UTF-32"),
        pytest.param(
            b'{"access_token": "a", "refresh_token": "r", "expires_in": 9}\n<!-- 3 ms -->', id="something behind it"
        ),
        pytest.param(b'\r\n {"access_token": "a", "refresh_token": "r", "expires_in": 9}\0\0', id="zeros behind it"),
        pytest.param(
            b'{"access_token": "a", "refresh_token": "r", "expires_in": 9, "n": ' + b"9" * 5_000 + b"}",
            id="a number of 5000 digits",
        ),
        pytest.param(b'{"access_token": "a", "refresh_token": "r", "expires_in": 9, "n": NaN}', id="NaN"),
        pytest.param(
            b'{"access_token": "a", "refresh_token": "r", "expires_in": 9, "n": "a\tb\nc"}', id="control characters"
        ),
        pytest.param(b'{"access_token": "a", "refresh_token": "r", "expires_in": 9, "n": "\xe9\xff"}', id="Latin-1"),
        pytest.param(
            b'{"access_token": "?", "access_token": "a", "refresh_token": "r", "expires_in": 9}',
            id="a member twice: the last one",
        ),
    ],
)
def test_json_as_servers_write_it(body):
    assert outcome(OAUTH2, 200, body, content_type="text/plain; charset=x-none") == Refreshed(
        Tokens("a", "r", NOW + 9, 9)
    )


@pytest.mark.parametrize(
    ("body", "access_token"),
    [
        pytest.param(b"access_token=a&refresh_token=r", "a", id="a form"),
        pytest.param(
            b'Notice: {"x": 1} in x.php\n{"access_token": "a", "refresh_token": "r"}', "a", id="behind a notice"
        ),
        pytest.param(b'[{"note": 1}, {"access_token": "a", "refresh_token": "r"}]', "a", id="in a list"),
        pytest.param(b'while(1);{"refresh_token": "r"}', None, id="a refresh token alone, behind a guard"),
    ],
)
@pytest.mark.parametrize("content_type", ["", "text/html", "text/plain; charset=klingon"])
def test_tokens_are_found_whatever_is_around_them(body, access_token, content_type):
    tokens = outcome(OAUTH2, 200, body, content_type=content_type).tokens
    assert (tokens.access_token, tokens.refresh_token) == (access_token, "r")


BOTH = {"access_token": "a", "refresh_token": "new", "expires_in": 9}
PAIR = Refreshed(Tokens("a", "new", NOW + 9, 9))


@pytest.mark.parametrize(
    "status", [*range(200, 207), 300, 302, 307, *(400, 401, 403, 404, 410, 422, 429), 500, 502, 503, 504]
)
@pytest.mark.parametrize(
    ("dialect", "content"),
    [
        pytest.param(OAUTH2, BOTH, id="as it should be"),
        pytest.param(OAUTH2, {**BOTH, "error": None}, id="with an error of null"),
        pytest.param(OAUTH2, {**BOTH, "error": False, "code": "busy"}, id="with an error of false"),
        pytest.param(OAUTH2, {"data": BOTH, "error": ""}, id="in an object without an error"),
        pytest.param(OAUTH2, b"<br>Warning: x\n" + json.dumps(BOTH).encode(), id="behind a warning"),
        pytest.param(OAUTH2, b"access_token=a&refresh_token=new&expires_in=9", id="as a form"),
        pytest.param(OAUTH2, json.dumps(BOTH).encode()[:-1] + b",", id="cut short behind them"),
        pytest.param(
            CAMEL, {"accessToken": "a", "refreshToken": "new", "expiresIn": 9}, id="in a dialect whose refusals are 401"
        ),
        pytest.param(CAMEL, BOTH, id="in the names of RFC 6749"),
    ],
)
def test_what_answers_with_two_new_tokens_has_rotated_whatever_its_status(dialect, content, status):
    assert outcome(dialect, status, content) == PAIR


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param({**BOTH, "error": "invalid_grant"}, "an error", id="an error beside them"),
        pytest.param({"data": BOTH, "error": {"code": "invalid_grant"}}, "an error", id="an error around them"),
        pytest.param(
            b"access_token=a&refresh_token=new&error=invalid_grant", "an error", id="an error beside them in a form"
        ),
        pytest.param({**BOTH, "refresh_token": "old"}, "no new one", id="the refresh token that was sent"),
        pytest.param({"access_token": "a", "expires_in": 9}, "no new one", id="an access token alone"),
        pytest.param({"refresh_token": "new"}, "no access token", id="a refresh token alone, or a word about one"),
        pytest.param(
            {"access_token": "is unknown", "refresh_token": "x"}, "a sentence", id="a sentence of a form's field"
        ),
        pytest.param({"access_token": "x", "refresh_token": "x"}, "a word", id="one word for both"),
    ],
)
@pytest.mark.parametrize("status", [302, 400, 401, 429, 500, 503])
def test_a_refusal_stays_one_that_has(status, content, says):
    assert not isinstance(outcome(OAUTH2, status, content), Refreshed), says


@pytest.mark.parametrize(
    ("dialect", "content"),
    [
        pytest.param(OAUTH2, {"data": BOTH}, id="in an object"),
        pytest.param(OAUTH2, {"ok": True, "items": [{"n": {}}, {"result": BOTH}]}, id="far in"),
        pytest.param(OAUTH2, {"statusCode": 200, "body": json.dumps(BOTH)}, id="as a text of JSON in an object"),
        pytest.param(OAUTH2, json.dumps(json.dumps(BOTH)).encode(), id="as a text of JSON"),
        pytest.param(OAUTH2, [BOTH], id="in a list"),
        pytest.param(OAUTH2, b")]}',\n" + json.dumps(BOTH).encode(), id="behind a guard"),
        pytest.param(CAMEL, BOTH, id="in the names of RFC 6749"),
        pytest.param(SIMPLEJWT, {"data": BOTH}, id="in those names, in an object"),
        pytest.param(OAUTH2, {"accessToken": "a", "refreshToken": "new", "expiresIn": 9}, id="in camel case"),
        pytest.param(
            OAUTH2, {"d": {"access": "a", "refresh": "new", "expires_in": 9}}, id="in the names of Simple JWT"
        ),
        pytest.param(OAUTH2, {"access_token": "a", "refreshToken": "new", "expires_in": 9}, id="in names of two kinds"),
        pytest.param(CAMEL, {"accessToken": "a", "refresh_token": "new", "expiresIn": 9}, id="in names of two others"),
        pytest.param(Dialect(access_token="jwt"), {"jwt": "a", **BOTH, "access_token": "?"}, id="in a name of its own"),
        pytest.param(Dialect(access_token="data.jwt", new_refresh_token="data.next"), BOTH, id="beside the paths"),
        pytest.param(OAUTH2, json.dumps(BOTH).encode()[:-1] + b', "name": "O\\\'Brien"}', id="before what is no JSON"),
        pytest.param(OAUTH2, json.dumps(BOTH).encode()[:-1] + b",}", id="with a comma too many"),
        pytest.param(OAUTH2, json.dumps(BOTH).encode()[:-1] + b', "x":' + b"[" * 99_999, id="before what is too deep"),
        pytest.param(OAUTH2, b'{"data": ' + json.dumps(BOTH).encode()[:-1] + b", ", id="cut short in an object"),
        pytest.param(
            OAUTH2, json.dumps({**BOTH, "expires_in": 9}).encode()[:-1] + b', "refresh_token": null}', id="null again"
        ),
        pytest.param(OAUTH2, json.dumps(BOTH).encode() + b" " * MAX_BODY, id="before more than 4 MiB"),
    ],
)
def test_tokens_are_found_wherever_they_stand(dialect, content):
    assert outcome(dialect, 200, content) == PAIR


@pytest.mark.parametrize(
    "content",
    [
        pytest.param({"error": "busy", "request": {"refresh_token": "***"}}, id="what stands in a refusal"),
        pytest.param(b'{"access_token": "a", "refresh_token": "ne', id="a refresh token that is cut short"),
        pytest.param(b'{"access_token": "a", ', id="an access token alone, of an answer that is cut short"),
        pytest.param(b'{"refresh_token": "old", ', id="the refresh token that was sent, cut short"),
    ],
)
def test_what_is_no_new_refresh_token_replaces_none(content):
    assert isinstance(outcome(OAUTH2, 200, content), Unreachable)


def test_names_that_are_not_the_dialect_s_count_where_there_is_a_new_refresh_token():
    """The access token of a dialect may be an ID token, and another one no session here."""
    of_id_tokens = Dialect(access_token="id_token")
    assert isinstance(outcome(of_id_tokens, 200, {"access_token": "a"}), Unreachable)
    assert isinstance(outcome(OAUTH2, 200, {"access": "daily", "refresh": "old"}), Unreachable)
    assert outcome(of_id_tokens, 200, {"access_token": "a", "refresh_token": "new"}) == KEPT


def test_a_page_is_no_token_response():
    body = b"<html><style>a {color: red}</style><a href='?x=y&refresh_token=b&access_token=a&x=y'>{}</a></html>"
    assert outcome(OAUTH2, 200, body, content_type="text/html").sent is True


def test_a_token_response_that_is_a_form():
    body = b"access_token=a&refresh_token=r%2B&expires_in=9&scope=&token_type=bearer"
    found = outcome(OAUTH2, 200, body, content_type="application/x-www-form-urlencoded; charset=utf-8")
    assert found == Refreshed(Tokens("a", "r+", NOW + 9, 9))


@pytest.mark.parametrize(
    ("default", "expires_in", "lifetime"),
    [(900.0, None, 900.0), (900.0, 60, 60), (900.0, "soon", 900.0), (100 * 365 * 86_400.0, None, 100 * 365 * 86_400.0)],
)
def test_a_life_that_nothing_says_is_the_default(default, expires_in, lifetime):
    content = {"access_token": "a", "expires_in": expires_in}
    expected = Tokens("a", None, NOW + lifetime, lifetime)
    assert OAUTH2.read(content, NOW, default) == expected
    assert read_token_response(content, CAMEL, NOW, default) == expected
    answer = Answer(200, json.dumps(content).encode())
    found = OAUTH2.outcome(answer, refresh_token="old", now=NOW, default_expires_in=default)
    assert found.tokens.lifetime == lifetime


@pytest.mark.parametrize(
    ("path", "mapping"),
    [
        pytest.param("data.token", {"data": {"token": "t"}}, id="a dot descends"),
        pytest.param("tokens[1]", {"tokens": ["?", "t"]}, id="a number picks one of a list"),
        pytest.param("data[0].tokens[1].value", {"data": [{"tokens": [{}, {"value": "t"}]}]}, id="lists in lists"),
        pytest.param("tokens[].value", {"tokens": [{}, {"value": None}, {"value": "t"}]}, id="any of a list"),
        pytest.param("tokens.value", {"tokens": [{}, {"value": "t"}]}, id="a name in a list is that of any"),
    ],
)
def test_every_path_speaks_one_language(path, mapping):
    dialect = Dialect(access_token=path, new_refresh_token=path, rejected=["t"], error=path)
    assert dialect.read(mapping, NOW) == Tokens("t", "t", NOW + 300, 300)
    assert outcome(dialect, 400, mapping) == Rejected("t")


GITHUB = Dialect(rejected="invalid_grant 200:bad_refresh_token")


@pytest.mark.parametrize(
    ("dialect", "status", "content", "expected"),
    [
        pytest.param(OAUTH2, 400, {"error": "invalid_grant"}, Rejected("invalid_grant"), id="oauth2 invalid_grant"),
        pytest.param(OAUTH2, 401, {"error": "invalid_grant"}, Rejected("invalid_grant"), id="oauth2 with any 4xx"),
        pytest.param(
            OAUTH2,
            401,
            {"error": "invalid_client"},
            Rejected("invalid_client", False),
            id="oauth2 speaks of our set-up",
        ),
        pytest.param(OAUTH2, 403, {"message": "no"}, Rejected("http_403", False), id="an object without a code"),
        pytest.param(OAUTH2, 400, {"error": "Invalid t0ken"}, Rejected("http_400", False), id="a sentence is no code"),
        pytest.param(OAUTH2, 400, {"error": "x" * 65}, Rejected("http_400", False), id="65 characters are no code"),
        pytest.param(OAUTH2, 400, {"error": "ü"}, Rejected("http_400", False), id="a code is ASCII"),
        pytest.param(OAUTH2, 400, {"error": {"code": "invalid_grant"}}, Rejected("invalid_grant"), id="a nested code"),
        pytest.param(
            OAUTH2, 400, {"error": "Bad", "code": "invalid_grant"}, Rejected("invalid_grant"), id="the code that counts"
        ),
        pytest.param(OAUTH2, 400, {"error": "a", "code": "b"}, Rejected("a", False), id="else the first code"),
        pytest.param(
            SIMPLEJWT, 401, {"code": "token_not_valid"}, Rejected("token_not_valid"), id="simplejwt token_not_valid"
        ),
        pytest.param(
            SIMPLEJWT,
            401,
            {"code": "no_active_account"},
            Rejected("no_active_account"),
            id="simplejwt no_active_account",
        ),
        pytest.param(
            SIMPLEJWT,
            400,
            {"code": "token_not_valid"},
            Rejected("token_not_valid", False),
            id="simplejwt with 401 only",
        ),
        pytest.param(SIMPLEJWT, 401, {"detail": "no"}, Rejected("http_401", False), id="simplejwt wants a code"),
        pytest.param(CAMEL, 401, {"message": "expired"}, Rejected("http_401"), id="camel 401"),
        pytest.param(CAMEL, 400, {"code": "E17"}, Rejected("E17"), id="camel 400"),
        pytest.param(CAMEL, 403, {}, Rejected("http_403", False), id="camel 403"),
        pytest.param(BEARER, 401, {"msg": "Token has expired"}, Rejected("http_401"), id="bearer 401"),
        pytest.param(BEARER, 422, {"msg": "Signature failed"}, Rejected("http_422"), id="bearer with other keys"),
        pytest.param(BEARER, 404, {"msg": "?"}, Rejected("http_404", False), id="bearer 404"),
        pytest.param(
            GITHUB, 200, {"error": "bad_refresh_token"}, Rejected("bad_refresh_token"), id="a refusal with success"
        ),
        pytest.param(GITHUB, 400, {"error": "invalid_grant"}, Rejected("invalid_grant"), id="a second rule"),
    ],
)
def test_refusals(dialect, status, content, expected):
    assert outcome(dialect, status, content) == expected


@pytest.mark.parametrize(
    ("status", "content", "expected"),
    [
        pytest.param(500, {"error": "invalid_grant"}, Unreachable(True, "HTTP 500"), id="a 5xx is no refusal"),
        pytest.param(503, b"", Unreachable(True, "HTTP 503"), id="a 503 says nothing"),
        pytest.param(302, b"", Unreachable(True, "HTTP 302: redirects are not followed"), id="a redirect"),
        pytest.param(101, b"", Unreachable(True, "HTTP 101"), id="another protocol"),
        pytest.param(
            429, {"error": "invalid_grant"}, Unreachable(False, "HTTP 429", 2.0), id="a 429 was not processed"
        ),
        pytest.param(
            400,
            [1],
            Unreachable(True, "HTTP 400 with application/json, not a token response"),
            id="a list is no error object",
        ),
        pytest.param(
            200,
            b'{"access_token": ',
            Unreachable(True, "HTTP 200 with application/json, not a token response"),
            id="broken JSON",
        ),
        pytest.param(
            200,
            {"token": "a"},
            Unreachable(True, "HTTP 200 with application/json, not a token response: access_token is missing"),
            id="other JSON",
        ),
        pytest.param(
            200,
            {"error": "invalid_grant"},
            Unreachable(True, "HTTP 200 with application/json, not a token response: access_token is missing"),
            id="a refusal with success is none unless the dialect says so",
        ),
        pytest.param(
            200, b"1" * (MAX_BODY + 1), Unreachable(True, "HTTP 200 with more than 4 MiB"), id="more than 4 MiB"
        ),
    ],
)
def test_answers_that_tell_nothing(status, content, expected):
    assert outcome(OAUTH2, status, content) == expected


@pytest.mark.parametrize(
    ("status", "sent"), [pytest.param(429, False, id="429"), pytest.param(503, True, id="503"), (500, True)]
)
def test_retry_after_goes_along_and_a_503_may_have_been_processed_all_the_same(status, sent):
    assert outcome(OAUTH2, status, b"", retry_after=7.0) == Unreachable(sent, f"HTTP {status}", 7.0)


@pytest.mark.parametrize(
    ("content_type", "shown"),
    [
        ("Text/HTML; charset=utf-8", "text/html"),
        ("", "no media type"),
        ("a token: s3cret", "no media type"),
        ("application/" + "x" * 99, "no media type"),
    ],
)
def test_the_media_type_is_shown_if_it_is_one(content_type, shown):
    given_up = outcome(OAUTH2, 200, b"<html>", content_type=content_type)
    assert given_up == Unreachable(True, f"HTTP 200 with {shown}, not a token response")


@pytest.mark.parametrize(
    "body",
    [
        b'{"access_token": "a", "refresh_token": "r", "name": "Jos\xe9"}',
        b'{"access_token": "a", "refresh_token": "r", "name": "\xff\xfe"}',
    ],
)
def test_what_is_written_in_another_encoding_beside_the_tokens_loses_none(body):
    found = outcome(OAUTH2, 200, body)
    assert (found.tokens.access_token, found.tokens.refresh_token) == ("a", "r")


@pytest.mark.parametrize(
    ("status", "body", "content_type", "shape"),
    [
        pytest.param(400, b"<html>no</html>", "text/html", "400 text/html", id="a page"),
        pytest.param(401, b'["invalid_grant"]', "application/json", "401 application/json", id="a list of texts"),
        pytest.param(400, b"[]", "", "400 no media type", id="an empty list"),
        pytest.param(200, b"<!DOCTYPE html>", "text/html", "200 text/html", id="a page that says success"),
    ],
)
def test_what_may_be_a_refusal_and_has_no_rule_is_told_by_its_shape(status, body, content_type, shape):
    said = outcome(OAUTH2, status, body, content_type=content_type)
    assert (said.rule, said.shape) == ("", shape)


@pytest.mark.parametrize("status", [404, 405, 410])
def test_a_place_that_is_none_asks_for_a_look_at_the_url(status):
    said = outcome(OAUTH2, status, b"<html>", content_type="text/html")
    assert said == Unreachable(True, f"HTTP {status}; is the URL right?")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"[" * 60_000, id="deep nesting"),
        pytest.param(b'{"a":' * 10_000, id="deep objects"),
        pytest.param(b'{"access_token": NaN}', id="NaN"),
        pytest.param(b"\xff\xfe\x00", id="bytes that are no text"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_garbage_is_no_answer(body):
    garbage = outcome(OAUTH2, 200, body)
    assert isinstance(garbage, Unreachable)
    assert garbage.sent


NAMES = [
    *("access_token", "refresh_token", "access", "refresh", "accessToken", "refreshToken", "expires_in"),
    *("error", "code", "data", "refresh_expires_in"),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("invalid_grant"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES) | st.text(), inner, max_size=5),
    max_leaves=8,
)


@given(response=JSON, dialect=st.sampled_from(list(DIALECTS.values())))
def test_reading_raises_nothing_else(response, dialect):
    try:
        tokens = read_token_response(response, dialect, NOW)
    except TokenResponseError:
        return
    assert is_token(tokens.access_token)
    assert tokens.refresh_token is None or dialect.can_send(tokens.refresh_token)
    assert tokens.expires_at > NOW


@given(
    status=st.integers(100, 999),
    body=st.binary(max_size=40) | JSON.map(lambda value: json.dumps(value).encode()),
    content_type=st.text(),
    dialect=st.sampled_from(list(DIALECTS.values())),
)
def test_every_answer_has_an_outcome(status, body, content_type, dialect):
    got = dialect.outcome(Answer(status, body, content_type), refresh_token="old", now=NOW)
    assert isinstance(got, Refreshed | Rejected | Unreachable)
    assert judged_by_body(status) or isinstance(got, Unreachable) or b"refresh" in body


@given(
    content=st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), JSON, max_size=6),
    new=st.text(st.characters(codec="utf-8"), min_size=1, max_size=9).filter(lambda text: text != "old"),
    status=st.integers(200, 299),
    padding=st.sampled_from([b"", b"\n", b"\0\0", b"<!-- x -->", b'{"refresh_token": "?"}']),
    mark=st.sampled_from([b"", b"\xef\xbb\xbf", b" \r\n"]),
)
def test_whatever_stands_beside_a_new_refresh_token_it_is_kept(content, new, status, padding, mark):
    body = mark + json.dumps({**content, "refresh_token": new}).encode() + padding
    kept = OAUTH2.outcome(Answer(status, body), refresh_token="old", now=NOW)
    assert isinstance(kept, Refreshed)
    assert kept.tokens.refresh_token == new


def test_an_answer_shows_no_body():
    assert "s3cret" not in repr(Answer(200, b"s3cret"))


@pytest.mark.parametrize(
    ("rejected", "kept"),
    [
        pytest.param("invalid_grant  401:gone", ("invalid_grant", "401:gone"), id="a text is split on white space"),
        pytest.param(["401"], ("401",), id="a list"),
        pytest.param(("400:1234",), ("400:1234",), id="a code of digits wants its status"),
    ],
)
def test_forms_of_rejected(rejected, kept):
    assert Dialect(rejected=rejected).rejected == kept


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param({"send": "xml"}, "send: 'xml' is unknown; say form, json or bearer", id="send"),
        pytest.param({"access_token": "data..token"}, "access_token: 'data..token' is no name", id="an empty step"),
        pytest.param({"refresh_token": ""}, "refresh_token: '' is no name", id="an empty name"),
        pytest.param({"expires_in": None}, "expires_in: None is no name", id="no name"),
        pytest.param({"access_token": "a[x]"}, "access_token: 'a[x]' is no name", id="brackets around no number"),
        pytest.param({"access_token": "[0]"}, "access_token: '[0]' is no name", id="brackets of nothing"),
        pytest.param({"error": ()}, "error: () names no place", id="no place for codes"),
        pytest.param({"error": ["a", 7]}, "error: ('a', 7) names no place", id="a place that is none"),
        pytest.param({"rejected": ("*",)}, "rejected: '*' is no rule", id="whatever there is"),
        pytest.param({"rejected": ("400:*",)}, "rejected: '400:*' is no rule", id="whatever a 400 says"),
        pytest.param({"rejected": ("200:",)}, "rejected: '200:' is no rule", id="success without a body"),
        pytest.param({"rejected": (":",)}, "rejected: ':' is no rule", id="a colon"),
        pytest.param({"rejected": ("",)}, "rejected: '' is no rule", id="an empty rule"),
        pytest.param({"rejected": ("429:x",)}, "rejected: '429:x' is no rule", id="a code of a 429"),
        pytest.param({"rejected": ("10100",)}, "rejected: '10100' is no rule", id="digits without their status"),
        pytest.param({"rejected": ()}, "rejected: empty", id="nothing would end a session"),
        pytest.param({"rejected": ("429",)}, "rejected: '429' is no rule", id="429 ends no session"),
        pytest.param({"rejected": ("200",)}, "rejected: '200' is no rule", id="success needs a code"),
        pytest.param({"rejected": ("500:down",)}, "rejected: '500:down' is no rule", id="5xx ends no session"),
        pytest.param({"rejected": [401]}, "rejected: 401 is no rule", id="a number"),
        pytest.param({"rejected": None}, "rejected: None is no rule", id="not a sequence"),
    ],
)
def test_a_dialect_that_cannot_work(arguments, says):
    with pytest.raises(ConfigurationError, match="^" + re.escape(says)):
        Dialect(**arguments)


def test_all_that_is_wrong_with_a_dialect_is_said_at_once():
    with pytest.raises(ConfigurationError) as caught:
        Dialect(send="xml", access_token="", rejected="429 200")
    assert [problem.partition(":")[0] for problem in caught.value.problems] == [
        *("send", "access_token", "rejected", "rejected")
    ]
