"""JSON as servers write it: whatever can be read is read, since a token response comes only once."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl

_LONGEST_NUMBER = 300
_MOST_TRIED = 16
_STEP = re.compile(r"([^.\[\]]+)|\[([0-9]*)\]")
_NAME = r"[^.\s\[\]\ud800-\udfff]+(\[[0-9]{0,4}\])*"
_PATH = re.compile(rf"{_NAME}(\.{_NAME})*")
_FORM = re.compile(r"[^\s<>{}\"']+")
_AROUND = "\ufeff \t\r\n\0"


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
    """Find the objects that a body may hold, the plainest first.

    Warnings stand before one, or a guard against scripts; a list, a text of JSON or a function call is around it; it
    comes as a form.
    """
    value = read_json(body)
    if isinstance(value, str):
        value = read_json(value.encode("utf-8", "replace"))
    members = value if isinstance(value, list) else [value]
    yield from (member for member in members if isinstance(member, dict))
    text = read_text(body)
    yield from _objects_within(text)
    if _FORM.fullmatch(text):
        yield dict(parse_qsl(text))


def _objects_within(text: str) -> Iterator[Mapping[str, Any]]:
    start = -1
    for _ in range(_MOST_TRIED):
        start = text.find("{", start + 1)
        if start < 0:
            return
        value = _decoded(text, start)
        if isinstance(value, dict):
            yield value


def read_json(body: bytes) -> object:
    """Read the value that a body begins with (RFC 8259); None where there is none.

    A byte order mark, UTF-16 and UTF-32, another encoding of 8 bits, control characters in texts, numbers of any
    length, NaN, and what follows the value do no harm.
    """
    return _decoded(_text(body).lstrip(_AROUND))


def _decoded(text: str, start: int = 0) -> object:
    try:
        return _DECODER.raw_decode(text, start)[0]
    except (ValueError, RecursionError):
        return None


def _text(body: bytes) -> str:
    try:
        return body.decode(json.detect_encoding(body))
    except UnicodeDecodeError:
        # Tokens and codes are ASCII, whatever a name or a sentence beside them is written in.
        return body.decode("ascii", "replace")


def _integer(digits: str) -> int | float:
    """Read an integer; Python reads none of more digits than 4300."""
    return int(digits) if len(digits) < _LONGEST_NUMBER else math.copysign(math.inf, -1 if digits[0] == "-" else 1)


_DECODER = json.JSONDecoder(strict=False, parse_int=_integer)
