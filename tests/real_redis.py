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
from contextlib import contextmanager, suppress
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
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
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
        with self.client() as client:
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


class AgedRedisStore(RedisStore):
    """A store on a real Redis whose records age by a clock that is set by hand."""

    def __init__(self, client: redis.Redis, *, prefix: str, clock: Callable[[], float]) -> None:
        super().__init__(client, prefix=prefix, timeout=2.0, clock=clock)
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
