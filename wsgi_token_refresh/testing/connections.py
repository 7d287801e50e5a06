"""What a server can do to the connection of a request, other than answer.

Each function ends in a ConnectionAbortedError: a server that meets it in an application closes the connection.
"""

from __future__ import annotations

import socket
import struct
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from werkzeug.wrappers import Response

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

Wait = Callable[[float], bool]
"""Waits for some seconds, and tells whether it was woken."""

_DRIP = 0.05
_NO_LINGER = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)


def connection_of(environ: WSGIEnvironment) -> socket.socket:
    """Get the connection that a request came by; a RuntimeError where the server does not give it."""
    connection = environ.get("werkzeug.socket")
    if not isinstance(connection, socket.socket):
        raise RuntimeError("this fault needs the connection of the request: serve it with serve()")
    return connection


def reset_connection(environ: WSGIEnvironment) -> NoReturn:
    """Reset the connection (RST)."""
    connection = connection_of(environ)
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    # Detached, since the server would say FIN before it closes its own.
    socket.close(connection.detach())
    _abort()


def close_connection(environ: WSGIEnvironment) -> NoReturn:
    """Close the connection without an answer (FIN)."""
    with suppress(OSError):
        connection_of(environ).shutdown(socket.SHUT_RDWR)
    _abort()


def drip_head(environ: WSGIEnvironment, response: Response, *, seconds: float, wait: Wait) -> NoReturn:
    """Send status line and headers byte by byte for some seconds, then the rest."""
    connection, (head, body) = connection_of(environ), _on_the_wire(response, environ)
    _send_slowly(connection, head, seconds, wait)
    connection.sendall(body)
    _abort()


def drip_body(environ: WSGIEnvironment, response: Response, *, seconds: float, wait: Wait) -> NoReturn:
    """Send the headers, and the body byte by byte for some seconds, then the rest."""
    connection, (head, body) = connection_of(environ), _on_the_wire(response, environ)
    connection.sendall(head)
    _send_slowly(connection, body, seconds, wait)
    _abort()


def _abort() -> NoReturn:
    raise ConnectionAbortedError("nothing more is said on this connection")


def _on_the_wire(response: Response, environ: WSGIEnvironment) -> tuple[bytes, bytes]:
    response.headers["Connection"] = "close"
    fields = [f"{name}: {value}" for name, value in response.get_wsgi_headers(environ)]
    return "\r\n".join([f"HTTP/1.1 {response.status}", *fields, "", ""]).encode("latin-1"), response.get_data()


def _send_slowly(connection: socket.socket, data: bytes, seconds: float, wait: Wait) -> None:
    pause, end, sent = max(_DRIP, seconds / len(data)), time.monotonic() + seconds, 0
    while time.monotonic() < end and not wait(pause):
        connection.sendall(data[sent : sent + 1])
        sent += 1
    connection.sendall(data[sent:])
