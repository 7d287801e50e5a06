"""Keeping a SQLite file as small as what lives in it, at a cost that does not grow with what lies there."""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

_EVERY = 8
"""Writes of a process between two steps."""
_ROWS = 32
"""Rows that a step looks at: four for each write, of which at most one adds a row, so the dead stay a minority."""
_LARGEST_LOG = 64 * 2**20
"""Bytes of the write-ahead log; each read searches all of it."""


class Upkeep:
    """Takes a small step with every eighth write of one process; ``path`` is that of the database.

    A step finds the dead among a few rows by a read, which holds nobody up, and takes the write lock for these alone,
    and only where there are any. So there is no index of when records die, which every write would have to keep.
    """

    def __init__(self, path: Path) -> None:
        self._log = f"{path}-wal"
        self._writes = 0
        self._at: int | None = None

    def after_write(self, connection: sqlite3.Connection, now: float) -> None:
        """Take a step if it is time for one; what others have locked just now is left for the next."""
        self._writes += 1
        if self._writes % _EVERY == 0:
            # The write is done, so whatever this says must not be said of it.
            with suppress(sqlite3.Error, OSError):
                self._sweep(connection, now)
                self._begin_log_anew(connection)

    def _sweep(self, connection: sqlite3.Connection, now: float) -> None:
        at = _somewhere(connection) if self._at is None else self._at
        rows = connection.execute(
            "SELECT rowid, dies FROM records WHERE rowid > ? ORDER BY rowid LIMIT ?", (at, _ROWS)
        ).fetchall()
        self._at = rows[-1][0] if len(rows) == _ROWS else 0
        _take_out(connection, [rowid for rowid, dies in rows if dies <= now], now)

    def _begin_log_anew(self, connection: sqlite3.Connection) -> None:
        """SQLite does so when nobody writes for a moment, and where several processes always do, never."""
        if os.stat(self._log).st_size > _LARGEST_LOG:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()


def _somewhere(connection: sqlite3.Connection) -> int:
    """Choose where a process begins: workers that are often made anew must not all sweep the same rows."""
    last = connection.execute("SELECT max(rowid) FROM records").fetchone()[0]
    return random.randint(-_ROWS, last or 0)  # noqa: S311


def _take_out(connection: sqlite3.Connection, dead: Sequence[int], now: float) -> None:
    if dead:
        places = ", ".join("?" * len(dead))
        # Somebody may have written one of them anew since it was read.
        connection.execute(f"DELETE FROM records WHERE rowid IN ({places}) AND dies <= ?", (*dead, now))  # noqa: S608
