"""What is read of a body that nobody will read, over real sockets; and that nothing is waited for."""

from __future__ import annotations

import socket
import sys
from io import BytesIO
from types import SimpleNamespace

import pytest

from wsgi_token_refresh.draining import drain


class Body:
    """Reads from a socket until it has what it was asked for, as servers do."""

    def __init__(self, connection):
        self.connection = connection

    def read(self, size):
        data = b""
        while len(data) < size and (more := self.connection.recv(size - len(data))):
            data += more
        return data


@pytest.fixture(autouse=True)
def old_gunicorn(monkeypatch):
    """Let the server be a gunicorn that closes at once."""
    gunicorn = SimpleNamespace()
    monkeypatch.setitem(sys.modules, "gunicorn.util", gunicorn)
    return gunicorn


@pytest.fixture
def ends():
    ours, theirs = socket.socketpair()
    ours.settimeout(5)
    with ours, theirs:
        yield ours, theirs


def environ_of(connection, length, body=None, **more):
    return {
        "CONTENT_LENGTH": str(length),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "gunicorn.socket": connection,
        "wsgi.input": body or Body(connection),
        **more,
    }


@pytest.mark.parametrize("key", ["gunicorn.socket", "werkzeug.socket"])
def test_a_body_that_has_arrived_is_read_and_the_connection_goes_on(ends, key):
    ours, theirs = ends
    theirs.sendall(b"x" * 3000 + b"GET")
    drain({**environ_of(None, 3000, Body(ours)), key: ours})
    assert ours.gettimeout() == 5
    assert ours.recv(99) == b"GET"
    theirs.sendall(b" /next")
    assert ours.recv(99) == b" /next"


def test_a_body_that_does_not_come_is_not_waited_for_and_nothing_follows_it(ends):
    ours, theirs = ends
    theirs.sendall(b"ab")
    ours.settimeout(None)
    drain(environ_of(ours, 60_000))
    # Neither what is read next blocks, nor is the answer kept from going out.
    assert ours.recv(99) == b""
    ours.sendall(b"401")
    assert theirs.recv(99) == b"401"


def test_a_server_that_listens_to_the_rest_itself_is_left_all_of_it(ends, old_gunicorn):
    ours, theirs = ends
    old_gunicorn.close_graceful = True
    theirs.sendall(b"ab")
    drain(environ_of(ours, 60_000))
    assert ours.recv(99) == b"ab"


def test_a_worker_of_greenlets_listens_to_nothing_and_is_read_for(ends, old_gunicorn):
    class Greenlets(socket.socket):
        pass

    ours, theirs = ends
    old_gunicorn.close_graceful = True
    theirs.sendall(b"ab")
    with Greenlets(fileno=ours.detach()) as connection:
        drain(environ_of(connection, 2))
        connection.settimeout(0)
        with pytest.raises(BlockingIOError):
            connection.recv(99)


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({"CONTENT_LENGTH": "65537"}, id="nothing of more than 64 KiB"),
        pytest.param({"CONTENT_LENGTH": ""}, id="nothing where nothing is declared"),
        pytest.param({"CONTENT_LENGTH": "0"}, id="nothing of nothing"),
        pytest.param({"CONTENT_LENGTH": "x"}, id="nothing of what is no number"),
        pytest.param({"CONTENT_LENGTH": "-1"}, id="nothing of less than nothing"),
        pytest.param({"CONTENT_LENGTH": "\xb2"}, id="nothing of a number of another script"),
        pytest.param({"CONTENT_LENGTH": "9" * 5000}, id="nothing of a number without an end"),
        pytest.param({"SERVER_PROTOCOL": "HTTP/2"}, id="nothing of a stream that shares its connection"),
        pytest.param({"gunicorn.socket": None}, id="nothing where the server does not say what has arrived"),
    ],
)
def test_what_is_left_to_the_server(ends, more):
    body = BytesIO(b"x" * 70_000)
    drain({**environ_of(ends[0], 10, body), **more})
    assert body.tell() == 0


def test_64_kib_are_read():
    with socket.socket() as connection:
        body = BytesIO(b"x" * 70_000)
        drain(environ_of(connection, 65_536, body))
        assert body.tell() == 65_536


def test_a_connection_that_is_gone_does_no_harm(ends):
    ours, theirs = ends
    ours.close()
    drain(environ_of(ours, 10))
    assert theirs.recv(99) == b""


@pytest.mark.parametrize(
    ("sent", "arrived"),
    [
        pytest.param(b"", 0, id="nothing has arrived"),
        pytest.param(b"ab", 2, id="a part has arrived"),
        pytest.param(b"x" * 3000, 3000, id="all has arrived"),
    ],
)
def test_uwsgi_is_asked_for_what_has_arrived(monkeypatch, ends, sent, arrived):
    ours, theirs = ends
    monkeypatch.setitem(sys.modules, "uwsgi", SimpleNamespace(connection_fd=ours.fileno))
    theirs.sendall(sent)
    asked = []

    class Counted(Body):
        def read(self, size):
            asked.append(size)
            return super().read(size)

    drain(environ_of(None, 3000, Counted(ours), **{"uwsgi.version": b"2.0"}))
    assert sum(asked) == arrived
