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
        memo.put(str(n), n, 10)
        assert memo.get("used") == 1
    assert memo.get("unused") is None


def _pair_with_one_sample():
    first = "a" * 1000
    # Every eighth character is sampled of a thousand, so the second is not.
    return first, "ab" + "a" * 998


def test_two_long_keys_with_one_sample_are_never_taken_for_each_other():
    first, second = _pair_with_one_sample()
    memo = Memo()
    memo.put(first, 1, 10)
    assert memo.get(second) is None
    memo.put(second, 2, 10)
    assert memo.get(second) == 2
    assert memo.get(first) is None


def test_two_long_keys_with_one_sample_are_kept_apart_in_the_old_half_too():
    first, second = _pair_with_one_sample()
    memo = Memo(most_bytes=200)
    memo.put(first, 1, 60)
    memo.put("other", 0, 60)
    assert memo.get(second) is None
    assert memo.get(first) == 1


@given(st.lists(st.tuples(st.sampled_from([str(n) for n in range(50)]), st.integers(1, 60), st.booleans())))
def test_never_keeps_more_than_its_bytes(steps):
    memo, weights = Memo(most_bytes=200), {}
    for key, weight, puts in steps:
        if puts or memo.get(key) is None:
            weights[key] = weight
            memo.put(key, weight, weight)
    kept = {key for key in weights if key in memo._young or key in memo._old}
    assert sum(memo._young.get(key, memo._old.get(key))[2] for key in kept) <= 200


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
            memo.put(str(n % 300), n % 300, 10)
            found = memo.get(str((n * 7) % 300))
            if found not in (None, (n * 7) % 300):
                wrong.append(found)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
