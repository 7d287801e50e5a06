"""A memo that is bounded in bytes."""

from __future__ import annotations

import threading
import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from wsgi_token_refresh.memo import Memo


def test_gives_what_was_put():
    memo = Memo()
    memo.put("a", 1, 10)
    assert memo.get("a") == 1
    assert memo.get("b") is None


def test_the_newest_value_counts():
    memo = Memo()
    memo.put("a", 1, 10)
    memo.put("a", 2, 10)
    assert memo.get("a") == 2


def test_forgets_everything_when_told():
    memo = Memo()
    memo.put("a", 1, 10)
    memo.clear()
    assert memo.get("a") is None


def test_what_is_used_stays_and_what_is_not_goes():
    memo = Memo(most_bytes=200)
    memo.put("used", 1, 10)
    memo.put("unused", 1, 10)
    for n in range(100):
        memo.put(n, n, 10)
        assert memo.get("used") == 1
    assert memo.get("unused") is None


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 60), st.booleans())))
def test_never_keeps_more_than_its_bytes(steps):
    memo, weights = Memo(most_bytes=200), {}
    for key, weight, puts in steps:
        if puts or memo.get(key) is None:
            weights[key] = weight
            memo.put(key, weight, weight)
    kept = {key for key in weights if key in memo._young or key in memo._old}
    assert sum(memo._young.get(key, memo._old.get(key))[1] for key in kept) <= 200


def test_many_entries_take_no_more_memory_than_it_may():
    memo = Memo(most_bytes=2**20)
    tracemalloc.start()
    for n in range(50_000):
        memo.put(f"{n:01000}", n, 1100)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken < 1.2 * 2**20


def test_threads_may_race():
    memo, wrong = Memo(most_bytes=2000), []

    def work():
        for n in range(3000):
            memo.put(n % 300, n % 300, 10)
            found = memo.get((n * 7) % 300)
            if found not in (None, (n * 7) % 300):
                wrong.append(found)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
