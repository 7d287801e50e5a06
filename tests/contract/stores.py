"""What every store does; a test class inherits it and gives ``store`` a fixture."""

from __future__ import annotations

import os
import threading
import time

import pytest

NOW = 1_700_000_000.0
PATIENCE = 5.0
"""Seconds that nothing here takes, unless something is broken."""
NO_TIME = [pytest.param(0, id="0 s"), pytest.param(-1.5, id="less than 0 s")]


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def in_threads(count, work):
    """Run ``work(n)`` in threads that begin together, and give what each returned."""
    barrier, results = threading.Barrier(count), [None] * count

    def run(n):
        barrier.wait(PATIENCE)
        results[n] = work(n)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    return results


def in_child(work):
    """Run ``work()`` in a forked child; give whether it returned something true."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            code = 0 if work() else 1
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


class StoreContract:
    """``clock`` is the store's clock."""

    @pytest.fixture
    def clock(self):
        return Clock()

    def test_nothing_is_read_where_nothing_was_written(self, store, clock):
        entry = store.read("k")
        assert (entry.value, entry.now) == (None, clock.now)

    def test_what_was_written_is_read(self, store):
        assert store.swap("k", None, b"\x00one\xff", 10)
        assert store.read("k").value == b"\x00one\xff"

    def test_an_empty_value_is_a_value(self, store):
        assert store.swap("k", None, b"", 10)
        assert store.read("k").value == b""
        assert not store.swap("k", None, b"two", 10)

    def test_keys_do_not_touch_each_other(self, store):
        store.swap("k", None, b"one", 10)
        assert store.read("K").value is None
        assert store.swap("K", None, b"two", 10)
        assert store.read("k").value == b"one"

    def test_a_first_value_is_written_once(self, store):
        assert store.swap("k", None, b"one", 10)
        assert not store.swap("k", None, b"two", 10)
        assert store.read("k").value == b"one"

    def test_a_value_follows_the_one_that_was_seen(self, store):
        store.swap("k", None, b"one", 10)
        assert store.swap("k", b"one", b"two", 10)
        assert store.read("k").value == b"two"

    def test_a_value_follows_no_other(self, store):
        store.swap("k", None, b"one", 10)
        assert not store.swap("k", b"other", b"two", 10)
        assert not store.swap("nothing", b"one", b"two", 10)
        assert store.read("k").value == b"one"
        assert store.read("nothing").value is None

    def test_a_value_may_follow_itself(self, store):
        store.swap("k", None, b"one", 10)
        assert store.swap("k", b"one", b"one", 10)

    def test_a_record_lives_as_long_as_was_said(self, store, clock):
        store.swap("k", None, b"one", 10)
        clock.now += 9.9
        assert store.read("k").value == b"one"
        clock.now += 0.1
        assert store.read("k").value is None

    def test_a_swap_lets_it_live_anew(self, store, clock):
        store.swap("k", None, b"one", 10)
        clock.now += 9
        store.swap("k", b"one", b"two", 10)
        clock.now += 9
        assert store.read("k").value == b"two"

    def test_a_dead_record_is_nothing(self, store, clock):
        store.swap("k", None, b"one", 10)
        clock.now += 10
        assert not store.swap("k", b"one", b"two", 10)
        assert store.swap("k", None, b"three", 10)
        assert store.read("k").value == b"three"

    def test_a_touch_changes_its_life_and_not_its_value(self, store, clock):
        store.swap("k", None, b"one", 10)
        store.touch("k", 20)
        clock.now += 19
        assert store.read("k").value == b"one"
        store.touch("k", 0.5)
        clock.now += 0.5
        assert store.read("k").value is None

    @pytest.mark.parametrize("lives", NO_TIME)
    def test_a_touch_for_no_time_is_the_end(self, store, lives):
        store.swap("k", None, b"one", 10)
        store.touch("k", lives)
        assert store.read("k").value is None
        assert store.swap("k", None, b"two", 10)

    @pytest.mark.parametrize("lives", NO_TIME)
    def test_a_swap_for_no_time_leaves_nothing(self, store, lives):
        assert store.swap("k", None, b"one", lives)
        assert store.read("k").value is None
        store.swap("k", None, b"one", 10)
        assert not store.swap("k", b"other", b"two", lives)
        assert store.swap("k", b"one", b"two", lives)
        assert store.read("k").value is None

    def test_a_touch_wakes_nothing_that_is_dead(self, store, clock):
        store.touch("k", 10)
        assert store.read("k").value is None
        store.swap("k", None, b"one", 10)
        clock.now += 10
        store.touch("k", 10)
        assert store.read("k").value is None

    def test_a_wait_for_what_has_changed_is_over_at_once(self, store):
        store.swap("k", None, b"one", 10)
        began = time.monotonic()
        assert store.wait("k", b"other", PATIENCE).value == b"one"
        assert store.wait("nothing", b"one", PATIENCE).value is None
        assert time.monotonic() - began < PATIENCE / 2

    def test_a_wait_for_what_stays_takes_its_time(self, store):
        store.swap("k", None, b"one", 10)
        began = time.monotonic()
        assert store.wait("k", b"one", 0.05) is None
        assert time.monotonic() - began >= 0.05

    def test_a_wait_for_no_time_is_over_at_once(self, store):
        store.swap("k", None, b"one", 10)
        began = time.monotonic()
        store.wait("k", b"one", 0)
        store.wait("k", b"one", -1)
        assert time.monotonic() - began < PATIENCE / 2

    def test_a_wait_ends_when_another_thread_writes(self, store):
        store.swap("k", None, b"one", 10)
        began = time.monotonic()

        def work(n):
            if n == 0:
                return store.swap("k", b"one", b"two", 10)
            return store.wait("k", b"one", PATIENCE).value

        assert in_threads(3, work) == [True, b"two", b"two"]
        assert time.monotonic() - began < PATIENCE / 2

    def test_of_many_threads_one_wins(self, store):
        for n in range(5):
            key = f"k{n}"
            assert sum(in_threads(8, lambda n, key=key: store.swap(key, None, b"%d" % n, 10))) == 1
            seen = store.read(key).value
            assert sum(in_threads(8, lambda n, key=key, seen=seen: store.swap(key, seen, b"x%d" % n, 10))) == 1

    def test_no_change_of_many_threads_is_lost(self, store):
        store.swap("k", None, b"0", 10)

        def count(_):
            done = 0
            while done < 20:
                seen = store.read("k").value
                done += store.swap("k", seen, b"%d" % (int(seen) + 1), 10)

        in_threads(4, count)
        assert store.read("k").value == b"80"

    def test_a_child_s_use_does_no_harm(self, store):
        store.swap("k", None, b"one", 10)
        assert in_child(lambda: store.swap("child", None, b"two", 10) and store.read("child").value == b"two")
        assert store.read("k").value == b"one"
        assert store.swap("k", b"one", b"three", 10)

    def test_a_child_of_a_parent_that_holds_its_locks_is_not_stuck(self, store):
        store.swap("k", None, b"one", 10)
        stop, waiting = threading.Event(), threading.Event()

        def keep_busy():
            while not stop.is_set():
                store.wait("k", b"one", 0.001)
                waiting.set()

        busy = threading.Thread(target=keep_busy)
        busy.start()
        waiting.wait(PATIENCE)
        try:
            assert in_child(lambda: store.swap("child", None, b"two", 10))
        finally:
            stop.set()
            busy.join(PATIENCE)

    def test_repr_shows_no_record(self, store):
        store.swap("secret", None, b"secret", 10)
        assert "secret" not in repr(store)
