"""Redis as it is deployed: behind TLS, under Sentinel, as a Cluster; real ones, that fail and move."""

from __future__ import annotations

import gc
import itertools
import ssl
import time
from urllib.parse import quote

import pytest
import redis
from redis.sentinel import Sentinel

from tests.contract.stores import PATIENCE, StoreContract
from tests.forwarding import forwarding
from tests.real_redis import AgedRedisStore, running_cluster, running_redis, running_sentinel
from tests.tls import write_certificate
from wsgi_token_refresh import ConfigurationError
from wsgi_token_refresh.errors import StoreError
from wsgi_token_refresh.stores.redis import RedisStore

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")

SERVICE = "sessions"
TIMEOUT = 0.25
_numbers = itertools.count()


def prefix():
    return f"test{next(_numbers)}:"


def answers(store, key="k"):
    """Tell whether a store answers at this moment."""
    try:
        store.read(key)
    except StoreError:
        return False
    return True


def until(condition):
    ends = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.02)


# TLS.


@pytest.fixture(scope="module")
def behind_tls(tmp_path_factory):
    """Give the port of a Redis that is spoken to by TLS, and the certificate to trust."""
    certificate = write_certificate(tmp_path_factory.mktemp("tls") / "server.pem")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    with running_redis() as server, forwarding(server.port, tls=tls) as way:
        yield way.port, certificate


class TestOverTls(StoreContract):
    @pytest.fixture
    def store(self, clock, behind_tls):
        port, certificate = behind_tls
        client = redis.Redis(port=port, ssl=True, ssl_ca_certs=certificate, host="127.0.0.1")
        store = AgedRedisStore(client, prefix=prefix(), clock=clock)
        yield store
        store.forget()
        store.close()
        client.close()


def test_a_url_of_tls_is_all_that_the_settings_need(behind_tls):
    port, certificate = behind_tls
    store = RedisStore.from_url(f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={quote(certificate)}", prefix=prefix())
    assert store.swap("k", None, b"one", 10)
    assert store.read("k").value == b"one"
    store.close()


def test_a_certificate_that_nobody_vouches_for_is_a_store_that_is_down(behind_tls):
    port, _ = behind_tls
    store = RedisStore.from_url(f"rediss://127.0.0.1:{port}/0")
    with pytest.raises(StoreError, match="CERTIFICATE_VERIFY_FAILED"):
        store.read("k")
    store.close()


# Sentinel.


@pytest.fixture(scope="module")
def watched():
    with running_sentinel(SERVICE) as found:
        yield found


def master(port, **options):
    return Sentinel([("127.0.0.1", port)], **options).master_for(SERVICE)


class TestUnderSentinel(StoreContract):
    @pytest.fixture
    def store(self, clock, watched):
        client = master(watched[2])
        store = AgedRedisStore(client, prefix=prefix(), clock=clock)
        yield store
        store.forget()
        store.close()
        client.close()


def test_after_a_failover_all_is_as_before_without_a_restart():
    with running_sentinel(SERVICE) as (primary, replica, port):
        store = RedisStore(master(port), timeout=TIMEOUT)
        assert repr(store) == "RedisStore(sessions of Sentinel)"
        assert store.swap("k", None, b"one", 1000)
        with primary.client() as client:
            assert client.wait(1, 1000 * int(PATIENCE)) == 1
        primary.process.kill()
        primary.process.wait()
        with pytest.raises(StoreError):
            store.read("k")
        until(lambda: answers(store))
        assert store.swap("k", b"one", b"two", 1000)
        with replica.client() as client:
            assert client.info("replication")["role"] == "master"
        store.close()


def test_a_primary_that_became_a_replica_is_left():
    with running_sentinel(SERVICE) as (primary, replica, port), redis.Redis(port=port) as sentinel:
        store = RedisStore(master(port), timeout=TIMEOUT)
        assert store.swap("k", None, b"one", 1000)
        with primary.client() as old, replica.client() as new:
            assert old.wait(1, 1000 * int(PATIENCE)) == 1

            def goes_over():
                try:
                    return sentinel.sentinel_failover(SERVICE)
                except redis.ResponseError:
                    return False

            until(goes_over)
            until(lambda: new.info("replication")["role"] == "master")
            # Sentinel does the same some seconds later; what the old primary takes until then is lost.
            old.replicaof("127.0.0.1", replica.port)

            def lands():
                try:
                    store.swap("k", store.read("k").value, b"two", 1000)
                except StoreError:
                    return False
                return new.get(f"{store._prefix}k").endswith(b"two")

            until(lands)
        store.close()


def test_a_sentinel_that_hangs_costs_the_timeout_whatever_its_client_says(watched):
    with running_redis() as silent:
        silent.pause()
        sentinels = [("127.0.0.1", silent.port), ("127.0.0.1", watched[2])]
        store = RedisStore(Sentinel(sentinels, socket_timeout=60).master_for(SERVICE), timeout=TIMEOUT, prefix=prefix())
        began = time.monotonic()
        assert store.swap("k", None, b"one", 10)
        assert time.monotonic() - began < PATIENCE / 2
        store.close()
        silent.go_on()


# Replicas that must have what was written.


class TestWithAReplicaInStep(StoreContract):
    @pytest.fixture
    def store(self, clock, watched):
        client = master(watched[2])
        store = AgedRedisStore(client, prefix=prefix(), clock=clock, replicas=1)
        yield store
        store.forget()
        store.close()
        client.close()


def test_what_was_confirmed_is_found_after_a_failover_at_once():
    with running_sentinel(SERVICE) as (primary, _, port):
        store = RedisStore(master(port), timeout=1.0, replicas=1)
        until(lambda: in_step(primary))
        assert store.swap("k", None, b"one", 1000)
        primary.process.kill()
        primary.process.wait()
        after = RedisStore(master(port), timeout=TIMEOUT)
        until(lambda: answers(after))
        assert after.read("k").value == b"one"
        after.close()
        store.close()


def in_step(primary):
    with primary.client() as client:
        found = client.info("replication")
    return found["connected_slaves"] >= 1 and found["slave0"]["state"] == "online"


@pytest.fixture
def pair():
    """Give a primary and its replica, which is in step."""
    with running_redis() as primary, running_redis("--replicaof", "127.0.0.1", str(primary.port)) as replica:
        until(lambda: in_step(primary))
        yield primary, replica


def test_a_write_that_too_few_replicas_have_is_a_store_error_within_the_timeout(pair):
    primary, replica = pair
    store = RedisStore.from_url(primary.url, timeout=TIMEOUT, replicas=1)
    assert store.swap("k", None, b"one", 1000)
    replica.pause()
    began = time.monotonic()
    with pytest.raises(StoreError, match="0 of 1 replicas have what was written"):
        store.swap("k", b"one", b"two", 1000)
    assert time.monotonic() - began < 2 * TIMEOUT
    assert store.read("k").value == b"two", "it was written, and nobody may rely on that"
    assert not store.swap("k", b"one", b"three", 1000), "what was not written needs no replica"
    replica.go_on()
    until(lambda: writes(store, b"two", b"four"))
    store.close()


def writes(store, old, new):
    try:
        return store.swap("k", old, new, 1000) or store.read("k").value == new
    except StoreError:
        return False


def test_more_replicas_than_there_are_never_have_it(pair):
    store = RedisStore.from_url(pair[0].url, timeout=TIMEOUT, replicas=2)
    with pytest.raises(StoreError, match="1 of 2 replicas"):
        store.swap("k", None, b"one", 1000)
    store.close()


def test_on_a_cluster_the_node_of_the_record_is_asked(nodes):
    client = cluster(nodes)
    store = RedisStore(client, prefix=prefix(), timeout=TIMEOUT, replicas=1)
    for key in keys_by_node(store, nodes):
        with pytest.raises(StoreError, match="0 of 1 replicas"):
            store.swap(key, None, b"one", 1000)
        assert store.read(key).value == b"one"
    client.close()


@pytest.mark.parametrize("wrong", [-1, 17, True, 1.0, "1", None], ids=repr)
def test_a_number_of_replicas_that_is_none_is_refused(wrong):
    with pytest.raises(ConfigurationError, match=r"replicas is .*; give a number, 0 to 16"):
        RedisStore(redis.Redis(), replicas=wrong)


# Cluster.


@pytest.fixture(scope="module")
def nodes():
    with running_cluster() as found:
        yield found


def cluster(nodes, **options):
    return redis.RedisCluster(
        host="127.0.0.1",
        port=nodes[0].port,
        **{"socket_timeout": TIMEOUT, "socket_connect_timeout": TIMEOUT, **options},
    )


class TestOnACluster(StoreContract):
    @pytest.fixture
    def store(self, clock, nodes):
        client = cluster(nodes)
        store = AgedRedisStore(client, prefix=prefix(), clock=clock)
        yield store
        store.forget()
        store.close()
        client.close()


@pytest.fixture
def on_cluster(nodes):
    client = cluster(nodes)
    store = RedisStore(client, prefix=prefix(), timeout=TIMEOUT)
    yield store
    store.close()
    client.close()


def keys_by_node(store, nodes):
    """Give a key for each node of a cluster, in the order of the nodes."""
    found = {}
    for number in range(1000):
        found.setdefault(store._given.get_node_from_key(f"{store._prefix}{number}").port, str(number))
    return [found[node.port] for node in nodes]


def test_a_store_that_is_dropped_leaves_the_caller_s_client_of_a_cluster_as_it_was(nodes):
    client = cluster(nodes)
    store = RedisStore(client, prefix=prefix())
    store.read("k")
    del store
    gc.collect()
    assert client.get("k") is None
    assert client.nodes_manager.nodes_cache != {}
    client.close()


def test_records_lie_on_every_node(on_cluster, nodes):
    for key in keys_by_node(on_cluster, nodes):
        assert on_cluster.swap(key, None, b"one", 100)
    for node in nodes:
        with node.client() as client:
            assert client.dbsize() >= 1


def test_a_record_whose_slot_moves_is_found_on_its_way_and_afterwards(on_cluster, nodes):
    from_, to = nodes[0], nodes[1]
    key = keys_by_node(on_cluster, nodes)[0]
    assert on_cluster.swap(key, None, b"one", 100)
    name = f"{on_cluster._prefix}{key}"
    with from_.client() as source, to.client() as target:
        slot = source.execute_command("CLUSTER", "KEYSLOT", name)
        ids = [str(each.execute_command("CLUSTER MYID"), "ascii") for each in (source, target)]
        target.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[0])
        source.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[1])
        source.execute_command("MIGRATE", "127.0.0.1", to.port, name, 0, 1000 * int(PATIENCE))
        assert on_cluster.read(key).value == b"one", "the source says ASK"
        assert on_cluster.swap(key, b"one", b"two", 100)
        for each in (target, source):
            each.execute_command("CLUSTER", "SETSLOT", slot, "NODE", ids[1])
        assert on_cluster.read(key).value == b"two", "the source says MOVED"
        assert on_cluster.swap(key, b"two", b"three", 100)
        assert target.execute_command("CLUSTER", "COUNTKEYSINSLOT", slot) == 1
        # As it was, for the others.
        source.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[1])
        target.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[0])
        target.execute_command("MIGRATE", "127.0.0.1", from_.port, name, 0, 1000 * int(PATIENCE))
        for each in (source, target):
            each.execute_command("CLUSTER", "SETSLOT", slot, "NODE", ids[0])


def test_a_node_that_hangs_costs_the_timeout_once_and_the_keys_of_others_nothing(on_cluster, nodes):
    keys = keys_by_node(on_cluster, nodes)
    assert all(answers(on_cluster, key) for key in keys)
    nodes[2].pause()
    began = time.monotonic()
    for _ in range(20):
        assert [answers(on_cluster, key) for key in keys] == [True, True, False]
    assert time.monotonic() - began < PATIENCE / 2
    nodes[2].go_on()
    until(lambda: answers(on_cluster, keys[2]))


@pytest.mark.parametrize(("breaks", "mends"), [("pause", "go_on"), ("stop", "start")])
def test_a_cluster_of_which_no_node_answers_is_a_store_that_is_down_until_one_does(on_cluster, nodes, breaks, mends):
    on_cluster.swap("k", None, b"one", 100)
    for node in nodes:
        getattr(node, breaks)()
    for key in keys_by_node(on_cluster, nodes):
        for act in (lambda key=key: on_cluster.read(key), lambda key=key: on_cluster.wait(key, b"one", 0.2)):
            with pytest.raises(StoreError):
                act()
    for node in nodes:
        getattr(node, mends)()
    until(lambda: answers(on_cluster))


def test_a_node_that_is_gone_is_down_for_its_keys_alone_until_it_is_back(on_cluster, nodes):
    keys = keys_by_node(on_cluster, nodes)
    nodes[2].stop(keeps=True)
    assert [answers(on_cluster, key) for key in keys] == [True, True, False]
    nodes[2].start()
    until(lambda: answers(on_cluster, keys[2]))


def test_a_node_that_evicts_is_refused(on_cluster, nodes):
    keys = keys_by_node(on_cluster, nodes)
    with nodes[1].client() as client:
        client.config_set("maxmemory", "100mb")
        client.config_set("maxmemory-policy", "allkeys-lru")
        try:
            assert [answers(on_cluster, key) for key in keys] == [True, False, True]
            with pytest.raises(StoreError, match="evicts"):
                on_cluster.read(keys[1])
        finally:
            client.config_set("maxmemory", 0)
            client.config_set("maxmemory-policy", "noeviction")


@pytest.mark.parametrize(
    "wrong", [{"socket_timeout": None}, {"socket_timeout": 5}, {"socket_connect_timeout": 60}], ids=str
)
def test_a_client_of_a_cluster_that_may_wait_for_long_is_refused(nodes, wrong):
    client = cluster(nodes, **wrong)
    with pytest.raises(ConfigurationError, match=r"of this cluster's client is .*; make it with socket_\w+=0.5"):
        RedisStore(client)
    client.close()
