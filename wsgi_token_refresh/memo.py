"""A bounded memo without a lock."""

from __future__ import annotations

from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Memo(Generic[K, V]):
    """Remembers the entries used last, in two halves: a full young half becomes the old one, and that is forgotten.

    ``most_bytes`` bounds what the entries say they weigh. Every step is one dict operation, so threads may race:
    they lose an entry at worst, and it is made again.
    """

    def __init__(self, most_bytes: int = 4 * 2**20) -> None:
        self._half = most_bytes // 2
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._young: dict[K, tuple[V, int]] = {}
        self._old: dict[K, tuple[V, int]] = {}
        self._weight = 0

    def get(self, key: K) -> V | None:
        """Give what is remembered under ``key``."""
        found = self._young.get(key)
        if found is not None:
            return found[0]
        found = self._old.pop(key, None)
        if found is None:
            return None
        self.put(key, *found)
        return found[0]

    def put(self, key: K, value: V, weight: int) -> None:
        """Remember ``value``, which takes about ``weight`` bytes together with its key."""
        if self._weight + weight > self._half:
            self._old, self._young, self._weight = self._young, {}, 0
        self._young[key] = (value, weight)
        self._weight += weight
