"""An answer of HTTP/1, read as its bytes arrive (RFC 9112), by the widest reading that there is.

What carries new tokens comes only once, so nothing here limits, checks or understands more than it takes to find the
body. How long that is:

====================================  ===================================================================
the head says                         the body
====================================  ===================================================================
a status whose body nobody wants      none
204, 205, 304                         what came along with the head
``Transfer-Encoding``                 its chunks; with no chunk at all, as in the last row
``Content-Length``, one or several    as long as the first of them (by size) that holds whole JSON, else the last
nothing                               until the connection ends
====================================  ===================================================================

Where the connection ends early, or the time is over, what has come is the answer if it is a whole JSON object, or if
its status says all that there is to say without one. Of what is no answer then, ``remains`` has what came.
"""

from __future__ import annotations

import http.client
import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from urllib3 import HTTPResponse
from urllib3.exceptions import HTTPError

from .json_text import read_json

_STATUS = re.compile(rb"HTTP/([0-9.]*)[ \t]+([0-9]{3})(?![0-9])", re.IGNORECASE)
_BLANK_LINE = re.compile(rb"\n\r?\n")
_SIZE = re.compile(rb"\s*([0-9A-Fa-f]{1,15})(?:[^0-9A-Za-z\n][^\n]*)?\n")
_HALF_A_SIZE = re.compile(rb"\s*(?:[0-9A-Fa-f]{1,15}(?:[^0-9A-Za-z\n][^\n]*)?)?")
_LONGEST_STATUS_LINE = 8192
_CODINGS = ("gzip", "x-gzip", "deflate", "br", "zstd")
_GZIP = b"\x1f\x8b\x08"
_MOST_UNSAID = 2
_MOST_DIGITS = 16
_MOST_LENGTHS = 8
_BODILESS = (204, 205, 304)
_SPACE = " \t\r"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: ``fields`` by lower-case name, the first of each; the connection is ``reusable`` for the next call.

    ``cut`` is one that ended too early.
    """

    status: int
    fields: Mapping[str, str] = field(repr=False)
    body: bytes = field(default=b"", repr=False)
    reusable: bool = False
    cut: bool = False


class _Framing(Protocol):
    clean: bool
    """Whether the body ended where the next answer on this connection begins."""

    def take(self, arrived: bytearray, body: bytearray) -> bool:
        """Move what belongs to the body from what has arrived; True once it is whole."""


class AnswerReader:
    """Reads one answer: give it what arrives, until it is ``whole``; then ``reply`` has it.

    ``wants_body(status)`` tells whether a body matters, ``says_all(status)`` whether the answer is one also where it
    does not come; ``limit`` is how many bytes of head or body are kept.
    """

    def __init__(
        self, wants_body: Callable[[int], bool], limit: int, says_all: Callable[[int], bool] = lambda status: False
    ) -> None:
        self.whole = False
        self._wants_body = wants_body
        self._says_all = says_all
        self._limit = limit
        self._arrived = bytearray()
        self._searched = 0
        self._head: _Head | None = None
        self._framing: _Framing = _WhatCame(clean=False)
        self._body = bytearray()
        self._tried = 0

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Take what has arrived, as long as it is not whole; raises HTTPException for what is no HTTP."""
        self._arrived += data
        while self._head is None:
            head = self._next_head()
            if head is None:
                return
            if head.status == 101 or head.status >= 200:  # any other is no answer yet (RFC 9110 15.2)
                self._head, self._framing = head, _framing(head, self._wants_body)
        whole = self._framing.take(self._arrived, self._body)
        self.whole = whole or len(self._body) + len(self._arrived) > self._limit

    def reply(self) -> Reply | None:
        """Give the answer; None where what has come is none yet."""
        if self._head is None or not (self.whole or self._says_all(self._head.status) or self._is_enough()):
            return None
        reusable = self.whole and self._framing.clean and self._head.keeps_alive and not self._arrived
        return Reply(self._head.status, self._head.first, self._unpacked(self._head), reusable)

    def ended(self) -> Reply:
        """Give the answer of a connection that has ended; raises HTTPException where that is none."""
        cut = self._head is None
        if cut and self._arrived:
            self.feed(b"\r\n\r\n")
        if self._head is None:
            raise http.client.RemoteDisconnected("no answer")
        # A body that its type announces, and that did not come, is no empty one.
        lacks = cut or (not self._body and "content-type" in self._head.first)
        if isinstance(self._framing, _UntilTheEnd) and not lacks:
            self.whole = True
        reply = self.reply()
        if reply is None:
            raise http.client.IncompleteRead(b"")
        return reply

    def remains(self) -> Reply | None:
        """Give what has come of an answer that ended too early; as a success where it began without a status."""
        head = self._head
        if head is None:
            return Reply(200, {}, bytes(self._arrived), cut=True) if self._arrived else None
        return Reply(head.status, head.first, self._unpacked(head), cut=True)

    def _is_enough(self) -> bool:
        """Tell whether what has come holds a whole object; asked again only once there is more."""
        if self._head is None or len(self._body) == self._tried:
            return False
        self._tried = len(self._body)
        return isinstance(read_json(self._unpacked(self._head)), dict)

    def _unpacked(self, head: _Head) -> bytes:
        return unpacked(bytes(self._body), head.codings(), self._limit)

    def _next_head(self) -> _Head | None:
        arrived = self._arrived
        if self._searched == 0:
            del arrived[: len(arrived) - len(arrived.lstrip())]
        if b"\n" in arrived[:_LONGEST_STATUS_LINE] and _STATUS.match(arrived) is None:
            raise http.client.BadStatusLine("no HTTP")
        if len(arrived) > self._limit:
            raise http.client.LineTooLong("head")
        end = _BLANK_LINE.search(arrived, max(0, self._searched - 2))
        self._searched = 0 if end else len(arrived)
        if end is None:
            return None
        head = _Head(bytes(arrived[: end.start()]))
        del arrived[: end.end()]
        return head


class _Head:
    """A status line and its fields; lines that are none are passed over."""

    def __init__(self, text: bytes) -> None:
        line, *lines = text.decode("latin-1").split("\n")
        found = _STATUS.match(line.encode("latin-1"))
        version, status = found.groups() if found else (b"", b"0")
        self.status = int(status)
        self.all: dict[str, list[str]] = {}
        self._read(lines)
        self.first = {name: values[0] for name, values in self.all.items()}
        connection = self.listed("connection")
        self.keeps_alive = "close" not in connection and (version == b"1.1" or "keep-alive" in connection)

    def _read(self, lines: list[str]) -> None:
        values: list[str] = []
        for line in lines:
            name, colon, value = line.partition(":")
            if line[:1] in (" ", "\t") and values:
                values[-1] += " " + line.strip(_SPACE)
            elif colon and name.strip(_SPACE):
                values = self.all.setdefault(name.strip(_SPACE).lower(), [])
                values.append(value.strip(_SPACE))

    def listed(self, name: str) -> list[str]:
        """Give the members of a field that is a list, in lower case."""
        members = ",".join(self.all.get(name, ())).split(",")
        return [member.strip(' \t\r"').lower() for member in members if member.strip(_SPACE)]

    def lengths(self) -> list[int]:
        """Give the lengths that are said, the smallest first."""
        said = self.listed("content-length")
        return sorted({int(one) for one in said if one.isascii() and one.isdigit() and len(one) < _MOST_DIGITS})

    def codings(self) -> list[str]:
        """Name how the body is packed, as far as anybody could unpack it."""
        return [one for one in self.listed("content-encoding") + self.listed("transfer-encoding") if one in _CODINGS]


def _framing(head: _Head, wants_body: Callable[[int], bool]) -> _Framing:
    lengths = head.lengths()
    if head.status in _BODILESS or not wants_body(head.status):
        return _WhatCame(clean=head.status in _BODILESS or lengths == [0])
    plain: _Framing = _Lengths(lengths[:_MOST_LENGTHS], head.codings()) if lengths else _UntilTheEnd()
    if any(one not in ("identity", *_CODINGS) for one in head.listed("transfer-encoding")):
        return _Chunks(plain, head.codings())
    return plain


class _WhatCame:
    def __init__(self, *, clean: bool) -> None:
        self.clean = clean

    def take(self, arrived: bytearray, body: bytearray) -> bool:
        self.clean = self.clean and not arrived
        _move(arrived, body)
        return True


class _UntilTheEnd:
    clean = False

    def take(self, arrived: bytearray, body: bytearray) -> bool:
        _move(arrived, body)
        return False


class _Lengths:
    """Several lengths are those of a server and of a proxy, or counts of characters and of bytes: JSON tells which."""

    def __init__(self, lengths: list[int], codings: list[str]) -> None:
        self.clean = len(lengths) == 1
        self._lengths = lengths
        self._codings = codings

    def take(self, arrived: bytearray, body: bytearray) -> bool:
        # What is there beyond the length belongs to this answer: no other was asked for.
        _move(arrived, body)
        while len(body) >= self._lengths[0]:
            if len(self._lengths) == 1 or _is_object(body, self._codings):
                self.clean = self.clean and len(body) == self._lengths[0]
                return True
            del self._lengths[0]
        return False


class _Chunks:
    """A chunked body (RFC 9112 7.1); ``plain`` takes over where what comes is no chunk."""

    clean = False

    def __init__(self, plain: _Framing, codings: list[str]) -> None:
        self._plain = plain
        self._codings = codings
        self._is_plain = False
        self._left = 0

    def take(self, arrived: bytearray, body: bytearray) -> bool:
        while not self._is_plain:
            self._left -= _move(arrived, body, self._left)
            if self._left or _HALF_A_SIZE.fullmatch(arrived):
                return False
            size = _SIZE.match(arrived)
            if size is None:
                return self._is_over(arrived, body)
            self._left = int(size[1], 16)
            del arrived[: size.end()]
            if not self._left:
                self.clean = bytes(arrived) in (b"\r\n", b"\n")
                arrived.clear()
                return True
        return self._plain.take(arrived, body)

    def _is_over(self, arrived: bytearray, body: bytearray) -> bool:
        """Let what is no chunk belong to the body, unless that is whole without it."""
        self._is_plain = not _is_object(body, self._codings)
        return not self._is_plain or self._plain.take(arrived, body)


def _is_object(body: bytearray, codings: list[str]) -> bool:
    return isinstance(read_json(unpacked(bytes(body), codings, len(body))), dict)


def _move(arrived: bytearray, body: bytearray, most: int | None = None) -> int:
    """Move some bytes, all by default, and tell how many."""
    part = arrived[:most]
    del arrived[:most]
    body += part
    return len(part)


def unpacked(body: bytes, codings: list[str], limit: int) -> bytes:
    """Unpack a body as far as it goes, and not far beyond the limit; what is not packed after all stays as it is."""
    body = _unpacked(body, codings, limit) if codings else body
    for _ in range(_MOST_UNSAID):
        body = _unpacked(body, ["gzip"], limit) if body.startswith(_GZIP) else body
    return body


def _unpacked(body: bytes, codings: list[str], limit: int) -> bytes:
    packed = HTTPResponse(io.BytesIO(body), headers={"Content-Encoding": ", ".join(codings)}, preload_content=False)
    found = bytearray()
    try:
        while len(found) <= limit and (more := packed.read(65_536)):
            found += more
    except HTTPError:
        pass
    return bytes(found) or body
