"""Taking what has arrived of a body that nobody will read."""

from __future__ import annotations

import socket
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_MOST = 65_536
_SOCKETS = ("gunicorn.socket", "werkzeug.socket")
"""Where servers put the connection of a request that has one to itself."""
_PEEK = socket.MSG_PEEK | getattr(socket, "MSG_DONTWAIT", 0)


def drain(environ: WSGIEnvironment) -> None:
    """Read a declared body of 64 KiB at most as far as it has arrived: servers reset connections over what is unread.

    Nothing is waited for, so that a body that never comes holds nobody up. It is left to servers that take it
    themselves, and to those that do not say what has arrived.
    """
    length = _declared(environ)
    # The streams of HTTP/2 share a connection.
    if not 0 < length <= _MOST or not str(environ.get("SERVER_PROTOCOL")).startswith("HTTP/1"):
        return
    connection = next((environ[key] for key in _SOCKETS if environ.get(key) is not None), None)
    with suppress(OSError, ValueError):
        if connection is not None:
            _read_at_once(environ["wsgi.input"], length, connection)
        elif "uwsgi.version" in environ:
            _read_what_is_there(environ["wsgi.input"], sys.modules["uwsgi"].connection_fd())


def _read_at_once(body: Any, length: int, connection: Any) -> None:
    """Read what is there from a server that waits for as much as it is asked for, and may lose it when it cannot."""
    if _is_listened_to(connection):
        return
    patience = connection.gettimeout()
    connection.settimeout(0.0)
    try:
        body.read(length)
    except (OSError, ValueError):
        _end(connection)
    finally:
        connection.settimeout(patience)


def _is_listened_to(connection: Any) -> bool:
    """Tell whether the server takes the rest itself: gunicorn since 26, but for its workers of greenlets.

    It listens for longer, and in its one thread that accepts, where it finds that a body could not be read.
    """
    listens = hasattr(sys.modules.get("gunicorn.util"), "close_graceful")
    return listens and type(connection).__module__ in ("socket", "ssl")


def _end(connection: Any) -> None:
    """Let nothing more be read from a connection: where its next request begins is known to nobody now."""
    with _same(connection.fileno()) as same:
        same.shutdown(socket.SHUT_RD)


def _read_what_is_there(body: Any, number: int) -> None:
    """Read from uWSGI, which waits for as many bytes as it is asked for, and for no more."""
    with _same(number) as connection:
        while body.read(len(connection.recv(_MOST, _PEEK))):
            pass


def _same(number: int) -> socket.socket:
    return socket.socket(fileno=socket.dup(number))


def _declared(environ: WSGIEnvironment) -> int:
    text = str(environ.get("CONTENT_LENGTH") or "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(_MOST)) else 0
