"""A store for several hosts, on Redis or a server that speaks its protocol."""

from __future__ import annotations

import logging
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import redis
from redis.client import NEVER_DECODE, PubSub

from ..arguments import callable_problems, needed_text_problems
from ..errors import ConfigurationError, StoreError
from ..per_process import PerProcess
from .protocol import Entry
from .redis_clients import (
    ERRORS,
    LONGEST_TIMEOUT,
    client_of,
    client_problems,
    connection_of,
    drop_idle_connections,
    eviction,
    in_words,
    is_read_only,
    node_of,
    own_client,
    place,
    refuse_what_hangs,
)
from .waiting import Ears, Pause

_MARK = 16
_READ = b"""
local now = redis.call('TIME')
return {redis.call('GET', KEYS[1]), now[1], now[2]}
"""
# A swap whose answer was lost may be sent again: its own mark tells it that it was the one. Who may not publish has
# written all the same, and whoever waits looks again by themselves.
_SWAP = b"""
local held = redis.call('GET', KEYS[1])
if held and string.sub(held, 1, 16) == ARGV[1] then return 1 end
if ARGV[2] == '' then
  if held then return 0 end
elseif not held or string.sub(held, 17) ~= ARGV[3] then return 0 end
if ARGV[5] == '0' then redis.call('DEL', KEYS[1])
else redis.call('SET', KEYS[1], ARGV[1] .. ARGV[4], 'PX', ARGV[5]) end
redis.pcall('PUBLISH', KEYS[1], '')
return 1
"""
_LOOK_AGAIN = 1.0
_POLL = 0.02
_REST = 1.0
_CHECK_EVERY = 600.0
_MOST_REPLICAS = 16
_SHARE_OF_WAIT = 0.5
_CHECK_REFUSED_EVERY = 10.0

log = logging.getLogger("wsgi_token_refresh")


@dataclass
class _Node:
    """What is known of a server: monotonic seconds until which it is left alone, and until it is checked again."""

    rests_until: float = 0.0
    check_at: float = 0.0
    refused: str | None = None


class RedisStore:
    """Keeps the ledger in Redis, for any number of hosts.

    ``client`` is a ``redis.Redis`` (from Sentinel too) or a ``redis.RedisCluster`` as the caller built it; of a
    ``redis.Redis`` everything is kept but the pool of connections, which is this store's own, with ``timeout`` seconds
    for each command. A cluster's client needs timeouts of its own. ``prefix`` goes before each key. ``replicas`` is how
    many replicas must have a write before it counts: with fewer it is a ``StoreError``, and nobody knows whether it
    lasts. ``clock`` replaces that of Redis, in tests. Raises ``ConfigurationError`` for a client that could wait for
    ever.
    """

    def __init__(
        self,
        client: redis.Redis | redis.RedisCluster,
        *,
        prefix: str = "wsgi-token-refresh:",
        timeout: float = 0.5,
        replicas: int = 0,
        clock: Callable[[], float] | None = None,
    ) -> None:
        if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not 0 < timeout <= LONGEST_TIMEOUT:
            raise ConfigurationError([f"RedisStore: timeout is {timeout!r}; give seconds, up to {LONGEST_TIMEOUT}"])
        if isinstance(replicas, bool) or not isinstance(replicas, int) or not 0 <= replicas <= _MOST_REPLICAS:
            raise ConfigurationError([f"RedisStore: replicas is {replicas!r}; give a number, 0 to {_MOST_REPLICAS}"])
        problems = [
            *client_problems("client", client),
            *needed_text_problems("prefix", prefix),
            *(() if clock is None else callable_problems("clock", clock)),
        ]
        if problems:
            raise ConfigurationError([f"RedisStore: {problem}" for problem in problems])
        refuse_what_hangs(client)
        self._given = client
        self._clients: PerProcess[Any] = PerProcess(partial(own_client, client, timeout))
        self._prefix = prefix
        self._timeout = timeout
        self._replicas = replicas
        self._clock = clock
        self._ears = PerProcess(Ears)
        self._nodes: defaultdict[str, _Node] = defaultdict(_Node)

    @classmethod
    def from_url(
        cls, url: str, *, prefix: str = "wsgi-token-refresh:", timeout: float = 0.5, replicas: int = 0
    ) -> RedisStore:
        """Make a store on ``redis://``, ``rediss://`` (TLS) or ``unix://``; raises ``ConfigurationError``."""
        return cls(client_of(url), prefix=prefix, timeout=timeout, replicas=replicas)

    def __repr__(self) -> str:
        return f"RedisStore({place(self._given)})"

    def close(self) -> None:
        """Close this process' own connections; the next use opens new ones. A cluster's are the caller's."""
        pool = getattr(self._clients.made(), "connection_pool", None)
        if pool is not None:
            pool.disconnect()

    def read(self, key: str) -> Entry:
        """Read a record and the store's clock."""
        value, seconds, micros = self._run(_READ, key)
        now = int(seconds) + int(micros) / 1e6 if self._clock is None else self._clock()
        return Entry(None if value is None else value[_MARK:], now)

    def swap(self, key: str, old: bytes | None, new: bytes, lives: float) -> bool:
        """Write ``new`` only where ``old`` still stands (None: where nothing stands), and tell whether it did."""
        stands, millis = b"" if old is None else b"1", 0 if lives <= 0 else max(1, int(lives * 1000))
        values = (os.urandom(_MARK), stands, old or b"", new, millis)
        if not self._replicas:
            return bool(self._run(_SWAP, key, *values))
        name = self._prefix + key
        command = ("EVAL", _SWAP, 1, name, *values)
        return bool(self._ask(key, lambda client: self._confirmed(connection_of(client, name), command)))

    def _confirmed(self, client: Any, command: Sequence[str | bytes | int]) -> bool:
        """Write, and wait on the same connection until enough replicas have it (``WAIT``)."""
        pipeline = client.pipeline(transaction=False)
        pipeline.execute_command(*command)
        # A server that still waits at the timeout would look like one that hangs; Redis looks at its clock late.
        pipeline.execute_command("WAIT", self._replicas, max(1, int(self._timeout * 1000 * _SHARE_OF_WAIT)))
        written, confirmed = pipeline.execute()
        if written and confirmed < self._replicas:
            raise StoreError(f"{self!r}: {confirmed} of {self._replicas} replicas have what was written")
        return bool(written)

    def touch(self, key: str, lives: float) -> None:
        """Let a record live for ``lives`` seconds from now; nothing where there is none."""
        command = ("PEXPIRE", self._prefix + key, int(lives * 1000))
        self._ask(key, lambda client: client.execute_command(*command))

    def wait(self, key: str, seen: bytes, seconds: float) -> Entry | None:
        """Give the record when it is no longer ``seen``; None after ``seconds``. Redis says when.

        Of those who wait in one process for one record one listens, and tells the others.
        """
        return self._ears.get().wait(
            key, seen, seconds, read=lambda: self.read(key), listening=lambda: self._listening(key)
        )

    @contextmanager
    def _listening(self, key: str) -> Iterator[Pause]:
        """Listen for changes; who cannot looks again and again instead."""
        listener = self._clients.get().pubsub()
        try:
            hears = self._subscribes(listener, key)

            def pause(seconds: float) -> None:
                nonlocal hears
                hears = hears and _heard(listener, min(seconds, _LOOK_AGAIN))
                if not hears:
                    time.sleep(min(seconds, _POLL))

            yield pause
        finally:
            listener.close()

    def _subscribes(self, listener: PubSub, key: str) -> bool:
        try:
            listener.subscribe(self._prefix + key)
            # What changes before the server confirms is seen by the read that follows, what changes later is heard.
            return listener.get_message(timeout=self._timeout) is not None
        except ERRORS:
            return False

    def _run(self, script: bytes, key: str, *values: bytes | int) -> Any:
        command = ("EVAL", script, 1, self._prefix + key, *values)
        return self._ask(key, lambda client: client.execute_command(*command, **{NEVER_DECODE: True}))

    def _ask(self, key: str, send: Callable[[Any], Any]) -> Any:
        """Send something about a record to its server, and give the answer; raises ``StoreError``."""
        began, node, client = time.monotonic(), None, self._clients.get()
        try:
            node = self._nodes[node_of(client, self._prefix + key)]
            if began < node.rests_until:
                raise StoreError(f"{self!r}: no answer within {self._timeout} s; it is asked again in a second")
            if began >= node.check_at:
                self._check(node, key)
            if node.refused is not None:
                raise StoreError(node.refused)
            return send(client)
        except ERRORS as error:
            self._rest_if_it_hangs(node, error, time.monotonic() - began)
            if is_read_only(error):
                drop_idle_connections(client)
            raise StoreError(f"{self!r}: {in_words(error)}") from None

    def _rest_if_it_hangs(self, node: _Node | None, error: Exception, took: float) -> None:
        if node is None or (took < self._timeout and not isinstance(error, redis.TimeoutError)):
            return
        # Or else every request would wait for a server that hangs, and then for each connection that went dead.
        node.rests_until = time.monotonic() + _REST
        drop_idle_connections(self._clients.get())
        raise StoreError(f"{self!r}: no answer within {self._timeout} s") from None

    def _check(self, node: _Node, key: str) -> None:
        """Refuse a server that may drop records to make room: a lost record is somebody who is logged out."""
        now = time.monotonic()
        node.check_at = now + _CHECK_REFUSED_EVERY
        policy = eviction(self._clients.get(), self._prefix + key)
        if policy is None:
            node.check_at, node.refused = now + _CHECK_EVERY, None
        elif node.refused is None:
            node.refused = f"{self!r} evicts ({policy})"
            log.warning(
                "%s, so it could drop records that keep people signed in, and is not used: nothing is refreshed. "
                "Set maxmemory-policy to noeviction there, or give the URL of a Redis of its own",
                node.refused,
            )


def _heard(listener: PubSub, seconds: float) -> bool:
    try:
        listener.get_message(timeout=seconds)
    except ERRORS:
        return False
    return True
