"""Redis keeps the contract of stores, on a real server, and what only it can show: faults of a server elsewhere."""

from __future__ import annotations

import itertools
import logging
import os
import re
import socket
import threading
import time
import traceback
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from tests.contract.stores import PATIENCE, StoreContract, in_child, in_threads
from tests.forwarding import forwarding
from tests.real_redis import AgedRedisStore, running_redis
from wsgi_token_refresh import ConfigurationError
from wsgi_token_refresh.errors import StoreError
from wsgi_token_refresh.stores.redis import RedisStore

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")

_numbers = itertools.count()


@pytest.fixture(scope="module")
def server():
    with running_redis() as running:
        yield running


@pytest.fixture(scope="module")
def broken():
    """A server that the tests stop, pause and fill."""
    with running_redis() as running:
        yield running


@pytest.fixture
def faulty(broken):
    """Give a store on it, and have it well again afterwards."""
    store = RedisStore(redis.Redis(port=broken.port), timeout=0.25)
    yield store
    store.close()
    broken.go_on()
    if broken.process.poll() is not None:
        broken.start()
    with broken.client() as client:
        client.config_set("maxmemory", 0)
        client.config_set("maxmemory-policy", "noeviction")
        client.flushall()


class TestRedisStore(StoreContract):
    @pytest.fixture(params=[{}, {"decode_responses": True}, {"protocol": 2}], ids=["", "decoding", "RESP2"])
    def store(self, request, clock, server):
        client = redis.Redis(port=server.port, **request.param)
        store = AgedRedisStore(client, prefix=f"test{next(_numbers)}:", clock=clock)
        yield store
        store.forget()
        store.close()
        client.close()


@pytest.fixture
def store(server):
    store = RedisStore(redis.Redis(port=server.port), prefix=f"test{next(_numbers)}:")
    yield store
    store.close()


# What it writes.


def test_the_clock_is_that_of_redis(store, server):
    with server.client() as client:
        before = client.time()
        now = store.read("k").now
        after = client.time()
    assert before[0] + before[1] / 1e6 <= now <= after[0] + after[1] / 1e6


def test_every_key_has_the_prefix_and_an_end(store, server):
    store.swap("row:1", None, b"x", 10)
    store.swap("family:1", None, b"x", 20)
    store.touch("family:1", 30)
    with server.client() as client:
        lives = {key.decode(): client.pttl(key) for key in client.scan_iter(f"{store._prefix}*")}
    assert set(lives) == {f"{store._prefix}row:1", f"{store._prefix}family:1"}
    assert 0 < lives[f"{store._prefix}row:1"] <= 10_000 < lives[f"{store._prefix}family:1"] <= 30_000


def test_a_swap_that_is_sent_again_because_its_answer_was_lost_has_won(store):
    class Repeating:
        def __init__(self, client):
            self.client = client

        def execute_command(self, *arguments, **options):
            self.client.execute_command(*arguments, **options)
            return self.client.execute_command(*arguments, **options)

        def __getattr__(self, name):
            return getattr(self.client, name)

    store._clients._made[os.getpid()] = Repeating(store._clients.get())
    assert store.swap("k", None, b"one", 10)
    assert store.swap("k", b"one", b"two", 10)
    assert not store.swap("k", b"one", b"three", 10)
    assert store.read("k").value == b"two"


def test_a_connection_that_was_closed_while_idle_is_no_failure(store, server):
    store.swap("k", None, b"one", 10)
    with server.client() as client:
        for each in client.client_list(_type="normal"):
            if each["cmd"] != "client|list":
                client.client_kill_filter(_id=each["id"], skipme=True)
    assert store.read("k").value == b"one"


def test_a_child_makes_connections_of_its_own(store):
    store.swap("k", None, b"one", 10)

    def works():
        return all(store.read("k").value == b"one" for _ in range(50))

    assert in_threads(2, lambda n: in_child(works) if n else works()) == [True, True]


# Waiting.


def test_waiters_are_woken_and_do_not_look_again_and_again(store, server):
    store.swap("k", None, b"one", 10)
    waiting, woken = threading.Barrier(5), []

    def wait():
        waiting.wait(PATIENCE)
        woken.append(store.wait("k", b"one", PATIENCE).value)

    threads = [threading.Thread(target=wait) for _ in range(4)]
    for thread in threads:
        thread.start()
    waiting.wait(PATIENCE)
    with server.client() as client:
        ends = time.monotonic() + PATIENCE
        while client.pubsub_numsub(f"{store._prefix}k")[0][1] < 1:
            assert time.monotonic() < ends
        time.sleep(0.05)
        before = client.info("commandstats")["cmdstat_eval"]["calls"]
        time.sleep(0.3)
        assert client.info("commandstats")["cmdstat_eval"]["calls"] == before
    store.swap("k", b"one", b"two", 10)
    for thread in threads:
        thread.join(PATIENCE)
    assert woken == [b"two"] * 4


def test_who_may_not_listen_looks_again_and_again(server):
    with server.client() as client:
        client.acl_setuser("deaf", enabled=True, nopass=True, keys=["*"], resetchannels=True, commands=["+@all"])
        client.acl_setuser("deaf", enabled=True, nopass=True, keys=["*"], commands=["-subscribe"], channels=["*"])
    store = RedisStore(redis.Redis(port=server.port, username="deaf", password="any"), prefix="alone:")
    other = RedisStore(redis.Redis(port=server.port), prefix="alone:")
    store.swap("k", None, b"one", 10)
    began = time.monotonic()
    thread = threading.Timer(0.1, lambda: other.swap("k", b"one", b"two", 10))
    thread.start()
    store.wait("k", b"one", PATIENCE)
    thread.join()
    assert time.monotonic() - began < PATIENCE / 2
    assert other.read("k").value == b"two"
    other.touch("k", 0)
    other.close()
    store.close()


@pytest.mark.parametrize("channels", [[], ["wsgi:*"]], ids=["no channel", "no command"])
def test_who_may_not_publish_has_written_and_waiters_look_by_themselves(server, channels):
    with server.client() as client:
        commands = ["-publish"] if channels else []
        client.acl_setuser("mute", enabled=True, nopass=True, keys=["*"], commands=["+@all"], reset_channels=True)
        client.acl_setuser("mute", enabled=True, nopass=True, keys=["*"], commands=commands, channels=channels)
    store = RedisStore(redis.Redis(port=server.port, username="mute", password="any"), prefix="wsgi:")
    assert store.swap("k", None, b"one", 10)
    thread = threading.Timer(0.1, lambda: store.swap("k", b"one", b"two", 10))
    thread.start()
    assert store.wait("k", b"one", PATIENCE).value == b"two"
    thread.join()
    store.touch("k", 0)
    store.close()


def test_the_rights_that_the_docs_name_are_enough(server):
    text = (Path(__file__).parents[2] / "docs" / "deployment.md").read_text("utf-8")
    (command,) = re.findall(r"`(ACL SETUSER app .*)`", text)
    with server.client() as client:
        client.execute_command(*command.split())
    store = RedisStore(redis.Redis(port=server.port, username="app", password="password"))
    assert store.swap("k", None, b"one", 10)
    thread = threading.Timer(0.1, lambda: store.swap("k", b"one", b"two", 10))
    thread.start()
    assert store.wait("k", b"one", PATIENCE).value == b"two"
    thread.join()
    store.touch("k", 0)
    with server.client() as client:
        denied = {each["object"].partition("|")[0] for each in client.acl_log() if each["username"] == "app"}
        assert denied <= {"client"}, "redis-py tells its own name"
    store.close()


# A server that fails.


def test_connections_that_were_forgotten_while_idle_cost_one_timeout_and_not_one_each(server):
    with forwarding(server.port) as way:
        store = RedisStore(redis.Redis(port=way.port), timeout=0.25, prefix="forgotten:")
        together = threading.Barrier(8)

        def read(n):
            together.wait(PATIENCE)
            return [store.read("k").value for _ in range(20)][-1]

        in_threads(8, read)
        way.forget()
        with pytest.raises(StoreError, match="no answer within"):
            store.read("k")
        # Or else it would be left alone for a second.
        store._nodes.clear()
        assert in_threads(8, read) == [None] * 8
        store.close()


def test_a_socket_of_this_machine_whose_server_hangs_costs_the_timeout(tmp_path):
    path = tmp_path / "redis.sock"
    with running_redis("--unixsocket", str(path), "--tcp-backlog", "1") as hanging:
        hanging.pause()
        store = RedisStore(redis.Redis(unix_socket_path=str(path)), timeout=0.25)

        def read(n):
            with pytest.raises(StoreError):
                store.read("k")
            return n

        assert in_threads(8, read) == list(range(8))
        hanging.go_on()
        store.close()


def test_a_server_that_is_stopped_is_a_store_that_is_down_until_it_is_back(faulty, broken):
    assert faulty.swap("k", None, b"one", 10)
    broken.stop()
    for act in (lambda: faulty.read("k"), lambda: faulty.swap("k", None, b"x", 1), lambda: faulty.touch("k", 1)):
        with pytest.raises(StoreError, match=r"RedisStore\(localhost:\d+/0\)"):
            act()
    broken.start()
    assert faulty.read("k").value is None
    assert faulty.swap("k", None, b"two", 10)


def test_a_server_that_hangs_costs_its_timeout_once_and_not_every_request(faulty, broken):
    faulty.read("k")
    broken.pause()
    began = time.monotonic()
    for _ in range(50):
        with pytest.raises(StoreError, match="no answer within"):
            faulty.read("k")
    assert time.monotonic() - began < 1.0
    broken.go_on()
    ends = time.monotonic() + PATIENCE
    while True:
        try:
            assert faulty.read("k").value is None
            break
        except StoreError:
            assert time.monotonic() < ends
            time.sleep(0.02)


def test_who_waits_while_the_server_hangs_hears_that_the_store_is_down(faulty, broken):
    faulty.swap("k", None, b"one", 10)
    thread = threading.Timer(0.1, broken.pause)
    thread.start()
    with pytest.raises(StoreError):
        faulty.wait("k", b"one", 4.0)
    thread.join()


def test_a_server_that_is_full_reads_and_writes_nothing(faulty, broken):
    faulty.swap("k", None, b"one", 100)
    with broken.client() as client:
        client.config_set("maxmemory", 1)
    assert faulty.read("k").value == b"one"
    with pytest.raises(StoreError, match="maxmemory"):
        faulty.swap("k", b"one", b"two", 10)
    with broken.client() as client:
        client.config_set("maxmemory", 0)
    assert faulty.swap("k", b"one", b"two", 10)


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-lru", "volatile-ttl", "allkeys-random"])
def test_a_server_that_evicts_is_refused_with_the_cure(broken, faulty, policy, caplog):
    with broken.client() as client:
        client.config_set("maxmemory", "100mb")
        client.config_set("maxmemory-policy", policy)
    for _ in range(3):
        with pytest.raises(StoreError, match=f"evicts \\(maxmemory-policy {policy}\\)"):
            faulty.read("k")
    assert [each.levelno for each in caplog.records] == [logging.WARNING]
    assert "Set maxmemory-policy to noeviction" in caplog.text
    with broken.client() as client:
        client.config_set("maxmemory-policy", "noeviction")
    with pytest.raises(StoreError):
        faulty.read("k")
    faulty._nodes.clear()
    assert faulty.read("k").value is None


def test_a_policy_that_never_comes_to_bear_is_none(broken, faulty):
    with broken.client() as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
    assert faulty.read("k").value is None


def test_a_server_that_does_not_tell_its_policy_is_taken(broken, faulty):
    with broken.client() as client:
        client.acl_setuser("quiet", enabled=True, nopass=True, keys=["*"], channels=["*"], commands=["+@all", "-info"])
    store = RedisStore(redis.Redis(port=broken.port, username="quiet", password="any"))
    assert store.swap("k", None, b"one", 10)
    store.close()


@contextmanager
def _listening():
    """Give the port of somebody who takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        yield silent.getsockname()[1]


def test_a_place_where_nobody_speaks_redis_costs_the_timeout():
    with _listening() as port:
        store = RedisStore(redis.Redis(port=port, socket_timeout=60, socket_connect_timeout=60), timeout=0.2)
        began = time.monotonic()
        with pytest.raises(StoreError):
            store.read("k")
        assert time.monotonic() - began < 2
        store.close()


# Making one.


def test_a_url_makes_one_and_a_password_is_not_shown():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        store = RedisStore.from_url(f"redis://:s3cret@127.0.0.1:{port}/3?socket_timeout=9")
    assert repr(store) == f"RedisStore(127.0.0.1:{port}/3)"
    assert repr(RedisStore.from_url("unix:///run/redis.sock?db=1")) == "RedisStore(/run/redis.sock/1)"
    with pytest.raises(StoreError) as raised:
        store.read("k")
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://s3cret@host", "cannot be read"),
        ("redis://host:s3cret", "cannot be read"),
        ("host:6379", "cannot be read"),
        ("", "cannot be read"),
        (None, "cannot be read"),
        ("redis://:s3cret@host/0?timeout=3", "timeout is no option of it"),
        ("redis://:s3cret@host/0?ssl_cert_reqs=none", "ssl_cert_reqs is no option of it"),
        ("redis://:s3cret@host/s3cret", "names a database that is no number"),
    ],
)
def test_a_url_that_cannot_be_read_is_refused_and_not_shown(url, problem):
    with pytest.raises(ConfigurationError, match=rf"{problem}.*; give redis://host:6379/0") as raised:
        RedisStore.from_url(url)
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize(
    "url", ["redis://host", "redis://host/", "redis://host:1/15", "unix:///run/x.sock", "rediss://h/0"]
)
def test_a_url_may_leave_things_out(url):
    assert repr(RedisStore.from_url(url)).startswith("RedisStore(")


@pytest.mark.parametrize("protocol", [2, 3])
def test_a_server_that_repeats_what_it_does_not_know_shows_no_password(protocol):
    """A proxy may know no HELLO and no AUTH, and Redis repeats the arguments of what it does not know."""
    with running_redis("--rename-command", "HELLO", "", "--rename-command", "AUTH", "") as strange:
        client = redis.Redis(port=strange.port, username="default", password="s3cret", protocol=protocol)
        with pytest.raises(StoreError) as raised:
            RedisStore(client).read("k")
        assert "s3cret" not in "".join(traceback.format_exception(raised.value))
        client.close()


def test_a_pool_that_blocks_fails_like_any_other_when_the_server_hangs(broken, faulty):
    pool = redis.BlockingConnectionPool(port=broken.port, max_connections=20)
    store = RedisStore(redis.Redis(connection_pool=pool), timeout=0.25)
    store.read("k")

    def read(n):
        seen = []
        for _ in range(30):
            try:
                seen.append(store.read("k").value)
            except StoreError:
                seen.append("down")
        return set(seen) <= {None, "down"}

    timers = [threading.Timer(0.01, broken.pause), threading.Timer(0.6, broken.go_on)]
    for timer in timers:
        timer.start()
    assert in_threads(12, read) == [True] * 12
    for timer in timers:
        timer.join()
    store.close()


@pytest.mark.parametrize("timeout", [0, -1, 3, True, "1", None, float("nan")], ids=repr)
def test_a_timeout_that_is_none_is_refused(timeout):
    with pytest.raises(ConfigurationError, match="timeout is"):
        RedisStore(redis.Redis(), timeout=timeout)


def test_a_socket_of_this_machine(tmp_path):
    path = tmp_path / "redis.sock"
    with running_redis("--unixsocket", str(path)):
        store = RedisStore(redis.Redis(unix_socket_path=str(path)))
        assert store.swap("k", None, b"one", 10)
        assert store.read("k").value == b"one"
        store.close()


def test_the_caller_s_client_stays_as_it_was(server):
    client = redis.Redis(port=server.port, socket_timeout=9)
    client.ping()
    store = RedisStore(client, timeout=0.2)
    store.read("k")
    assert client.connection_pool.connection_kwargs["socket_timeout"] == 9
    store.close()
    assert client.ping()
    client.close()
