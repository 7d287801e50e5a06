"""Which sessions a person has, in a store that does not say who the person is."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Collection, Sequence

from ..errors import StoreError
from ..stores.protocol import Store
from ..tokens import as_text
from ..written import name, number

_ATTEMPTS = 32
_MOST = 1000
_BEGINS = 60.0

Listed = dict[str, float]


class PersonIndex:
    """Lists the handles of a person's sessions with their beginnings, under an HMAC-SHA256 of the subject.

    ``keys`` gives those of the moment: sessions are listed under the first, and found under all. ``lives`` is how long
    a session can live, in seconds. Every method raises ``StoreError``.
    """

    def __init__(self, store: Store, keys: Callable[[], Sequence[bytes]], lives: float) -> None:
        self._store = store
        self._keys = keys
        self._lives = lives

    def handles(self, subject: str | int) -> list[str]:
        """List them, in the order in which they began."""
        found: Listed = {}
        for place in self._places(subject):
            found.update(_decoded(self._store.read(place).value))
        return sorted(found, key=lambda handle: found[handle])

    def add(self, subject: str | int, handle: str, created_at: float) -> None:
        """List a session; the oldest make room."""
        first = self._places(subject)[0]
        self._change(first, lambda listed, now: dict(list({**listed, handle: created_at}.items())[-_MOST:]))

    def remove(self, subject: str | int, handles: Collection[str]) -> None:
        """Take sessions from the list."""
        for place in self._places(subject):
            self._change(place, lambda listed, now: {each: at for each, at in listed.items() if each not in handles})

    def tidy(self, subject: str | int, gone: Collection[str]) -> None:
        """Take sessions from the list that have no record, but for those that are just beginning."""
        for place in self._places(subject):
            self._change(
                place,
                lambda listed, now: {each: at for each, at in listed.items() if each not in gone or now < at + _BEGINS},
            )

    def _places(self, subject: str | int) -> list[str]:
        name = str(as_text(subject)).encode("utf-8", "surrogatepass")
        return [f"person:{hmac.digest(key, name, hashlib.sha256).hex()}" for key in self._keys()]

    def _change(self, place: str, change: Callable[[Listed, float], Listed]) -> None:
        for _ in range(_ATTEMPTS):
            entry = self._store.read(place)
            listed = _decoded(entry.value)
            after = change({handle: at for handle, at in listed.items() if entry.now < at + self._lives}, entry.now)
            if entry.value is None and not after:
                return
            if self._store.swap(place, entry.value, json.dumps(after).encode(), self._lives):
                return
        raise StoreError("the list of a person's sessions changed too often to be written")


def _decoded(value: bytes | None) -> Listed:
    """Read a list; what is none is an empty one, since nobody could sign in where it could not be written."""
    try:
        said = json.loads(value or b"{}")
        return {name(handle): number(at) for handle, at in said.items()}
    except (ValueError, AttributeError, RecursionError):
        return {}
