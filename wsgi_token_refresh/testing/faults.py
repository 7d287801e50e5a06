"""What can go wrong with a refresh, to be ordered by name.

=========================  =================================================================================
fault                      what the refresh request meets; P: it is processed, and its refresh token spent
=========================  =================================================================================
``slow``                   P, but only after ``seconds`` (1)
``500``, ``502``, ``503``  that status, with an HTML page and without ``Retry-After``
``503-retry-after``        503, with ``Retry-After: seconds`` (1)
``429``                    429, with ``Retry-After: seconds`` (1)
``html``                   200 with an HTML page
``html-after``             P, then 200 with an HTML page
``broken-json``            200 with the beginning of a JSON object
``reset``                  a connection reset
``reset-after``            P, then a connection reset
``drop``                   P, then the connection is closed without an answer
``hang``                   nothing for ``seconds`` (till ``release()``), then the connection is closed
``hang-after``             P, then like ``hang``
``drip``                   P, then status line and headers byte by byte for ``seconds`` (1), then the rest
``drip-body``              P, then the headers, the body byte by byte for ``seconds`` (1), then the rest
``invalid_client``         401 ``invalid_client`` (RFC 6749 5.2)
``no-refresh-token``       P without rotation: the answer has no refresh token, the old one stays good
``other-subject``          P, with an access token of somebody else
``unverifiable``           P, with an access token signed by a key that is not in the JWKS
=========================  =================================================================================
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from werkzeug.wrappers import Response

from .answers import invalid_client
from .connections import (
    close_connection,
    connection_of,
    drip_body,
    drip_head,
    reset_connection,
)
from .issuing import HONEST, Twist

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


@dataclass(frozen=True, slots=True)
class Exchange:
    """One refresh request, as a fault sees it.

    ``process`` does all that the request asks for and makes the answer; ``wait`` waits for some seconds, for None until
    ``release()``, and tells whether it was released.
    """

    environ: WSGIEnvironment
    process: Callable[[Twist], Response]
    wait: Callable[[float | None], bool]


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault that was ordered."""

    name: str
    seconds: float | None = None

    def play(self, exchange: Exchange) -> Response:
        """Answer a refresh request, in this fault's way."""
        return _BEHAVIOURS[self.name](exchange, self.seconds)


class Faults:
    """The faults that are on order, first come first served."""

    def __init__(self) -> None:
        self._queue: deque[Fault] = deque()

    def order(self, name: str, times: int = 1, *, seconds: float | None = None) -> None:
        """Order a fault for the next ``times`` refresh requests that have none yet."""
        if name not in _BEHAVIOURS:
            raise ValueError(f"there is no fault {name!r}; there are: {', '.join(_BEHAVIOURS)}")
        if type(times) is not int or times < 1:
            raise ValueError(f"times is a whole number from 1, not {times!r}")
        if seconds is not None and (type(seconds) not in (int, float) or seconds < 0):
            raise ValueError(f"seconds is a number from 0, not {seconds!r}")
        self._queue.extend([Fault(name, seconds)] * times)

    def take(self) -> Fault | None:
        """Take the next one."""
        return self._queue.popleft() if self._queue else None


_Behaviour = Callable[[Exchange, float | None], Response]


def _page(status: int, *, retry_after: bool = False) -> _Behaviour:
    def behave(_exchange: Exchange, seconds: float | None) -> Response:
        response = Response(f"<!doctype html><title>{status}</title><p>This is not JSON.", status, mimetype="text/html")
        if retry_after:
            response.headers["Retry-After"] = f"{_or_one(seconds):.0f}"
        return response

    return behave


def _twisted(twist: Twist) -> _Behaviour:
    return lambda exchange, _seconds: exchange.process(twist)


def _slow(exchange: Exchange, seconds: float | None) -> Response:
    exchange.wait(_or_one(seconds))
    return exchange.process(HONEST)


def _broken_json(_exchange: Exchange, _seconds: float | None) -> Response:
    return Response('{"access_token": "ey', mimetype="application/json")


def _invalid_client(_exchange: Exchange, _seconds: float | None) -> Response:
    return invalid_client()


def _reset(exchange: Exchange, _seconds: float | None) -> Response:
    reset_connection(exchange.environ)


def _drop(exchange: Exchange, _seconds: float | None) -> Response:
    close_connection(exchange.environ)


def _hang(exchange: Exchange, seconds: float | None) -> Response:
    connection_of(exchange.environ)
    exchange.wait(seconds)
    close_connection(exchange.environ)


def _drip(exchange: Exchange, seconds: float | None) -> Response:
    response = exchange.process(HONEST)
    drip_head(exchange.environ, response, seconds=_or_one(seconds), wait=exchange.wait)


def _drip_body(exchange: Exchange, seconds: float | None) -> Response:
    response = exchange.process(HONEST)
    drip_body(exchange.environ, response, seconds=_or_one(seconds), wait=exchange.wait)


def _after(behave: _Behaviour) -> _Behaviour:
    def processed_first(exchange: Exchange, seconds: float | None) -> Response:
        exchange.process(HONEST)
        return behave(exchange, seconds)

    return processed_first


def _connected(behave: _Behaviour) -> _Behaviour:
    """Fail before anything is processed where there is no connection to play with."""

    def checked(exchange: Exchange, seconds: float | None) -> Response:
        connection_of(exchange.environ)
        return behave(exchange, seconds)

    return checked


def _or_one(seconds: float | None) -> float:
    return 1 if seconds is None else seconds


_BEHAVIOURS: Mapping[str, _Behaviour] = {
    "slow": _slow,
    "500": _page(500),
    "502": _page(502),
    "503": _page(503),
    "503-retry-after": _page(503, retry_after=True),
    "429": _page(429, retry_after=True),
    "html": _page(200),
    "html-after": _after(_page(200)),
    "broken-json": _broken_json,
    "reset": _reset,
    "reset-after": _connected(_after(_reset)),
    "drop": _connected(_after(_drop)),
    "hang": _hang,
    "hang-after": _connected(_after(_hang)),
    "drip": _connected(_drip),
    "drip-body": _connected(_drip_body),
    "invalid_client": _invalid_client,
    "no-refresh-token": _twisted(Twist(keep=True)),
    "other-subject": _twisted(Twist(subject="somebody-else")),
    "unverifiable": _twisted(Twist(forged=True)),
}

FAULTS = tuple(_BEHAVIOURS)
"""The names of all faults."""
