"""Sends recorded commands to a Redis, and does nothing else.

Each connection sends one command at a time and waits for its answer, as a refresh does.
"""

from __future__ import annotations

import pickle
import selectors
import socket
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from .recording import Command

_PIECE = 65_536


@dataclass(frozen=True)
class Work:
    """``tasks`` are lists of commands; ``rate`` is how many begin in a second, 0 for as many as can."""

    port: int
    tasks: list[list[Command]]
    connections: int = 64
    rate: float = 0.0


@dataclass(frozen=True)
class Done:
    """Seconds in all, and from when each task was due until its last answer."""

    tasks: int
    commands: int
    seconds: float
    took: list[float]


@dataclass
class _Connection:
    socket: socket.socket
    commands: Iterator[Command] = field(default_factory=lambda: iter(()))
    expected: int | None = None
    due: float = 0.0
    heard: bytes = b""


def replay(work: Work) -> Done:
    """Send everything; raises ``RuntimeError`` for an answer that is not as it was recorded."""
    free = deque(_Connection(socket.create_connection(("127.0.0.1", work.port))) for _ in range(work.connections))
    took: list[float] = []
    with selectors.DefaultSelector() as selector:
        for each in free:
            each.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            selector.register(each.socket, selectors.EVENT_READ, each)
        began = time.perf_counter()
        waiting = deque(_with_times(work, began))
        while len(took) < len(work.tasks):
            _begin(waiting, free, time.perf_counter())
            for key, _ in selector.select(_pause(waiting, free)):
                _go_on(key.data, free, took)
        seconds = time.perf_counter() - began
    for each in free:
        each.socket.close()
    return Done(len(took), sum(map(len, work.tasks)), seconds, took)


def _with_times(work: Work, began: float) -> Iterable[tuple[float, list[Command]]]:
    for number, task in enumerate(work.tasks):
        yield (began + number / work.rate if work.rate else 0.0), task


def _pause(waiting: deque[tuple[float, list[Command]]], free: deque[_Connection]) -> float | None:
    return max(0.0, waiting[0][0] - time.perf_counter()) if waiting and free else None


def _begin(waiting: deque[tuple[float, list[Command]]], free: deque[_Connection], now: float) -> None:
    while waiting and free and waiting[0][0] <= now:
        due, task = waiting.popleft()
        connection = free.popleft()
        connection.commands, connection.due = iter(task), due or now
        _send(connection)


def _send(connection: _Connection) -> bool:
    command = next(connection.commands, None)
    if command is None:
        return False
    said, connection.expected = command
    connection.socket.sendall(said)
    return True


def _go_on(connection: _Connection, free: deque[_Connection], took: list[float]) -> None:
    connection.heard += connection.socket.recv(_PIECE)
    if not _is_whole(connection.heard):
        return
    if _shape(connection.heard) != connection.expected:
        raise RuntimeError(f"expected {connection.expected}, but was answered {connection.heard[:80]!r}")
    connection.heard = b""
    if not _send(connection):
        took.append(time.perf_counter() - connection.due)
        free.append(connection)


def _is_whole(heard: bytes) -> bool:
    """Tell whether an answer is there: a number, an error, or a record and two numbers of the clock."""
    if not heard.endswith(b"\r\n"):
        return False
    if not heard.startswith(b"*"):
        return True
    start, length = _record(heard)
    rest = heard[start:] if length is None else heard[start + length + 2 :]
    return rest.count(b"\r\n") == 4


def _shape(heard: bytes) -> int | None:
    if heard.startswith(b"*"):
        return _record(heard)[1]
    return int(heard[1:]) if heard.startswith(b":") else -1


def _record(heard: bytes) -> tuple[int, int | None]:
    """Give where the first part of a list begins, and its length; None where it is nil."""
    head, _, rest = heard.partition(b"\r\n")
    length, _, _ = rest.partition(b"\r\n")
    start = len(head) + 2 + len(length) + 2
    return start, None if length == b"$-1" else int(length[1:])


def main() -> None:
    """Do the work that stands on stdin, and write to stdout what came of it."""
    pickle.dump(replay(pickle.load(sys.stdin.buffer)), sys.stdout.buffer)
