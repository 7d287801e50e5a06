"""Cookies as RFC 6265 has them: reading, cutting, setting, expiring."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from urllib.parse import quote, unquote

from werkzeug.http import dump_cookie

from ..arguments import callable_problems, needed_text_problems, text_problems, truth_problems, whole_problems
from ..errors import ConfigurationError, CookieError

MOST_BYTES = 4096
_LONGEST_NAME = 128
"""The largest name and value together that browsers keep (RFC 6265 6.1)."""
MOST_VALUES = 4
"""How many values under one name are read."""

LONGEST_MAX_AGE = 400 * 86_400
"""Browsers keep no cookie for longer (RFC 6265bis 5.6.2), in seconds."""

_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
_PREFIXES = ("__host-", "__secure-", "__http-")
_BLANKS = " \t"
# What str.strip() takes away, in UTF-8 as WSGI has it, and in Latin-1.
_STRIPPED = (
    r"[\t-\r\x1c-\x20\x85\xa0]|\xc2[\x85\xa0]|\xe1\x9a\x80|\xe2\x80[\x80-\x8a\xa8\xa9\xaf]|\xe2\x81\x9f|\xe3\x80\x80"
)
_NOT_WITHIN_A_NAME = r"(?<![!#$%&'*+\-.^_`|~0-9A-Za-z])"
# What http.cookies reads on behind: pairs of characters that it knows, under no name that is an attribute's.
_KNOWN = r"\w!#%&'~_`><@,:/$*+\-.^|)(?}{"
_READABLE = re.compile(
    r"[ \t]*(?!(?:expires|path|comment|domain|max-age|secure|httponly|version|samesite|partitioned)[ \t]*=)"
    rf"[{_KNOWN}]+[ \t]*=[ \t]*[{_KNOWN}=\[\]]*[ \t]*",
    re.ASCII | re.IGNORECASE,
)
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
        self._separators = {name: ";" if has_prefix(name) else ";," for name in names}
        self._cut = {name: _generously(name) for name in names}

    def read(self, cookie: str) -> dict[str, tuple[str, ...]]:
        """Read the values under each name in the order of the header, at most four of each.

        A name with a prefix is read as the browser that enforces it writes (RFC 6265 5.4): only a semicolon separates.
        For other names a comma does too: servers join two ``Cookie`` headers by one, and no token has one.
        """
        return {name: _values(name, cookie, separators) for name, separators in self._separators.items()}

    def cut(self, cookie: str, names: Sequence[str]) -> str:
        """Cut these names out, by the most generous reading that any framework has of the header."""
        rest = self._rest(cookie, names)
        return cookie if rest == cookie else _tidy(rest)

    def only(self, cookie: str, name: str, value: str) -> str:
        """Leave this value under this name and nothing else of ours: where the old one stood, else in front.

        In front also of what readers stop at: ``http.cookies`` finds nothing behind ``g_state={"i":0}``.
        """
        pair, old = f"{name}={encoded(value)}", self._cut[name].search(cookie)
        at = old.start() if old and _is_read_on_behind(cookie[: old.start()]) else 0
        before, after = self._rest(cookie[:at], self._names), self._rest(cookie[at:], self._names)
        return _tidy(f"{before};{pair};{after}")

    def _rest(self, cookie: str, names: Sequence[str]) -> str:
        for name in self._names:
            if name in names and name in cookie:
                cookie = self._cut[name].sub("", cookie)
        return cookie


def set_cookie(name: str, cookie: str, max_age: int, attributes: Attributes) -> str:
    """Make a ``Set-Cookie`` value; raises ``CookieError`` for more than 4096 bytes of name and value."""
    cookie = encoded(cookie)
    size = len(name) + len(cookie)
    if size > MOST_BYTES:
        raise CookieError(
            f"the cookie {name!r} has {size} bytes, and browsers keep {MOST_BYTES} at most; "
            "ask the authorization server for a smaller token (fewer claims)"
        )
    return _dump(name, cookie, max_age, attributes)


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


def has_prefix(name: str) -> bool:
    """Tell whether browsers enforce something by this name, which they do in any case of letters (RFC 6265bis 4.1.3).

    ``__Http-`` and ``__Host-Http-`` are of draft-ietf-httpbis-layered-cookies.
    """
    return name.lower().startswith(_PREFIXES)


def refuse_types(
    owner: str,
    attributes: Attributes,
    texts: Mapping[str, object],
    numbers: Mapping[str, object],
    functions: Mapping[str, object],
) -> None:
    """Refuse arguments of a kind of session whose type is wrong, so that they cannot be judged by what they say.

    What is true or false by accident decides nothing: ``secure=""`` is no ``False``. Raises ``ConfigurationError``.
    """
    needed = {**texts, "path": attributes.path}
    problems = [
        *(problem for name, value in needed.items() for problem in needed_text_problems(name, value)),
        *truth_problems("secure", attributes.secure),
        *text_problems("domain", attributes.domain),
        *text_problems("samesite", attributes.samesite),
        *(problem for name, value in numbers.items() for problem in whole_problems(name, value)),
        *(problem for name, value in functions.items() for problem in callable_problems(name, value)),
    ]
    if problems:
        raise ConfigurationError([f"{owner}: {problem}" for problem in problems])


def problems_of_name(name: str, attributes: Attributes) -> list[str]:
    """Tell what keeps browsers from taking a cookie of this name (RFC 6265 4.1.1, RFC 6265bis 4.1.3)."""
    problems = []
    if not _NAME.match(name):
        problems.append(
            f"the cookie name {name!r} has characters that no cookie name may have; use letters, digits, _-"
        )
    if len(name) > _LONGEST_NAME:
        problems.append(f"the cookie name {name[:20]!r}... has {len(name)} characters; use up to {_LONGEST_NAME}")
    if name.lower().startswith(tuple(each[:-1] for each in _PREFIXES)) and not has_prefix(name):
        problems.append(f"the cookie {name!r} lacks the dash of '__Host-' or '__Secure-', and browsers promise nothing")
    if has_prefix(name) and not attributes.secure:
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


def _values(name: str, cookie: str, separators: str) -> tuple[str, ...]:
    if name not in cookie:
        return ()
    found = islice(_found(name, cookie, separators), MOST_VALUES)
    return tuple(value for value in map(decoded, found) if value)


def _found(name: str, cookie: str, separators: str) -> Iterator[str]:
    """Find what stands under a name, with nothing but blanks between it and the separator before it."""
    start = cookie.find(name)
    while start >= 0:
        equals = _past_blanks(cookie, start + len(name))
        following = start + 1
        if cookie[equals : equals + 1] == "=" and _begins_a_cookie(cookie, start, separators):
            following = _end_of_cookie(cookie, equals, separators)
            yield cookie[equals + 1 : following].strip(_BLANKS)
        start = cookie.find(name, following)


def _past_blanks(cookie: str, position: int) -> int:
    while cookie[position : position + 1] in (" ", "\t"):
        position += 1
    return position


def _begins_a_cookie(cookie: str, start: int, separators: str) -> bool:
    while start > 0 and cookie[start - 1] in _BLANKS:
        start -= 1
    return start == 0 or cookie[start - 1] in separators


def _end_of_cookie(cookie: str, start: int, separators: str) -> int:
    end = len(cookie)
    for each in separators:
        found = cookie.find(each, start, end)
        end = end if found < 0 else found
    return end


def _is_read_on_behind(cookie: str) -> bool:
    """Tell whether ``http.cookies`` finds what follows this, which ends where a cookie begins."""
    return all(map(_READABLE.fullmatch, cookie.split(";")[:-1]))


def _generously(name: str) -> re.Pattern[str]:
    return re.compile(f"{_NOT_WITHIN_A_NAME}{re.escape(name)}(?:{_STRIPPED})*=[^;,]*")


def _tidy(cookie: str) -> str:
    pieces = [piece.lstrip(", \t").rstrip(_BLANKS) for piece in cookie.split(";")]
    return "; ".join([piece for piece in pieces if piece])


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
