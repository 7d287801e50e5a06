"""Paths as routers may read them, and paths that are safe to redirect to."""

from __future__ import annotations

import warnings
from urllib.parse import quote, urljoin, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map
from werkzeug.routing import Rule as UrlRule

from wsgi_token_refresh.policy.paths import (
    LONGEST_NEXT,
    has_control_characters,
    is_malformed,
    readings,
    safe_next,
)
from wsgi_token_refresh.policy.routes import Routes, Rule

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from pyramid.exceptions import URLDecodeError
    from pyramid.request import Request as PyramidRequest
    from pyramid.traversal import ResourceTreeTraverser, traversal_path_info
    from pyramid.urldispatch import RoutesMapper


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("/a/b.c", {"/a/b.c"}, id="a plain path reads one way"),
        pytest.param("/a/", {"/a/"}, id="a slash at the end stays"),
        pytest.param("/", {"/"}, id="the root reads one way"),
        pytest.param("", {"", "/"}, id="an empty path is the root"),
        pytest.param("a", {"a", "/a"}, id="a missing first slash is added"),
        pytest.param("//a", {"//a", "/a", "", "/"}, id="slashes are merged, or name a host"),
        pytest.param("//h/a", {"//h/a", "/h/a", "/a"}, id="what stands between two slashes and one may be a host"),
        pytest.param(
            "HTTP://h:1/a",
            {"HTTP://h:1/a", "/HTTP://h:1/a", "//h:1/a", "/h:1/a", "/a", "/HTTP:/h:1/a", "HTTP:/h:1/a"},
            id="scheme and host of an absolute-form target go, in any case",
        ),
        pytest.param("h:80/a", {"h:80/a", "/h:80/a", "/a"}, id="so does what stands before the first slash"),
        pytest.param("/a/./b", {"/a/./b", "/a/b"}, id="a dot is nothing"),
        pytest.param("/a/.", {"/a/.", "/a/"}, id="a dot at the end is a directory"),
        pytest.param("/.a/...", {"/.a/..."}, id="other dots are names"),
        pytest.param("/a\\b", {"/a\\b", "/a/b"}, id="a backslash is a slash"),
        pytest.param("/a;x=1/b", {"/a;x=1/b", "/a/b"}, id="parameters go"),
        pytest.param("/a%2Fb", {"/a%2Fb", "/a/b"}, id="decoded once"),
        pytest.param("/%2541", {"/%2541", "/%41"}, id="and once only"),
        pytest.param("/a%3Bx", {"/a%3Bx", "/a;x", "/a"}, id="what was encoded is read in turn"),
        pytest.param("/%C3%A9", {"/%C3%A9", "/Ã©"}, id="decoded to Latin-1, as WSGI has it"),
    ],
)
def test_readings(path, expected):
    assert readings(path) == expected


def test_too_many_readings_are_none():
    assert readings("\\%3b;a%3b.%2f.%3b././%2f@@%5c//\xff;%3b") is None


@pytest.mark.parametrize(
    ("path", "has"),
    [
        pytest.param("/a b~é", False, id="space and letters are none"),
        pytest.param("/\x00", True, id="NUL is one"),
        pytest.param("/a\n", True, id="a line feed is one, at the end too"),
        pytest.param("/\x1f", True, id="the last of the first ones"),
        pytest.param("/\x7f", True, id="DEL is one"),
    ],
)
def test_has_control_characters(path, has):
    assert has_control_characters(path) is has


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/a/../b", id="in the middle"),
        pytest.param("..", id="alone"),
        pytest.param("../a", id="in front"),
        pytest.param("/a/..", id="at the end"),
        pytest.param("/static/x/../../private", id="below a mount"),
        pytest.param("/a\\..\\b", id="between backslashes"),
        pytest.param("/a/..\\b", id="between both"),
        pytest.param("/a/%2e%2e/b", id="encoded"),
        pytest.param("/a/%2E./b", id="encoded by half, in capitals"),
        pytest.param("/a/%252e%252e/b", id="encoded twice"),
        pytest.param("/a/%25252e%25252e%25252fb", id="encoded three times, with its slash"),
        pytest.param("/a%2f..%2fb", id="between encoded slashes"),
        pytest.param("/a%5c..%5cb", id="between encoded backslashes"),
        pytest.param("/a/..;x=1/b", id="with parameters"),
        pytest.param("/a/..%3bx/b", id="with encoded parameters"),
        pytest.param("/a/..?b", id="with a query, where the path is read as a URL again"),
        pytest.param("/a/..#b", id="with a fragment"),
        pytest.param("/a/.. /b", id="with a blank that file systems drop"),
        pytest.param("/a/.\xff./b", id="with a byte that is left out"),
        pytest.param("/a/@@../b", id="as a view"),
        pytest.param("http://h/../b", id="in an absolute-form target"),
        pytest.param("h:80/../b", id="behind a host"),
        pytest.param("/a\n", id="and so is a control character"),
    ],
)
def test_two_dots_as_a_segment_are_malformed_in_any_reading(path):
    assert is_malformed(path)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "",
        "/a/.../b",
        "/a..b",
        "/..a",
        "/a..",
        "/main...feature",
        "/a/%" + "25" * 8 + "2e%" + "25" * 8 + "2e/b",
        "/.well-known/x",
        "/a/./b",
        "/a;..x",
        "/é..é",
        "/%2e",
        "/a. .",
    ],
)
def test_other_dots_are_names(path):
    assert not is_malformed(path.encode().decode("latin-1"))


@pytest.mark.parametrize(
    "value",
    [
        "/",
        "/a",
        "/a/b?c=d&e=/f",
        "/a#b",
        "/a?next=https://a.example/",
        "/a:b",
        "/a//b",
        "/%C3%A9",
        "/é",
        "/a?b=%20c",
        "/a?b=100%",
        "/@evil.example",
        "/" + "a" * (LONGEST_NEXT - 1),
    ],
)
def test_safe_next_takes_local_paths(value):
    assert safe_next(value) == value


ATTACKS = {
    "nothing": "",
    "no path": "a",
    "a host": "https://evil.example/",
    "a scheme without slashes": "https:evil.example",
    "a script": "javascript:alert(1)",
    "data": "data:text/html,x",
    "two slashes": "//evil.example",
    "three slashes": "///evil.example",
    "slash and backslash": "/\\evil.example",
    "backslashes": "\\\\evil.example",
    "a backslash further on": "/a\\b",
    "a space in front": " /a",
    "a space in front of a host": " //evil.example",
    "a space after the slash": "/ /evil.example",
    "a tab between slashes": "/\t/evil.example",
    "a line feed between slashes": "/\n/evil.example",
    "a carriage return": "/a\rSet-Cookie: a=b",
    "NUL": "/a\x00",
    "DEL": "/a\x7f",
    "a C1 control character": "/a\x85b",
    "a no-break space": "/\xa0/evil.example",
    "a line separator": "/\u2028/evil.example",
    "an encoded slash": "/%2fevil.example",
    "an encoded backslash": "/%5Cevil.example",
    "a slash encoded twice": "/%252fevil.example",
    "a slash encoded three times": "/%25252fevil.example",
    "a slash encoded so often that nobody looks": "/%2525252525252fevil.example",
    "an encoded line feed": "/a%0d%0aSet-Cookie:a=b",
    "an encoded line feed, twice": "/a%250aSet-Cookie:a=b",
    "an encoded NUL": "/a%00",
    "an encoded tab between slashes": "/%09/evil.example",
    "too long": "/" + "a" * LONGEST_NEXT,
}


@pytest.mark.parametrize("value", ATTACKS.values(), ids=ATTACKS)
def test_safe_next_refuses(value):
    assert safe_next(value, "/home") == "/home"


@pytest.mark.parametrize("value", [None, 7, b"/a", ["/a"]], ids=repr)
def test_safe_next_refuses_what_is_no_string(value):
    assert safe_next(value) == "/"


NEXT = st.lists(
    st.sampled_from(["/", "\\", "%2f", "%5c", "%25", "2f", ":", "@", "evil.example", "a", ".", "?", "#", "\t", "%0a"])
    | st.characters(),
    max_size=12,
).map("".join)


@given(NEXT)
def test_safe_next_never_leaves_the_host(value):
    safe = safe_next(value, "/")
    # Browsers read a backslash as a slash, and drop tabs and line feeds (WHATWG URL 4.4).
    read = safe.replace("\\", "/").translate({9: None, 10: None, 13: None})
    assert urlsplit(urljoin("https://ours.example/a/b", read)).netloc == "ours.example"
    assert safe.isprintable() or not safe.isascii()


# Differentially: what a router reaches, Routes has seen.

PROTECTED = ("/d", "/a/b", "/é")
LOOSE = Routes(protected=list(PROTECTED), public=["/o", "/a", "/dd"], guest_only=["/r"], login_url="/r/l")
SHAPES = ("/d", "/d/", "/d/{rest}", "/a/b", "/a/b/{rest}/c", "/é", "/é/{rest}")
SEPARATORS = [
    "/",
    "//",
    "/./",
    "/../",
    "\\",
    ";",
    ";x",
    "..",
    ".",
    "%2f",
    "%2e",
    "%5c",
    "%3b",
    "%64",
    "%",
    "%25",
    "@",
    "?",
    "\x01",
]
NAMES = ["d", "a", "b", "c", "o", "r", "l", "é", "D"]
PIECES = st.sampled_from(SEPARATORS + NAMES)
PATHS = st.lists(PIECES, max_size=8).map(lambda pieces: "".join(pieces).encode().decode("latin-1"))
HONEST = st.lists(st.sampled_from(["d", "a", "b", "c", "x", "é", "..", ".", "", "d;x", "o"]), max_size=7)
ANY_PATH = PATHS | HONEST.map(lambda segments: ("/" + "/".join(segments)).encode().decode("latin-1"))


def is_closed(path):
    """Tell whether nobody without a session gets in."""
    return is_malformed(path) or LOOSE.rule_for(path) is Rule.PROTECTED


def environ_of(path):
    return {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "ours.example",
        "SERVER_PORT": "80",
        "HTTP_HOST": "ours.example",
        "wsgi.url_scheme": "http",
    }


FLASK = Map(
    [
        *(
            UrlRule(shape.replace("{rest}", converter), endpoint=shape)
            for shape in SHAPES
            for converter in ("<rest>", "<path:rest>")
        ),
        UrlRule("/o/<path:rest>", endpoint="o"),
        UrlRule("/", endpoint="root"),
    ]
)


@given(ANY_PATH)
def test_flask_reaches_no_protected_view_by_a_path_left_open(path):
    try:
        reached, _ = FLASK.bind_to_environ(environ_of(path)).match()
    except HTTPException:
        return
    assert is_closed(path) or reached not in SHAPES


def pyramid_mapper():
    mapper = RoutesMapper()
    for shape in SHAPES:
        mapper.connect(shape, shape)
        mapper.connect(f"{shape} and below", f"{shape.rstrip('/')}/*below")
    return mapper


PYRAMID = pyramid_mapper()


@given(ANY_PATH)
def test_pyramid_reaches_no_protected_view_by_a_path_left_open(path):
    try:
        reached = PYRAMID(PyramidRequest(environ_of(path)))["route"]
    except URLDecodeError:
        return
    assert is_closed(path) or reached is None


class Resource(dict):
    """A node of the resource tree."""


TREE = Resource(
    d=Resource(x=Resource()),
    o=Resource(),
    a=Resource(b=Resource(c=Resource())),
)
TREE["é"] = Resource()
CLOSED = (TREE["d"], TREE["d"]["x"], TREE["a"]["b"], TREE["a"]["b"]["c"], TREE["é"])


@given(ANY_PATH)
def test_traversal_reaches_no_protected_resource_by_a_path_left_open(path):
    request = PyramidRequest(environ_of(path))
    request.matchdict = None
    try:
        context = ResourceTreeTraverser(TREE)(request)["context"]
    except URLDecodeError:
        return
    assert is_closed(path) or not any(context is each for each in CLOSED)


@given(ANY_PATH)
def test_traversal_s_segments_are_among_the_readings(path):
    try:
        segments = traversal_path_info(path)
    except URLDecodeError:
        return
    read = "/" + "/".join(segments).encode().decode("latin-1")
    found = readings(path)
    assert is_malformed(path) or found is None or read.rstrip("/") in {each.rstrip("/") for each in found}


CLIMBS = st.lists(
    st.sampled_from(
        ["/", "\\", "..", ".", "%2e", "%2f", "%5c", "%3b", ";", "@@", "%", "2e", "\xff", "%ff", "http:", "a"]
    ),
    max_size=8,
).map("".join)


@given(CLIMBS)
@example("@@@@..")
@example("/.%\xff2e/a")
@example("/@@%ff@@..")
def test_no_reading_of_a_path_goes_up_unless_it_is_malformed(path):
    found = readings(path) or ()
    assert is_malformed(path) or not any(".." in each.split("/") for each in found)


@given(st.text(st.characters(max_codepoint=255), max_size=40))
def test_any_path_has_a_rule(path):
    assert LOOSE.rule_for(path) in Rule


@given(st.lists(st.sampled_from(["d", "a", "b", "x y", "é"]), max_size=4), st.data())
def test_an_encoded_path_is_no_laxer_than_the_plain_one(segments, data):
    plain = "/" + "/".join(segments).encode().decode("latin-1")
    at = data.draw(st.integers(0, len(plain)))
    encoded = plain[:at] + quote(plain[at : at + 1].encode("latin-1"), safe="") + plain[at + 1 :]
    assert LOOSE.rule_for(encoded) >= LOOSE.rule_for(plain)
