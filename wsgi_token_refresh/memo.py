"""Bounded memos without a lock."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Generic, TypeVar

V = TypeVar("V")
_SAMPLED = 128
_GENERATIONS = 4

Key = str | bytes


def sample(key: Key) -> Key:
    """Give every so many characters of a key one, so that 64 to 127 are left of a long one.

    Keys are long, and each request brings its own copy: to hash all of it costs more than everything else that a
    passing request does.
    """
    return key[:: 1 + len(key) // _SAMPLED]


def digest(text: str) -> bytes:
    """Give a key of 32 bytes that stands for a long text (SHA-256), so that what is kept does not grow with it."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


class Samples(Generic[V]):
    """Remembers values by samples of their keys, those used last, in four generations.

    A full generation makes the others older, and the oldest go. ``most_bytes`` bounds what the entries say they weigh;
    what fits into a quarter of it is never forgotten. Every step is one dict operation, so threads may race: they lose
    an entry at worst, and it is made again.
    """

    def __init__(self, most_bytes: int = 4 * 2**20) -> None:
        self._share = most_bytes // _GENERATIONS
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._young: dict[Key, tuple[V, int]] = {}
        self._older: tuple[dict[Key, tuple[V, int]], ...] = tuple({} for _ in range(_GENERATIONS - 1))
        self._weight = 0

    @property
    def generations(self) -> tuple[Mapping[Key, tuple[V, int]], ...]:
        """Show what is remembered, with what it weighs, from the young to the old."""
        return (self._young, *self._older)

    def at(self, sample: Key) -> V | None:
        """Give what is remembered under a sample: the caller is to see whether it is of the same key."""
        found = self._young.get(sample)
        return found[0] if found is not None else self._made_young(sample)

    def put_at(self, sample: Key, value: V, weight: int) -> None:
        """Remember ``value``, which takes about ``weight`` bytes together with its sample."""
        if self._weight + weight > self._share:
            self._older, self._young, self._weight = (self._young, *self._older[:-1]), {}, 0
        self._young[sample] = (value, weight)
        self._weight += weight

    def _made_young(self, sample: Key) -> V | None:
        for generation in self._older:
            found = generation.pop(sample, None)
            if found is not None:
                self.put_at(sample, *found)
                return found[0]
        return None


class Memo(Generic[V]):
    """Remembers values by their keys, as :class:`Samples` does: of two keys with one sample, the last."""

    def __init__(self, most_bytes: int = 4 * 2**20) -> None:
        self._samples: Samples[tuple[Key, V]] = Samples(most_bytes)

    def clear(self) -> None:
        """Forget everything."""
        self._samples.clear()

    def get(self, key: Key) -> V | None:
        """Give what is remembered under ``key``."""
        found = self._samples.at(sample(key))
        return found[1] if found is not None and found[0] == key else None

    def put(self, key: Key, value: V, weight: int) -> None:
        """Remember ``value``, which takes about ``weight`` bytes together with its key."""
        self._samples.put_at(sample(key), (key, value), weight)
