"""Secrets in files that something else renews: each use has the one that the file holds then."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field

_SETTLED = 2.0
"""Seconds after which a file system surely gives another write another time."""
_QUIET = 60.0

_log = logging.getLogger("wsgi_token_refresh")


@dataclass(frozen=True, slots=True)
class _Read:
    stamp: tuple[int, ...]
    settled: bool
    secret: str = field(repr=False)


class SecretFile:
    """A file with a secret: call it for the secret, less the line break at its end.

    Each call looks whether the file is another one, by one ``stat``, and reads it only then. While it is missing or
    empty, as it may be for a moment in which it is replaced, the last secret counts, and a warning says so once a
    minute. Raises ValueError at construction where nothing can be read.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        clock: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = os.fspath(path)
        self._clock = clock
        self._monotonic = monotonic
        self._quiet_until = -_QUIET
        self._seen: tuple[tuple[int, ...], float] = (), 0.0
        try:
            self._read = self._read_anew(_stamp(self.path))
        except OSError as error:
            raise ValueError(f"{self.path!r} cannot be read ({error.strerror}); give the path of a file") from None

    def __call__(self) -> str:
        """Give the secret as it is now."""
        return self.look()[0]

    def look(self) -> tuple[str, bool]:
        """Give the secret as it is now, and tell whether the file has settled: it is written in pieces, perhaps."""
        try:
            stamp = _stamp(self.path)
            if stamp != self._read.stamp or not self._read.settled:
                self._read = self._read_anew(stamp)
        except OSError as error:
            self._warn(f"{self.path!r} cannot be read ({error.strerror})")
        except ValueError as error:
            self._warn(str(error).partition(";")[0])
        read = self._read
        return read.secret, read.settled

    def __repr__(self) -> str:
        return f"SecretFile({self.path!r})"

    def _read_anew(self, stamp: tuple[int, ...]) -> _Read:
        with open(self.path, "rb") as file:
            content = file.read()
        try:
            secret = content.decode("utf-8-sig").removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError:
            raise ValueError(f"{self.path!r} is no text in UTF-8; give the path of a file with the secret") from None
        if not secret:
            raise ValueError(f"{self.path!r} is empty; give the path of a file with the secret")
        return _Read(stamp, self._has_settled(stamp), secret)

    def _has_settled(self, stamp: tuple[int, ...]) -> bool:
        """Tell whether the file is old: what was written just now may be written once more within one tick of a clock.

        The clock of a file system may be ahead of this host's: what has been the same for so long is old too.
        """
        seen, since = self._seen
        if seen != stamp:
            since = self._monotonic()
            self._seen = stamp, since
        return self._clock() - stamp[0] > _SETTLED * 1e9 or self._monotonic() - since > _SETTLED

    def _warn(self, what: str) -> None:
        if self._monotonic() >= self._quiet_until:
            self._quiet_until = self._monotonic() + _QUIET
            _log.warning("%s; what it held before is used", what)


class SecretList:
    """A file with several secrets, as ``split`` finds them in its text."""

    def __init__(self, file: SecretFile, split: Callable[[str], list[str]]) -> None:
        self.path = file.path
        self._file = file
        self._split = split

    def __call__(self) -> list[str]:
        """Give the secrets as they are now."""
        return self.look()[0]

    def __repr__(self) -> str:
        return f"SecretList({self.path!r})"

    def look(self) -> tuple[list[str], bool]:
        """Give the secrets as they are now, and tell whether the file has settled, as ``SecretFile.look`` does."""
        text, settled = self._file.look()
        return self._split(text), settled


def _stamp(path: str) -> tuple[int, ...]:
    found = os.stat(path)
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino
