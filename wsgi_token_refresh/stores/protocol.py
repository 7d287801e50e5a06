"""What workers and hosts share: a few small records with a compare-and-set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Entry:
    """What a store holds under a key: ``value`` (None for nothing), read at ``now`` of the store's own clock."""

    value: bytes | None
    now: float


class Store(Protocol):
    """Records of a few kilobytes under short keys; every method raises ``StoreError`` when the store is down.

    Durations are seconds. A record is gone once it has lived for ``lives`` seconds, at once if these are none. What a
    call costs does not grow with what lies in the store.
    """

    def read(self, key: str) -> Entry:
        """Read a record and the store's clock."""

    def swap(self, key: str, old: bytes | None, new: bytes, lives: float) -> bool:
        """Write ``new`` only where ``old`` still stands (None: where nothing stands), and tell whether it did."""

    def touch(self, key: str, lives: float) -> None:
        """Let a record live for ``lives`` seconds from now; nothing where there is none."""

    def wait(self, key: str, seen: bytes, seconds: float) -> Entry | None:
        """Give the record when it is no longer ``seen``; None after ``seconds``."""
