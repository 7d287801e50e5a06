"""Memos that are bounded in bytes."""

from __future__ import annotations

import random
import threading
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgi_token_refresh.memo import Memo, Samples, digest, sample


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


def test_two_long_keys_with_one_sample_are_kept_apart_among_the_older_too():
    first, second = _pair_with_one_sample()
    memo = Memo(most_bytes=200)
    memo.put(first, 1, 60)
    memo.put("other", 0, 60)
    assert memo.get(second) is None
    assert memo.get(first) == 1


@given(st.lists(st.tuples(st.sampled_from([str(n) for n in range(50)]), st.integers(1, 40), st.booleans())))
def test_never_keeps_more_than_its_bytes(steps):
    memo, weights = Samples(most_bytes=200), {}
    for key, weight, puts in steps:
        if puts or memo.at(key) is None:
            weights[key] = weight
            memo.put_at(key, weight, weight)
    # What is left of the last generations has been there all the time.
    assert sum(kept for generation in memo.generations for kept, _ in generation.values()) <= 200


def test_what_fits_into_a_quarter_of_its_bytes_is_never_forgotten():
    memo, chosen = Memo(most_bytes=4000), random.Random(1)
    for n in range(100):
        memo.put(str(n), n, 10)
    for _ in range(5000):
        n = chosen.randrange(100)
        assert memo.get(str(n)) == n


@pytest.mark.parametrize(
    ("key", "length"),
    [
        pytest.param("", 0, id="nothing is nothing"),
        pytest.param("a" * 127, 127, id="a short key is its own sample"),
        pytest.param("a" * 128, 64, id="of a longer one every second character is hashed"),
        pytest.param("a" * 4000, 125, id="of a long one no more than of a short one"),
        pytest.param(b"d" * 32, 32, id="bytes are keys as well"),
    ],
)
def test_what_is_hashed_of_a_key_is_short(key, length):
    assert len(sample(key)) == length


@pytest.mark.parametrize(
    "text", [pytest.param("é" * 3000, id="any text"), pytest.param("\udc80", id="half a character")]
)
def test_a_digest_is_of_one_length_for_any_text(text):
    assert len(digest(text)) == 32
    assert digest(text) != digest(text + "a")


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
