"""How many sessions one store carries: what they take, what a Redis does in a second, and what processes do."""

from __future__ import annotations

import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import quantiles

import redis

from tests.real_redis import RealRedis, running_redis
from wsgi_token_refresh.ledger.single_flight import Refresher
from wsgi_token_refresh.stores.redis import RedisStore
from wsgi_token_refresh.stores.sqlite import SqliteStore

from .recording import Command, Session, opaque, record, refresh, refresher
from .replay import Done, Work

REFRESHED_EVERY = 600.0
"""Seconds between two refreshes of a session in constant use, with tokens of 15 minutes."""
LOOKED_UP_EVERY = 30.0
"""Seconds between two looks of a process at the ledger for one session in constant use."""
A_DAY = 48
"""Refreshes of a session that is in use for eight hours of a day."""
REDIS, SQLITE = "Redis", "SQLite"
REFRESHES, LOOKS = "refreshes", "looks"
PROCESSES = (1, 2, 4)
_ROOT = Path(__file__).parent.parent
_LOOKS = int(REFRESHED_EVERY / LOOKED_UP_EVERY)
_BLOCK = 500

Task = list[Command]


@dataclass(frozen=True)
class Size:
    """Bytes: of a session that was refreshed once, of each refresh after it, and at the end of a day of 48."""

    once: float
    next: float
    day: float


@dataclass(frozen=True)
class Rate:
    """What was done in a second, with what share of a core; milliseconds from when it was due until it was done."""

    tasks: float
    commands: float
    core: float
    p50: float
    p99: float


@dataclass(frozen=True)
class Scaling:
    """``commands`` of one refresh by name; ``rates`` by what was sent; ``processes`` by store, then by their number."""

    sessions: int
    commands: dict[str, int]
    sizes: dict[str, Size]
    rates: dict[str, Rate]
    processes: dict[str, dict[int, float]]
    mixed: Rate
    calm: Rate

    @property
    def in_use(self) -> float:
        """Tell how many sessions in constant use one Redis carried, at its highest rate."""
        return self.mixed.tasks / (1 + _LOOKS) * REFRESHED_EVERY


def measure(sessions: int) -> Scaling:
    """Record ``sessions`` on one Redis, and send copies to another."""
    with running_redis() as server:
        recorded = record(server, sessions)
    rates, mixed, calm = _rates(recorded)
    return Scaling(
        sessions,
        _names(recorded[0].second),
        {REDIS: _size_on_redis(sessions), SQLITE: _size_on_sqlite(sessions)},
        rates,
        {
            f"{store}, {what}": {count: _by_processes(store, what, count, sessions) for count in PROCESSES}
            for store in (REDIS, SQLITE)
            for what in (REFRESHES, LOOKS)
        },
        mixed,
        calm,
    )


# What a Redis does in a second.


def _rates(recorded: Sequence[Session]) -> tuple[dict[str, Rate], Rate, Rate]:
    with running_redis() as server, server.client() as client:
        copies = [[each.copy(number) for each in recorded] for number in range(6)]
        first = [each.first for copy in copies for each in copy]
        looks = [each.look for each in copies[0]]
        rates = {
            "first refreshes": _rate(server, client, first),
            "refreshes": _rate(server, client, [each.second for each in copies[0]]),
            "looks": _rate(server, client, looks * 4),
        }
        mixed = _rate(server, client, list(_mixed(copies[1])))
        calm = _rate(server, client, list(_mixed(copies[2])), rate=mixed.tasks / 2)
    return rates, mixed, calm


def _mixed(sessions: Sequence[Session]) -> Iterator[Task]:
    """Give a refresh of each session and all its looks until the next, far enough apart to follow one another."""
    each = iter(sessions)
    while block := list(islice(each, _BLOCK)):
        yield from (session.second for session in block)
        for _ in range(_LOOKS):
            yield from (session.look for session in block)


def _rate(server: RealRedis, client: redis.Redis, tasks: list[Task], *, rate: float = 0.0) -> Rate:
    """Let a process of its own send them, and nothing else."""
    before = _core_seconds(client)
    command = [sys.executable, "-c", "from bench.replay import main; main()"]
    work = pickle.dumps(Work(server.port, tasks, rate=rate))
    said = subprocess.run(command, cwd=_ROOT, input=work, check=True, stdout=subprocess.PIPE).stdout
    done: Done = pickle.loads(said)
    cuts = quantiles(done.took, n=100)
    core = (_core_seconds(client) - before) / done.seconds
    return Rate(done.tasks / done.seconds, done.commands / done.seconds, core, 1000 * cuts[49], 1000 * cuts[98])


def _core_seconds(client: redis.Redis) -> float:
    found = client.info("cpu")
    return float(found["used_cpu_user_main_thread"] + found["used_cpu_sys_main_thread"])


def _names(commands: Task) -> dict[str, int]:
    names = [said.split(b"\r\n", 3)[2].decode() for said, _ in commands]
    return {name: names.count(name) for name in sorted(set(names))}


# What sessions take.


def _size_on_redis(sessions: int) -> Size:
    with running_redis() as server, server.client() as client:
        return _size(refresher(RedisStore(client)), sessions, lambda: float(client.info("memory")["used_memory"]))


def _size_on_sqlite(sessions: int) -> Size:
    with tempfile.TemporaryDirectory() as directory:
        store = SqliteStore(Path(directory) / "ledger.sqlite")
        found = _size(refresher(store), sessions, lambda: sum(f.stat().st_size for f in Path(directory).iterdir()))
        store.close()
    return found


def _size(refreshes: Refresher, sessions: int, taken: Callable[[], float]) -> Size:
    refresh(refreshes, opaque())
    empty = taken()
    shown = [refresh(refreshes, opaque()) for _ in range(sessions)]
    once = taken()
    for tokens in shown:
        refresh(refreshes, tokens)
    twice = taken()
    few = max(1, sessions // 20)
    for _ in range(few):
        tokens = opaque()
        for _ in range(A_DAY):
            tokens = refresh(refreshes, tokens)
    return Size((once - empty) / sessions, (twice - once) / sessions, (taken() - twice) / few)


# What processes do.


def _by_processes(store: str, what: str, count: int, sessions: int) -> float:
    """Tell how much in a second processes do that share a store, and call no authorization server."""
    if store == SQLITE:
        with tempfile.TemporaryDirectory() as directory:
            return _side_by_side(f"{directory}/ledger.sqlite", what, count, sessions)
    with running_redis() as server:
        return _side_by_side(server.url, what, count, sessions)


def _side_by_side(place: str, what: str, count: int, sessions: int) -> float:
    command = [sys.executable, "-c", f"from bench.scaling import work; work({place!r}, {what!r}, {sessions // count})"]
    running = [
        subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(count)
    ]
    for each in running:
        each.stdout.readline()  # type: ignore[union-attr]
    began = time.perf_counter()
    for each in running:
        each.stdin.close()  # type: ignore[union-attr]
    if any(each.wait() for each in running):
        raise RuntimeError("a process failed")
    return sessions // count * count / (time.perf_counter() - began)


def work(place: str, what: str, sessions: int) -> None:
    """Refresh sessions once; refresh them again, or look at each, one after another when somebody closes stdin."""
    store = RedisStore.from_url(place) if "://" in place else SqliteStore(place)
    refreshes = refresher(store)
    shown = [refresh(refreshes, opaque()) for _ in range(sessions)]
    print("ready", flush=True)
    sys.stdin.read()
    for tokens in shown:
        if what == LOOKS:
            refreshes.look_up(tokens)
        else:
            refresh(refreshes, tokens)
