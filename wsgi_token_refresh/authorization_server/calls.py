"""One request and the wait for its answer: how much time there is, whether it was sent, and what has come of it."""

from __future__ import annotations

import http.client
import io
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any

from urllib3.util import wait_for_read, wait_for_write

from .http_answer import AnswerReader, Reply

LATE = 0.05
"""Seconds past the deadline in which what has arrived already is still read."""

MAX_BODY = 4 * 1024 * 1024
"""Bytes of an answer that are read."""

_AT_ONCE = 65_536


class NotSentError(Exception):
    """``may_send`` said no: not a byte of the request was written."""


class Wait:
    """A stretch of time in which something is waited for: ``seconds`` from now."""

    def __init__(self, seconds: float, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._deadline = monotonic() + seconds
        self._late_until: float | None = None

    def remaining(self) -> float:
        """Give the seconds that are left; raise TimeoutError when there are none."""
        left = self._deadline - self._monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        return left

    def receive(self, sock: socket.socket, buffer: Any) -> int:
        """Read from a socket that never blocks, as soon as something is there and before the deadline.

        Once it is past, what is there already is still read, for ``LATE`` in all: a process that was stopped finds
        the answer in its socket's buffer.
        """
        while True:
            last = self._is_late()
            try:
                return sock.recv_into(buffer)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError) as busy:
                if last:
                    raise TimeoutError("timed out") from None
                wait = wait_for_write if isinstance(busy, ssl.SSLWantWriteError) else wait_for_read
            wait(sock, max(0.0, self._deadline - self._monotonic()))

    def _is_late(self) -> bool:
        now = self._monotonic()
        if now < self._deadline:
            return False
        if self._late_until is None:
            self._late_until = now + LATE
        if now > self._late_until:
            raise TimeoutError("timed out")
        return True


class Incoming:
    """An answer on its way: the socket that it comes from, and what of it has arrived.

    ``file`` holds the socket open, whoever else closes it, and lets it go when it is closed or forgotten.
    """

    def __init__(self, sock: socket.socket, file: io.RawIOBase, reader: AnswerReader) -> None:
        self._sock = sock
        self._file = file
        self._reader = reader

    def read(self, wait: Wait) -> Reply:
        """Read on, until the answer is whole; raises TimeoutError once the time is over, and one of ``FAILURES``."""
        buffer = memoryview(bytearray(_AT_ONCE))
        while not self._reader.whole:
            try:
                count = wait.receive(self._sock, buffer)
            except OSError:
                # Out of time, or broken: whoever said too great a length says nothing more.
                if (reply := self._reader.reply()) is None:
                    raise
                return reply
            if not count:
                return self._reader.ended()
            self._reader.feed(buffer[:count])
        return self._reader.ended()

    def remains(self) -> Reply | None:
        """Give what has come of an answer that was cut short, or broke off."""
        return self._reader.remains()

    def close(self) -> None:
        """Let the socket go."""
        self._file.close()


class Call:
    """One request: how much time is left for it, and whether it was sent.

    ``timeout`` is in seconds, in total; where there is ``patience``, until the request is sent, and then that many
    seconds begin for the answer. An answer that is not there by then is ``late``, and ``cut`` is what has come of one
    that broke off. ``may_send`` is asked once, right before the first byte. ``sent`` is None as long as nothing is
    known: where something else than our connections carries the request, it stays so. The body is read where
    ``wants_body(status)``, up to ``limit`` bytes; where ``says_all(status)``, the answer is one without it, too.
    """

    def __init__(
        self,
        timeout: float,
        may_send: Callable[[], bool],
        monotonic: Callable[[], float] = time.monotonic,
        *,
        patience: float | None = None,
        wants_body: Callable[[int], bool] = lambda status: True,
        says_all: Callable[[int], bool] = lambda status: False,
        limit: int = MAX_BODY,
    ) -> None:
        self.timeout = timeout
        self.patience = patience
        self.sent: bool | None = None
        self.late: Incoming | None = None
        self.cut: Reply | None = None
        self.wants_body = wants_body
        self.says_all = says_all
        self.limit = limit
        self._may_send = may_send
        self._monotonic = monotonic
        self._wait = Wait(timeout, monotonic)

    def now(self) -> float:
        """Give the clock by which its time is measured (monotonic seconds)."""
        return self._monotonic()

    def remaining(self) -> float:
        """Give the seconds that are left to send it; raise TimeoutError when there are none."""
        return self._wait.remaining()

    def before_first_byte(self) -> None:
        """Ask ``may_send``, unless it was asked; raise NotSentError if it says no."""
        if not self.sent:
            if not self._may_send():
                raise NotSentError
            self.sent = True

    def answer(self, sock: socket.socket, file: io.RawIOBase) -> Reply:
        """Wait for the answer, now that the last byte is sent; raises one of ``FAILURES``."""
        incoming = Incoming(sock, file, AnswerReader(self.wants_body, self.limit, self.says_all))
        wait = self._wait if self.patience is None else Wait(self.patience, self._monotonic)
        try:
            return incoming.read(wait)
        except TimeoutError:
            if self.patience is not None:
                self.late = incoming
            raise
        except (http.client.HTTPException, OSError):
            self.cut = incoming.remains()
            raise
        finally:
            if self.late is None:
                incoming.close()


class LateAnswer:
    """An answer that may still come, for as long as this object lives: reads on where its call gave up.

    Any thread or greenlet of the process may ask, one at a time. A child that was forked meanwhile may not: two
    readers of one connection would each get a part. ``cut`` is what has come of one that broke off.
    """

    cut: Reply | None = None

    def __init__(self, incoming: Incoming, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._incoming = incoming
        self._monotonic = monotonic
        self._pid = os.getpid()
        self._reading = threading.Lock()
        self._reply: Reply | None = None

    def read(self, seconds: float) -> Reply | None:
        """Wait up to so many seconds; None where it is not there by then. Raises one of ``FAILURES``."""
        if os.getpid() != self._pid:
            raise ConnectionError("the connection is another process's")
        until = self._monotonic() + max(0.0, seconds)
        if not self._reading.acquire(timeout=max(0.0, seconds)):
            return None
        try:
            # Whoever waited for the lock gets what its holder read.
            if self._reply is None:
                self._reply = self._incoming.read(Wait(until - self._monotonic(), self._monotonic))
            return self._reply
        except TimeoutError:
            return None
        except (http.client.HTTPException, OSError):
            self.cut = self._incoming.remains()
            raise
        finally:
            self._reading.release()

    def close(self) -> None:
        """Wait no more."""
        self._incoming.close()

    def __del__(self) -> None:
        # The failure of the call may hold the socket for as long as the garbage collector lets it.
        self.close()
