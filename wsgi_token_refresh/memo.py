"""A bounded memo without a lock."""

from __future__ import annotations

from typing import Generic, TypeVar

V = TypeVar("V")
_SAMPLED = 128


class Memo(Generic[V]):
    """Remembers the entries used last, in two halves: a full young half becomes the old one, and that is forgotten.

    ``most_bytes`` bounds what the entries say they weigh. Every step is one dict operation, so threads may race:
    they lose an entry at worst, and it is made again.

    Keys are long, and each request brings its own copy: to hash all of it costs more than everything else that a
    passing request does. So a sample is hashed, and the whole is compared; of two keys with one sample, the last
    is remembered.
    """

    def __init__(self, most_bytes: int = 4 * 2**20) -> None:
        self._half = most_bytes // 2
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._young: dict[str, tuple[str, V, int]] = {}
        self._old: dict[str, tuple[str, V, int]] = {}
        self._weight = 0

    def get(self, key: str) -> V | None:
        """Give what is remembered under ``key``."""
        sample = key[:: 1 + len(key) // _SAMPLED]
        found = self._young.get(sample)
        if found is not None and found[0] == key:
            return found[1]
        found = self._old.get(sample)
        if found is None or found[0] != key:
            return None
        self._old.pop(sample, None)
        self.put(*found)
        return found[1]

    def put(self, key: str, value: V, weight: int) -> None:
        """Remember ``value``, which takes about ``weight`` bytes together with its key."""
        if self._weight + weight > self._half:
            self._old, self._young, self._weight = self._young, {}, 0
        self._young[key[:: 1 + len(key) // _SAMPLED]] = (key, value, weight)
        self._weight += weight
