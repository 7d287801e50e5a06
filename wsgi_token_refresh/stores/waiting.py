"""Waiting for a record: of all who wait in one process for the same one, one looks and tells the others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from .protocol import Entry

_LOOK_AGAIN = 1.0

Pause = Callable[[float], object]
"""Waits until there may be news, for so many seconds at most."""


class _Ear:
    """Those of one process who wait for one record: one of them looks."""

    def __init__(self) -> None:
        self.heard = 0
        self.users = 0
        self._is_taken = False
        self._news: tuple[float, Entry] | None = None
        self._changed = threading.Condition()

    @contextmanager
    def taken(self) -> Iterator[bool]:
        """Take it if nobody has it, and wake the others in the end."""
        with self._changed:
            mine, self._is_taken = not self._is_taken, True
        try:
            yield mine
        finally:
            if mine:
                with self._changed:
                    self._is_taken, self.heard = False, self.heard + 1
                    self._changed.notify_all()

    def tell(self, at: float, entry: Entry) -> None:
        """Keep what was read at a moment (monotonic seconds) for the others."""
        self._news = (at, entry)

    def news(self, since: float, seen: bytes) -> Entry | None:
        """Give what another one has read since a moment, if it is no longer ``seen``."""
        at, entry = self._news or (0.0, None)
        return entry if entry is not None and at >= since and entry.value != seen else None

    def wait(self, heard: int, seconds: float) -> None:
        """Wait until whoever looks has stopped to since then."""
        with self._changed:
            self._changed.wait_for(lambda: self.heard != heard or not self._is_taken, seconds)


class Ears:
    """The ears of one process, by the records for which somebody waits."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_key: dict[str, _Ear] = {}

    def wait(
        self,
        key: str,
        seen: bytes,
        seconds: float,
        *,
        read: Callable[[], Entry],
        listening: Callable[[], AbstractContextManager[Pause]],
    ) -> Entry | None:
        """Give the record when it is no longer ``seen``; None after ``seconds``.

        One of all keeps on reading, and pauses in between as it is ``listening``.
        """
        came = time.monotonic()
        until = came + seconds
        with self._of(key) as ear:
            while (left := until - time.monotonic()) > 0:
                entry = ear.news(came, seen)
                if entry is not None:
                    return entry
                with ear.taken() as looks:
                    entry = _look(ear, seen, until, read, listening) if looks else None
                if entry is not None:
                    return entry
                if not looks:
                    heard, entry = ear.heard, read()
                    if entry.value != seen:
                        return entry
                    ear.wait(heard, min(left, _LOOK_AGAIN))
        return None

    @contextmanager
    def _of(self, key: str) -> Iterator[_Ear]:
        """Share the ear for a record."""
        with self._lock:
            ear = self._by_key.setdefault(key, _Ear())
            ear.users += 1
        try:
            yield ear
        finally:
            with self._lock:
                ear.users -= 1
                if not ear.users:
                    self._by_key.pop(key)


def _look(
    ear: _Ear,
    seen: bytes,
    until: float,
    read: Callable[[], Entry],
    listening: Callable[[], AbstractContextManager[Pause]],
) -> Entry | None:
    with listening() as pause:
        while True:
            at, entry = time.monotonic(), read()
            if entry.value != seen:
                ear.tell(at, entry)
                return entry
            left = until - time.monotonic()
            if left <= 0:
                return None
            pause(left)
