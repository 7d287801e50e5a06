"""Waiting together: one looks, and what it read is news for those who came before it read."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager

import pytest

from wsgi_token_refresh.stores.protocol import Entry
from wsgi_token_refresh.stores.waiting import Ears

PATIENCE = 20.0


class Record:
    """A record that counts who reads it, and that lets a test change it while somebody pauses."""

    def __init__(self):
        self.value = b"one"
        self.reads = 0
        self.paused = threading.Event()
        self.news = threading.Event()

    def read(self):
        self.reads += 1
        return Entry(self.value, time.time())

    @contextmanager
    def listening(self):
        yield self.pause

    def pause(self, seconds):
        self.paused.set()
        self.news.wait(min(seconds, PATIENCE))

    def wait(self, ears, seen=b"one", seconds=PATIENCE):
        return ears.wait("k", seen, seconds, read=self.read, listening=self.listening)


@pytest.fixture
def record():
    return Record()


def started(work):
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_what_one_has_read_is_read_by_no_other_who_waits(record):
    ears, had = Ears(), []
    threads = [started(lambda: had.append(record.wait(ears).value)) for _ in range(8)]
    ends = time.monotonic() + PATIENCE
    while record.reads < 8:
        assert time.monotonic() < ends
    assert record.paused.wait(PATIENCE)
    record.value = b"two"
    before = record.reads
    record.news.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert had == [b"two"] * 8
    assert record.reads == before + 1


def test_what_was_read_before_somebody_came_is_no_news_for_them(record):
    ears, had = Ears(), []
    with ears._of("k") as ear:
        ear.tell(time.monotonic(), Entry(b"older", 0.0))
        record.news.set()
        thread = started(lambda: had.append(record.wait(ears, seconds=0.2)))
        thread.join(PATIENCE)
    assert had == [None]


def test_what_another_one_has_read_may_be_what_was_seen(record):
    ears = Ears()
    with ears._of("k") as ear:
        ear.tell(time.monotonic() + PATIENCE, Entry(b"one", 0.0))
        record.news.set()
        assert record.wait(ears, seconds=0.2) is None


def test_who_looks_and_fails_leaves_it_to_the_next(record):
    ears, failed, had = Ears(), [], []

    def fail():
        record.read = lambda: (_ for _ in ()).throw(OSError)
        try:
            record.wait(ears)
        except OSError:
            failed.append(1)
            del record.read

    first = started(fail)
    first.join(PATIENCE)
    record.value = b"two"
    had.append(record.wait(ears).value)
    assert (failed, had) == ([1], [b"two"])


def test_who_waits_for_no_time_reads_nothing(record):
    assert record.wait(Ears(), seconds=0) is None
    assert record.reads == 0


def test_nobody_is_kept_who_has_gone(record):
    ears = Ears()
    record.value = b"two"
    record.wait(ears)
    assert ears._by_key == {}
