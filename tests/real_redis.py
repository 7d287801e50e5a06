"""A real Redis in a process of its own: ``redis-server`` of the environment or of the path, on a free port."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import redis

from wsgi_token_refresh.stores.redis import RedisStore

PATIENCE = 20.0
_ROUNDING = 50
_SLOWER = 1000
"""How much longer records live than is said, so that only the clock of a test ages them."""


def redis_server() -> str:
    """Find the program."""
    found = shutil.which("redis-server", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if found is None:
        raise FileNotFoundError(
            "redis-server is missing: tools/test.py brings one on Linux, elsewhere install it and put it on the path"
        )
    return found


class RealRedis:
    """A running server; what it holds is kept in ``directory`` only if ``stop`` is told to."""

    def __init__(self, directory: str, *options: str) -> None:
        self.port = free_port()
        self.directory = directory
        self.options = options
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [redis_server(), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.directory]
        command += ["--save", "", "--appendonly", "no", "--dbfilename", "dump.rdb", *self.options]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
        ends = time.monotonic() + PATIENCE
        with self.client(protocol=2) as client:
            while True:
                try:
                    client.ping()
                    return
                except redis.RedisError:
                    assert time.monotonic() < ends, "redis-server does not answer"
                    assert self.process.poll() is None, "redis-server has ended"
                    time.sleep(0.01)

    def stop(self, *, keeps: bool = False) -> None:
        """End it; without ``keeps`` it is empty when it is started again."""
        if keeps:
            with self.client() as client:
                client.save()
        else:
            (Path(self.directory) / "dump.rdb").unlink(missing_ok=True)
        self.process.kill()
        self.process.wait()

    def pause(self) -> None:
        os.kill(self.process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        os.kill(self.process.pid, signal.SIGCONT)

    def client(self, **options: object) -> redis.Redis:
        return redis.Redis(port=self.port, socket_timeout=PATIENCE, **options)  # type: ignore[arg-type]


@contextmanager
def running_redis(*options: str) -> Iterator[RealRedis]:
    """Run a Redis, and end it for sure."""
    with tempfile.TemporaryDirectory() as directory:
        server = RealRedis(directory, *options)
        try:
            yield server
        finally:
            with suppress(ProcessLookupError):
                os.kill(server.process.pid, signal.SIGKILL)
            server.process.wait()


def _until(condition: Callable[[], object], what: str) -> None:
    ends = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < ends, what
        time.sleep(0.02)


SLOTS = 16_384


@contextmanager
def running_cluster(size: int = 3) -> Iterator[list[RealRedis]]:
    """Run a Redis Cluster of primaries that share all slots evenly."""
    options = ["--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--cluster-node-timeout", "1000"]
    with ExitStack() as stack:
        nodes = [
            stack.enter_context(running_redis(*options, "--cluster-require-full-coverage", "no")) for _ in range(size)
        ]
        clients = [stack.enter_context(node.client()) for node in nodes]
        for number, client in enumerate(clients):
            slots = range(number * SLOTS // size, (number + 1) * SLOTS // size)
            client.execute_command("CLUSTER", "ADDSLOTS", *slots)
            client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for node in nodes[1:]:
            clients[0].execute_command("CLUSTER", "MEET", "127.0.0.1", node.port)

        def is_whole(client: redis.Redis) -> bool:
            found = client.execute_command("CLUSTER INFO")
            return (found["cluster_slots_assigned"], found["cluster_known_nodes"]) == (str(SLOTS), str(size))

        _until(lambda: all(map(is_whole, clients)), "the cluster is not whole")
        _until(lambda: all("ok" in client.execute_command("CLUSTER INFO").values() for client in clients), "not well")
        yield nodes


@contextmanager
def running_sentinel(name: str) -> Iterator[tuple[RealRedis, RealRedis, int]]:
    """Run a primary, its replica and a Sentinel that knows both; gives the port of the last."""
    with (
        running_redis() as primary,
        running_redis("--replicaof", "127.0.0.1", str(primary.port)) as replica,
        tempfile.TemporaryDirectory() as directory,
    ):
        port = free_port()
        settings = Path(directory) / "sentinel.conf"
        settings.write_text(
            f"port {port}\nbind 127.0.0.1\nsentinel monitor {name} 127.0.0.1 {primary.port} 1\n"
            f"sentinel down-after-milliseconds {name} 500\nsentinel failover-timeout {name} 2000\n"
        )
        command = [redis_server(), str(settings), "--sentinel"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
        try:
            with redis.Redis(port=port, socket_timeout=PATIENCE) as client:
                _until(lambda: _replicas(client, name), "Sentinel knows no replica")
                yield primary, replica, port
        finally:
            process.kill()
            process.wait()


def _replicas(client: redis.Redis, name: str) -> object:
    try:
        return client.sentinel_slaves(name)
    except redis.RedisError:
        return []


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


class AgedRedisStore(RedisStore):
    """A store on a real Redis whose records age by a clock that is set by hand."""

    def __init__(self, client: redis.Redis, *, prefix: str, clock: Callable[[], float], replicas: int = 0) -> None:
        super().__init__(client, prefix=prefix, timeout=2.0, replicas=replicas, clock=clock)
        self._own_clock, self._own_prefix, self._own_client = clock, prefix, client
        self._aged = clock()

    def read(self, key):  # type: ignore[no-untyped-def]
        self._age()
        return super().read(key)

    def swap(self, key, old, new, lives):  # type: ignore[no-untyped-def]
        self._age()
        return super().swap(key, old, new, lives * _SLOWER)

    def touch(self, key, lives):  # type: ignore[no-untyped-def]
        self._age()
        super().touch(key, lives * _SLOWER)

    def _age(self) -> None:
        now = self._own_clock()
        passed, self._aged = now - self._aged, now
        if passed > 0:
            for key in self._own_client.scan_iter(f"{self._own_prefix}*", count=1000):
                left = self._own_client.pttl(key) - int(passed * 1000 * _SLOWER) - _ROUNDING
                self._own_client.pexpire(key, left)

    def forget(self) -> None:
        """Take out what it wrote."""
        for key in self._own_client.scan_iter(f"{self._own_prefix}*", count=1000):
            self._own_client.delete(key)
