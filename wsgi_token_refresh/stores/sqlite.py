"""A store for the workers of one host."""

from __future__ import annotations

import os
import random
import sqlite3
import stat
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path

from ..arguments import callable_problems, path_problems
from ..errors import ConfigurationError, StoreError
from ..per_process import PerProcess
from .protocol import Entry
from .upkeep import Upkeep
from .waiting import Ears

_SCHEMA = "CREATE TABLE IF NOT EXISTS records (key TEXT PRIMARY KEY, value BLOB NOT NULL, dies REAL NOT NULL)"
_BEGIN = """
INSERT INTO records VALUES (:key, :new, :dies) ON CONFLICT (key) DO UPDATE
SET value = excluded.value, dies = excluded.dies WHERE dies <= :now
"""
_FOLLOW = "UPDATE records SET value = :new, dies = :dies WHERE key = :key AND value = :old AND dies > :now"
_POLL = 0.005
_BUSY_FOR = 0.4
# Who always polled after the same time would find the lock taken by the same one again.
_BUSY_POLL = (0.0002, 0.003)
_SUFFIXES = ("", "-wal", "-shm")
_File = tuple[int, int]
_Values = tuple[object, ...] | Mapping[str, object]


@dataclass
class _Open:
    connection: sqlite3.Connection
    files: tuple[_File | None, ...]


@dataclass
class _Process:
    path: Path
    idle: deque[_Open] = field(default_factory=deque)
    changed: threading.Condition = field(default_factory=threading.Condition)
    ears: Ears = field(default_factory=Ears)
    upkeep: Upkeep = field(init=False)

    def __post_init__(self) -> None:
        self.upkeep = Upkeep(self.path)


class SqliteStore:
    """Keeps the ledger in a SQLite file, for all workers of one host.

    Without a ``path`` the file lies in ``$XDG_RUNTIME_DIR``, else in the temporary directory, in a directory
    of this user's own. ``clock`` gives seconds since the epoch. Raises ``ConfigurationError`` where the file
    cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None, *, clock: Callable[[], float] = time.time) -> None:
        problems = [*path_problems("path", path), *callable_problems("clock", clock)]
        if problems:
            raise ConfigurationError([f"SqliteStore: {problem}" for problem in problems])
        self._clock = clock
        self._is_own = path is None
        # A worker may run as another user than the process that made this, and then has another directory.
        self._process = PerProcess(lambda: _Process(_place(path)))
        self._shown = str(_place(path))
        try:
            _open(Path(self._shown)).connection.close()
        except (sqlite3.Error, OSError) as error:
            raise ConfigurationError(
                f"SqliteStore: {self._shown} cannot be written ({error}); "
                "give path= a file in a directory that exists and that the workers may write to"
            ) from error

    def __repr__(self) -> str:
        return f"SqliteStore({self._shown!r})"

    def __del__(self) -> None:
        # Not every attribute need be there: the constructor may have raised.
        if "_process" in self.__dict__:
            self.close()

    def close(self) -> None:
        """Close this process' idle connections; the next use opens new ones."""
        process = self._process.made()
        while process is not None and process.idle:
            process.idle.pop().connection.close()

    def read(self, key: str) -> Entry:
        """Read a record and the store's clock."""
        now = self._clock()
        with self._connection() as connection:
            row = _run(connection, "SELECT value FROM records WHERE key = ? AND dies > ?", (key, now)).fetchone()
        return Entry(None if row is None else row[0], now)

    def swap(self, key: str, old: bytes | None, new: bytes, lives: float) -> bool:
        """Write ``new`` only where ``old`` still stands (None: where nothing stands), and tell whether it did."""
        now = self._clock()
        with self._connection() as connection:
            process = self._process.get()
            values = {"key": key, "old": old, "new": new, "dies": now + lives, "now": now}
            written = _run(connection, _BEGIN if old is None else _FOLLOW, values)
            if lives <= 0:
                _run(connection, "DELETE FROM records WHERE key = ? AND dies <= ?", (key, now))
            process.upkeep.after_write(connection, now)
        with process.changed:
            process.changed.notify_all()
        return written.rowcount == 1

    def touch(self, key: str, lives: float) -> None:
        """Let a record live for ``lives`` seconds from now; nothing where there is none."""
        now = self._clock()
        with self._connection() as connection:
            if lives <= 0:
                _run(connection, "DELETE FROM records WHERE key = ?", (key,))
            else:
                _run(connection, "UPDATE records SET dies = ? WHERE key = ? AND dies > ?", (now + lives, key, now))

    def wait(self, key: str, seen: bytes, seconds: float) -> Entry | None:
        """Give the record when it is no longer ``seen``; None after ``seconds``.

        Another process is noticed within 5 ms, another thread of this one at once. Of those who wait in one process
        for one record one looks, and tells the others.
        """
        return self._process.get().ears.wait(
            key, seen, seconds, read=lambda: self.read(key), listening=lambda: nullcontext(self._pause)
        )

    def _pause(self, seconds: float) -> None:
        changed = self._process.get().changed
        with changed:
            changed.wait(min(_POLL, seconds))

    def _open(self, process: _Process) -> _Open:
        if self._is_own:
            # Whoever cleans up at the end of a login session takes the directory too.
            _own_directory()
        return _open(process.path)

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        opened = None
        try:
            process = self._process.get()
            opened = _idle_one(process) or self._open(process)
            yield opened.connection
        except (sqlite3.Error, OSError, ConfigurationError) as error:
            if opened is not None:
                opened.connection.close()
            raise StoreError(f"{self!r}: {error}") from error
        process.idle.append(opened)


def _idle_one(process: _Process) -> _Open | None:
    while True:
        try:
            opened = process.idle.pop()
        except IndexError:
            return None
        found = _files(process.path)
        if opened.files == found:
            return opened
        # A cleaner of temporary files may have taken ours: others have a new one by now.
        if opened.files[0] == found[0]:
            _give_up(process.path)
        opened.connection.close()


def _give_up(path: Path) -> None:
    """Take away a database that lost a file on which its processes agree: they would see each other's writes no more.

    Closing a connection writes into the database, so that must not be the one that others go on with.
    """
    for suffix in _SUFFIXES:
        with suppress(FileNotFoundError):
            os.unlink(f"{path}{suffix}")


def _place(path: str | os.PathLike[str] | None) -> Path:
    return _own_directory() / "ledger.sqlite" if path is None else Path(path)


def _open(path: Path) -> _Open:
    # Any thread may use a connection, one at a time. Waiting for a lock is ours: SQLite's would stall gevent's hub.
    connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    try:
        for statement in ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL", _SCHEMA):
            _run(connection, statement).close()
        os.chmod(path, 0o600)
        found = _files(path)
        if None in found:
            raise OSError("the file vanished while it was opened")
    except BaseException:
        connection.close()
        raise
    return _Open(connection, found)


def _run(connection: sqlite3.Connection, statement: str, values: _Values = ()) -> sqlite3.Cursor:
    until = time.monotonic() + _BUSY_FOR
    while True:
        try:
            return connection.execute(statement, values)
        except sqlite3.OperationalError as error:
            if not _is_busy(error) or time.monotonic() > until:
                raise
        time.sleep(random.uniform(*_BUSY_POLL))  # noqa: S311


def _is_busy(error: sqlite3.OperationalError) -> bool:
    return "locked" in str(error) or "busy" in str(error)


def _files(path: Path) -> tuple[_File | None, ...]:
    """Name the database and the two side files by which its processes agree; None for one that is not there."""
    return tuple(_file(f"{path}{suffix}") for suffix in _SUFFIXES)


def _file(path: str) -> _File | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _own_directory() -> Path:
    user = getattr(os, "getuid", lambda: 0)()
    directory = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()) / f"wsgi-token-refresh-{user}"
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
        found = directory.lstat()
    except OSError as error:
        raise ConfigurationError(f"SqliteStore: {directory} cannot be made ({error}); give path= a file") from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != user or stat.S_IMODE(found.st_mode) & 0o077:
        raise ConfigurationError(
            f"SqliteStore: {directory} must be a directory of this user's own with mode 0700; "
            "remove what is there, or give path= a file in another directory"
        )
    return directory
