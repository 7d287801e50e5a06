"""What keeps a SQLite file small costs a write the same whatever lies there, and holds nobody up."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import pytest

from wsgi_token_refresh.stores.sqlite import SqliteStore
from wsgi_token_refresh.stores.upkeep import Upkeep

NOW = 1_700_000_000.0
_STEP = 8


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def store(path):
    store = SqliteStore(path, clock=lambda: NOW)
    yield store
    store.close()


def fill(path, count, *, dies, size=100):
    connection = sqlite3.connect(path)
    rows = ((f"{dies}-{n}", b"x" * size, dies) for n in range(count))
    connection.executemany("INSERT INTO records VALUES (?, ?, ?)", rows)
    connection.commit()
    connection.close()


def dead_in(path):
    connection = sqlite3.connect(path)
    found = connection.execute("SELECT count(*) FROM records WHERE dies <= ?", (NOW,)).fetchone()[0]
    connection.close()
    return found


def most_steps_of_a_write(store, writes):
    """Count the steps of SQLite's machine, in tens: what a statement reads, it reads by these."""
    taken = [0]

    def count():
        taken[0] += 1

    most = 0
    for n in range(writes):
        with store._connection() as connection:
            connection.set_progress_handler(count, 10)
        taken[0] = 0
        store.swap(f"new{n}", None, b"x", 10)
        most = max(most, taken[0])
    return most


@pytest.mark.parametrize(
    "dies",
    [
        pytest.param(NOW + 1000, id="that live"),
        pytest.param(NOW - 1000, id="that are dead"),
    ],
)
def test_a_write_costs_the_same_in_front_of_a_few_records_and_of_many(store, path, dies):
    fill(path, 200, dies=dies)
    few = most_steps_of_a_write(store, 64)
    fill(path, 20_000, dies=dies + 1)
    many = most_steps_of_a_write(store, 64)
    assert 0 < many <= 1.5 * few


def test_the_dead_go_although_most_records_live(store, path):
    fill(path, 1000, dies=NOW + 1000)
    fill(path, 100, dies=NOW - 1000)
    for n in range(400):
        store.swap(f"new{n}", None, b"x", 10)
    assert dead_in(path) == 0


def test_workers_that_are_often_made_anew_sweep_all_of_it(store, path):
    fill(path, 500, dies=NOW - 1000)
    with store._connection() as connection:
        for _ in range(800):
            upkeep = Upkeep(path)
            for _ in range(_STEP):
                upkeep.after_write(connection, NOW)
    assert dead_in(path) == 0


def test_a_record_that_was_written_anew_since_it_was_read_stays(path, store):
    class Reads(sqlite3.Connection):
        def execute(self, statement, values=()):
            if statement.startswith("DELETE"):
                other.execute("UPDATE records SET dies = ?", (NOW + 1,))
            return super().execute(statement, values)

    fill(path, 1, dies=NOW - 1)
    connection = sqlite3.connect(path, factory=Reads, isolation_level=None)
    other = sqlite3.connect(path, isolation_level=None)
    upkeep = Upkeep(path)
    for _ in range(20 * _STEP):
        upkeep.after_write(connection, NOW)
    assert connection.execute("SELECT count(*) FROM records").fetchone() == (1,)
    connection.close()
    other.close()


def test_a_write_that_is_done_does_not_fail_because_others_write(store, path):
    fill(path, 100, dies=NOW - 1000)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    with store._connection() as connection:
        upkeep = Upkeep(path)
        for _ in range(8 * _STEP):
            upkeep.after_write(connection, NOW)
    assert time.monotonic() - began < 2, "nobody waits for it either"
    other.rollback()
    other.close()
    assert dead_in(path) == 100


def test_a_write_that_is_done_does_not_fail_because_the_file_vanished(path):
    connection = sqlite3.connect(path.parent / "other.sqlite", isolation_level=None)
    upkeep = Upkeep(path)
    for _ in range(2 * _STEP):
        upkeep.after_write(connection, NOW)
    connection.close()


def test_a_log_that_is_never_begun_anew_is_begun_anew(store, path, monkeypatch):
    monkeypatch.setattr("wsgi_token_refresh.stores.upkeep._LARGEST_LOG", 2**16)
    log, longest = Path(f"{path}-wal"), 0
    with store._connection() as connection:
        # As where other processes write all the time, so that SQLite never finds the moment.
        connection.execute("PRAGMA wal_autocheckpoint = 0")
    for n in range(200):
        store.swap(f"k{n}", None, b"x" * 3000, 10)
        longest = max(longest, log.stat().st_size)
    assert 2**16 < longest < 5 * 2**16
