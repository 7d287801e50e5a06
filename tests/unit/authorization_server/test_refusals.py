"""Which answers the rules of ``rejected`` name, and which rule would name an answer."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgi_token_refresh.authorization_server.dialects import DIALECTS, Answer, Dialect
from wsgi_token_refresh.authorization_server.refusals import CODE_PATHS
from wsgi_token_refresh.tokens import Rejected, Unreachable

HTML = b"<html><body><h1>400 Bad Request</h1></body></html>"
FITBIT = {
    "errors": [{"errorType": "expired_scope"}, {"errorType": "invalid_grant", "message": "Refresh token invalid"}]
}
FACEBOOK = {"error": {"message": "Error validating access token", "type": "OAuthException", "code": 190}}
HUBSPOT = {"status": "BAD_REFRESH_TOKEN", "message": "missing or invalid refresh token"}
FIREBASE = {"error": {"code": 400, "message": "TOKEN_EXPIRED", "status": "INVALID_ARGUMENT"}}


def refused(status, content, rules, error=CODE_PATHS):
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    dialect = Dialect(rejected=rules, error=error)
    return dialect.outcome(Answer(status, body, "text/plain"), refresh_token="old", now=0.0)


def ends(status, content, rules, error=CODE_PATHS):
    outcome = refused(status, content, rules, error)
    return isinstance(outcome, Rejected) and outcome.ends_session


@pytest.mark.parametrize(
    ("rule", "status", "content"),
    [
        pytest.param("401", 401, {"x": 1}, id="a status: any object"),
        pytest.param("401", 401, b"", id="a status: no body"),
        pytest.param("400:", 400, b"", id="a colon and nothing: no body"),
        pytest.param("400:", 400, b" \r\n\t\0", id="a colon and nothing: only white space"),
        pytest.param("400:", 400, b"\xef\xbb\xbf", id="a colon and nothing: only a byte order mark"),
        pytest.param("401:10100", 401, {"error_code": 10100}, id="a number"),
        pytest.param("400:190", 400, FACEBOOK, id="a number in an object"),
        pytest.param("400:190", 400, {"code": 190.0}, id="a number with a fraction of zero"),
        pytest.param("400:-7", 400, {"code": -7}, id="a negative number"),
        pytest.param("400:Refresh%20token*", 400, b"Refresh token is invalid.", id="the beginning of a text"),
        pytest.param("400:Refresh%20token*", 400, b"\n Refresh token is invalid.", id="white space before it"),
        pytest.param("400:Refresh%20token*", 400, b'"Refresh token is invalid."', id="a text in JSON"),
        pytest.param("400:Refresh%20token*", 400, {"error": "Refresh token is invalid"}, id="a sentence as the code"),
        pytest.param("400:Refresh%20token*", 400, {"message": "Refresh token is invalid"}, id="a sentence beside it"),
        pytest.param("400:Refresh%20token*", 400, {"error": {"message": "Refresh token?"}}, id="a sentence in it"),
        pytest.param("Refresh%20token*", 403, {"detail": "Refresh token is invalid"}, id="a sentence with any 4xx"),
        pytest.param("400:expired", 400, b"expired", id="a text that is the code"),
        pytest.param("400:100%25%20dead", 400, b"100% dead", id="a percent sign"),
        pytest.param("400:Sitzung%20abgelaufen%20%C3%BC", 400, "Sitzung abgelaufen ü".encode(), id="another language"),
        pytest.param("invalid_*", 400, {"error": "invalid_token"}, id="the beginning of a code"),
        pytest.param("400:E*", 400, {"code": "E17"}, id="the beginning of a code of a status"),
        pytest.param("200:bad_*", 200, {"error": "bad_refresh_token"}, id="the beginning of a code with success"),
        pytest.param("200:Session%20expired", 200, b"Session expired", id="a text with success"),
        pytest.param("a*b", 400, {"error": "a*b"}, id="a star that does not end it"),
        pytest.param("a*", 400, {"error": "a*"}, id="a star that is meant"),
        pytest.param("urn:error:expired", 400, {"error": "urn:error:expired"}, id="a code with colons"),
        pytest.param("invalid_grant", 400, {"error": None, "code": "invalid_grant"}, id="null is absent"),
        pytest.param("invalid_grant", 400, {"error": {"code": None}, "code": "invalid_grant"}, id="null in an object"),
        pytest.param("invalid_grant", 400, [{"error": "invalid_grant"}], id="an object in a list"),
        pytest.param("invalid_grant", 400, {"error": ["other", "invalid_grant"]}, id="a list of codes"),
    ],
)
def test_a_rule_names(rule, status, content):
    assert ends(status, content, [rule])


@pytest.mark.parametrize(
    ("rule", "status", "content"),
    [
        pytest.param("401", 401, HTML, id="a status: a page"),
        pytest.param("401", 401, [1], id="a status: a list"),
        pytest.param("401", 400, b"", id="a status: another status"),
        pytest.param("400:", 400, HTML, id="a colon and nothing: a page"),
        pytest.param("400:", 400, {}, id="a colon and nothing: an object"),
        pytest.param("400:", 401, b"", id="a colon and nothing: another status"),
        pytest.param("400:Refresh%20token*", 400, b"A Refresh token", id="not the beginning"),
        pytest.param("400:Refresh%20token", 400, b"Refresh token is invalid", id="more than is said"),
        pytest.param("400:refresh%20token*", 400, b"Refresh token", id="another case"),
        pytest.param("400:invalid", 400, {"message": "invalid"}, id="a code is not looked for among sentences"),
        pytest.param("400:1", 400, {"code": True}, id="a boolean"),
        pytest.param("400:None", 400, {"code": None}, id="null"),
        pytest.param("400:1", 400, {"code": 1.5}, id="a fraction"),
        pytest.param("invalid_grant", 200, {"error": "invalid_grant"}, id="success without its status"),
        pytest.param("invalid_grant", 500, {"error": "invalid_grant"}, id="a 5xx"),
    ],
)
def test_a_rule_does_not_name(rule, status, content):
    assert not ends(status, content, [rule])


@pytest.mark.parametrize(
    ("error", "rule", "content"),
    [
        pytest.param("status", "BAD_REFRESH_TOKEN", HUBSPOT, id="another member"),
        pytest.param(("status",), "400:BAD_REFRESH_TOKEN", HUBSPOT, id="another member, in a list"),
        pytest.param("error status", "BAD_REFRESH_TOKEN", HUBSPOT, id="several in one text"),
        pytest.param("errors[1].errorType", "invalid_grant", FITBIT, id="a place in a list"),
        pytest.param("errors[].errorType", "invalid_grant", FITBIT, id="any place in a list"),
        pytest.param("errors.errorType", "invalid_grant", FITBIT, id="any place in a list, unsaid"),
        pytest.param("errors.message", "400:Refresh%20token*", FITBIT, id="a sentence in a list"),
        pytest.param("error.message", "TOKEN_EXPIRED", FIREBASE, id="a code that is called a message"),
    ],
)
def test_codes_are_looked_for_where_the_dialect_says(error, rule, content):
    assert ends(400, content, [rule], error)


@pytest.mark.parametrize(
    ("rule", "status", "content"),
    [
        pytest.param("403:Forbidden", 403, b"Forbidden", id="Express"),
        pytest.param("400:Refresh%20token*", 400, {"message": "Refresh token expired at 12:00"}, id="made by hand"),
        pytest.param("403:unauthorized_client", 403, {"error": "unauthorized_client"}, id="Atlassian"),
        pytest.param("401:", 401, b"", id="ASP.NET"),
    ],
)
def test_servers_that_are_in_the_docs(rule, status, content):
    assert ends(status, content, [rule])


@pytest.mark.parametrize(
    ("error", "rule", "content"),
    [
        pytest.param("status", "BAD_REFRESH_TOKEN", {"status": "BAD_CLIENT_SECRET"}, id="another code"),
        pytest.param("status", "invalid_grant", {"error": "invalid_grant", "status": "?"}, id="where it is not said"),
        pytest.param("errors[0].errorType", "invalid_grant", FITBIT, id="at another place of the list"),
        pytest.param("errors[9].errorType", "invalid_grant", FITBIT, id="beyond the list"),
        pytest.param("status", "400:missing%20or*", HUBSPOT, id="a sentence that is not said to be one"),
    ],
)
def test_codes_are_looked_for_nowhere_else(error, rule, content):
    assert not ends(400, content, [rule], error)


@pytest.mark.parametrize(
    ("status", "content", "rule"),
    [
        pytest.param(401, {"error": "token_expired"}, "401:token_expired", id="a code"),
        pytest.param(401, {"error_code": 10100, "msg": "expired"}, "401:10100", id="a number"),
        pytest.param(400, {"error": "Bad t0ken", "code": "E17"}, "400:E17", id="the code before the sentence"),
        pytest.param(
            400, {"message": "Refresh token 7f3a is gone"}, "400:Refresh%20token*", id="two words of a sentence"
        ),
        pytest.param(400, b"Refresh token is invalid", "400:Refresh%20token*", id="two words of a text"),
        pytest.param(400, b"Expired: 7f3a9", "", id="no word that could be shown"),
        pytest.param(400, {"message": "7f3a9s3cret is gone"}, "400", id="an object, whatever is in it"),
        pytest.param(400, {"message": "TOKEN_EXPIRED"}, "400:TOKEN_EXPIRED*", id="a code that is called a message"),
        pytest.param(403, {}, "403", id="an empty object"),
        pytest.param(400, b"", "400:", id="no body"),
        pytest.param(400, HTML, "", id="a page"),
        pytest.param(400, b"eyJhbGciOi.s3cret.x y", "", id="what may be a token"),
        pytest.param(200, {"error": "bad_refresh_token"}, "200:bad_refresh_token", id="a refusal with success"),
        pytest.param(200, {"ok": 1}, "", id="success that says nothing"),
        pytest.param(200, b"", "", id="success without a body"),
        pytest.param(500, {"error": "x"}, "", id="a 5xx"),
        pytest.param(429, b"", "", id="a 429"),
        pytest.param(302, b"", "", id="a redirect"),
    ],
)
def test_the_rule_that_would_name_an_answer(status, content, rule):
    outcome = refused(status, content, ["other"])
    assert outcome.rule == rule
    assert not rule or ends(status, content, [rule])


@given(
    status=st.sampled_from([400, 401, 403]),
    content=st.dictionaries(
        st.sampled_from(["error", "code", "message", "error_code"]),
        st.none() | st.integers() | st.text(max_size=20) | st.from_regex(r"[A-Za-z]{1,9} [a-z]{1,9} x", fullmatch=True),
        max_size=3,
    )
    | st.text(max_size=30),
)
def test_a_rule_that_is_said_names_the_answer(status, content):
    body = content.encode() if isinstance(content, str) else content
    rule = refused(status, body, ["other"]).rule
    assert not rule or ends(status, body, [rule])


@pytest.mark.parametrize(
    ("dialect", "status", "ends_session"),
    [
        pytest.param("oauth2", 400, False, id="oauth2: a 400 may be a hiccup of what stands in front"),
        pytest.param("oauth2", 401, False, id="oauth2: a 401 may speak of our client"),
        pytest.param("simplejwt", 401, False, id="simplejwt always says a code"),
        pytest.param("camel", 401, True, id="camel: 401"),
        pytest.param("camel", 400, True, id="camel: 400"),
        pytest.param("bearer", 422, True, id="bearer: 422"),
        pytest.param("bearer", 403, False, id="bearer: 403"),
    ],
)
def test_a_refusal_without_a_body_in_the_named_dialects(dialect, status, ends_session):
    outcome = DIALECTS[dialect].outcome(Answer(status), refresh_token="old", now=0.0)
    assert outcome.rule == f"{status}:"
    expected = Rejected(f"http_{status}") if ends_session else Unreachable(True, f"HTTP {status} with no body")
    assert outcome == expected


def test_what_is_shown_of_a_refusal_is_a_code():
    outcome = refused(400, {"error": "Token s3cret is dead"}, ["400:Token%20*"])
    assert outcome == Rejected("http_400")
    assert "s3cret" not in repr(outcome)
