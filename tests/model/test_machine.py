"""The model: whatever happens in whatever order, the ledger's invariants hold.

They are asserted where they could break: in ``world.py`` when a token is sent, when a response is decided, when a
browser takes its cookies and when a request ends; here, in the end, that the browser is signed in and up to date.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import hypothesis.strategies as st
import pytest
import redis
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from tests.real_redis import AgedRedisStore, running_redis
from wsgi_token_refresh.stores.memory import MemoryStore
from wsgi_token_refresh.stores.protocol import Store
from wsgi_token_refresh.stores.sqlite import SqliteStore

from .world import LIFETIME, World

HOSTS = st.sampled_from([0, 1])
DAY = 86_400.0


class Machine(RuleBasedStateMachine):
    """Two hosts and one browser; ``harsh`` is False for the runs in which nobody may ever be logged out."""

    harsh = True

    def make_store(self, clock: Callable[[], float]) -> Store:
        return MemoryStore(clock=clock)

    @initialize(
        kind=st.sampled_from(["strict", "lenient", "static"]),
        single_use=st.booleans(),
        gives=st.sampled_from(["jwt", "jwt", "again", "opaque"]),
        max_calls=st.sampled_from([64, 2, 1]),
    )
    def begin(self, kind: str, single_use: bool, gives: str, max_calls: int) -> None:
        single_use = single_use or kind != "static"
        self.world = World(self.make_store, kind, single_use=single_use, gives=gives, max_calls=max_calls)

    @rule(host=HOSTS, path=st.sampled_from(["/page", "/page", "/page", "/api"]))
    def a_request(self, host: int, path: str) -> None:
        if len(self.world.running) < 5:
            self.world.request(host, path)

    @rule(host=HOSTS, back=st.integers(0, 2))
    def a_request_with_an_older_jar(self, host: int, back: int) -> None:
        jars = self.world.jars
        if len(self.world.running) < 5 and not self.world.left_behind(jars[-1 - min(back, len(jars) - 1)]):
            self.world.request(host, jar=jars[-1 - min(back, len(jars) - 1)])

    @rule(host=HOSTS, path=st.sampled_from(["/page", "/api"]))
    def a_request_beside_somebody_elses_access_token(self, host: int, path: str) -> None:
        if len(self.world.running) < 5:
            self.world.request(host, path, {**self.world.jar, "access_token": self.world.somebody_elses()})

    @rule(host=HOSTS, path=st.sampled_from(["/enter", "/logout"]))
    def a_sign_in_or_out(self, host: int, path: str) -> None:
        if len(self.world.running) < 5:
            self.world.request(host, path)

    @rule(pick=st.integers(0, 4), steps=st.integers(1, 12))
    def some_steps(self, pick: int, steps: int) -> None:
        able = self.world.runnable()
        if able:
            chosen = able[pick % len(able)]
            for _ in range(steps):
                if chosen in self.world.runnable():
                    self.world.step(chosen)

    @rule()
    def time_passes_for_those_who_wait(self) -> None:
        self.world.tick()

    @rule(seconds=st.sampled_from([0.5, 3.0, 29.0, 61.0, LIFETIME - 200, LIFETIME - 5, LIFETIME + 1, DAY / 2, DAY]))
    def time_jumps(self, seconds: float) -> None:
        if all(each.host in self.world.stopped for each in self.world.running.values()):
            self.world.jump(seconds)

    @precondition(lambda self: self.world.arriving)
    @rule(pick=st.integers(0, 4))
    def a_response_arrives(self, pick: int) -> None:
        self.world.deliver(pick % len(self.world.arriving))

    @precondition(lambda self: self.world.arriving)
    @rule(pick=st.integers(0, 4))
    def a_response_is_lost(self, pick: int) -> None:
        self.world.lose(pick % len(self.world.arriving))

    @rule(fault=st.sampled_from(["refused", "never processed", "slow"]))
    def the_next_refresh_fails(self, fault: str) -> None:
        self.world.fault = fault

    @precondition(lambda self: self.harsh)
    @rule(fault=st.sampled_from(["answer lost", "too slow"]))
    def the_next_answer_is_lost(self, fault: str) -> None:
        self.world.fault = fault

    @precondition(lambda self: self.harsh)
    @rule(host=HOSTS)
    def a_host_crashes(self, host: int) -> None:
        self.world.crash(host)

    @precondition(lambda self: self.harsh)
    @rule(host=HOSTS)
    def a_host_stops(self, host: int) -> None:
        self.world.stop(host)

    @rule(host=HOSTS)
    def a_host_goes_on(self, host: int) -> None:
        self.world.go_on(host)

    @precondition(lambda self: self.harsh)
    @rule()
    def the_store_goes_down(self) -> None:
        self.world.take_down_store()

    @rule()
    def the_store_is_back(self) -> None:
        self.world.store_down = False

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        last = self.world.converge()
        if self.world.signed_out:
            return
        if not self.world.forgiven:
            assert last.status == 200, f"logged out: {last}"
        if last.status == 200:
            look = self.world.look(self.world.jar["refresh_token"])
            assert look is None or look.tokens.refresh_token == self.world.jar["refresh_token"], "the jar is behind"


class GentleMachine(Machine):
    harsh = False


class SqliteMachine(Machine):
    def make_store(self, clock: Callable[[], float]) -> Store:
        self.directory = TemporaryDirectory()
        self.sqlite = SqliteStore(Path(self.directory.name) / "ledger.sqlite", clock=clock)
        return self.sqlite

    def teardown(self) -> None:
        try:
            super().teardown()
        finally:
            if hasattr(self, "sqlite"):
                self.sqlite.close()
                self.directory.cleanup()


class RedisMachine(Machine):
    """``client`` is that of a server that the test has started."""

    client: redis.Redis

    def make_store(self, clock: Callable[[], float]) -> Store:
        self.redis = AgedRedisStore(self.client, prefix="model:", clock=clock)
        return self.redis

    def teardown(self) -> None:
        try:
            super().teardown()
        finally:
            if hasattr(self, "redis"):
                self.redis.forget()
                self.redis.close()


def test_invariants_over_redis(pytestconfig: pytest.Config) -> None:
    with running_redis() as server, server.client() as client:
        RedisMachine.client = client
        _explore(RedisMachine, 100, pytestconfig)


@pytest.mark.parametrize(
    ("machine", "examples"),
    [
        pytest.param(GentleMachine, 400, id="races, lost responses and a server that is down log nobody out"),
        pytest.param(Machine, 600, id="crashes, stops, lost answers and outages keep the ledger's invariants"),
        pytest.param(SqliteMachine, 100, id="the same over SQLite"),
    ],
)
def test_invariants(machine: type[Machine], examples: int, pytestconfig: pytest.Config) -> None:
    _explore(machine, examples, pytestconfig)


def _explore(machine: type[Machine], examples: int, pytestconfig: pytest.Config) -> None:
    many = pytestconfig.getoption("--many")
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples * (20 if many else 1),
            derandomize=not many,
            database=None,
            stateful_step_count=60,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
            report_multiple_bugs=False,
        ),
    )
