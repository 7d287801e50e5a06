"""How many calls go out at once from a process, and who comes first."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ..per_process import PerProcess


@dataclass(frozen=True)
class _Slots:
    all: threading.BoundedSemaphore
    idle: threading.BoundedSemaphore
    unvouched: threading.BoundedSemaphore


class Slots:
    """Lets ``most`` calls out at once from a process: half of them for tokens that nothing vouches for, a quarter for
    those whose access token is good, so that neither garbage nor refreshes that nobody waits for take them all.
    """

    def __init__(self, most: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        # Made when it is used: gevent may have replaced the semaphores by then.
        self._slots = PerProcess(
            lambda: _Slots(
                threading.BoundedSemaphore(most),
                threading.BoundedSemaphore(max(1, most // 4)),
                threading.BoundedSemaphore(max(1, most // 2)),
            )
        )

    def are_full(self) -> bool:
        """Tell whether who has a good token would get none just now."""
        with self.linger() as free:
            return not free

    @contextmanager
    def linger(self) -> Iterator[bool]:
        """Take a place among the refreshes that nobody waits for, for one whose answer is late; False at once."""
        idle = self._slots.get().idle
        free = idle.acquire(blocking=False)
        try:
            yield free
        finally:
            if free:
                idle.release()

    @contextmanager
    def take(self, *, good: bool, vouched: bool, seconds: float) -> Iterator[bool]:
        """Take a slot; False where none was free within ``seconds``, for who has a ``good`` token at once."""
        slots, until = self._slots.get(), self._monotonic() + seconds
        share = slots.idle if good else slots.all if vouched else slots.unvouched
        wanted = [share] if share is slots.all else [share, slots.all]
        taken: list[threading.BoundedSemaphore] = []
        try:
            for slot in wanted:
                left = 0.0 if good else max(0.0, until - self._monotonic())
                if not slot.acquire(timeout=left):
                    break
                taken.append(slot)
            yield len(taken) == len(wanted)
        finally:
            for slot in reversed(taken):
                slot.release()
