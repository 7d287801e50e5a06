"""A store for several hosts, on Redis or a server that speaks its protocol."""

from __future__ import annotations

import copy
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.client import NEVER_DECODE, PubSub
from redis.retry import Retry

from ..ears import Ears, Pause
from ..errors import ConfigurationError, StoreError
from ..per_process import PerProcess
from ..store import Entry

_MARK = 16
_READ = """
local now = redis.call('TIME')
return {redis.call('GET', KEYS[1]), now[1], now[2]}
"""
# A swap whose answer was lost may be sent again: its own mark tells it that it was the one.
_SWAP = """
local held = redis.call('GET', KEYS[1])
if held and string.sub(held, 1, 16) == ARGV[1] then return 1 end
if ARGV[2] == '' then
  if held then return 0 end
elseif not held or string.sub(held, 17) ~= ARGV[3] then return 0 end
redis.call('SET', KEYS[1], ARGV[1] .. ARGV[4], 'PX', ARGV[5])
redis.call('PUBLISH', KEYS[1], '')
return 1
"""
_LOOK_AGAIN = 1.0
_POLL = 0.02
_LONGEST_TIMEOUT = 2.0
_CONNECTIONS = 1024
_REST = 1.0
_CHECK_EVERY = 600.0
_CHECK_REFUSED_EVERY = 10.0

log = logging.getLogger("wsgi_token_refresh")


class RedisStore:
    """Keeps the ledger in Redis, for any number of hosts.

    ``client`` is a ``redis.Redis`` (from Sentinel too) or a ``redis.RedisCluster`` as the caller built it; of a
    ``redis.Redis`` everything is kept but the pool of connections, which is this store's own, with ``timeout`` seconds
    for each command. A cluster's client needs a ``socket_timeout`` of its own. ``prefix`` goes before each key.
    ``clock`` replaces that of Redis, in tests.
    Raises ``ConfigurationError`` for a client that could wait for ever.
    """

    def __init__(
        self,
        client: redis.Redis | redis.RedisCluster,
        *,
        prefix: str = "wsgi-token-refresh:",
        timeout: float = 0.5,
        clock: Callable[[], float] | None = None,
    ) -> None:
        if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not 0 < timeout <= _LONGEST_TIMEOUT:
            raise ConfigurationError([f"RedisStore: timeout is {timeout!r}; give seconds, up to {_LONGEST_TIMEOUT}"])
        _refuse_what_hangs(client)
        self._given = client
        self._clients: PerProcess[Any] = PerProcess(partial(_with_own_pool, client, timeout))
        self._prefix = prefix
        self._timeout = timeout
        self._clock = clock
        self._ears = PerProcess(Ears)
        self._rests_until = 0.0
        self._check_at = 0.0
        self._refused: str | None = None

    @classmethod
    def from_url(cls, url: str, *, prefix: str = "wsgi-token-refresh:", timeout: float = 0.5) -> RedisStore:
        """Make a store on ``redis://``, ``rediss://`` (TLS) or ``unix://``; raises ``ConfigurationError``."""
        try:
            client = redis.Redis.from_url(url)
        except (ValueError, TypeError, AttributeError):
            # The error could show the password that stands in the URL.
            raise ConfigurationError(
                ["RedisStore: the url cannot be read; give redis://host:6379/0, rediss:// for TLS, or unix:///path"]
            ) from None
        return cls(client, prefix=prefix, timeout=timeout)

    def __repr__(self) -> str:
        return f"RedisStore({_place(self._given)})"

    def close(self) -> None:
        """Close this process' connections; the next use opens new ones."""
        client = self._clients.made()
        if client is not None and client is not self._given:
            client.connection_pool.disconnect()

    def read(self, key: str) -> Entry:
        """Read a record and the store's clock."""
        value, seconds, micros = self._run(_READ, key)
        now = int(seconds) + int(micros) / 1e6 if self._clock is None else self._clock()
        return Entry(None if value is None else value[_MARK:], now)

    def swap(self, key: str, old: bytes | None, new: bytes, lives: float) -> bool:
        """Write ``new`` only where ``old`` still stands (None: where nothing stands), and tell whether it did."""
        stands = b"" if old is None else b"1"
        return bool(self._run(_SWAP, key, os.urandom(_MARK), stands, old or b"", new, max(1, int(lives * 1000))))

    def touch(self, key: str, lives: float) -> None:
        """Let a record live for ``lives`` seconds from now; nothing where there is none."""
        with self._asking():
            self._clients.get().pexpire(self._prefix + key, int(lives * 1000))

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
        except (redis.RedisError, OSError):
            return False

    def _run(self, script: str, key: str, *values: bytes | int) -> Any:
        with self._asking():
            return self._clients.get().execute_command(
                "EVAL", script, 1, self._prefix + key, *values, **{NEVER_DECODE: True}
            )

    @contextmanager
    def _asking(self) -> Iterator[None]:
        if time.monotonic() < self._rests_until:
            raise StoreError(f"{self!r}: no answer within {self._timeout} s; it is asked again in a second")
        try:
            self._check()
            yield
        except redis.TimeoutError as error:
            # Or else every request would wait for a server that hangs.
            self._rests_until = time.monotonic() + _REST
            raise StoreError(f"{self!r}: no answer within {self._timeout} s") from error
        except (redis.RedisError, OSError) as error:
            raise StoreError(f"{self!r}: {error}") from error

    def _check(self) -> None:
        """Refuse a server that may drop records to make room: a lost record is somebody who is logged out."""
        now = time.monotonic()
        if now >= self._check_at:
            self._check_at = now + _CHECK_REFUSED_EVERY
            policy = _evicts(self._clients.get())
            if policy is None:
                self._check_at, self._refused = now + _CHECK_EVERY, None
            elif self._refused is None:
                self._refused = f"{self!r} evicts ({policy})"
                log.warning(
                    "%s, so it could drop records that keep people signed in, and is not used: nothing is refreshed. "
                    "Set maxmemory-policy to noeviction there, or give the URL of a Redis of its own",
                    self._refused,
                )
        if self._refused is not None:
            raise StoreError(self._refused)


def _with_own_pool(client: Any, timeout: float) -> Any:
    """Give the client connections of its own, on which no command waits for longer than ``timeout`` seconds."""
    pool = getattr(client, "connection_pool", None)
    if pool is None:
        return client
    own, own_pool = copy.copy(client), copy.copy(pool)
    # Somebody may have held the locks when this process was forked.
    own_pool._lock, own_pool._fork_lock = threading.RLock(), threading.RLock()
    own_pool.connection_kwargs = {
        **pool.connection_kwargs,
        "socket_timeout": timeout,
        # Connections close while they are idle; what hangs is not asked twice.
        "retry": Retry(NoBackoff(), 1, (redis.ConnectionError,)),
        **({} if "path" in pool.connection_kwargs else {"socket_connect_timeout": timeout}),
    }
    # Everybody of a storm reads at once.
    own_pool.max_connections = max(pool.max_connections, _CONNECTIONS)
    own_pool.reset()
    own.connection_pool, own.connection = own_pool, None
    return own


def _refuse_what_hangs(client: Any) -> None:
    """Refuse a cluster's client that may wait for long: its connections cannot be replaced."""
    if hasattr(client, "connection_pool"):
        return
    for name in ("socket_timeout", "socket_connect_timeout"):
        seconds = client.get_connection_kwargs().get(name)
        if seconds is None or seconds > _LONGEST_TIMEOUT:
            raise ConfigurationError(
                [
                    f"RedisStore: {name} of this cluster's client is {seconds}; make it with {name}=0.5, or up to "
                    f"{_LONGEST_TIMEOUT}, so that no request waits for a node that hangs"
                ]
            )


def _evicts(client: Any) -> str | None:
    """Name the policy by which a server drops records that live; None where it never does, or does not say."""
    try:
        found = client.info("memory")
    except redis.ResponseError:
        return None
    policy = found.get("maxmemory_policy", "noeviction")
    return None if policy == "noeviction" or not found.get("maxmemory") else f"maxmemory-policy {policy}"


def _heard(listener: PubSub, seconds: float) -> bool:
    try:
        listener.get_message(timeout=seconds)
    except (redis.RedisError, OSError):
        return False
    return True


def _place(client: Any) -> str:
    pool = getattr(client, "connection_pool", None)
    if pool is None:
        return "a cluster"
    settings = pool.connection_kwargs
    if hasattr(pool, "service_name"):
        return f"{pool.service_name} of Sentinel"
    place = settings.get("path") or f"{settings.get('host')}:{settings.get('port')}"
    return f"{place}/{settings.get('db', 0)}"
