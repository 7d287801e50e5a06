"""Waiting for a record: of all who wait in one process for the same one, one listens and wakes the others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_LOOK_AGAIN = 1.0


class _Ear:
    """Those of one process who wait for one record: one of them listens."""

    def __init__(self) -> None:
        self.heard = 0
        self.users = 0
        self._is_taken = False
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

    def wait(self, heard: int, seconds: float) -> None:
        """Wait until whoever listens has stopped to since then."""
        with self._changed:
            self._changed.wait_for(lambda: self.heard != heard or not self._is_taken, seconds)


class Ears:
    """The ears of one process, by the records for which somebody waits."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_key: dict[str, _Ear] = {}

    def wait(self, key: str, seconds: float, has_changed: Callable[[], bool], listen: Callable[[float], bool]) -> None:
        """Return when the record has changed, or after ``seconds``.

        ``listen`` is called by one of all: it returns at a moment (monotonic seconds) at the latest, and tells whether
        the record has changed.
        """
        until = time.monotonic() + seconds
        with self._of(key) as ear:
            while (left := until - time.monotonic()) > 0:
                with ear.taken() as listens:
                    if listens and listen(until):
                        return
                if not listens:
                    heard = ear.heard
                    if has_changed():
                        return
                    ear.wait(heard, min(left, _LOOK_AGAIN))

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
