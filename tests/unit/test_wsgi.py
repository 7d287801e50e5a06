"""The PEP 3333 edge."""

from __future__ import annotations

import json
from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgi_token_refresh.policy.decision import Redirect, Refuse, Request
from wsgi_token_refresh.wsgi import (
    is_cross_site,
    is_navigation,
    read_request,
    redirect,
    refuse,
    return_path,
    with_cookies,
    with_set_cookie,
)


def environ_with(**headers):
    return {
        "REQUEST_METHOD": "GET",
        "SERVER_NAME": "ours.example",
        "SERVER_PORT": "443",
        "HTTP_HOST": "ours.example",
        **{f"HTTP_{name.upper()}": value for name, value in headers.items()},
    }


def nobody(origin):
    return False


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param({"sec_fetch_mode": "navigate"}, True, id="Sec-Fetch-Mode: navigate is one"),
        pytest.param({"sec_fetch_mode": "cors", "accept": "text/html"}, False, id="another Sec-Fetch-Mode is none"),
        pytest.param(
            {"sec_fetch_mode": "navigate", "x_requested_with": "XMLHttpRequest", "accept": "application/json"},
            True,
            id="Sec-Fetch-Mode decides when present",
        ),
        pytest.param({"accept": "text/html,*/*;q=0.8"}, True, id="an old browser's Accept is one"),
        pytest.param({"accept": "*/*"}, False, id="a library's Accept is none"),
        pytest.param({"accept": "application/json"}, False, id="JSON is none"),
        pytest.param({}, False, id="without a word it is none"),
        pytest.param({"accept": "text/html", "x_requested_with": "xmlHTTPrequest"}, False, id="jQuery's is none"),
    ],
)
def test_is_navigation(headers, expected):
    assert is_navigation(environ_with(**headers)) is expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param({"sec_fetch_site": "cross-site"}, True, id="cross-site"),
        pytest.param({"sec_fetch_site": "same-site"}, True, id="same-site is another origin"),
        pytest.param({"sec_fetch_site": "same-origin"}, False, id="same-origin"),
        pytest.param({"sec_fetch_site": "none"}, False, id="typed by a person"),
        pytest.param(
            {"sec_fetch_site": "same-origin", "origin": "https://evil.example"}, False, id="Sec-Fetch-Site decides"
        ),
        pytest.param({}, False, id="no browser says neither"),
        pytest.param({"origin": "https://ours.example"}, False, id="our own origin"),
        pytest.param({"origin": "http://OURS.example:80"}, False, id="our own origin, with its default port"),
        pytest.param({"origin": "https://ours.example:8443"}, True, id="another port"),
        pytest.param({"origin": "https://evil.example"}, True, id="another host"),
        pytest.param({"origin": "https://ours.example.evil.example"}, True, id="a host that begins like ours"),
        pytest.param({"origin": "null"}, True, id="an opaque origin"),
        pytest.param({"origin": ""}, True, id="an empty origin"),
        pytest.param({"origin": "https://["}, True, id="an origin that cannot be read"),
    ],
)
def test_is_cross_site(headers, expected):
    assert is_cross_site(environ_with(**headers), nobody) is expected


def test_a_trusted_origin_is_not_cross_site():
    headers = {"origin": "https://app.example.com", "sec_fetch_site": "cross-site"}
    assert not is_cross_site(environ_with(**headers), lambda origin: origin == "https://app.example.com")


def test_without_a_host_the_server_s_name_counts():
    environ = environ_with(origin="https://ours.example")
    del environ["HTTP_HOST"]
    assert not is_cross_site(environ, nobody)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({}, Request(), id="a plain one"),
        pytest.param({"HTTP_SEC_PURPOSE": "prefetch;prerender"}, Request(prefetch=True), id="a prefetch"),
        pytest.param({"HTTP_PURPOSE": "prefetch"}, Request(prefetch=True), id="a prefetch of old"),
        pytest.param({"HTTP_SEC_FETCH_SITE": "cross-site"}, Request(), id="a safe method is never cross-site"),
        pytest.param(
            {"REQUEST_METHOD": "PUT", "HTTP_SEC_FETCH_SITE": "cross-site"},
            Request(method="PUT", cross_site=True),
            id="an unsafe method is",
        ),
        pytest.param(
            {"REQUEST_METHOD": "OPTIONS", "HTTP_ORIGIN": "x", "HTTP_ACCESS_CONTROL_REQUEST_METHOD": "PUT"},
            Request(method="OPTIONS", preflight=True),
            id="a preflight",
        ),
        pytest.param({"REQUEST_METHOD": "OPTIONS", "HTTP_ORIGIN": "x"}, Request(method="OPTIONS"), id="no preflight"),
        pytest.param({"HTTP_UPGRADE": "WebSocket"}, Request(websocket=True), id="a WebSocket upgrade"),
        pytest.param({"HTTP_UPGRADE": "h2c"}, Request(), id="another upgrade"),
        pytest.param({"HTTP_SEC_FETCH_DEST": "font"}, Request(subresource=True), id="a font"),
        pytest.param({"HTTP_SEC_FETCH_DEST": "document"}, Request(), id="a document"),
        pytest.param({"QUERY_STRING": "a=b&next=/c"}, Request(has_next=True), id="next"),
        pytest.param({"QUERY_STRING": "anext=b"}, Request(), id="another name that ends so"),
        pytest.param({"PATH_INFO": "/\x00"}, Request(malformed=True), id="NUL"),
        pytest.param({"PATH_INFO": "/a/../b"}, Request(malformed=True), id="two dots"),
        pytest.param({"PATH_INFO": "../b", "SCRIPT_NAME": "/a"}, Request(malformed=True), id="two dots alone"),
        pytest.param({"PATH_INFO": "/b", "SCRIPT_NAME": "/a/.."}, Request(malformed=True), id="two dots of a mount"),
        pytest.param({"PATH_INFO": "./b", "SCRIPT_NAME": "/a/."}, Request(malformed=True), id="two dots of both"),
        pytest.param({"PATH_INFO": "/b", "HTTP_X_VHM_ROOT": "/a/.."}, Request(malformed=True), id="of a virtual root"),
        pytest.param({"PATH_INFO": "/" + "a" * 8191}, Request(), id="a long path"),
        pytest.param({"PATH_INFO": "/" + "a" * 8192}, Request(too_long=True), id="a path that is too long"),
        pytest.param({"PATH_INFO": "/" + "a" * 8190, "SCRIPT_NAME": "/a"}, Request(too_long=True), id="with its mount"),
        pytest.param(
            {"PATH_INFO": "/a", "HTTP_X_VHM_ROOT": "/" * 8191}, Request(too_long=True), id="with its virtual root"
        ),
        pytest.param({"QUERY_STRING": "code=a&state=b"}, Request(callback=True), id="a provider's answer"),
        pytest.param(
            {"QUERY_STRING": "code=a&state=b", "REQUEST_METHOD": "POST"}, Request(method="POST"), id="no answer by POST"
        ),
        pytest.param(
            {"HTTP_UPGRADE": "websocket, h2c", "HTTP_ORIGIN": "null"},
            Request(websocket=True, cross_site=True),
            id="a handshake of another site, among other upgrades",
        ),
    ],
)
def test_read_request(changes, expected):
    assert read_request({**environ_with(), **changes}, nobody) == expected


JSON = ("Content-Type", "application/json")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param([JSON], [JSON, ("Vary", "Cookie")], id="added to what is there"),
        pytest.param([("Vary", "Accept")], [("Vary", "Accept, Cookie")], id="Vary is joined"),
        pytest.param([("vary", "a"), ("Vary", "b")], [("Vary", "a, b, Cookie")], id="several Vary are joined"),
        pytest.param([("Vary", "Accept, COOKIE")], [("Vary", "Accept, COOKIE")], id="Cookie is there once"),
        pytest.param([("Vary", "*")], [("Vary", "*")], id="everything has Cookie in it"),
        pytest.param([("cache-control", "public")], [("Vary", "Cookie")], id="Cache-Control is replaced"),
    ],
)
def test_with_set_cookie(headers, expected):
    before = list(headers)
    found = with_set_cookie(headers, ["n=v; Path=/"])
    assert sorted(found) == sorted([*expected, ("Cache-Control", "no-store"), ("Set-Cookie", "n=v; Path=/")])
    assert headers == before


def test_what_the_application_sets_itself_wins():
    headers = [("set-cookie", "n=own"), ("Set-Cookie", "m=own")]
    assert with_set_cookie(headers, ["n=v", "m=v"]) is headers
    assert [value for name, value in with_set_cookie(headers, ["n=v", "o=v"]) if value[0] == "o"] == ["o=v"]


class Carried:
    """What a response may have to carry; counts how often that was decided."""

    def __init__(self, *cookies, has_changed=True):
        self.has_changed = has_changed
        self.decided = 0
        self._cookies = cookies

    def cookies(self):
        self.decided += 1
        return self._cookies


@pytest.mark.parametrize("has_changed", [False, True])
def test_nothing_is_added_where_there_is_nothing_to_send(has_changed):
    calls = []
    headers = [JSON]
    with_cookies(lambda *arguments: calls.append(arguments), Carried(has_changed=has_changed))("200 OK", headers)
    assert calls == [("200 OK", headers)]
    assert calls[0][1] is headers


def test_cookies_are_decided_when_the_response_is():
    carried = Carried("n=v")
    start = with_cookies(lambda *arguments: None, carried)
    assert not carried.decided
    start("200 OK", [])
    start("500 Oh", [], None)
    assert carried.decided == 2


def answered(answer, environ, decision, *arguments, **options):
    started = []

    def start_response(status, headers, exc_info=None):
        started.append((status, headers))

    body = b"".join(answer(environ, start_response, decision, *arguments, **options))
    status, headers = started[0]
    names = [name for name, _ in headers]
    assert len(set(names) - {"Set-Cookie"}) == len([name for name in names if name != "Set-Cookie"])
    return int(status[:3]), dict(headers), body


@pytest.mark.parametrize(
    ("script_name", "path", "query", "expected"),
    [
        pytest.param("", "/a", "", "/a", id="a path"),
        pytest.param("/app", "/a", "", "/app/a", id="below a script name"),
        pytest.param("", "/a b", "", "/a%20b", id="a space"),
        pytest.param("", "/Ã©", "", "/%C3%A9", id="UTF-8, read as WSGI has it"),
        pytest.param("", "/a%2Fb", "", "/a%252Fb", id="a percent sign of its own"),
        pytest.param("", "/a;b", "", "/a%3Bb", id="a semicolon"),
        pytest.param("", "/a", "b=c&d=%20", "/a?b=c&d=%20", id="a query goes along as it is"),
        pytest.param("", "/a", 'b="<>', "/a?b=%22%3C%3E", id="but for what has no place in it"),
        pytest.param("/", "/a", "", "/a", id="a root that is a slash"),
        pytest.param("/app/", "/a", "", "/app/a", id="a root with a slash behind it"),
        pytest.param("", "/a", "code=94110&b=1", "/a?code=94110&b=1", id="a code of the post goes along"),
        pytest.param("", "/cb", "code=a&state=b", None, id="what a provider answered is for one path and once"),
        pytest.param("", "/a", "next=%2Fcb%3Fcode%3Da%26state%3Db", None, id="also where it stands in a value"),
        pytest.param("", "/a/cb?code=a&state=b", "", None, id="or in the path"),
        pytest.param("/callback", "", "code=a", None, id="or comes to a sign-in that is mounted"),
        pytest.param("/app", "/a", "access_token=b", "/app/a", id="a token in a query stays behind"),
        pytest.param("", "/a", "b=" + "c" * 3000, "/a", id="so does a query that is too long"),
        pytest.param("", "/a", "b=" + '"' * 1000, "/a", id="or is too long once it is quoted"),
        pytest.param("", "/a", "b=%0D%0A", "/a", id="or has a line end"),
        pytest.param("", "//evil.example", "", None, id="two slashes are no place to return to"),
        pytest.param("", "/\\evil.example", "", None, id="nor is a backslash"),
        pytest.param("", "/a\n", "", None, id="nor is a line end"),
        pytest.param("", "", "", None, id="nor is nothing"),
        pytest.param("", "/" + "a" * 3000, "", None, id="nor is what is too long"),
    ],
)
def test_return_path(script_name, path, query, expected):
    environ = {"SCRIPT_NAME": script_name, "PATH_INFO": path, "QUERY_STRING": query}
    assert return_path(environ) == expected


BYTES = st.text(st.characters(max_codepoint=255), max_size=30)


@given(BYTES, BYTES, BYTES)
def test_a_redirect_stays_here_whatever_comes(script_name, path, query):
    environ = {**environ_with(), "SCRIPT_NAME": script_name, "PATH_INFO": path, "QUERY_STRING": query}
    status, headers, _ = answered(redirect, environ, Redirect(True, "x", True), "/login", [])
    assert status == 303
    assert headers["Location"].isascii()
    assert headers["Location"].isprintable()
    assert urlsplit(urljoin("https://ours.example/a/b", headers["Location"])).netloc == "ours.example"


@pytest.mark.parametrize(
    ("script_name", "location"),
    [
        pytest.param("", "/login", id="no root"),
        pytest.param("/app", "/app/login", id="a root"),
        pytest.param("/", "/login", id="a slash is no root"),
        pytest.param("/app/", "/app/login", id="a slash behind it is none of it"),
        pytest.param("app", "/app/login", id="a root begins with a slash"),
        pytest.param("//evil.example", "/evil.example/login", id="a root names no host"),
        pytest.param("/\\evil.example", "/evil.example/login", id="nor by a backslash"),
        pytest.param("/\t/evil.example", "/%09/evil.example/login", id="nor by what browsers drop"),
        pytest.param("/a\r\nSet-Cookie: b=c", "/a%0D%0ASet-Cookie%3A%20b%3Dc/login", id="nor a header"),
        pytest.param("https://evil.example", "/https%3A//evil.example/login", id="nor a scheme"),
    ],
)
def test_a_redirect_leads_to_a_local_path_below(script_name, location):
    environ = {**environ_with(), "SCRIPT_NAME": script_name}
    _, headers, _ = answered(redirect, environ, Redirect(True, "x"), "/login", [])
    assert headers["Location"] == location


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
@pytest.mark.parametrize("status", [204, 303, 401, 503])
def test_every_answer_has_one_block(method, status):
    environ, started = {**environ_with(), "REQUEST_METHOD": method}, []
    if status == 303:
        blocks = redirect(environ, lambda *given: started.append(given), Redirect(True, "x"), "/login", [])
    else:
        blocks = refuse(environ, lambda *given: started.append(given), Refuse(status, "x"), navigation=True)
    assert len(list(blocks)) == 1


def test_a_redirect():
    environ = {**environ_with(), "SCRIPT_NAME": "/app", "PATH_INFO": "/a", "QUERY_STRING": "b=c"}
    decision = Redirect(True, "no_session", True)
    status, headers, body = answered(redirect, environ, decision, "/log in", ["n=; Max-Age=0"])
    assert (status, body) == (303, b"")
    assert headers["Location"] == "/app/log%20in?next=/app/a%3Fb%3Dc"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Vary"] == "Cookie"
    assert headers["Set-Cookie"] == "n=; Max-Age=0"


@pytest.mark.parametrize(("status", "phrase"), [(400, "Bad Request"), (401, "Unauthorized"), (403, "Forbidden")])
@pytest.mark.parametrize("navigation", [False, True], ids=["fetch", "navigation"])
def test_a_refusal_is_a_problem(status, phrase, navigation):
    found, headers, body = answered(refuse, environ_with(), Refuse(status, "why"), navigation=navigation)
    assert found == status
    assert headers["Content-Type"] == "application/problem+json"
    assert json.loads(body) == {"title": phrase, "status": status, "reason": "why"}
    assert headers["Content-Length"] == str(len(body))
    assert ("WWW-Authenticate" in headers) == (status == 401)
    assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(("retry_after", "seconds"), [(None, "2"), (0.2, "1"), (7.4, "8"), (60.0, "60")])
def test_unavailable(retry_after, seconds):
    decision = Refuse(503, "timeout", retry_after)
    status, headers, body = answered(refuse, environ_with(), decision, navigation=False)
    assert (status, headers["Retry-After"]) == (503, seconds)
    assert json.loads(body)["reason"] == "timeout"
    _, headers, page = answered(refuse, environ_with(), decision, navigation=True)
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert (headers["Retry-After"], headers["Refresh"]) == (seconds, seconds)
    assert f"in {seconds} seconds" in page.decode()
    assert b"timeout" not in page


@pytest.mark.parametrize(
    ("method", "login_url", "link"),
    [
        pytest.param("GET", None, None, id="no other way unless one is given"),
        pytest.param("GET", "/login", b'"/app/login?next=/app/caf%25C3%25A9%3Fa%3D1%26b%3D%2522"', id="a link"),
        pytest.param("POST", "/login", b'"/app/login"', id="without next for what was sent by a form"),
    ],
)
def test_an_unavailable_page_offers(method, login_url, link):
    environ = {**environ_with(), "SCRIPT_NAME": "/app", "PATH_INFO": "/caf\xc3\xa9", "QUERY_STRING": 'a=1&b="'}
    environ["REQUEST_METHOD"] = method
    decision = Refuse(503, "timeout", offers_login=login_url is not None)
    _, headers, page = answered(refuse, environ, decision, navigation=True, login_url=login_url)
    assert (b"sign in again" in page, link is None or link in page) == (link is not None, True)
    assert "/login" not in str(headers), "nothing leads there by itself"


def test_an_answer_to_a_preflight_has_nothing():
    status, headers, body = answered(refuse, environ_with(), Refuse(204, "preflight"), navigation=False)
    assert (status, body) == (204, b"")
    assert not {"Content-Type", "Content-Length", "Access-Control-Allow-Origin"} & set(headers)


def test_an_answer_to_head_has_headers_only():
    environ = {**environ_with(), "REQUEST_METHOD": "HEAD"}
    _, headers, body = answered(refuse, environ, Refuse(401, "x"), navigation=False)
    assert body == b""
    assert int(headers["Content-Length"]) > 0
