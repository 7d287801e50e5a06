"""HTTP by ``requests`` with deadlines, and with certainty about whether a request was sent.

The timeouts of ``requests`` are for each read, so a server that sends a byte now and then holds a caller for ever. Here
every wait on the socket ends at the call's deadline, and nothing is started to watch it. There is one until the request
is sent, and another one for its answer: an answer that is late is not lost, but stays where it can be waited for.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import ConnectionPool, HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, ReadTimeoutError

from .calls import Call

FAILURES = (requests.RequestException, HTTPError, http.client.HTTPException, OSError, ValueError)
"""What a call can raise when it fails, besides ``NotSentError``."""

MOST_IDLE = 1.5
"""Seconds for which a connection is used again: servers close idle ones after 2 and more, and what stands between may
forget them without a word. A request that is sent on such a connection has an unknown outcome."""

_MOST_KEPT = 64
_RECORD = 16_384
_SHOWN = ("content-type", "retry-after")


# Greenlets and threads have a context each, whenever gevent patches; a threading.local made before would be shared.
_call: ContextVar[Call] = ContextVar("call")


@contextmanager
def calling(call: Call) -> Iterator[None]:
    """Let what this thread or greenlet does over HTTP belong to a call."""
    token = _call.set(call)
    try:
        yield
    finally:
        _call.reset(token)


class _Response(http.client.HTTPResponse):
    """Shows an answer that was read by us as one that ``http.client`` has read."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        sock.settimeout(0)
        self._sock = sock

    def begin(self) -> None:
        file, self.fp = self.fp.detach(), io.BufferedReader(io.BytesIO())
        reply = _call.get().answer(self._sock, file)
        # A body that came with 204 was sent to be read; urllib3 would not.
        self.code = self.status = 200 if reply.body and reply.status in (204, 205) else reply.status
        self.version, self.reason = 11, ""
        self.headers = self.msg = http.client.HTTPMessage()
        for name in _SHOWN:
            if name in reply.fields:
                self.headers[name] = reply.fields[name]
        self.chunked, self.length, self.will_close = False, len(reply.body), not reply.reusable
        self.fp = io.BufferedReader(io.BytesIO(reply.body))


class _Connection(HTTPConnection):
    response_class = _Response
    query = ""
    _used_at = 0.0

    @property
    def is_connected(self) -> bool:
        return super().is_connected and _call.get().now() - self._used_at < MOST_IDLE

    def _new_conn(self) -> socket.socket:
        call = _call.get()
        try:
            sock = _connect(self.host.strip("[]"), self.port, self.socket_options or (), call)
        except TimeoutError as error:
            raise ConnectTimeoutError(self, "timed out") from error
        except (OSError, UnicodeError) as error:
            raise NewConnectionError(self, "no connection") from error
        return sock

    def putrequest(self, method: str, url: str, *args: Any, **kwargs: Any) -> None:
        super().putrequest(method, url + self.query, *args, **kwargs)

    def send(self, data: Any) -> None:
        call = _call.get()
        if self.sock is None:
            self.connect()
        self._used_at = call.now()
        # The timeout is a total for what one call of the socket's can write: a record, where there is TLS.
        for start in range(0, len(data), _RECORD):
            self.sock.settimeout(call.remaining())
            call.before_first_byte()
            super().send(data[start : start + _RECORD])


class _TlsConnection(_Connection, HTTPSConnection):
    """The same over TLS: what differs is all in ``connect``."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection

    def _make_request(self, conn: Any, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        # urllib3 logs what is asked for here, and a query may be nobody else's business.
        path, mark, query = url.partition("?")
        conn.query = mark + query
        return super()._make_request(conn, method, path, *args, **kwargs)


class _TlsPool(_Pool, HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


def _connect(host: str, port: int, options: Any, call: Call) -> socket.socket:
    """Connect to the first address that answers; the time that is left is shared out among them and the answer.

    The handshake of TLS follows with the socket's timeout, which is a total in CPython and for each step in gevent.
    """
    # Nothing can interrupt getaddrinfo: the time that it took is missing afterwards.
    addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    failure: OSError = OSError("no address")
    for tried, (family, kind, protocol, _, address) in enumerate(addresses):
        share = call.remaining() / (len(addresses) - tried + 1)
        try:
            return _connected(socket.socket(family, kind, protocol), address, share, options, call)
        except OSError as error:
            failure = error
    raise failure


def _connected(sock: socket.socket, address: Any, share: float, options: Any, call: Call) -> socket.socket:
    try:
        for option in options:
            sock.setsockopt(*option)
        sock.settimeout(share)
        sock.connect(address)
        sock.settimeout(call.remaining())
    except BaseException:  # a worker's abort, too, must not leave the socket open
        sock.close()
        raise
    return sock


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> ConnectionPool:
        # From here on the request is in the hands of our connections, which know whether they wrote.
        _call.get().sent = False
        return super().get_connection_with_tls_context(*args, **kwargs)


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """Find no redirect: even where it follows none, requests would read the body of one, however long."""


def make_session(pool_size: int, ca_bundle: str | None = None) -> requests.Session:
    """Make a session for calls: no environment, ``.netrc`` or proxy, no cookies, no retries, TLS verified."""
    session = _Session()
    session.trust_env = False
    session.verify = ca_bundle or True
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers.update({"User-Agent": "wsgi-token-refresh", "Accept": "application/json"})
    # What is not packed cannot be a bomb.
    session.headers["Accept-Encoding"] = "identity"
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter(pool_connections=2, pool_maxsize=max(pool_size, _MOST_KEPT)))
    return session


def was_sent(call: Call, failure: Exception) -> bool:
    """Tell whether the request of a failed call may have been processed; False only where it surely was not."""
    if call.sent is not None:
        return call.sent
    return not any(isinstance(cause, requests.ConnectTimeout | NewConnectionError) for cause in _causes(failure))


def describe(failure: Exception, call: Call | None = None) -> str:
    """Say in a few words why a call failed, without anything that was sent or received."""
    if call is not None and call.late is not None:
        return f"no answer within {call.patience:g} s"
    phrases: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str], ...] = (
        ((socket.gaierror, UnicodeError), "host name not resolved"),
        (ConnectionRefusedError, "connection refused"),
        (ssl.SSLCertVerificationError, "TLS certificate not trusted"),
        (ssl.SSLError, "TLS failure"),
        (http.client.RemoteDisconnected, "connection closed without an answer"),
        (ConnectionError, "connection lost"),
        (
            (TimeoutError, requests.Timeout, ReadTimeoutError),
            f"timed out after {call.timeout:g} s" if call else "timed out",
        ),
        (http.client.IncompleteRead, "answer cut short"),
        (requests.exceptions.ContentDecodingError, "answer cannot be unpacked"),
        (http.client.HTTPException, "answer is no HTTP"),
    )
    causes = list(_causes(failure))
    for kind, phrase in phrases:
        if any(isinstance(cause, kind) for cause in causes):
            return phrase
    return f"failed: {type(causes[-1]).__name__}"


def forget(failure: BaseException) -> None:
    """Let go of the frames that a failure went through: they hold sockets and requests in cycles."""
    for cause in _causes(failure):
        cause.__traceback__ = None
        if cause.__context__ is not None:
            forget(cause.__context__)


def _causes(failure: BaseException) -> Iterator[BaseException]:
    """Go through an error and those that it wraps; requests and urllib3 each have their own ways to."""
    yield failure
    wrapped = [failure.__cause__, getattr(failure, "reason", None), *failure.args]
    for cause in wrapped:
        if isinstance(cause, BaseException):
            yield from _causes(cause)
