"""Which sessions a person has, in a store that does not say who the person is."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Collection

from ..errors import StoreError
from ..stores.protocol import Store
from ..written import name, number

_ATTEMPTS = 32
_MOST = 1000
_BEGINS = 60.0

Listed = dict[str, float]


class PersonIndex:
    """Lists the handles of a person's sessions with their beginnings, under an HMAC-SHA256 of the subject.

    ``lives`` is how long a session can live, in seconds. Every method raises ``StoreError``.
    """

    def __init__(self, store: Store, key: bytes, lives: float) -> None:
        self._store = store
        self._key = key
        self._lives = lives

    def handles(self, subject: str | int) -> list[str]:
        """List them, in the order in which they began."""
        return list(_decoded(self._store.read(self._place(subject)).value))

    def add(self, subject: str | int, handle: str, created_at: float) -> None:
        """List a session; the oldest make room."""
        self._change(subject, lambda listed, now: dict(list({**listed, handle: created_at}.items())[-_MOST:]))

    def remove(self, subject: str | int, handles: Collection[str]) -> None:
        """Take sessions from the list."""
        self._change(subject, lambda listed, now: {each: at for each, at in listed.items() if each not in handles})

    def tidy(self, subject: str | int, gone: Collection[str]) -> None:
        """Take sessions from the list that have no record, but for those that are just beginning."""
        self._change(
            subject,
            lambda listed, now: {each: at for each, at in listed.items() if each not in gone or now < at + _BEGINS},
        )

    def _place(self, subject: str | int) -> str:
        return f"person:{hmac.digest(self._key, str(subject).encode('utf-8', 'surrogatepass'), hashlib.sha256).hex()}"

    def _change(self, subject: str | int, change: Callable[[Listed, float], Listed]) -> None:
        place = self._place(subject)
        for _ in range(_ATTEMPTS):
            entry = self._store.read(place)
            listed = _decoded(entry.value)
            living = {handle: at for handle, at in listed.items() if entry.now < at + self._lives}
            if self._store.swap(place, entry.value, json.dumps(change(living, entry.now)).encode(), self._lives):
                return
        raise StoreError("the list of a person's sessions changed too often to be written")


def _decoded(value: bytes | None) -> Listed:
    """Read a list; what is none is an empty one, since nobody could sign in where it could not be written."""
    try:
        said = json.loads(value or b"{}")
        return {name(handle): number(at) for handle, at in said.items()}
    except (ValueError, AttributeError, RecursionError):
        return {}
