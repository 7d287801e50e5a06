"""What each dialect sends, and what the answers of authorization servers mean in it."""

from __future__ import annotations

import json
from collections import UserDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgi_token_refresh.dialects import (
    DIALECTS,
    MAX_BODY,
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
        pytest.param({"access_token": "a" * 16_385}, "over 16 KiB", id="too long"),
        pytest.param(
            {"access_token": "a", "refresh_token": 7}, "refresh_token is no text", id="refresh token a number"
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
        pytest.param(429, {"error": "invalid_grant"}, Unreachable(False, "HTTP 429"), id="a 429 was not processed"),
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
            200, b"1" * (MAX_BODY + 1), Unreachable(True, "HTTP 200 with more than 64 KiB"), id="more than 64 KiB"
        ),
    ],
)
def test_answers_that_tell_nothing(status, content, expected):
    assert outcome(OAUTH2, status, content) == expected


@pytest.mark.parametrize(
    ("status", "sent"), [pytest.param(429, False, id="429"), pytest.param(503, False, id="503"), (500, True)]
)
def test_retry_after_goes_along_and_makes_a_503_unprocessed(status, sent):
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


@pytest.mark.parametrize("status", [404, 405, 410])
def test_a_place_that_is_none_asks_for_a_look_at_the_url(status):
    said = outcome(OAUTH2, status, b"<html>", content_type="text/html")
    assert said == Unreachable(True, f"HTTP {status}; is the URL right?")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"[" * 60_000, id="deep nesting"),
        pytest.param(b'{"a":' * 10_000, id="deep objects"),
        pytest.param(b'{"access_token": "a", "expires_in": ' + b"9" * 5_000 + b"}", id="an integer of 5000 digits"),
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
    assert tokens.refresh_token is None or is_token(tokens.refresh_token)
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
    assert judged_by_body(status) or isinstance(got, Unreachable)


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
        pytest.param({"rejected": ()}, "rejected: empty", id="nothing would end a session"),
        pytest.param({"rejected": ("429",)}, "rejected: '429' is no rule", id="429 ends no session"),
        pytest.param({"rejected": ("200",)}, "rejected: '200' is no rule", id="success needs a code"),
        pytest.param({"rejected": ("500:down",)}, "rejected: '500:down' is no rule", id="5xx ends no session"),
        pytest.param({"rejected": [401]}, "rejected: 401 is no rule", id="a number"),
        pytest.param({"rejected": None}, "rejected: None is no rule", id="not a sequence"),
    ],
)
def test_a_dialect_that_cannot_work(arguments, says):
    with pytest.raises(ConfigurationError, match="^" + says.replace(".", r"\.").replace("(", r"\(")):
        Dialect(**arguments)


def test_all_that_is_wrong_with_a_dialect_is_said_at_once():
    with pytest.raises(ConfigurationError) as caught:
        Dialect(send="xml", access_token="", rejected="429 200")
    assert [problem.partition(":")[0] for problem in caught.value.problems] == [
        *("send", "access_token", "rejected", "rejected")
    ]
