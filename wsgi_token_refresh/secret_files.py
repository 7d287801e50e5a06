"""Secrets in files that something else renews: each use has the one that the file holds then."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field

_SETTLED = 2_000_000_000
"""Nanoseconds after which a file system surely gives another write another time."""
_QUIET = 60.0

_log = logging.getLogger("wsgi_token_refresh")


@dataclass(frozen=True, slots=True)
class _Read:
    stamp: tuple[int, ...] | None
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
        try:
            self._read = self._read_anew(_stamp(self.path))
        except OSError as error:
            raise ValueError(f"{self.path!r} cannot be read ({error.strerror}); give the path of a file") from None

    def __call__(self) -> str:
        """Give the secret as it is now."""
        try:
            stamp = _stamp(self.path)
            if stamp != self._read.stamp:
                self._read = self._read_anew(stamp)
        except OSError as error:
            self._warn(f"{self.path!r} cannot be read ({error.strerror})")
        except ValueError as error:
            self._warn(str(error).partition(";")[0])
        return self._read.secret

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
        # What was written just now may be written once more within one tick of the file system's clock.
        return _Read(stamp if self._clock() - stamp[0] > _SETTLED else None, secret)

    def _warn(self, what: str) -> None:
        if self._monotonic() >= self._quiet_until:
            self._quiet_until = self._monotonic() + _QUIET
            _log.warning("%s; what it held before is used", what)


def _stamp(path: str) -> tuple[int, ...]:
    found = os.stat(path)
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino
