"""Paths as routers may read them, and paths that are safe to redirect to."""

from __future__ import annotations

import re
from urllib.parse import unquote, unquote_to_bytes

LONGEST_NEXT = 2048
_PLAIN = re.compile(r"/(?:[^/.@\\;%][^/\\;%]*/)*(?:[^/.@\\;%][^/\\;%]*)?\Z")
_CONTROL = re.compile("[\x00-\x1f\x7f]")
_UNSAFE = re.compile("[\x00-\x20\x7f-\xa0\\\\\u2028\u2029]")
_SLASHES = re.compile("/{2,}")
_PARAMETERS = re.compile(";[^/]*")
# Pyramid's traversal: a view by its name, and no child of that name.
_VIEW_SELECTOR = re.compile("(?:^|(?<=/))@@")
_MOST_READINGS = 64
_MOST_DECODINGS = 4


def has_control_characters(path: str) -> bool:
    """Tell whether a path has what no honest client sends."""
    return _CONTROL.search(path) is not None


def readings(path: str) -> frozenset[str] | None:
    """Give every way in which a router may read a path; None where there are more than anybody means honestly.

    A missing leading slash is added, and ``//``, ``/./``, ``/../``, ``\\``, ``;parameters``, ``@@`` and one
    more percent-decoding are resolved, in any order.
    """
    if path.isascii() and _PLAIN.match(path):
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
        _without_dots(path),
        _without_broken_bytes(path),
    ]
    if not path.startswith("/"):
        steps.append("/" + path)
    once = [] if decoded or "%" not in path else [(_decoded(path), True)]
    return [(step, decoded) for step in steps] + once


def _without_broken_bytes(path: str) -> str:
    """Leave out what is no UTF-8, as Bottle does."""
    return path.encode("latin-1", "replace").decode("utf-8", "ignore").encode("utf-8").decode("latin-1")


def _decoded(path: str) -> str:
    return unquote_to_bytes(path.encode("latin-1", "replace")).decode("latin-1")


def _without_dots(path: str) -> str:
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            if len(kept) > 1:
                kept.pop()
        elif segment != ".":
            kept.append(segment)
    if path.endswith(("/.", "/..")):
        kept.append("")
    return "/".join(kept)
