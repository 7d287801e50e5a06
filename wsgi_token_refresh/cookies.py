"""Cookies as RFC 6265 has them: reading, cutting, setting, expiring."""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from urllib.parse import quote, unquote

from werkzeug.http import dump_cookie

from .errors import CookieError

MOST_BYTES = 4096
_LONGEST_NAME = 128
"""The largest name and value together that browsers keep (RFC 6265 6.1)."""
MOST_VALUES = 4
"""How many values under one name are read."""

LONGEST_MAX_AGE = 400 * 86_400
"""Browsers keep no cookie for longer (RFC 6265bis 5.6.2), in seconds."""

_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
_NAME_CHARACTERS = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
# Cookie-octets (RFC 6265 4.1.1) less the percent sign, which marks what had to be encoded.
_PLAIN = "!#$&'()*+-./:<=>?@[]^_`{|}~"
_OCTETS = (_PLAIN + string.ascii_letters + string.digits).encode("ascii")


@dataclass(frozen=True, slots=True)
class Attributes:
    """What every cookie of a session has in common."""

    secure: bool = True
    domain: str | None = None
    path: str = "/"
    samesite: str | None = "Lax"


class CookieReader:
    """Finds some names in a ``Cookie`` header, whatever else stands there."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)

    def read(self, header: str) -> dict[str, tuple[str, ...]]:
        """Read the values under each name in the order of the header, at most four of each.

        A comma separates too: servers join two ``Cookie`` headers by one, and no token has one.
        """
        return {name: _values(name, header) for name in self._names}

    def cut(self, header: str, names: Sequence[str]) -> str:
        """Cut these names out, by the most generous reading that any framework has of the header."""
        for name in self._names:
            if name in names and name in header:
                header = _cut(name, header)
        return header


def with_cookie(header: str, name: str, value: str) -> str:
    """Add a cookie to a ``Cookie`` header."""
    return f"{header}; {name}={encoded(value)}" if header else f"{name}={encoded(value)}"


def set_cookie(name: str, value: str, max_age: int, attributes: Attributes) -> str:
    """Make a ``Set-Cookie`` value; raises ``CookieError`` for more than 4096 bytes of name and value."""
    value = encoded(value)
    size = len(name) + len(value)
    if size > MOST_BYTES:
        raise CookieError(
            f"the cookie {name!r} has {size} bytes, and browsers keep {MOST_BYTES} at most; "
            "ask the authorization server for a smaller token (fewer claims)"
        )
    return _dump(name, value, max_age, attributes)


def expired_cookie(name: str, attributes: Attributes) -> str:
    """Make the ``Set-Cookie`` value that takes a cookie out of the browser."""
    return _dump(name, "", 0, attributes)


def cookie_name(set_cookie_value: str) -> str:
    """Tell which cookie a ``Set-Cookie`` value sets."""
    return set_cookie_value.partition(";")[0].partition("=")[0].strip()


def encoded(value: str) -> str:
    """Write a value in cookie-octets; tokens nearly always are."""
    if value.isascii() and not value.encode("ascii").translate(None, _OCTETS):
        return value
    return quote(value, safe=_PLAIN, errors="surrogateescape")


def decoded(value: str) -> str:
    """Read what :func:`encoded` wrote, in quotes or not."""
    value = value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
    return unquote(value, errors="surrogateescape") if "%" in value else value


def problems_of_name(name: str, attributes: Attributes) -> list[str]:
    """Tell what keeps browsers from taking a cookie of this name (RFC 6265 4.1.1, RFC 6265bis 4.1.3)."""
    problems = []
    if not _NAME.match(name):
        problems.append(
            f"the cookie name {name!r} has characters that no cookie name may have; use letters, digits, _-"
        )
    if len(name) > _LONGEST_NAME:
        problems.append(f"the cookie name {name[:20]!r}... has {len(name)} characters; use up to {_LONGEST_NAME}")
    if name.lower().startswith(("__host", "__secure")) and not name.lower().startswith(("__host-", "__secure-")):
        problems.append(f"the cookie {name!r} lacks the dash of '__Host-' or '__Secure-', and browsers promise nothing")
    if name.lower().startswith(("__host-", "__secure-")) and not attributes.secure:
        problems.append(f"the cookie {name!r} needs secure=True; browsers drop it otherwise")
    if name.lower().startswith("__host-") and (attributes.path != "/" or attributes.domain is not None):
        problems.append(f"the cookie {name!r} needs path='/' and no domain; browsers drop it otherwise")
    return problems


def problems_of_attributes(attributes: Attributes, max_age: int) -> list[str]:
    """Tell what keeps browsers from taking cookies with these attributes, or for so long (RFC 6265bis 5.6)."""
    problems = []
    if attributes.samesite not in ("Lax", "Strict", "None", None):
        problems.append(f"samesite is {attributes.samesite!r}; give 'Lax', 'Strict' or 'None'")
    if attributes.samesite == "None" and not attributes.secure:
        problems.append("samesite='None' needs secure=True; browsers drop the cookies otherwise")
    if not attributes.path.startswith("/") or not _is_plain(attributes.path):
        problems.append(f"path is {attributes.path!r}; give a path such as '/'")
    if attributes.domain is not None and not _is_plain(attributes.domain):
        problems.append(f"domain is {attributes.domain!r}; give a host name, or leave it out")
    if not 0 < max_age <= LONGEST_MAX_AGE:
        problems.append(f"refresh_max_age is {max_age}; give 1 to {LONGEST_MAX_AGE} seconds (400 days)")
    return problems


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable() and not any(each in text for each in ' ;,"\\')


def _values(name: str, header: str) -> tuple[str, ...]:
    found = islice(_places(name, header, _begins_a_cookie), MOST_VALUES)
    values = (decoded(header[equals + 1 : end].strip()) for _, equals, end in found)
    return tuple(value for value in values if value)


def _places(name: str, header: str, is_place: Callable[[str, int], bool]) -> Iterator[tuple[int, int, int]]:
    """Find the cookies of this name: where each begins, where its ``=`` stands, and where it ends."""
    start = header.find(name)
    while start >= 0:
        equals = _equals_sign(header, start + len(name))
        following = start + 1
        if equals is not None and is_place(header, start):
            following = _end_of_cookie(header, equals)
            yield start, equals, following
        start = header.find(name, following)


def _equals_sign(header: str, position: int) -> int | None:
    while header[position : position + 1].isspace():
        position += 1
    return position if header[position : position + 1] == "=" else None


def _end_of_cookie(header: str, start: int) -> int:
    semicolon = header.find(";", start)
    end = len(header) if semicolon < 0 else semicolon
    comma = header.find(",", start, end)
    return end if comma < 0 else comma


def _begins_a_cookie(header: str, start: int) -> bool:
    while start > 0 and header[start - 1].isspace():
        start -= 1
    return start == 0 or header[start - 1] in ";,"


def _begins_a_name(header: str, start: int) -> bool:
    return start == 0 or header[start - 1] not in _NAME_CHARACTERS


def _cut(name: str, header: str) -> str:
    kept, end = [], 0
    for start, _, following in _places(name, header, _begins_a_name):
        kept.append(header[end:start])
        end = following
    kept.append(header[end:])
    pieces = (piece.lstrip(", \t").rstrip() for piece in "".join(kept).split(";"))
    return "; ".join(piece for piece in pieces if piece)


def _dump(name: str, value: str, max_age: int, attributes: Attributes) -> str:
    return dump_cookie(
        name,
        value,
        max_age=max_age,
        path=attributes.path,
        domain=attributes.domain,
        secure=attributes.secure,
        httponly=True,
        samesite=attributes.samesite,
        max_size=0,
        expires=0 if max_age == 0 else None,
    )
