"""A store for one process."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ..arguments import callable_problems, whole_problems
from ..errors import ConfigurationError
from ..per_process import PerProcess
from .protocol import Entry

_OVERHEAD = 384
_SWEEP = 4


@dataclass
class _Records:
    """The records in the order in which they were written, and their keys in that in which they are looked through."""

    changed: threading.Condition = field(default_factory=threading.Condition)
    values: OrderedDict[str, tuple[bytes, float]] = field(default_factory=OrderedDict)
    to_sweep: OrderedDict[str, None] = field(default_factory=OrderedDict)
    size: int = 0


class MemoryStore:
    """Keeps the ledger in this process: for one worker, for tests, and where nothing else can be had.

    ``max_bytes`` bounds what it keeps; the records written longest ago make room. ``clock`` gives seconds
    since the epoch. Raises ``ConfigurationError`` for a bound that holds nothing.
    """

    def __init__(self, *, max_bytes: int = 64 * 2**20, clock: Callable[[], float] = time.time) -> None:
        problems = [*whole_problems("max_bytes", max_bytes), *callable_problems("clock", clock)]
        if not problems and max_bytes < 2**16:
            problems = [f"max_bytes is {max_bytes}; give it at least {2**16}"]
        if problems:
            raise ConfigurationError([f"MemoryStore: {problem}" for problem in problems])
        self._max_bytes = max_bytes
        self._clock = clock
        self._records = PerProcess(_Records)

    def __repr__(self) -> str:
        return "MemoryStore()"

    def read(self, key: str) -> Entry:
        """Read a record and the store's clock."""
        records, now = self._records.get(), self._clock()
        with records.changed:
            return Entry(_living(records, key, now), now)

    def swap(self, key: str, old: bytes | None, new: bytes, lives: float) -> bool:
        """Write ``new`` only where ``old`` still stands (None: where nothing stands), and tell whether it did."""
        records, now = self._records.get(), self._clock()
        with records.changed:
            if _living(records, key, now) != old:
                return False
            _drop(records, key)
            if lives > 0:
                _put(records, key, new, now + lives)
            _make_room(records, self._max_bytes, now)
            records.changed.notify_all()
        return True

    def touch(self, key: str, lives: float) -> None:
        """Let a record live for ``lives`` seconds from now; nothing where there is none."""
        records, now = self._records.get(), self._clock()
        with records.changed:
            value = _living(records, key, now)
            if value is not None and lives > 0:
                records.values[key] = (value, now + lives)
                records.values.move_to_end(key)
            else:
                _drop(records, key)
                records.changed.notify_all()

    def wait(self, key: str, seen: bytes, seconds: float) -> Entry | None:
        """Give the record when it is no longer ``seen``; None after ``seconds``."""
        records = self._records.get()
        with records.changed:
            records.changed.wait_for(lambda: _living(records, key, self._clock()) != seen, seconds)
        entry = self.read(key)
        return None if entry.value == seen else entry


def _living(records: _Records, key: str, now: float) -> bytes | None:
    value, dies = records.values.get(key, (None, 0.0))
    return value if now < dies else None


def _put(records: _Records, key: str, value: bytes, dies: float) -> None:
    records.values[key], records.to_sweep[key] = (value, dies), None
    records.size += len(value) + _OVERHEAD


def _drop(records: _Records, key: str) -> None:
    value, _ = records.values.pop(key, (None, 0.0))
    if value is not None:
        del records.to_sweep[key]
        records.size -= len(value) + _OVERHEAD


def _make_room(records: _Records, most_bytes: int, now: float) -> None:
    """Drop the dead among a few, in turns, so that no living one makes room for many dead; then the oldest."""
    for key in _first(records.to_sweep, _SWEEP):
        records.to_sweep.move_to_end(key)
        if _living(records, key, now) is None:
            _drop(records, key)
    while records.size > most_bytes:
        _drop(records, next(iter(records.values)))


def _first(keys: Iterable[str], count: int) -> list[str]:
    return [key for key, _ in zip(keys, range(count), strict=False)]
