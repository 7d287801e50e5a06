"""A way to a server that is slow, or that speaks TLS for it."""

from __future__ import annotations

import select
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

_PIECE = 65_536


@dataclass
class Way:
    """The port to speak to, and how often its connections were forgotten."""

    port: int
    forgotten: int = 0

    def forget(self) -> None:
        """Pass nothing on any more on the connections that there are, and do not close them, as a NAT does."""
        self.forgotten += 1


@contextmanager
def forwarding(port: int, *, delay: float = 0.0, tls: ssl.SSLContext | None = None) -> Iterator[Way]:
    """Pass on what is said to a server of this machine, each piece after a delay."""
    ended = threading.Event()

    def serve(accepted: socket.socket) -> None:
        with suppress(OSError), accepted, socket.create_connection(("127.0.0.1", port)) as inner:
            client = tls.wrap_socket(accepted, server_side=True) if tls else accepted
            with client:
                known = way.forgotten
                while not ended.is_set():
                    ready, _, _ = select.select([client, inner], [], [], 0.1)
                    if way.forgotten > known:
                        ended.wait()
                    for each in ready:
                        data = _whole(each)
                        if not data:
                            return
                        ended.wait(delay if each is client else 0)
                        (inner if each is client else client).sendall(data)

    def accept(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        way = Way(listener.getsockname()[1])
        threading.Thread(target=accept, args=(listener,), daemon=True).start()
        try:
            yield way
        finally:
            ended.set()
            listener.shutdown(socket.SHUT_RDWR)


def _whole(each: socket.socket) -> bytes:
    """Take what has come, with what TLS has read already: select() knows nothing of it."""
    data = each.recv(_PIECE)
    while data and isinstance(each, ssl.SSLSocket) and each.pending():
        data += each.recv(_PIECE)
    return data
