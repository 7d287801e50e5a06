"""What a SQLite file does that is full: a copy of it for each measurement, real refreshes by several processes."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from wsgi_token_refresh.stores.sqlite import SqliteStore

from .recording import opaque, refresh, refresher

RECORDS = (0, 1_000_000, 3_000_000)
PROCESSES = (1, 8)
_SIZE = 900
"""Bytes of a record."""
_SESSIONS = 50
_ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Full:
    """Refreshes a second by so many processes, milliseconds of one, and of the writes in them; ``failed`` in all."""

    records: int
    processes: int
    rate: float
    p50: float
    p99: float
    longest: float
    write_p99: float
    longest_write: float
    failed: int


def measure(records: tuple[int, ...] = RECORDS, *, seconds: float) -> list[Full]:
    """Measure in front of so many records, all of which live."""
    found = []
    with tempfile.TemporaryDirectory() as directory:
        for count in records:
            full = Path(directory) / "full.sqlite"
            full.unlink(missing_ok=True)
            _fill(full, count)
            for processes in PROCESSES:
                place = Path(directory) / "ledger.sqlite"
                shutil.copyfile(full, place)
                # What was copied is written to the disk at its leisure, and not while others wait for theirs.
                os.sync()
                found.append(_side_by_side(place, count, processes, seconds))
                for file in Path(directory).glob("ledger.sqlite*"):
                    file.unlink()
    return found


def _fill(path: Path, count: int) -> None:
    SqliteStore(path).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -1000000")
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO records VALUES (?, ?, ?)", _rows(count))
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()


def _rows(count: int) -> Iterator[tuple[str, bytes, float]]:
    dies, noise = time.time() + 86_400, os.urandom(2 * _SIZE)
    for number in range(count):
        start = number % _SIZE
        yield f"row:{secrets.token_hex(32)}", noise[start : start + _SIZE], dies


def _side_by_side(place: Path, records: int, processes: int, seconds: float) -> Full:
    command = [sys.executable, "-c", f"from bench.full_store import work; work({str(place)!r}, {seconds})"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    running = [subprocess.Popen(command, cwd=_ROOT, text=True, **pipes) for _ in range(processes)]  # type: ignore[call-overload]
    for each in running:
        each.stdout.readline()
    for each in running:
        each.stdin.close()
    said = [json.loads(each.stdout.read()) for each in running]
    if any(each.wait() for each in running):
        raise RuntimeError("a process failed")
    took, wrote = (sorted(each for one in said for each in one[what]) for what in ("took", "wrote"))
    failed = sum(one["failed"] for one in said)
    rate = (len(took) - failed) / seconds
    return Full(
        records, processes, rate, _at(took, 0.5), _at(took, 0.99), took[-1], _at(wrote, 0.99), wrote[-1], failed
    )


def _at(values: list[float], share: float) -> float:
    return values[int(len(values) * share)]


class _Timed(SqliteStore):
    """Keeps how long each write took, in milliseconds."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.wrote: list[float] = []

    def swap(self, key: str, old: bytes | None, new: bytes, lives: float) -> bool:
        began = time.perf_counter()
        try:
            return super().swap(key, old, new, lives)
        finally:
            self.wrote.append(1000 * (time.perf_counter() - began))


def work(place: str, seconds: float) -> None:
    """Refresh some sessions in turns for so long, from when somebody closes stdin."""
    store = _Timed(place)
    refreshes = refresher(store)
    shown = [refresh(refreshes, opaque()) for _ in range(_SESSIONS)]
    store.wrote.clear()
    print("ready", flush=True)
    sys.stdin.read()
    took: list[float] = []
    failed, until = 0, time.perf_counter() + seconds
    while time.perf_counter() < until:
        began, number = time.perf_counter(), len(took) % _SESSIONS
        try:
            shown[number] = refresh(refreshes, shown[number])
        except RuntimeError:
            failed += 1
            shown[number] = opaque()
        took.append(1000 * (time.perf_counter() - began))
    store.close()
    print(json.dumps({"took": took, "wrote": store.wrote, "failed": failed}))
