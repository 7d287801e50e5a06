"""What was written, read back: whoever can write a store may have written anything.

What is not as we write it is *as if nothing were there*, and never *the store is down*: waiting mends no record, so
that would keep people out for as long as it lives, and without the record the tokens that a browser shows still count.
Fields behind those that are known here are those of a newer version, and are left alone. Everything raises
``ValueError``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from .tokens import Tokens, numeric_date

_LARGEST = 2**53
_OF_TOKENS = 5


def listed(text: bytes | str, fields: int = 0) -> list[Any]:
    """Read a list (RFC 8259) of so many fields at least, however deep it is."""
    try:
        return fields_of(json.loads(text), fields)
    except RecursionError:
        raise ValueError("too deep") from None


def fields_of(value: object, fields: int = 0) -> list[Any]:
    """Take a list of so many fields at least."""
    if not isinstance(value, list) or len(value) < fields:
        raise ValueError("no list")
    return value


def number(value: Any) -> float:
    """Take a number with which one can reckon."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -_LARGEST <= value <= _LARGEST:
        raise ValueError("no number")
    return value


def count(value: Any) -> int:
    """Take a number of things."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _LARGEST:
        raise ValueError("no count")
    return value


def text(value: Any) -> str:
    """Take a text, whatever stands in it."""
    if not isinstance(value, str):
        raise ValueError("no text")
    return value


def name(value: Any) -> str:
    """Take what names a record, so what every store can have as a key."""
    if not isinstance(value, str) or not value.isascii():
        raise ValueError("no name")
    return value


def tokens_of(said: Sequence[object]) -> Tokens:
    """Read tokens, of which times that can be none are left out."""
    access_token, refresh_token, *times = said[:_OF_TOKENS]
    expires_at, lifetime, refresh_expires_at, *_ = *map(numeric_date, times), None, None, None
    return Tokens(_token(access_token), _token(refresh_token), expires_at, lifetime, refresh_expires_at)


def _token(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValueError("no token")
    # What stands in a cookie may be bytes of any kind; half a surrogate pair is nothing that can be sent.
    value.encode("utf-8", "surrogateescape")
    return value
