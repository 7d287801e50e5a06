"""The keys of a kind of session, which may change while they are used: the last good ones count."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from ..arguments import is_unicode, kind_of
from ..secret_files import SecretList

Key = str | bytes
KeySource = Sequence[Key] | Callable[[], Sequence[Key]]
"""An ordered list of keys, or what gives it: the first writes, all read."""
OneKeySource = KeySource | Key | Callable[[], Key]
"""The same, where one key need not be a list."""

LOOK_EVERY = 1.0
"""Seconds after which a function is asked again, and a file is looked at by whoever reads."""
_QUIET = 60.0
_SHORTEST = 32

log = logging.getLogger("wsgi_token_refresh")


class Keys:
    """An ordered list of keys, said once or given anew by a function: the first writes, all read.

    ``faults`` says what is wrong with a list, and shows no key; with ``alone`` one key need not be a list. A function
    is asked now, then once a second at most; ``problems`` says what is wrong now. While it fails later, or gives what
    is no list of keys, the last good one counts, and a warning says so once a minute.
    """

    def __init__(
        self,
        owner: str,
        name: str,
        source: object,
        faults: Callable[[Sequence[object]], Iterable[str]],
        *,
        alone: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._owner = owner
        self._name = name
        self._faults = faults
        self._alone = alone
        self._monotonic = monotonic
        self._file = source if isinstance(source, SecretList) else None
        self._give: Callable[[], object] | None = source if callable(source) else None
        self._due, self._quiet_until = monotonic() + LOOK_EVERY, -_QUIET
        self._keys: tuple[bytes, ...] = ()
        self._keys, self.problems = self._read(source) if self._give is None else self._given(self._give)

    def lately(self) -> tuple[bytes, ...]:
        """Give the keys as they were a second ago, or later; the same object until they change."""
        if self._give is not None and self._monotonic() >= self._due:
            self._look(self._give)
        return self._keys

    def now(self) -> tuple[bytes, ...]:
        """Give the keys as a file has them now; those of a function as ``lately`` does."""
        if self._file is None:
            return self.lately()
        self._look(self._file)
        return self._keys

    def _look(self, give: Callable[[], object]) -> None:
        # Said first: while one request waits for a slow function, the others go on with what there is.
        self._due = self._monotonic() + LOOK_EVERY
        found, problems = self._given(give)
        if problems:
            self._warn(problems[0].partition(";")[0])
        elif found != self._keys:
            self._keys = found
            log.info("%s: %s changed, and %d count now", self._owner, self._name, len(found))

    def _given(self, give: Callable[[], object]) -> tuple[tuple[bytes, ...], list[str]]:
        try:
            given, settled = (give(), True) if self._file is None else self._file.look()
            found, problems = self._read(given)
        except Exception as error:  # whatever a function of somebody else's raises; its message may hold anything
            return (), [f"{self._name}: its function failed by {type(error).__name__}; let it give what is there"]
        if not found and not problems:
            return (), [f"{self._name} is empty; give what `wsgi-token-refresh keygen` prints, or leave it out"]
        # Who writes a file in pieces has not taken out yet what is still to come.
        return (found if settled else (*found, *(each for each in self._keys if each not in found))), problems

    def _read(self, given: object) -> tuple[tuple[bytes, ...], list[str]]:
        listed = (given,) if self._alone and isinstance(given, str | bytes) else given
        if isinstance(listed, str | bytes | bytearray | memoryview) or not isinstance(listed, Sequence):
            form = f"{self._name}=..." if self._alone else f"{self._name}=[...], the key that comes first"
            wanted = "neither text nor a list" if self._alone else "no list"
            return (), [f"{self._name} is {wanted} but {kind_of(given)}; give {form}"]
        problems = list(self._faults(listed))
        if problems:
            return (), problems
        return tuple(each.encode() if isinstance(each, str) else bytes(each) for each in listed), []

    def _warn(self, what: str) -> None:
        if self._monotonic() >= self._quiet_until:
            self._quiet_until = self._monotonic() + _QUIET
            where = "" if self._file is None else f" in {self._file.path!r}"
            log.warning("%s: %s%s; what counted before is used", self._owner, what, where)


def secret_faults(name: str, keys: Sequence[object]) -> Iterator[str]:
    """Say which of these keys are no secrets."""
    for number, key in enumerate(keys):
        named = name if len(keys) == 1 else f"{name}[{number}]"
        if not isinstance(key, str | bytes):
            yield f"{named} is no text but {kind_of(key)}; give what `wsgi-token-refresh keygen` prints"
        elif isinstance(key, str) and not is_unicode(key):
            yield f"{named} has half a character, which no text has; give what `wsgi-token-refresh keygen` prints"
        elif len(key) < _SHORTEST:
            yield f"{named} is too short for a secret; give what `wsgi-token-refresh keygen` prints"
