"""Paths as routers may read them, and paths that are safe to redirect to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote, unquote_to_bytes

LONGEST_NEXT = 2048
LONGEST_PATH = 8192
"""Characters of a path at most, so that what one request costs is bounded whatever the server takes."""
_PLAIN = re.compile(r"/(?:[^/.@\\;%][^/\\;%]*/)*(?:[^/.@\\;%][^/\\;%]*)?\Z")
_CONTROL = re.compile("[\x00-\x1f\x7f]")
_UNSAFE = re.compile("[\x00-\x20\x7f-\xa0\\\\\u2028\u2029]")
_SLASHES = re.compile("/{2,}")
_PARAMETERS = re.compile(";[^/]*")
# Pyramid's traversal: a view by its name, and no child of that name.
_VIEW_SELECTOR = re.compile("(?:^|(?<=/))@@")
# Scheme and host of an absolute-form target (RFC 9112 3.2.2), which some servers leave there, and the host of "//host".
_AUTHORITY = re.compile(r"\A(?:[A-Za-z][A-Za-z0-9+.\-]*:)?[/\\]{2,}[^/\\]*")
# ".." as whole segment, also as what cuts parameters, a query or blanks off reads it.
_CLIMBS = re.compile(r"(?:\A|[/\\])(?:@@)*\.\.[ \t]*(?=[/\\;?#]|\Z)")
_MOST_READINGS = 64
_MOST_DECODINGS = 4


def has_control_characters(path: str) -> bool:
    """Tell whether a path has what no honest client sends."""
    return _CONTROL.search(path) is not None


def is_too_long(path: str) -> bool:
    """Tell whether a path is longer than any that is looked at."""
    return len(path) > LONGEST_PATH


def is_malformed(path: str) -> bool:
    """Tell whether a path has what no browser sends: control characters, or ``..`` as a segment in any reading.

    Where ``..`` leads depends on where the reader begins, and each mounted application begins somewhere else.
    """
    if has_control_characters(path):
        return True
    return not is_plain(path) and any(_CLIMBS.search(each) for each in _decodings(path))


def is_plain(path: str) -> bool:
    """Tell whether everybody reads a path in one way."""
    return path.isascii() and _PLAIN.match(path) is not None


def readings(path: str) -> frozenset[str] | None:
    """Give every way in which a router may read a path; None where there are more than anybody means honestly.

    A missing leading slash is added, and ``//``, ``/./``, ``\\``, ``;parameters``, ``@@``, scheme and host, and one
    more percent-decoding are resolved, in any order. What :func:`is_malformed` says of is for nobody to read.
    """
    if is_plain(path):
        return frozenset((path,))
    found = {(path, False)}
    todo = [(path, False)]
    while todo:
        for reading in _steps(*todo.pop()):
            if reading not in found:
                found.add(reading)
                todo.append(reading)
        if len(found) > _MOST_READINGS:
            return None
    return frozenset(reading for reading, _ in found)


def safe_next(value: object, default: str = "/") -> str:
    """Give ``value`` where it is a local path to redirect to, else ``default``.

    No scheme, no ``//`` or ``/\\`` in front, no control characters, encoded or not; 2048 characters at most.
    """
    if not isinstance(value, str) or len(value) > LONGEST_NEXT:
        return default
    if _UNSAFE.search(value):
        return default
    read = value
    for _ in range(_MOST_DECODINGS):
        if read[:1] != "/" or read[1:2] in ("/", "\\") or _CONTROL.search(read):
            return default
        before, read = read, unquote(read, errors="replace")
        if read == before:
            return value
    return default


def _steps(path: str, decoded: bool) -> list[tuple[str, bool]]:
    steps = [
        path.replace("\\", "/"),
        _PARAMETERS.sub("", path),
        _SLASHES.sub("/", path),
        _VIEW_SELECTOR.sub("", path),
        _AUTHORITY.sub("", path),
        _without_dots(path),
        _without_broken_bytes(path),
    ]
    if not path.startswith("/"):
        steps += ["/" + path, path[max(0, path.find("/")) :]]
    once = [] if decoded or "%" not in path else [(_decoded(path), True)]
    return [(step, decoded) for step in steps] + once


def _decodings(path: str) -> Iterator[str]:
    """Give a path as it is, and as who decodes it again and again reads it, each with and without broken bytes."""
    for _ in range(_MOST_DECODINGS):
        whole = _without_broken_bytes(path)
        yield path
        yield whole
        before, path = path, _decoded(whole)
        if path == before:
            return


def _without_broken_bytes(path: str) -> str:
    """Leave out what is no UTF-8, as Bottle does."""
    if path.isascii():
        return path
    return path.encode("latin-1", "replace").decode("utf-8", "ignore").encode("utf-8").decode("latin-1")


def _decoded(path: str) -> str:
    return unquote_to_bytes(path.encode("latin-1", "replace")).decode("latin-1")


def _without_dots(path: str) -> str:
    kept = [segment for segment in path.split("/") if segment != "."]
    if path.endswith("/."):
        kept.append("")
    return "/".join(kept)
