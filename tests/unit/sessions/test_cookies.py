"""Cookies: reading, cutting, setting, expiring; and what frameworks make of what is left."""

from __future__ import annotations

from http.cookies import CookieError as StdlibCookieError
from http.cookies import SimpleCookie

import pytest
from hypothesis import given
from hypothesis import strategies as st
from webob.cookies import RequestCookies, parse_cookie
from werkzeug.sansio.http import parse_cookie as werkzeug_parse_cookie

from wsgi_token_refresh.errors import CookieError
from wsgi_token_refresh.sessions.cookies import (
    MOST_BYTES,
    Attributes,
    CookieReader,
    cookie_name,
    decoded,
    encoded,
    expired_cookie,
    has_prefix,
    problems_of_name,
    set_cookie,
)

A, R = "access_token", "refresh_token"
READER = CookieReader((A, R))
H = "__Host-a"
# What str.strip() takes away, as bytes of UTF-8 read as Latin-1 (PEP 3333), and as bytes of Latin-1.
STRIPPED = [chr(point) for point in range(0x3001) if chr(point).isspace()]
BLANKS = sorted({each.encode().decode("latin-1") for each in STRIPPED} | {each for each in STRIPPED if each < "\u0100"})
NO_BLANKS = [each for each in BLANKS if each not in " \t"]


@pytest.mark.parametrize(
    ("header", "values"),
    [
        pytest.param("", (), id="nothing in nothing"),
        pytest.param("access_token=x", ("x",), id="alone"),
        pytest.param("b=1; access_token=x; c=2", ("x",), id="between others"),
        pytest.param("b=1;access_token=x;c=2", ("x",), id="without spaces"),
        pytest.param("b=1;\taccess_token = x ;c=2", ("x",), id="with spaces around name and value"),
        pytest.param("access_token=x,b=2", ("x",), id="a comma ends a value"),
        pytest.param("b=2,access_token=x", ("x",), id="after a comma"),
        pytest.param("b=2, access_token=x, access_token=y", ("x", "y"), id="two headers joined by a comma"),
        pytest.param("access_token=x; access_token=y", ("x", "y"), id="two values, in order"),
        pytest.param("; ".join(f"access_token={n}" for n in range(9)), ("0", "1", "2", "3"), id="four at most"),
        pytest.param('access_token="x"', ("x",), id="in quotes"),
        pytest.param('access_token="', ('"',), id="one quotation mark is no quotes"),
        pytest.param("access_token=%22%3B%25", ('";%',), id="percent-decoded"),
        pytest.param("access_token=a=b==", ("a=b==",), id="an equals sign belongs to the value"),
        pytest.param("access_token=", (), id="an empty value is none"),
        pytest.param('access_token=""', (), id="empty quotes are none"),
        pytest.param("access_token", (), id="a name alone is none"),
        pytest.param("xaccess_token=x", (), id="not at the end of another name"),
        pytest.param("access_token2=x", (), id="not at the beginning of another name"),
        pytest.param("b=access_token=x", (), id="not in another's value"),
        pytest.param('b="access_token=x"', (), id="not in another's quotes"),
        pytest.param("ACCESS_TOKEN=x", (), id="case counts"),
        pytest.param("b=\xe9\xff; access_token=x", ("x",), id="foreign bytes do no harm"),
        pytest.param("access_token=\xe9", ("\xe9",), id="bytes beyond ASCII stay as they are"),
        pytest.param("b==;;=;access_token=x;;", ("x",), id="garbage around does no harm"),
        pytest.param("\x00; access_token=x", ("x",), id="NUL does no harm"),
    ],
)
def test_read(header, values):
    assert READER.read(header) == {A: values, R: ()}


@pytest.mark.parametrize(
    ("header", "values"),
    [
        pytest.param("__Host-a=x", ("x",), id="alone"),
        pytest.param("b=1;\t __Host-a \t=\t x ; c=2", ("x",), id="with SP and HTAB around name and value"),
        pytest.param("__Host-a=x; __Host-a=y", ("x", "y"), id="two values, in order"),
        pytest.param("b=1,__Host-a=x", (), id="not after a comma"),
        pytest.param("b=1, __Host-a=x; __Host-a=y", ("y",), id="not after a comma and a space"),
        pytest.param("__Host-a=x,__Host-a=y", ("x,__Host-a=y",), id="a comma belongs to the value"),
        pytest.param("__host-a=x", (), id="not in another case"),
        pytest.param("b=__Host-a=x", (), id="not in another's value"),
    ],
)
def test_a_name_with_a_prefix_is_read_as_browsers_write_it(header, values):
    assert CookieReader((H,)).read(header) == {H: values}


@pytest.mark.parametrize("blank", NO_BLANKS, ids=ascii)
@pytest.mark.parametrize("name", [H, "__Secure-a", "__Http-a", "__Host-Http-a", "__hOST-a", A])
def test_what_python_takes_for_white_space_separates_nothing(name, blank):
    reader = CookieReader((name,))
    for header in (f"{blank}{name}=x", f"b=1;{blank}{name}=x", f"b=1; {blank} {name}=x", f"{name}{blank}=x"):
        assert reader.read(header) == {name: ()}
    assert reader.read(f"{name}={blank}x{blank}") == {name: (f"{blank}x{blank}",)}


@pytest.mark.parametrize("blank", BLANKS, ids=ascii)
def test_a_name_is_cut_whatever_some_framework_strips_around_it(blank):
    for header in (f"b=1;{blank}{A}{blank}=x; c=2", f"b=1; {A}{blank}{blank} =x; c=2", f"b=1; {A} {blank}= x; c=2"):
        left = READER.cut(header, (A,))
        assert "x" not in left
        assert [each for each in ("b=1", "c=2") if each not in left] == []


@pytest.mark.parametrize(
    ("header", "left"),
    [
        pytest.param("", "", id="nothing of nothing"),
        pytest.param("b=1; c=2", "b=1; c=2", id="the rest stays as it is"),
        pytest.param("refresh_token=x", "", id="alone"),
        pytest.param("b=1; refresh_token=x; c=2", "b=1; c=2", id="between others"),
        pytest.param("b=1; refresh_token=x", "b=1", id="the last one"),
        pytest.param("refresh_token=x; b=1", "b=1", id="the first one"),
        pytest.param("refresh_token=x; refresh_token=y; b=1", "b=1", id="all of them"),
        pytest.param("refresh_token=x,b=2", "b=2", id="up to a comma"),
        pytest.param("b=2,refresh_token=x", "b=2,", id="after a comma"),
        pytest.param("xrefresh_token=x; b=1", "xrefresh_token=x; b=1", id="another name that ends the same"),
        pytest.param("refresh_token2=x; b=1", "refresh_token2=x; b=1", id="another name that begins the same"),
        pytest.param("access_token=x; b=1", "access_token=x; b=1", id="not the other names of ours"),
        pytest.param('b="1; refresh_token=x"', 'b="1', id="out of somebody's quotes, as some frameworks read them"),
        pytest.param("b=\xe9; refresh_token=x", "b=\xe9", id="foreign bytes stay"),
    ],
)
def test_cut(header, left):
    assert READER.cut(header, (R,)) == left


def test_cut_several():
    assert READER.cut("access_token=x; b=1; refresh_token=y", (A, R)) == "b=1"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        pytest.param("", "access_token=v", id="alone"),
        pytest.param("b=1", "access_token=v; b=1", id="in front of what is there"),
        pytest.param("b=1; access_token=x; c=2", "b=1; access_token=v; c=2", id="where the old one stood"),
        pytest.param("access_token=x; c=2", "access_token=v; c=2", id="first where the old one was"),
        pytest.param("b=1; access_token=x", "b=1; access_token=v", id="last where the old one was"),
        pytest.param("access_token=x; c=2; access_token=y", "access_token=v; c=2", id="once, where the first one was"),
        pytest.param("access_token\xa0=x; c=2", "access_token=v; c=2", id="where one was cut"),
        pytest.param("b=1; refresh_token=x; c=2", "access_token=v; b=1; c=2", id="not where another of ours stood"),
        pytest.param(
            'g_state={"i":0}; access_token=x', 'access_token=v; g_state={"i":0}', id="in front of quotes within a value"
        ),
        pytest.param("b=\xe9; access_token=x", "access_token=v; b=\xe9", id="in front of bytes beyond ASCII"),
        pytest.param("b=a\\; access_token=x", "access_token=v; b=a\\", id="in front of a backslash"),
        pytest.param("c[0]=1; access_token=x", "access_token=v; c[0]=1", id="in front of brackets in a name"),
        pytest.param("c=[0]; access_token=x", "c=[0]; access_token=v", id="behind brackets in a value"),
        pytest.param("version=1; access_token=x", "access_token=v; version=1", id="in front of an attribute's name"),
        pytest.param("Path=/; access_token=x", "access_token=v; Path=/", id="in front of one in any case"),
        pytest.param("secure; access_token=x", "access_token=v; secure", id="in front of a name without a value"),
        pytest.param("a=1;;b; access_token=x", "access_token=v; a=1; b", id="in front of nothing at all"),
    ],
)
def test_only(header, expected):
    assert READER.only(header, A, "v") == expected


@pytest.mark.parametrize("letter", ["\u0445", "\u0420", "\xe0", "\xc5", "\u2003"])
def test_another_cookie_keeps_its_last_byte(letter):
    """In Latin-1, as WSGI has it, the last bytes of these are blanks."""
    foreign = f"city={letter.encode().decode('latin-1')}"
    for header in (f"{foreign}; access_token=a; refresh_token=b", f"access_token=a; refresh_token=b; {foreign}"):
        assert READER.cut(header, (A, R)) == foreign
        assert READER.only(header, A, "v") in (f"access_token=v; {foreign}", f"{foreign}; access_token=v")


def test_only_encodes():
    assert READER.only("b=1", A, "a;b") == "access_token=a%3Bb; b=1"


@pytest.mark.parametrize("name", ["__Host-a", "__host-a", "__Secure-a", "__HTTP-a", "__Host-Http-a"])
def test_a_name_has_a_prefix_in_any_case(name):
    assert has_prefix(name)
    assert not has_prefix(name[1:])


@pytest.mark.parametrize(
    ("value", "written"),
    [
        pytest.param("abc", "abc", id="letters are plain"),
        pytest.param("ey.J-_~+/=", "ey.J-_~+/=", id="what tokens are made of is plain"),
        pytest.param("a b", "a%20b", id="a space is encoded"),
        pytest.param('a;b,c"d\\e', "a%3Bb%2Cc%22d%5Ce", id="what is no cookie-octet is encoded"),
        pytest.param("100%", "100%25", id="the percent sign is encoded"),
        pytest.param("é", "%C3%A9", id="letters beyond ASCII are UTF-8"),
        pytest.param("\udcff", "%FF", id="bytes that came from outside come back"),
        pytest.param("a\r\nb", "a%0D%0Ab", id="line ends never get out"),
    ],
)
def test_encoded(value, written):
    assert encoded(value) == written
    assert decoded(written) == value


@given(st.text() | st.text(st.characters(codec="ascii")))
def test_what_is_encoded_comes_back_and_is_made_of_cookie_octets(value):
    try:
        value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return
    written = encoded(value)
    assert all(0x21 <= ord(each) <= 0x7E and each not in '",;\\' for each in written)
    assert decoded(written).encode("utf-8", "surrogateescape") == value.encode("utf-8", "surrogateescape")
    assert READER.read(f"b=1; {A}={written}")[A] == ((decoded(written),) if value else ())


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        pytest.param(Attributes(), "n=v; Secure; HttpOnly; Max-Age=60; Path=/; SameSite=Lax", id="as they are"),
        pytest.param(Attributes(secure=False), "n=v; HttpOnly; Max-Age=60; Path=/; SameSite=Lax", id="without Secure"),
        pytest.param(
            Attributes(domain="a.example", path="/app", samesite="Strict"),
            "n=v; Domain=a.example; Secure; HttpOnly; Max-Age=60; Path=/app; SameSite=Strict",
            id="for a domain and a path",
        ),
        pytest.param(Attributes(samesite=None), "n=v; Secure; HttpOnly; Max-Age=60; Path=/", id="without SameSite"),
    ],
)
def test_set_cookie(attributes, expected):
    parts = [part for part in set_cookie("n", "v", 60, attributes).split("; ") if not part.startswith("Expires=")]
    assert sorted(parts) == sorted(expected.split("; "))


def test_an_expired_cookie_has_both_ways_to_say_so():
    parts = expired_cookie("n", Attributes()).split("; ")
    assert parts[0] == "n="
    assert "Max-Age=0" in parts
    assert "Expires=Thu, 01 Jan 1970 00:00:00 GMT" in parts
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(parts)


def test_the_largest_cookie_goes_out():
    assert len(set_cookie("n", "v" * (MOST_BYTES - 1), 60, Attributes()).partition(";")[0]) == MOST_BYTES + 1


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("v" * MOST_BYTES, id="one byte more"),
        pytest.param(";" * (MOST_BYTES // 3 + 1), id="once it is encoded"),
    ],
)
def test_a_larger_cookie_is_an_error_that_names_it_and_its_size(value):
    with pytest.raises(CookieError, match=rf"'n'.*{len('n' + encoded(value))}") as raised:
        set_cookie("n", value, 60, Attributes())
    assert value not in str(raised.value)


@pytest.mark.parametrize(
    ("value", "name"),
    [("n=v; Path=/", "n"), (" n = v", "n"), ("n=", "n"), ("n", "n"), ("", ""), ("a=b=c", "a")],
)
def test_cookie_name(value, name):
    assert cookie_name(value) == name


@pytest.mark.parametrize(
    ("name", "attributes", "problems"),
    [
        pytest.param("access_token", Attributes(), 0, id="a token is a name"),
        pytest.param("!#$%&'*+-.^_`|~aZ09", Attributes(), 0, id="every character of a token"),
        pytest.param("__Host-a", Attributes(), 0, id="__Host- with Secure, the root and no domain"),
        pytest.param("__Secure-a", Attributes(domain="a.example", path="/b"), 0, id="__Secure- anywhere"),
        pytest.param("", Attributes(), 1, id="no empty name"),
        pytest.param("a b", Attributes(), 1, id="no space"),
        pytest.param("a=b", Attributes(), 1, id="no equals sign"),
        pytest.param("a;b", Attributes(), 1, id="no semicolon"),
        pytest.param("é", Attributes(), 1, id="nothing beyond ASCII"),
        pytest.param("a\n", Attributes(), 1, id="no line end"),
        pytest.param("__Host-a", Attributes(secure=False), 1, id="__Host- needs Secure"),
        pytest.param("__Hosta", Attributes(), 1, id="__Host wants its dash"),
        pytest.param("__securea", Attributes(), 1, id="__Secure wants its dash"),
        pytest.param("__Secure-a", Attributes(secure=False), 1, id="__Secure- needs Secure"),
        pytest.param("__host-a", Attributes(domain="a.example"), 1, id="__Host- has no domain, in any case"),
        pytest.param("__Host-a", Attributes(path="/b"), 1, id="__Host- needs the root"),
        pytest.param("__Http-a", Attributes(domain="a.example", path="/b"), 0, id="__Http- anywhere"),
        pytest.param("__http-a", Attributes(secure=False), 1, id="__Http- needs Secure"),
        pytest.param("__Httpa", Attributes(), 1, id="__Http wants its dash"),
        pytest.param("__Host-Http-a", Attributes(), 0, id="__Host-Http- with Secure, the root and no domain"),
        pytest.param("__Host-Http-a", Attributes(secure=False), 1, id="__Host-Http- needs Secure"),
        pytest.param("__Host-Http-a", Attributes(domain="a.example"), 1, id="__Host-Http- has no domain"),
        pytest.param("__host-http-a", Attributes(path="/b"), 1, id="__Host-Http- needs the root"),
        pytest.param("__Host-a", Attributes(secure=False, path="/b"), 2, id="all that is wrong with __Host-"),
        pytest.param("a" * 129, Attributes(secure=True), 1, id="longer than it may be"),
    ],
)
def test_problems_of_name(name, attributes, problems):
    assert len(problems_of_name(name, attributes)) == problems


# Differentially, against a slow reference and against the frameworks.


def reference(header, name):
    """Read a header by splitting it, slowly: a semicolon or a comma ends a pair."""
    values = []
    for piece in header.replace(",", ";").split(";"):
        key, equals, value = piece.partition("=")
        if equals and key.strip(" \t") == name:
            values.append(value.strip(" \t"))
    return tuple(value for value in map(decoded, values[:4]) if value)


SPACE = st.sampled_from(["", " ", "\t", "  "])
NAMES = [A, R, "x" + A, A + "x", "b", "$Path", "v", "ey.J"]
MARKS = ["=", "==", ";", "; ", ",", '"', "\\", '\\"', "%3b", "%", " ", "\t", "$", "\xe9", "\xff", "\x00", "\x1f"]
MORE = ["[", "]", "(", ")", "/", ":", "@", "{", "&", "'", *BLANKS]
PARTS = st.sampled_from(NAMES + MARKS + MORE)
GARBAGE = st.lists(PARTS, max_size=20).map("".join)
PAIR = st.tuples(
    SPACE, st.sampled_from([A, R, "b", "c", "xrefresh_token"]), SPACE, st.just("="), SPACE, GARBAGE, SPACE
).map("".join)
HEADERS = GARBAGE | st.lists(PAIR, max_size=6).map("; ".join) | st.lists(PAIR, max_size=6).map(",".join)


@given(HEADERS)
def test_reads_as_the_reference_does(header):
    assert READER.read(header) == {name: reference(header, name) for name in (A, R)}


def stdlib_cookies(header):
    try:
        return SimpleCookie(header)
    except StdlibCookieError:
        return {}


def webob_value(header):
    try:
        return RequestCookies({"HTTP_COOKIE": header}).get(R)
    except UnicodeDecodeError:
        return None


def django_cookies(header):
    """Read as ``django.http.cookie.parse_cookie`` does: what is UTF-8 is decoded, then stripped."""
    pairs = (chunk.partition("=") for chunk in header.encode("latin-1").decode("utf-8", "replace").split(";"))
    return {key.strip(): value.strip() for key, equals, value in pairs if equals}


def falcon_cookies(header):
    """Read as ``falcon.util`` does: Latin-1, stripped."""
    pairs = (chunk.partition("=") for chunk in header.split(";"))
    return {key.strip(): value.strip() for key, equals, value in pairs if equals}


@given(HEADERS)
def test_after_a_cut_no_framework_sees_a_value(header):
    left = READER.cut(header, (R,))
    assert READER.read(left)[R] == ()
    assert not any(werkzeug_parse_cookie(left).getlist(R))
    assert R not in stdlib_cookies(left)
    assert R not in django_cookies(left)
    assert R not in falcon_cookies(left)
    assert not dict(parse_cookie(left)).get(R.encode())
    assert not webob_value(left)


@given(HEADERS)
def test_a_second_cut_finds_nothing(header):
    left = READER.cut(header, (A, R))
    assert READER.cut(left, (A, R)) == left


NAME = st.text("abcxyz_-.0123456789!#$", min_size=1, max_size=12)
OCTETS = st.text([chr(n) for n in range(0x21, 0x7F) if chr(n) not in '",;\\'], max_size=20)
WELL_FORMED = st.lists(st.tuples(NAME | st.sampled_from([A, R]), OCTETS), max_size=8)


@given(WELL_FORMED)
def test_foreign_cookies_stay_readable(pairs):
    header = "; ".join(f"{name}={value}" for name, value in pairs)
    left = READER.cut(header, (A, R))
    expected = [each for each in werkzeug_parse_cookie(header).items(multi=True) if each[0] not in (A, R)]
    assert list(werkzeug_parse_cookie(left).items(multi=True)) == expected


@given(WELL_FORMED, OCTETS.filter(bool))
def test_the_fresh_value_is_what_every_framework_reads(pairs, token):
    header = "; ".join(f"{name}={value}" for name, value in pairs)
    shown = READER.only(header, A, token)
    assert werkzeug_parse_cookie(shown).getlist(A) == [encoded(token)]
    assert READER.read(shown)[A] == (token,)


@given(
    WELL_FORMED,
    st.lists(
        st.sampled_from(['g_state={"i":0}', "b=\xe9", 'c="x', "d=a\\", "e[0]=1", "expires=1", "secure", ""]), min_size=1
    ),
    st.booleans(),
)
def test_the_fresh_value_is_found_behind_what_http_cookies_does_not_read(pairs, broken, is_old):
    pieces = [*broken, *(f"x{name}={value}" for name, value in pairs), *([f"{A}=old"] if is_old else [])]
    assert SimpleCookie(READER.only("; ".join(pieces), A, "fresh"))[A].value == "fresh"
