"""Memory and SQLite keep the contract of stores, each with what only it can show."""

from __future__ import annotations

import multiprocessing
import time

import pytest

from tests.contract.stores import NO_TIME, NOW, PATIENCE, StoreContract, in_threads
from wsgi_token_refresh.errors import ConfigurationError
from wsgi_token_refresh.stores.memory import MemoryStore
from wsgi_token_refresh.stores.sqlite import SqliteStore

# On Python 3.12 and later a fork with threads around warns; what is forked here touches none of them.
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def store(self, clock):
        return MemoryStore(clock=clock)

    def test_is_bounded_in_bytes(self, clock):
        store = MemoryStore(max_bytes=2**16, clock=clock)
        for n in range(1000):
            assert store.swap(f"k{n}", None, b"x" * 1000, 10)
        kept = [n for n in range(1000) if store.read(f"k{n}").value is not None]
        assert kept == list(range(kept[0], 1000))
        assert 40 < len(kept) <= 2**16 / 1000

    def test_the_record_that_is_written_is_kept(self, clock):
        store = MemoryStore(max_bytes=2**16, clock=clock)
        store.swap("old", None, b"x", 10)
        for n in range(1000):
            store.swap(f"k{n}", None, b"x" * 1000, 10)
            store.touch("old", 10)
        assert store.read("old").value == b"x"

    def test_the_dead_make_room_first(self, clock):
        store = MemoryStore(max_bytes=2**16, clock=clock)
        for n in range(40):
            store.swap(f"dead{n}", None, b"x" * 1000, 1)
        clock.now += 1
        for n in range(40):
            store.swap(f"k{n}", None, b"x" * 1000, 10)
        assert all(store.read(f"k{n}").value for n in range(40))

    def test_the_dead_make_room_wherever_they_lie(self, clock):
        store = MemoryStore(max_bytes=2**16, clock=clock)
        for n in range(5):
            store.swap(f"living{n}", None, b"x" * 1000, 1000)
        for n in range(35):
            store.swap(f"dead{n}", None, b"x" * 1000, 1)
        clock.now += 1
        for n in range(35):
            store.swap(f"k{n}", None, b"x" * 1000, 10)
        assert all(store.read(f"living{n}").value for n in range(5))

    def test_a_record_that_ends_is_noticed_by_who_waits(self, clock):
        store = MemoryStore(clock=clock)
        store.swap("k", None, b"one", 10)
        assert in_threads(2, lambda n: store.touch("k", 0) if n else store.wait("k", b"one", PATIENCE).value) == [
            None,
            None,
        ]

    def test_a_bound_that_holds_nothing_is_refused(self):
        with pytest.raises(ConfigurationError, match="max_bytes"):
            MemoryStore(max_bytes=100)


def rows_in(store):
    with store._connection() as connection:
        return connection.execute("SELECT count(*) FROM records").fetchone()[0]


def _write_from_elsewhere(path, ready):
    store = SqliteStore(path, clock=lambda: NOW)
    ready.wait(PATIENCE)
    store.swap("k", b"one", b"two", 10)
    store.close()


def _race_from_elsewhere(path, start, wins):
    store = SqliteStore(path, clock=lambda: NOW)
    start.wait(PATIENCE)
    for n in range(50):
        if store.swap(f"race{n}", None, b"x", 10):
            with wins.get_lock():
                wins.value += 1
    store.close()


class TestSqliteStore(StoreContract):
    @pytest.fixture
    def store(self, clock, tmp_path):
        store = SqliteStore(tmp_path / "ledger.sqlite", clock=clock)
        yield store
        store.close()

    def test_another_store_on_the_file_sees_the_same(self, store, clock, tmp_path):
        other = SqliteStore(tmp_path / "ledger.sqlite", clock=clock)
        store.swap("k", None, b"one", 10)
        assert other.read("k").value == b"one"
        assert not other.swap("k", None, b"two", 10)
        other.close()

    def test_a_wait_ends_when_another_process_writes(self, store, tmp_path):
        store.swap("k", None, b"one", 10)
        context = multiprocessing.get_context("spawn")
        ready = context.Event()
        process = context.Process(target=_write_from_elsewhere, args=(tmp_path / "ledger.sqlite", ready))
        process.start()
        ready.set()
        began = time.monotonic()
        store.wait("k", b"one", 4 * PATIENCE)
        assert store.read("k").value == b"two"
        assert time.monotonic() - began < 3 * PATIENCE
        process.join(PATIENCE)

    def test_of_many_processes_one_wins(self, store, tmp_path):
        context = multiprocessing.get_context("spawn")
        start, wins = context.Event(), context.Value("i", 0)
        processes = [
            context.Process(target=_race_from_elsewhere, args=(tmp_path / "ledger.sqlite", start, wins))
            for _ in range(2)
        ]
        for process in processes:
            process.start()
        start.set()
        for process in processes:
            process.join(4 * PATIENCE)
        assert wins.value == 50

    def test_what_was_written_is_there_after_a_restart(self, store, clock, tmp_path):
        store.swap("k", None, b"one", 10)
        store.close()
        again = SqliteStore(tmp_path / "ledger.sqlite", clock=clock)
        assert again.read("k").value == b"one"
        again.close()

    def test_can_be_used_after_it_was_closed(self, store):
        store.close()
        assert store.swap("k", None, b"one", 10)

    def test_the_dead_are_swept_out(self, store, clock, tmp_path):
        for n in range(100):
            store.swap(f"dead{n}", None, b"x", 1)
        clock.now += 1
        for n in range(64):
            store.swap(f"k{n}", None, b"x", 10)
        assert rows_in(store) == 64

    @pytest.mark.parametrize("lives", NO_TIME)
    def test_what_lives_for_no_time_leaves_no_row(self, store, lives):
        store.swap("k", None, b"one", 10)
        store.touch("k", lives)
        assert rows_in(store) == 0
        store.swap("k", None, b"one", lives)
        assert rows_in(store) == 0

    def test_threads_share_no_connection_at_a_time(self, store):
        def work(n):
            return all(store.swap(f"{n}-{i}", None, b"x", 10) and store.read(f"{n}-{i}").value for i in range(20))

        assert all(in_threads(6, work))
