"""Things that must not be carried over a fork: locks, sockets, database connections."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class PerProcess(Generic[T]):
    """Makes its thing at the first use in each process, so after the fork and after gevent has patched.

    What a parent made is kept and left alone: to close it in the child would disturb the parent.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: dict[int, T] = {}

    def get(self) -> T:
        """Give this process' own."""
        made = self._made.get(pid := os.getpid())
        return self._made.setdefault(pid, self._make()) if made is None else made

    def made(self) -> T | None:
        """Give this process' own if it was ever used here."""
        return self._made.get(os.getpid())
