"""The SQLite file: where it lies, and what may happen to it."""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import stat
import threading
import time

import pytest

from wsgi_token_refresh.errors import ConfigurationError, StoreError
from wsgi_token_refresh.stores.default import _SIGNS_OF_MANY_HOSTS, default_store
from wsgi_token_refresh.stores.memory import MemoryStore
from wsgi_token_refresh.stores.sqlite import SqliteStore

PATIENCE = 5.0
MANY_HOSTS = "KUBERNETES_SERVICE_HOST"


@pytest.fixture
def runtime(tmp_path, monkeypatch):
    """A runtime directory, and the directory of ours in it."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path / f"wsgi-token-refresh-{os.getuid()}"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def store(path):
    store = SqliteStore(path)
    yield store
    store.close()


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_the_default_lies_in_a_directory_of_this_user_s_own(runtime):
    store = SqliteStore()
    assert mode(runtime) == 0o700
    assert mode(runtime / "ledger.sqlite") == 0o600
    assert repr(store) == f"SqliteStore('{runtime / 'ledger.sqlite'}')"
    store.close()


def test_without_a_runtime_directory_it_lies_in_the_temporary_one(tmp_path, monkeypatch):
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    SqliteStore().close()
    assert (tmp_path / f"wsgi-token-refresh-{os.getuid()}" / "ledger.sqlite").exists()


def test_two_defaults_share_a_file(runtime):
    first, second = SqliteStore(), SqliteStore()
    assert first.swap("k", None, b"one", 10)
    assert second.read("k").value == b"one"
    first.close()
    second.close()


def open_to_others(runtime):
    runtime.mkdir(mode=0o755)


def a_link(runtime):
    (runtime.parent / "elsewhere").mkdir(mode=0o700)
    runtime.symlink_to(runtime.parent / "elsewhere")


def a_link_to_nowhere(runtime):
    runtime.symlink_to(runtime.parent / "nowhere")


def a_file(runtime):
    runtime.touch()


@pytest.mark.parametrize(
    "prepare",
    [
        pytest.param(open_to_others, id="that others may read"),
        pytest.param(a_link, id="that is a symbolic link"),
        pytest.param(a_link_to_nowhere, id="that is a symbolic link to nowhere"),
        pytest.param(a_file, id="that is a file"),
    ],
)
def test_a_default_directory_is_refused(runtime, prepare):
    prepare(runtime)
    with pytest.raises(ConfigurationError, match=r"SqliteStore: .*give path="):
        SqliteStore()


def test_a_default_directory_of_somebody_else_is_refused(runtime, monkeypatch):
    runtime.mkdir(mode=0o700)
    other = os.getuid() + 1
    runtime.rename(runtime.with_name(f"wsgi-token-refresh-{other}"))
    monkeypatch.setattr("os.getuid", lambda: other)
    with pytest.raises(ConfigurationError, match="this user's own"):
        SqliteStore()


@pytest.mark.parametrize("name", ["missing/ledger.sqlite", "."], ids=["in no directory", "a directory"])
def test_a_path_that_cannot_be_written_is_refused(tmp_path, name):
    with pytest.raises(ConfigurationError, match="cannot be written"):
        SqliteStore(tmp_path / name)


def test_a_file_that_is_no_database_is_refused(path):
    path.write_bytes(b"no database" * 100)
    with pytest.raises(ConfigurationError, match="cannot be written"):
        SqliteStore(path)


def test_a_path_may_be_a_string(path):
    SqliteStore(str(path)).close()
    assert mode(path) == 0o600


def test_a_file_that_was_deleted_is_noticed(store, path):
    store.swap("k", None, b"one", 10)
    for file in path.parent.glob("ledger.sqlite*"):
        file.unlink()
    assert store.read("k").value is None
    assert store.swap("k", None, b"two", 10)
    assert path.exists()
    other = SqliteStore(path)
    assert other.read("k").value == b"two"
    other.close()


def test_a_file_that_was_replaced_is_noticed(store, path):
    store.swap("k", None, b"one", 10)
    other = SqliteStore(path.with_name("other.sqlite"))
    other.swap("k", None, b"other", 10)
    other.close()
    for file in path.parent.glob("ledger.sqlite*"):
        file.unlink()
    path.with_name("other.sqlite").rename(path)
    assert store.read("k").value == b"other"


CALLS = [
    pytest.param(lambda store: store.read("k"), id="read"),
    pytest.param(lambda store: store.swap("k", None, b"x", 10), id="swap"),
    pytest.param(lambda store: store.touch("k", 10), id="touch"),
    pytest.param(lambda store: store.wait("k", b"one", 0.01), id="wait"),
]


@pytest.mark.parametrize("call", CALLS)
def test_a_corrupt_file_is_a_store_error_and_nothing_else(store, path, call):
    store.swap("k", None, b"one", 10)
    store.close()
    for file in path.parent.glob("ledger.sqlite-*"):
        file.unlink()
    path.write_bytes(b"no database" * 1000)
    for _ in range(2):
        with pytest.raises(StoreError, match="SqliteStore"):
            call(store)


@pytest.mark.parametrize("call", CALLS)
def test_a_directory_that_is_gone_is_a_store_error(tmp_path, call):
    directory = tmp_path / "d"
    directory.mkdir()
    store = SqliteStore(directory / "ledger.sqlite")
    for file in directory.iterdir():
        file.unlink()
    directory.rmdir()
    with pytest.raises(StoreError):
        call(store)


def test_it_works_again_when_the_file_does(store, path):
    store.close()
    good = path.read_bytes()
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(StoreError):
        store.read("k")
    path.write_bytes(good)
    assert store.read("k").value is None


def test_a_busy_database_is_waited_for(store, path):
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.05, other.commit)
    release.start()
    began = time.monotonic()
    assert store.swap("k", None, b"one", 10)
    assert time.monotonic() - began < PATIENCE
    release.join(PATIENCE)
    other.close()


def test_a_database_that_stays_busy_is_a_store_error(store, path, monkeypatch):
    monkeypatch.setattr("wsgi_token_refresh.stores.sqlite._BUSY_FOR", 0.05)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="locked"):
        store.swap("k", None, b"one", 10)
    assert store.read("k").value is None
    other.rollback()
    other.close()
    assert store.swap("k", None, b"one", 10)


def test_no_write_lasts_longer_than_its_call(store, path):
    store.swap("k", None, b"one", 10)
    other = sqlite3.connect(path, timeout=0)
    other.execute("UPDATE records SET dies = dies")
    other.rollback()
    other.close()


@pytest.fixture
def one_host(monkeypatch):
    """No sign of other hosts."""
    for name in _SIGNS_OF_MANY_HOSTS:
        monkeypatch.delenv(name, raising=False)


def test_the_default_store_is_a_file_for_the_workers_of_this_host(runtime, one_host, caplog):
    store = default_store()
    assert isinstance(store, SqliteStore)
    assert not caplog.records
    store.close()


def test_where_no_file_can_be_it_is_memory_and_one_warning(runtime, one_host, caplog):
    runtime.touch()
    assert isinstance(default_store(), MemoryStore)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "one worker" in caplog.text


def test_where_there_may_be_many_hosts_it_says_so(runtime, one_host, monkeypatch, caplog):
    monkeypatch.setenv(MANY_HOSTS, "10.0.0.1")
    default_store().close()
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert MANY_HOSTS in caplog.text
    assert "10.0.0.1" not in caplog.text


def test_a_directory_of_its_own_that_somebody_cleaned_away_is_made_again(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    store = SqliteStore()
    assert store.swap("k", None, b"one", 10)
    (directory,) = tmp_path.iterdir()
    shutil.rmtree(directory)
    assert store.read("k").value is None
    assert store.swap("k", None, b"two", 10)
    store.close()
