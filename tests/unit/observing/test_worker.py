"""What is seen of the server's worker: whether somebody waits for its thread."""

from __future__ import annotations

import signal
import socket
import ssl
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from wsgi_token_refresh.observing.worker import is_wanted


class Worker:
    """As gunicorn's: it handles the signal by which its arbiter kills it."""

    def __init__(self, kind, doors):
        self.cfg = SimpleNamespace(worker_class_str=kind, timeout=30)
        self.sockets = doors

    def handle_abort(self, *_):
        raise SystemExit


@contextmanager
def gunicorn(kind, doors):
    before = signal.signal(signal.SIGABRT, Worker(kind, doors).handle_abort)
    try:
        yield
    finally:
        signal.signal(signal.SIGABRT, before)


@pytest.fixture
def connection():
    """The server's end of a connection, and the client's."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.fixture
def door():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def test_nobody_is_seen_where_the_server_shows_nothing():
    assert not is_wanted({})


def test_a_connection_on_which_nothing_has_come_wants_nothing(connection):
    assert not is_wanted({"gunicorn.socket": connection[0]})


def test_the_next_request_on_the_connection_is_seen_and_left_there(connection):
    ours, theirs = connection
    theirs.sendall(b"GET / HTTP/1.1")
    for _ in range(2):
        assert is_wanted({"gunicorn.socket": ours})
    assert ours.recv(99) == b"GET / HTTP/1.1"


def test_a_client_that_has_gone_wants_nothing(connection):
    ours, theirs = connection
    theirs.close()
    assert not is_wanted({"gunicorn.socket": ours})


def test_a_connection_that_was_reset_or_closed_wants_nothing(connection):
    ours, _ = connection
    ours.close()
    assert not is_wanted({"gunicorn.socket": ours})


def test_tls_does_not_let_see_it(connection):
    ours, theirs = connection
    context = ssl.create_default_context()
    theirs.sendall(b"GET / HTTP/1.1")
    wrapped = context.wrap_socket(ours, server_hostname="localhost", do_handshake_on_connect=False)
    with wrapped:
        assert not is_wanted({"gunicorn.socket": wrapped})


@pytest.mark.parametrize("shown", ["no socket", 7, object()], ids=["text", "a number", "an object"])
def test_what_is_no_connection_is_none(shown):
    assert not is_wanted({"gunicorn.socket": shown})


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        pytest.param("sync", True, id="the only thread of its worker"),
        pytest.param("gthread", False, id="one of several, where another opens"),
    ],
)
def test_who_stands_at_the_door_waits_for(door, kind, wanted):
    with gunicorn(kind, [door]):
        assert not is_wanted({})
        with socket.create_connection(door.getsockname()):
            assert is_wanted({}) == wanted
