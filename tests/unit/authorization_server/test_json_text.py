"""JSON as servers write it, and the paths that lead into it."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgi_token_refresh.authorization_server.json_text import (
    broken_objects,
    find,
    inner_objects,
    is_path,
    objects,
    read_json,
    read_text,
    without_the_last,
)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        pytest.param(b'{"a": 1}', {"a": 1}, id="an object"),
        pytest.param(b"\xef\xbb\xbf[1]", [1], id="a byte order mark"),
        pytest.param('{"a": "é"}'.encode("utf-16"), {"a": "é"}, id="UTF-16"),
        pytest.param(b'{"a": "\xe9"}', {"a": "�"}, id="another encoding"),
        pytest.param(b'{"a": "\n\t\x00"}', {"a": "\n\t\0"}, id="control characters"),
        pytest.param(b'{"a": 1} trailing', {"a": 1}, id="something behind it"),
        pytest.param(b'{"a": 1, "a": 2, "a": null}', {"a": 2}, id="a member again: the last that is not null"),
        pytest.param(b'{"a": null, "a": null}', {"a": None}, id="a member of null, twice"),
        pytest.param(b'{"a": ' + b"9" * 5_000 + b"}", {"a": math.inf}, id="more digits than Python reads"),
        pytest.param(b'{"a": -' + b"9" * 5_000 + b"}", {"a": -math.inf}, id="as many below zero"),
        pytest.param(b'{"a": 1e999}', {"a": math.inf}, id="a great exponent"),
        pytest.param(b"", None, id="nothing"),
        pytest.param(b"\xff\xfe\x00", None, id="no text"),
        pytest.param(b"<html>", None, id="a page"),
        pytest.param(b'{"a": 1', None, id="half an object"),
        pytest.param(b"[" * 100_000, None, id="as deep as it gets"),
    ],
)
def test_reading(body, value):
    assert read_json(body) == value


TOKENS = {"access_token": "a", "n": {"x": 1}}
WHOLE = json.dumps(TOKENS).encode()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(WHOLE, id="nothing around it"),
        pytest.param(b"<br />\n<b>Warning</b>: {} undefined in token.php\n" + WHOLE, id="a warning before it"),
        pytest.param(b")]}',\n" + WHOLE, id="a guard against scripts before it"),
        pytest.param(b"for(;;);" + WHOLE, id="an endless loop before it"),
        pytest.param(b"callback(" + WHOLE + b");", id="a call around it"),
        pytest.param(b"/* {x} */ " + WHOLE, id="a comment before it"),
        pytest.param(b"[null, " + WHOLE + b"]", id="a list around it"),
        pytest.param(json.dumps(WHOLE.decode()).encode(), id="a text that holds it"),
        pytest.param(b"--b\r\nContent-Type: application/json\r\n\r\n" + WHOLE + b"\r\n--b--", id="a part of several"),
        pytest.param(b"2f\r\n" + WHOLE + b"\r\n0\r\n\r\n", id="sizes of chunks around it"),
    ],
)
def test_an_object_is_found_whatever_is_around_it(body):
    assert TOKENS in list(objects(body))


def test_a_form_is_an_object_of_texts():
    assert list(objects(b"access_token=a%2Bb&expires_in=60\n")) == [{"access_token": "a+b", "expires_in": "60"}]


def test_a_form_may_have_blanks():
    assert list(objects(b"access_token=a&scope=read write")) == [{"access_token": "a", "scope": "read write"}]


def test_what_stands_in_a_whole_object_is_its_own():
    assert [*objects(b'{"error": {"hint": {}}}')][-1] == {"error": {"hint": {}}}


def test_what_is_looked_for_in_a_page_is_bounded():
    assert list(objects(b"{" * 100_000 + WHOLE)) == []


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"data": TOKENS}, id="in an object"),
        pytest.param({"a": {"b": [1, [{"c": TOKENS}]]}}, id="far in"),
        pytest.param({"statusCode": 200, "body": WHOLE.decode()}, id="as a text of JSON in an object"),
        pytest.param({**{str(n): {} for n in range(99)}, "z": TOKENS}, id="behind many others"),
    ],
)
def test_an_object_is_found_in_others(body):
    assert TOKENS in list(inner_objects(json.dumps(body).encode()))


def test_what_is_looked_for_in_others_is_bounded():
    many = {str(n): 0 for n in range(5_000)}
    assert TOKENS not in list(inner_objects(json.dumps({**many, "y": {"z": {"t": TOKENS}}}).encode()))


@pytest.mark.parametrize(
    ("body", "found"),
    [
        pytest.param(b'{"a": 1, "b": "x', {"a": 1}, id="cut in a text"),
        pytest.param(b'{"a": 1, "b"', {"a": 1}, id="cut behind a name"),
        pytest.param(b'{"a": 1, "b":', {"a": 1}, id="cut behind a colon"),
        pytest.param(b'{"a": "1" ', {"a": "1"}, id="cut behind a text"),
        pytest.param(b'{"a": 1,}', {"a": 1}, id="a comma too many"),
        pytest.param(b'{"a" : 1 \r\n, "b": "O\\\'Brien"}', {"a": 1}, id="an escape that is none"),
        pytest.param(b'{"a": 1, "b": 12', {"a": 1}, id="cut behind a digit, perhaps in a number"),
        pytest.param(b'{"a": 1, "b": None}', {"a": 1}, id="a value that is none"),
        pytest.param(b'{"a": 1, b: 2}', {"a": 1}, id="a name that is none"),
        pytest.param(b'{"a": 1, "b": ' + b"[" * 100_000, {"a": 1}, id="deeper than anybody reads"),
        pytest.param(b'<style>a {color: red}</style>{"a": 1, "b', {"a": 1}, id="behind a style"),
        pytest.param(b'{"b": {"c": 2, "d"', {"b": {"c": 2}}, id="cut in an object"),
        pytest.param(b'{"b": {"a": 1, "d"', {"a": 1}, id="the object in which it is cut"),
        pytest.param(b'[{"a": 1}, {"a": 2, "b"', {"a": 2}, id="cut in a list"),
        pytest.param(b'{"a": 1, "a": 2, "b', {"a": 2}, id="a member twice"),
    ],
)
def test_whole_members_are_read_before_the_place_where_an_object_breaks_off(body, found):
    assert found in list(broken_objects(body))


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        pytest.param(b"a=1&b=2", b"a=1", id="the last member of a form"),
        pytest.param(b"a=1&", b"a=1", id="not the one before it"),
        pytest.param(b"a=1", b"", id="the only one"),
        pytest.param(b'{"a": "b&c", "d": "e', b'{"a": "b&c", "d": "e', id="nothing of JSON"),
    ],
)
def test_what_may_be_half_a_value_is_left_out(body, kept):
    assert without_the_last(body) == kept


@pytest.mark.parametrize("body", [b"", b"no object", WHOLE, b'{"a": "x', b"{" * 50])
def test_nothing_is_read_of_what_has_no_whole_member(body):
    assert not any(broken_objects(body))


@pytest.mark.parametrize("body", [b'{"a":' * 800_000, b"{" * 4_000_000, b'{"a":{"b":0},"a":' * 200_000])
def test_what_breaks_off_is_read_in_bounds(body):
    assert len(list(broken_objects(body))) < 5_000


@given(st.binary())
def test_no_bytes_raise(body):
    read_json(body)
    list(objects(body)) + list(inner_objects(body)) + list(broken_objects(body))
    assert isinstance(read_text(body), str)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        pytest.param("a", [{"b": [{"c": 1}, {"c": None}, {"c": 3}]}], id="a name"),
        pytest.param("a.b[0].c", [1], id="one of a list"),
        pytest.param("a.b[1].c", [], id="null is absent"),
        pytest.param("a.b[9].c", [], id="beyond the list"),
        pytest.param("a.b[].c", [1, 3], id="any of a list"),
        pytest.param("a.b.c", [1, 3], id="a name in a list"),
        pytest.param("a[0]", [], id="a number in an object"),
        pytest.param("a.b.c.d", [], id="too deep"),
        pytest.param("x.y", [], id="nowhere"),
    ],
)
def test_paths(path, found):
    assert is_path(path)
    assert list(find({"a": {"b": [{"c": 1}, {"c": None}, {"c": 3}]}}, path)) == found


@pytest.mark.parametrize("path", ["", ".", "a.", ".a", "a b", "a[", "a]", "a[x]", "[0]", "a[-1]", "a[0]b", None, 7])
def test_what_is_no_path(path):
    assert not is_path(path)


@given(st.recursive(st.none() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_paths_lead_anywhere_without_an_error(value):
    assert json.dumps(list(find(value, "a[0].b[].c")))
