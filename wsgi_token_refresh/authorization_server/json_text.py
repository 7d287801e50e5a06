"""JSON as servers write it: whatever can be read is read, since a token response comes only once."""

from __future__ import annotations

import json
import math
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl

_LONGEST_NUMBER = 300
_MOST_TRIED = 16
_MOST_LOOKED_AT = 4096
_DEEPEST = 8
_STEP = re.compile(r"([^.\[\]]+)|\[([0-9]*)\]")
_NAME = r"[^.\s\[\]\ud800-\udfff]+(\[[0-9]{0,4}\])*"
_PATH = re.compile(rf"{_NAME}(\.{_NAME})*")
_FORM = re.compile(r"[^\t-\r<>{}\"']+")
_AROUND = "\ufeff \t\r\n\0"
_BLANKS = " \t\r\n"


def is_path(value: object) -> bool:
    """Tell whether a value is a path for ``find``."""
    return isinstance(value, str) and _PATH.fullmatch(value) is not None


def find(value: object, path: str) -> Iterator[object]:
    """Find what stands at a path, null aside: ``data.token``, ``errors[0].type``, ``errors[].type``.

    In a list ``[]`` is any member, and so is a name by itself: ``errors.type``.
    """
    found = [value]
    for name, place in _STEP.findall(path):
        found = [inner for one in found for inner in (_members(one, name) if name else _elements(one, place))]
    return (one for one in found if one is not None)


def _members(value: object, name: str) -> list[object]:
    if isinstance(value, list):
        return [element.get(name) for element in value if isinstance(element, Mapping)]
    return [value.get(name)] if isinstance(value, Mapping) else []


def _elements(value: object, place: str) -> list[object]:
    elements = value if isinstance(value, list | tuple) else []
    return list(elements[int(place) : int(place) + 1] if place else elements)


def read_text(body: bytes) -> str:
    """Read a body that is text, less the white space around it."""
    return _text(body).strip(_AROUND)


def objects(body: bytes) -> Iterator[Mapping[str, Any]]:
    """Find the objects that a body may be, the plainest first.

    Warnings stand before one, or a guard against scripts; a list, a text of JSON or a function call is around it; it
    comes as a form.
    """
    value = read_json(body)
    if isinstance(value, str):
        value = read_json(value.encode("utf-8", "replace"))
    members = value if isinstance(value, list) else [value]
    yield from (member for member in members if isinstance(member, dict))
    text = read_text(body)
    yield from (found for _, found in _braces(text) if isinstance(found, dict))
    if _FORM.fullmatch(text):
        yield dict(parse_qsl(text))


def inner_objects(body: bytes) -> Iterator[Mapping[str, Any]]:
    """Find the objects that stand in those of a body, also as texts of JSON, the outermost first."""
    return _within(objects(body))


def broken_objects(body: bytes) -> Iterator[Mapping[str, Any]]:
    """Find what stands in an object before the place where it is cut short, or is no JSON; whole members only."""
    text = read_text(body)
    found = [_read_on(text, start, _DEEPEST) for start, value in _braces(text) if value is None]
    yield from found
    yield from _within(found)


def without_the_last(body: bytes) -> bytes:
    """Leave out what may be half a value at the end of a form that was cut short; JSON says where a value ends."""
    return body if b"{" in body else body.rpartition(b"&")[0]


def _within(outer: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    todo: deque[object] = deque(outer)
    for _ in range(_MOST_LOOKED_AT):
        if not todo:
            return
        value = todo.popleft()
        inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
        for each in inner:
            found = _decoded(each) if isinstance(each, str) and each[:1] == "{" else each
            if isinstance(found, dict):
                yield found
            todo.append(found)


def _read_on(text: str, start: int, deepest: int) -> dict[str, Any]:
    """Read the members of an object one by one, and the object in which that comes to its end as well."""
    found: dict[str, Any] = {}
    at = start + 1
    while (member := _member_at(text, at)) is not None:
        name, at = member
        value = _value_at(text, at)
        if value is None:
            if text[at : at + 1] == "{" and deepest:
                found[name] = _read_on(text, at, deepest - 1)
            break
        if value[1] == len(text) and isinstance(value[0], int | float):
            break  # there may have been more digits
        found[name] = value[0]
        at = _past(",", text, value[1])
    return found


def _member_at(text: str, at: int) -> tuple[str, int] | None:
    """Read a name, and tell where its value begins."""
    found = _value_at(text, _past("", text, at))
    if found is None or not isinstance(found[0], str):
        return None
    return found[0], _past(":", text, found[1])


def _past(sign: str, text: str, at: int) -> int:
    """Go past blanks, and a sign among them."""
    while at < len(text) and text[at] in _BLANKS:
        at += 1
    return _past("", text, at + 1) if sign and text[at : at + 1] == sign else at


def _value_at(text: str, at: int) -> tuple[object, int] | None:
    try:
        return _DECODER.raw_decode(text, at)
    except (ValueError, RecursionError):
        return None


def _braces(text: str) -> Iterator[tuple[int, object]]:
    """Go through the first braces that stand in no whole object; with what begins there, None where none does."""
    end = 0
    for _ in range(_MOST_TRIED):
        start = text.find("{", end)
        if start < 0:
            return
        found = _value_at(text, start)
        end = start + 1 if found is None else found[1]
        yield start, None if found is None else found[0]


def read_json(body: bytes) -> object:
    """Read the value that a body begins with (RFC 8259); None where there is none.

    A byte order mark, UTF-16 and UTF-32, another encoding of 8 bits, control characters in texts, numbers of any
    length, NaN, and what follows the value do no harm.
    """
    return _decoded(_text(body).lstrip(_AROUND))


def _decoded(text: str) -> object:
    found = _value_at(text, 0)
    return None if found is None else found[0]


def _text(body: bytes) -> str:
    try:
        return body.decode(json.detect_encoding(body))
    except UnicodeDecodeError:
        # Tokens and codes are ASCII, whatever a name or a sentence beside them is written in.
        return body.decode("ascii", "replace")


def _integer(digits: str) -> int | float:
    """Read an integer; Python reads none of more digits than 4300."""
    return int(digits) if len(digits) < _LONGEST_NUMBER else math.copysign(math.inf, -1 if digits[0] == "-" else 1)


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object, of whose members of one name the last counts that is not null."""
    found: dict[str, Any] = {}
    for name, value in members:
        if value is not None or name not in found:
            found[name] = value
    return found


_DECODER = json.JSONDecoder(strict=False, parse_int=_integer, object_pairs_hook=_object)
