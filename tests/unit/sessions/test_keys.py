"""The keys of a kind of session while they change: when they are looked at, and what counts while they are none."""

from __future__ import annotations

import logging
import os

import pytest

from wsgi_token_refresh.secret_files import SecretFile, SecretList
from wsgi_token_refresh.sessions.keys import Keys, secret_faults

OLD, NEW, OTHER = (f"hunter2-{name}-".ljust(40, "x") for name in ("old", "new", "other"))


class Source:
    """A function that gives what a test says, and counts."""

    def __init__(self, *given):
        self.given, self.asked = list(given), 0

    def __call__(self):
        self.asked += 1
        if isinstance(self.given, Exception):
            raise self.given
        return self.given


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "keys"


def keys(source, clock, **options):
    return Keys("Kind", "keys", source, lambda given: secret_faults("keys", given), monotonic=clock, **options)


def encoded(*given):
    return tuple(each.encode() for each in given)


def write(path, *lines, age=60.0):
    """Put keys into a file, as if that had been so many seconds ago."""
    path.write_text("\n".join(lines))
    then = path.stat().st_mtime_ns - int(age * 1e9)
    os.utime(path, ns=(then, then))


def followed(path, clock):
    return keys(SecretList(SecretFile(path, monotonic=clock), str.split), clock)


# A list.


@pytest.mark.parametrize("given", [[OLD, NEW], (OLD, NEW), [OLD.encode(), NEW]], ids=["list", "tuple", "bytes"])
def test_a_list_is_what_it_is(given, clock):
    found = keys(given, clock)
    assert found.now() == found.lately() == encoded(OLD, NEW)
    assert found.now() is found.lately()


def test_one_may_stand_alone_where_it_is_said_so(clock):
    for alone in (OLD, OLD.encode(), [OLD], Source(OLD), lambda: OLD):
        found = keys(alone, clock, alone=True)
        assert (found.now(), found.problems) == (encoded(OLD), [])


# A function.


def test_a_function_is_asked_at_the_start_and_once_a_second_at_most(clock):
    source = Source(OLD)
    found = keys(source, clock)
    for _ in range(50):
        assert (found.lately(), found.now()) == (encoded(OLD), encoded(OLD))
    assert source.asked == 1
    source.given = [NEW, OLD]
    clock.now += 0.9
    assert found.lately() == encoded(OLD)
    clock.now += 0.1
    assert found.lately() == encoded(NEW, OLD)
    assert source.asked == 2


def test_a_list_that_its_owner_changes_in_place_is_a_change(clock):
    source = Source(OLD)
    found = keys(source, clock)
    source.given.insert(0, NEW)
    clock.now += 1
    assert found.lately() == encoded(NEW, OLD)


def test_what_has_not_changed_is_the_same_object(clock):
    found = keys(Source(OLD), clock)
    first = found.lately()
    clock.now += 5
    assert found.lately() is first


def test_while_a_function_is_slow_others_go_on_with_what_there_is(clock):
    inside = []

    def slow():
        if inside:
            inside.append(found.lately())
        return [NEW] if inside else [OLD]

    found = keys(slow, clock)
    clock.now += 1
    inside.append(())
    assert found.lately() == encoded(NEW)
    assert inside == [(), encoded(OLD)]


NONE = {
    "None": None,
    "a number": 7,
    "a truth": True,
    "text": OLD,
    "bytes": OLD.encode(),
    "a set": {OLD},
    "a mapping": {OLD: OLD},
    "an iterator": iter([OLD]),
    "an empty list": [],
    "a list of numbers": [7],
    "a list with None": [OLD, None],
    "a short one": [OLD, "hunter2"],
    "half a character": [OLD + "\ud800"],
    "an error": KeyError("hunter2"),
}


@pytest.mark.parametrize("given", NONE.values(), ids=NONE)
def test_at_the_start_what_a_function_gives_must_be_keys(given, clock):
    source = Source()
    source.given = given
    found = keys(source, clock)
    assert found.now() == ()
    assert len(found.problems) == 1
    assert found.problems[0].startswith("keys")
    assert "; " in found.problems[0], "and what to do"
    assert "hunter2" not in found.problems[0]


@pytest.mark.parametrize("given", NONE.values(), ids=NONE)
def test_later_the_last_good_ones_count_and_it_is_said_once_a_minute(given, clock, caplog):
    source = Source(OLD, NEW)
    found = keys(source, clock)
    source.given = given
    for _ in range(59):
        clock.now += 1
        assert found.lately() == found.now() == encoded(OLD, NEW)
    (record,) = caplog.records
    assert (record.levelname, record.exc_info) == ("WARNING", None)
    assert record.getMessage().startswith("Kind: keys")
    assert record.getMessage().endswith("; what counted before is used")
    clock.now += 1
    found.lately()
    clock.now += 1
    found.lately()
    assert len(caplog.records) == 2
    assert "hunter2" not in caplog.text
    source.given = [OTHER]
    clock.now += 1
    assert found.lately() == encoded(OTHER)


def test_a_change_is_said_without_a_key(clock, caplog):
    caplog.set_level(logging.INFO)
    source = Source(OLD)
    found = keys(source, clock)
    source.given = [NEW, OLD]
    clock.now += 1
    found.lately()
    assert caplog.messages == ["Kind: keys changed, and 2 count now"]


# A file.


def test_a_file_is_looked_at_once_a_second_by_who_reads_and_at_once_by_who_must_know(path, clock):
    write(path, OLD)
    found = followed(path, clock)
    write(path, NEW, OLD)
    assert found.lately() == encoded(OLD)
    clock.now += 1
    assert found.lately() == encoded(NEW, OLD)
    write(path, OTHER, NEW)
    assert found.now() == encoded(OTHER, NEW)
    assert found.lately() == encoded(OTHER, NEW)


def test_a_file_that_has_not_changed_is_not_read(path, clock, monkeypatch):
    write(path, OLD)
    found = followed(path, clock)
    monkeypatch.setattr("builtins.open", None)
    clock.now += 1
    assert found.lately() == found.now() == encoded(OLD)


SPOILT = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: path.write_text(""),
    "blank": lambda path: path.write_text(" \n\n"),
    "no text": lambda path: path.write_bytes(b"\xff\xfe"),
    "a key cut short": lambda path: path.write_text(f"{NEW}\nhunter2"),
    "zeros, as a crash leaves them": lambda path: path.write_bytes(b"\0" * 20),
    "a directory": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_while_a_file_holds_no_keys_the_last_good_ones_count_and_it_is_said_once(path, clock, caplog, spoil):
    write(path, NEW, OLD)
    found = followed(path, clock)
    spoil(path)
    for _ in range(5):
        clock.now += 1
        assert found.lately() == found.now() == encoded(NEW, OLD)
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert repr(str(path)) in record.getMessage()
    assert "before is used" in record.getMessage()
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_what_a_file_holds_after_that_counts(path, clock, spoil):
    write(path, OLD)
    found = followed(path, clock)
    spoil(path)
    found.now()
    if path.is_dir():
        path.rmdir()
    write(path, NEW)
    assert found.now() == encoded(NEW)


def test_what_a_file_in_the_midst_of_being_written_lacks_counts_until_it_has_settled(path, clock):
    write(path, OLD)
    found = followed(path, clock)
    write(path, NEW, age=0)
    assert found.now() == encoded(NEW, OLD), "what follows in it may still come"
    write(path, OTHER, NEW, age=0)
    assert found.now() == encoded(OTHER, NEW, OLD)
    write(path, OTHER, NEW, age=3)
    assert found.now() == encoded(OTHER, NEW)


def test_what_a_file_lacks_goes_also_where_the_clock_of_its_file_system_is_ahead(path, clock):
    write(path, NEW, OLD, age=-3600)
    found = followed(path, clock)
    write(path, NEW, age=-3600)
    assert found.now() == encoded(NEW, OLD)
    clock.now += 2.1
    assert found.now() == encoded(NEW)


def test_what_somebody_took_out_long_ago_does_not_count_when_it_is_seen(path, clock):
    write(path, NEW, OLD)
    found = followed(path, clock)
    write(path, NEW, age=60)
    clock.now += 1
    assert found.lately() == encoded(NEW)


def test_nothing_shows_a_key(path, clock):
    write(path, OLD)
    file = SecretList(SecretFile(path), str.split)
    shown = repr(file) + "".join(repr(keys(source, clock)) for source in ([OLD], Source(OLD), file))
    assert "hunter2" not in shown
