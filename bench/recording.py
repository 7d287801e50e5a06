"""The very commands that refreshes and looks at the ledger send to Redis, and what it answers."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import redis

from tests.real_redis import RealRedis
from wsgi_token_refresh.ledger.rules import SEND_WITHIN
from wsgi_token_refresh.ledger.single_flight import Refresher
from wsgi_token_refresh.stores.protocol import Store
from wsgi_token_refresh.stores.redis import RedisStore
from wsgi_token_refresh.tokens import Outcome, Refreshed, Tokens, received

from .memory import InProcessEndpoint

PREFIX = "bench-0000:"
_DAYS = 30
_LONGEST_CALL = 5 + SEND_WITHIN

Command = tuple[bytes, int | None]
"""A command as it goes over the wire, and what its answer must be: a number, or the length of a value."""


@dataclass(frozen=True)
class Session:
    """What a session's first refresh, its second, and a look at it afterwards send."""

    first: list[Command]
    second: list[Command]
    look: list[Command]

    def copy(self, number: int) -> Session:
        """Give the same commands for other keys."""
        old, new = PREFIX.encode(), f"bench-{number:04d}:".encode()
        first, second, look = (
            [(command.replace(old, new), answer) for command, answer in each]
            for each in (self.first, self.second, self.look)
        )
        return Session(first, second, look)


class OpaqueEndpoint(InProcessEndpoint):
    """Gives opaque access tokens of 600 characters, which say nothing of a subject."""

    def refresh(self, refresh_token: str, *, patience: float, may_send: Callable[[], bool]) -> Outcome:
        return Refreshed(opaque())


def opaque() -> Tokens:
    return received(secrets.token_urlsafe(450), secrets.token_urlsafe(32), now=time.time(), expires_in=900)


def refresher(store: Store, endpoint: OpaqueEndpoint | None = None) -> Refresher:
    """Make what refreshes, as the middleware does."""
    return Refresher(
        store,
        OpaqueEndpoint() if endpoint is None else endpoint,
        refresh_before=300.0,
        hand_over=600.0,
        lives=_DAYS * 86_400.0,
    )


def refresh(refresher: Refresher, shown: Tokens) -> Tokens:
    """Refresh a session, and take what goes to the browser."""
    flight = refresher.refresh(shown, good=False, limit=time.monotonic() + _LONGEST_CALL, forced=True)
    sent = refresher.to_send(flight)
    if sent is None:
        raise RuntimeError("a refresh gave nothing")
    return sent


def record(server: RealRedis, sessions: int) -> list[Session]:
    """Refresh each session twice, look at it once, and write down what that says to Redis."""
    client = _WritesDown(port=server.port)
    refreshes = refresher(RedisStore(client, prefix=PREFIX))

    def said() -> list[Command]:
        taken = list(client.said)
        client.said.clear()
        return taken

    found = []
    for _ in range(sessions):
        tokens = refresh(refreshes, opaque())
        first = said()
        tokens = refresh(refreshes, tokens)
        second = said()
        if refreshes.look_up(tokens).outcome is not None:
            raise RuntimeError("a look found newer tokens")
        found.append(Session(first, second, said()))
    client.close()
    return found


class _WritesDown(redis.Redis):
    """A client that keeps what it says, and what is answered."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.said: list[Command] = []

    def execute_command(self, *args: Any, **options: Any) -> Any:
        answer = super().execute_command(*args, **options)
        if args[0] in ("EVAL", "PEXPIRE"):
            self.said.append((_packed(args), shape(answer)))
        return answer


def shape(answer: Any) -> int | None:
    """Give what must be the same when a command is sent again: a number, or the length of a record."""
    if isinstance(answer, list):
        return None if answer[0] is None else len(answer[0])
    return int(answer)


def _packed(args: tuple[Any, ...]) -> bytes:
    """Write a command as it goes over the wire (RESP2)."""
    parts = [each if isinstance(each, bytes) else str(each).encode() for each in args]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
