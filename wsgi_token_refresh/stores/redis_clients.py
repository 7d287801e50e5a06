"""Clients of Redis that never let a request wait for long, made from those that a caller built."""

from __future__ import annotations

import copy
import re
import threading
import weakref
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisClusterException
from redis.retry import Retry

from ..arguments import kind_of
from ..errors import ConfigurationError

ERRORS = (redis.RedisError, RedisClusterException, OSError)
"""What a client raises; that no node of a cluster answers is no ``RedisError``."""
LONGEST_TIMEOUT = 2.0
"""Seconds that one command may take at most."""
_CONNECTIONS = 1024
_LONGEST_ERROR = 240


def own_client(client: Any, timeout: float) -> Any:
    """Give a client like this one that waits ``timeout`` seconds for each command, and does not wait to try again.

    That of a cluster keeps its connections, and so its timeouts; any other gets connections of its own.
    """
    own = copy.copy(client)
    if not hasattr(client, "connection_pool"):
        # The client's default waits for seconds between tries; the count is what versions before 6 look at.
        own.retry, own.cluster_error_retry_attempts = _once_more(), 1
        # It closes itself when it is dropped, and the connections are the caller's.
        own.close = lambda: None
        return own
    own.connection_pool, own.connection = _own_pool(client.connection_pool, timeout), None
    return own


def _own_pool(pool: Any, timeout: float) -> Any:
    settings = {
        **pool.connection_kwargs,
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        # Connections close while they are idle; what hangs is not asked twice.
        "retry": _once_more(),
        "retry_on_timeout": False,
        "retry_on_error": [],
    }
    # Everybody of a storm reads at once.
    most = max(pool.max_connections, _CONNECTIONS)
    if not hasattr(pool, "sentinel_manager"):
        return redis.ConnectionPool(pool.connection_class, most, **settings)
    own = copy.copy(pool)
    # Somebody may have held the locks when this process was forked.
    own._lock, own._fork_lock = threading.RLock(), threading.RLock()
    own.connection_kwargs, own.max_connections = settings, most
    _ask_own_sentinels(own, pool, timeout)
    own.reset()
    return own


def _ask_own_sentinels(own: Any, pool: Any, timeout: float) -> None:
    """Let a pool ask for the master by clients of its own, since the caller's may wait for a Sentinel that hangs."""
    own.sentinel_manager = copy.copy(pool.sentinel_manager)
    own.sentinel_manager.sentinels = [own_client(each, timeout) for each in pool.sentinel_manager.sentinels]
    own.proxy = copy.copy(pool.proxy)
    own.proxy.connection_pool_ref, own.proxy.sentinel_manager = weakref.ref(own), own.sentinel_manager
    own.connection_kwargs["connection_pool"] = own.proxy


def _once_more() -> Retry:
    return Retry(NoBackoff(), 1, (redis.ConnectionError,))


def is_read_only(error: Exception) -> bool:
    """Tell whether a server takes no writes any more, as a primary that became a replica: nothing was written.

    In a script Redis 6 says so in the middle of the error.
    """
    return isinstance(error, redis.ResponseError) and "READONLY" in str(error)


def drop_idle_connections(client: Any) -> None:
    """Close the connections that nobody uses just now: they lead where nobody answers, or to the wrong server."""
    pool = getattr(client, "connection_pool", None)
    if pool is not None:
        pool.disconnect(inuse_connections=False)


def in_words(error: Exception) -> str:
    """Give what an error says, less the arguments that a server repeats: they may hold a password, or a record."""
    said = str(error)
    return said.partition(",")[0][:_LONGEST_ERROR] if isinstance(error, redis.ResponseError) else said


def client_of(url: str) -> redis.Redis:
    """Make a client of a URL; raises ``ConfigurationError``, which does not show the password that may stand there."""
    try:
        client = redis.Redis.from_url(url)
        pool = client.connection_pool
        # What options cannot be is only found when there is a connection; this one is never opened.
        pool.connection_class(**pool.connection_kwargs)
        place = urlsplit(url)
        is_database = place.scheme == "unix" or place.path.strip("/").isdigit() or not place.path.strip("/")
    except (ValueError, TypeError, AttributeError, redis.RedisError) as error:
        raise ConfigurationError([f"RedisStore: the url cannot be read{_option(error)}; {_A_URL}"]) from None
    if not is_database:
        raise ConfigurationError([f"RedisStore: the url names a database that is no number; {_A_URL}"])
    return client


_A_URL = "give redis://host:6379/0, rediss:// for TLS, or unix:///path"
_UNKNOWN_OPTION = re.compile(r"unexpected keyword argument '(\w+)'")


def _option(error: Exception) -> str:
    found = _UNKNOWN_OPTION.search(str(error))
    return f": {found[1]} is no option of it" if found else ""


def client_problems(name: str, client: object) -> Iterator[str]:
    """Say what is wrong with a client, by what it lacks."""
    is_one = hasattr(client, "connection_pool") or hasattr(client, "get_connection_kwargs")
    if not is_one or isinstance(client, type):
        yield f"{name} is {kind_of(client)}; give redis.Redis(...), or RedisStore.from_url(...)"


def refuse_what_hangs(client: Any) -> None:
    """Refuse a cluster's client that may wait for long, since it keeps its timeouts; raises ``ConfigurationError``."""
    if hasattr(client, "connection_pool"):
        return
    for name in ("socket_timeout", "socket_connect_timeout"):
        seconds = client.get_connection_kwargs().get(name)
        if seconds is None or seconds > LONGEST_TIMEOUT:
            raise ConfigurationError(
                [
                    f"RedisStore: {name} of this cluster's client is {seconds}; make it with {name}=0.5, or up to "
                    f"{LONGEST_TIMEOUT}, so that no request waits for a node that hangs"
                ]
            )


def eviction(client: Any, key: str) -> str | None:
    """Name the policy by which the server of a record drops those that live; None where it never does, or is silent."""
    try:
        found = _ask_server_of(client, key)
    except redis.ResponseError:
        return None
    policy = found.get("maxmemory_policy", "noeviction")
    return None if policy == "noeviction" or not found.get("maxmemory") else f"maxmemory-policy {policy}"


def _ask_server_of(client: Any, key: str) -> dict[str, Any]:
    if hasattr(client, "connection_pool"):
        return dict(client.info("memory"))
    return dict(client.info("memory", target_nodes=client.get_node_from_key(key)))


def node_of(client: Any, key: str) -> str:
    """Name the node of a cluster on which a record lies; there is one of any other client."""
    if hasattr(client, "connection_pool"):
        return ""
    return str(client.get_node_from_key(key).name)


def connection_of(client: Any, key: str) -> Any:
    """Give the client of the server on which a record lies, for what must go over one connection.

    A cluster's first asks for the key, and so learns where its slot has moved to.
    """
    if hasattr(client, "connection_pool"):
        return client
    client.execute_command("EXISTS", key)
    return client.get_redis_connection(client.get_node_from_key(key))


def place(client: Any) -> str:
    """Tell where a client goes, without its password."""
    pool = getattr(client, "connection_pool", None)
    if pool is None:
        return "a cluster"
    settings = pool.connection_kwargs
    if hasattr(pool, "service_name"):
        return f"{pool.service_name} of Sentinel"
    found = settings.get("path") or f"{settings.get('host')}:{settings.get('port')}"
    return f"{found}/{settings.get('db', 0)}"
