"""HTTP by ``requests`` with a total deadline, and with certainty about whether a request was sent.

The timeouts of ``requests`` are for each read, so a server that sends a byte now and then holds a caller for ever. Here
every wait on the socket ends at the call's one deadline, and nothing is started to watch it.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import ConnectionPool, HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, ReadTimeoutError
from urllib3.util import wait_for_read, wait_for_write

LATE = 0.05
"""Seconds past the deadline in which what has arrived already is still read."""

FAILURES = (requests.RequestException, HTTPError, http.client.HTTPException, OSError, ValueError)
"""What a call can raise when it fails, besides ``NotSentError``."""

MOST_IDLE = 1.5
"""Seconds for which a connection is used again: servers close idle ones after 2 and more, and what stands between may
forget them without a word. A request that is sent on such a connection has an unknown outcome."""

_MOST_KEPT = 64
_INTERIM = (102, 103)
_RECORD = 16_384


class NotSentError(Exception):
    """``may_send`` said no: not a byte of the request was written."""


class Call:
    """One request: how much time is left for it, and whether it was sent.

    ``timeout`` is in seconds, in total. ``may_send`` is asked once, right before the first byte. ``sent`` is None as
    long as nothing is known: where something else than our connections carries the request, it stays so.
    """

    def __init__(
        self, timeout: float, may_send: Callable[[], bool], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.timeout = timeout
        self.sent: bool | None = None
        self._may_send = may_send
        self._monotonic = monotonic
        self._deadline = monotonic() + timeout
        self._late_until: float | None = None

    def now(self) -> float:
        """Give the clock by which its time is measured (monotonic seconds)."""
        return self._monotonic()

    def remaining(self) -> float:
        """Give the seconds that are left; raise TimeoutError when there are none."""
        left = self._deadline - self._monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        return left

    def before_first_byte(self) -> None:
        """Ask ``may_send``, unless it was asked; raise NotSentError if it says no."""
        if not self.sent:
            if not self._may_send():
                raise NotSentError
            self.sent = True

    def receive(self, sock: socket.socket, buffer: Any) -> int:
        """Read from a socket that never blocks, as soon as something is there and before the deadline.

        Once it is past, what is there already is still read, for ``LATE`` in all: a process that was stopped finds
        the answer in its socket's buffer.
        """
        while True:
            last = self._is_late()
            try:
                return sock.recv_into(buffer)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError) as busy:
                if last:
                    raise TimeoutError("timed out") from None
                wait = wait_for_write if isinstance(busy, ssl.SSLWantWriteError) else wait_for_read
            wait(sock, max(0.0, self._deadline - self._monotonic()))

    def _is_late(self) -> bool:
        now = self._monotonic()
        if now < self._deadline:
            return False
        if self._late_until is None:
            self._late_until = now + LATE
        if now > self._late_until:
            raise TimeoutError("timed out")
        return True


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


class _Reader(io.RawIOBase):
    """The reading side of a socket that keeps to a call's deadline; ``file`` holds the socket open."""

    def __init__(self, file: io.RawIOBase, sock: socket.socket, call: Call) -> None:
        self._file = file
        self._sock = sock
        self._call = call

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._call.receive(self._sock, buffer)

    def close(self) -> None:
        self._file.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        sock.settimeout(0)
        self.fp = io.BufferedReader(_Reader(self.fp.detach(), sock, _call.get()))

    def _read_status(self) -> tuple[str, int, str]:
        """Skip what is no answer yet (RFC 9110 15.2); of these ``http.client`` knows 100 alone."""
        while True:
            status: tuple[str, int, str] = super()._read_status()  # type: ignore[misc]
            if status[1] not in _INTERIM:
                return status
            http.client.parse_headers(self.fp)


class _Connection(HTTPConnection):
    response_class = _Response
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


class _TlsPool(HTTPSConnectionPool):
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


def describe(failure: Exception, timeout: float) -> str:
    """Say in a few words why a call failed, without anything that was sent or received."""
    phrases: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str], ...] = (
        ((socket.gaierror, UnicodeError), "host name not resolved"),
        (ConnectionRefusedError, "connection refused"),
        (ssl.SSLCertVerificationError, "TLS certificate not trusted"),
        (ssl.SSLError, "TLS failure"),
        (http.client.RemoteDisconnected, "connection closed without an answer"),
        (ConnectionError, "connection lost"),
        ((TimeoutError, requests.Timeout, ReadTimeoutError), f"timed out after {timeout:g} s"),
        (http.client.IncompleteRead, "answer cut short"),
        (requests.exceptions.ContentDecodingError, "answer cannot be unpacked"),
        (http.client.HTTPException, "answer is no HTTP"),
    )
    causes = list(_causes(failure))
    for kind, phrase in phrases:
        if any(isinstance(cause, kind) for cause in causes):
            return phrase
    return f"failed: {type(causes[-1]).__name__}"


def _causes(failure: BaseException) -> Iterator[BaseException]:
    """Go through an error and those that it wraps; requests and urllib3 each have their own ways to."""
    yield failure
    wrapped = [failure.__cause__, getattr(failure, "reason", None), *failure.args]
    for cause in wrapped:
        if isinstance(cause, BaseException):
            yield from _causes(cause)
