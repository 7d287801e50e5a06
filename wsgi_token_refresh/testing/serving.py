"""Serves a WSGI application on 127.0.0.1 in threads, over connections that stay open, and ends all of them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import HTTPException
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler
from werkzeug.wrappers import Response
from werkzeug.wsgi import get_input_stream

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_BACKLOG = 128
_LONGEST_BODY = 1 << 20
_POLL = 0.02


class _Handler(WSGIRequestHandler):
    """Keeps connections open, as authorization servers do and werkzeug's own handler does not."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def run_wsgi(self) -> None:
        environ = self.make_environ()
        try:
            # To its end, whatever the application reads of it: the next request follows on the same connection.
            body = get_input_stream(environ, max_content_length=_LONGEST_BODY).read()
            environ["wsgi.input"] = BytesIO(body)
            response = Response.from_app(self.server.app, environ, buffered=True)
        except (ConnectionError, HTTPException):
            self.close_connection = True
            return
        self._send(response)

    def log(self, type: str, message: str, *args: Any) -> None:
        """Keep quiet."""

    def _send(self, response: Response) -> None:
        body = response.get_data()
        response.content_length = len(body)
        self.send_response(response.status_code)
        for name, value in response.headers.to_wsgi_list():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


class _Server(ThreadedWSGIServer):
    """Knows its handlers, so that it can end them."""

    def __init__(self, app: WSGIApplication, listener: socket.socket) -> None:
        host, port = listener.getsockname()
        self._handlers: dict[threading.Thread, socket.socket] = {}
        super().__init__(host, port, app, _Handler, fd=listener.fileno())

    def process_request(self, request: Any, client_address: Any) -> None:
        thread = threading.Thread(target=self.process_request_thread, args=(request, client_address), daemon=True)
        self._handlers[thread] = request
        thread.start()

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            del self._handlers[threading.current_thread()]

    def end(self, release: Callable[[], None]) -> None:
        """Accept nothing any more, and end every handler; ``release`` wakes those that wait."""
        self.shutdown()
        while handlers := list(self._handlers.items()):
            release()
            for thread, connection in handlers:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
                thread.join(_POLL)


@contextmanager
def serving(app: WSGIApplication, *, port: int = 0, release: Callable[[], None]) -> Iterator[str]:
    """Serve ``app`` meanwhile, and give its URL; a port in use is an OSError.

    ``release`` is called at the end to wake the handlers that wait.
    """
    with socket.create_server(("127.0.0.1", port), backlog=_BACKLOG) as listener:
        server = _Server(app, listener)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": _POLL}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.end(release)
        thread.join()
