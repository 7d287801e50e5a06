"""Several hosts: gunicorns that share nothing but a real Redis, which stops, hangs, slows down and fills up."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.forwarding import forwarding
from tests.real_redis import RealRedis, running_redis
from wsgi_token_refresh.testing.process import AuthorizationServerProcess, run_in_process

from .kinds import INDEX_KEY, KEY, SEALED, SERVER_SIDE, TOKEN_COOKIES, signed_in
from .servers import Browser, Gunicorn, at_once, gunicorn
from .test_gunicorn import DELAY, SLACK, sign_in, until

Hosts = tuple[Gunicorn, Gunicorn]


@pytest.fixture(scope="module")
def server() -> Iterator[AuthorizationServerProcess]:
    with run_in_process(access_lifetime=300, reuse="revoke") as running:
        yield running


@pytest.fixture(autouse=True)
def _reset(server: AuthorizationServerProcess) -> None:
    server.reset()


@pytest.fixture
def store() -> Iterator[RealRedis]:
    with running_redis() as running:
        yield running


@contextmanager
def two_hosts(server: AuthorizationServerProcess, store: str, **options: object) -> Iterator[Hosts]:
    """Run two gunicorns that share a URL and no file."""
    with ExitStack() as stack:
        one, two = (stack.enter_context(gunicorn(server.url, store, **options)) for _ in range(2))  # type: ignore[arg-type]
        yield one, two


@pytest.fixture
def hosts(server: AuthorizationServerProcess, store: RealRedis) -> Iterator[Hosts]:
    with two_hosts(server, store.url, workers=1, timeout=2) as running:
        yield running


@pytest.mark.parametrize("worker_class", ["gthread", "gevent"])
@pytest.mark.parametrize("kind", [TOKEN_COOKIES, SEALED, SERVER_SIDE])
def test_twenty_requests_at_once_on_two_hosts_are_one_grant_and_twenty_good_answers(
    server: AuthorizationServerProcess, store: RealRedis, kind: str, worker_class: str
) -> None:
    rounds = 20 if worker_class == "gthread" else 3
    with two_hosts(server, store.url, worker_class=worker_class, kinds=kind) as (one, two):
        server.set(delay=DELAY)
        for number in range(1, rounds + 1):
            browser = signed_in(server, one.port, kind, store.url)
            replies = at_once([(host.port, "/page", browser.jar) for host in (one, two) * 10])
            assert [reply.status for reply in replies] == [200] * 20
            assert len({reply.seen["token"] for reply in replies}) == 1
            browser.jar.update(replies[-1].cookies())
            assert browser.get(port=two.port).seen["token"] == replies[0].seen["token"]
            counts = server.counts()
            assert (counts["grants"], counts["refused"], counts["live"]) == (number, 0, number)


@pytest.mark.parametrize(
    ("older", "newer"),
    [(TOKEN_COOKIES, SEALED), (SEALED, SERVER_SIDE), (TOKEN_COOKIES, SERVER_SIDE)],
)
def test_while_one_host_writes_the_new_kind_and_one_the_old_a_storm_is_one_grant_and_nobody_is_logged_out(
    server: AuthorizationServerProcess, store: RealRedis, older: str, newer: str
) -> None:
    with (
        gunicorn(server.url, store.url, workers=2, kinds=f"{older} {newer}") as behind,
        gunicorn(server.url, store.url, workers=2, kinds=f"{newer} {older}") as ahead,
    ):
        server.set(delay=DELAY)
        for number, kind in enumerate((older, newer, older, newer), 1):
            browser = signed_in(server, behind.port, kind, store.url)
            replies = at_once([(host.port, "/page", browser.jar) for host in (behind, ahead) * 10])
            assert [reply.status for reply in replies] == [200] * 20
            for reply in replies:
                jar = {name: value for name, value in {**browser.jar, **reply.cookies()}.items() if value}
                for host in (ahead, behind):
                    assert Browser(host.port, jar).get().status == 200
            counts = server.counts()
            assert (counts["grants"], counts["refused"], counts["live"]) == (number, 0, number)


def test_a_session_that_lies_on_the_server_ends_on_every_host_at_once(
    server: AuthorizationServerProcess, store: RealRedis
) -> None:
    with two_hosts(server, store.url, kinds=SERVER_SIDE) as (one, two):
        browser = signed_in(server, one.port, SERVER_SIDE, store.url, good=True)
        jar = dict(browser.jar)
        for _ in range(8):
            assert [browser.get(port=host.port).status for host in (one, two)] == [200, 200]
        assert browser.get("/logout").status == 200
        assert browser.jar == {}
        for host in (one, two):
            replies = at_once([(host.port, "/page", jar)] * 16)
            assert [reply.status for reply in replies] == [303] * 16
        assert server.counts()["requests"] == 0


def test_sessions_interleaved_on_two_hosts_are_one_grant_each(
    server: AuthorizationServerProcess, store: RealRedis
) -> None:
    with two_hosts(server, store.url) as (one, two):
        server.set(delay=DELAY)
        browsers = [sign_in(server, one.port) for _ in range(64)]
        replies = at_once(
            [((one, two)[turn % 2].port, "/page", browser.jar) for turn in range(4) for browser in browsers]
        )
        assert [reply.status for reply in replies] == [200] * 256
        sids = [reply.seen["sid"] for reply in replies]
        assert all(len({sids[index + 64 * turn] for turn in range(4)}) == 1 for index in range(64))
        assert len(set(sids)) == 64
        counts = server.counts()
        assert (counts["grants"], counts["refused"], counts["live"]) == (64, 0, 64)


# Redis fails.


def stop(store: RealRedis) -> None:
    store.stop(keeps=True)


def pause(store: RealRedis) -> None:
    store.pause()


def fill(store: RealRedis) -> None:
    with store.client() as client:
        client.config_set("maxmemory", 1)


def start(store: RealRedis) -> None:
    store.start()


def go_on(store: RealRedis) -> None:
    store.go_on()


def empty(store: RealRedis) -> None:
    with store.client() as client:
        client.config_set("maxmemory", 0)


@pytest.mark.parametrize("worker_class", ["gthread", "gevent"])
@pytest.mark.parametrize("kind", [TOKEN_COOKIES, SEALED, SERVER_SIDE])
@pytest.mark.parametrize(
    ("breaks", "mends", "reads"),
    [(stop, start, False), (pause, go_on, False), (fill, empty, True)],
    ids=["stopped", "paused", "full"],
)
def test_while_redis_fails_nobody_is_logged_out_and_then_all_is_as_before(
    server: AuthorizationServerProcess,
    store: RealRedis,
    kind: str,
    worker_class: str,
    breaks: object,
    mends: object,
    reads: bool,
) -> None:
    with two_hosts(server, store.url, workers=1, timeout=2, kinds=kind, worker_class=worker_class) as (one, two):
        good, expired = (signed_in(server, one.port, kind, store.url, good=each) for each in (True, False))
        assert good.get().status == 200
        breaks(store)  # type: ignore[operator]
        for host in (one, two):
            for _ in range(3):
                passed = good.get(port=host.port)
                assert passed.status == (200 if reads or kind != SERVER_SIDE else 503)
                assert passed.cookies() == {}
                refused = expired.get(port=host.port)
                assert (refused.status, refused.cookies()) == (503, {})
                assert int(dict(refused.headers)["Retry-After"]) >= 1
                assert refused.took <= 2 + 1 + SLACK
                assert expired.get("/optional", port=host.port).seen["state"] == "unavailable"
            assert host.log.read_text().count("the store is down") == 1
        assert server.counts()["requests"] == 0
        mends(store)  # type: ignore[operator]
        until(lambda: expired.get(port=two.port).status == 200, "the session did not come back")
        until(lambda: good.get().status == 200, "the session did not come back")
        counts = server.counts()
        assert (counts["grants"], counts["refused"], counts["live"]) == (1, 0, 2)


@pytest.mark.parametrize("kind", [TOKEN_COOKIES, SEALED])
@pytest.mark.parametrize("last", ["everything", "the last writes"])
def test_a_redis_that_comes_back_without_what_it_had_logs_nobody_out_whose_cookies_had_arrived(
    server: AuthorizationServerProcess, store: RealRedis, kind: str, last: str
) -> None:
    server.set(access_lifetime=2)
    with two_hosts(server, store.url, workers=1, timeout=2, kinds=kind) as (one, two):
        browser = signed_in(server, one.port, kind, store.url)

        def ends() -> float:
            return float(browser.get(port=two.port).seen["expires_at"])

        first = ends()
        if last == "the last writes":
            with store.client() as client:
                client.save()
        until(lambda: time.time() > first, "time stands still")
        second = ends()
        assert second > first
        store.process.kill()
        store.process.wait()
        store.start()
        until(lambda: time.time() > second, "time stands still")
        until(lambda: browser.get().status == 200, "the session did not come back")
        counts = server.counts()
        assert (counts["grants"], counts["refused"], counts["live"]) == (3, 0, 1)


@pytest.mark.parametrize("delay", [0.05, 1.0], ids=["slow", "slower than its timeout"])
def test_a_slow_redis_logs_nobody_out(server: AuthorizationServerProcess, store: RealRedis, delay: float) -> None:
    with (
        forwarding(store.port, delay=delay) as way,
        two_hosts(server, f"redis://127.0.0.1:{way.port}/0", workers=1, timeout=2) as (one, two),
    ):
        good, expired = sign_in(server, one.port, good=True), sign_in(server, one.port)
        assert good.get().status == 200
        for host in (one, two):
            reply = expired.get(port=host.port)
            assert reply.status == (200 if delay < 0.5 else 503)
            assert reply.took <= 2 + 1 + SLACK
            assert good.get(port=host.port).status == 200
        assert server.counts()["refused"] == 0


# What a dump shows.


@pytest.mark.parametrize(("kind", "records"), [(TOKEN_COOKIES, 3), (SEALED, 3), (SERVER_SIDE, 5)])
@pytest.mark.parametrize("medium", ["redis", "sqlite"])
def test_a_dump_shows_no_token_no_key_and_no_subject(
    server: AuthorizationServerProcess, store: RealRedis, tmp_path: Path, kind: str, records: int, medium: str
) -> None:
    place = store.url if medium == "redis" else str(tmp_path / "s")
    with gunicorn(server.url, place, kinds=kind) as host:
        tokens = server.login("lovelace")
        browser = Browser(host.port)
        secrets = {tokens["access_token"], tokens["refresh_token"], "lovelace", KEY, INDEX_KEY}
        assert browser.get("/login", Tokens=json.dumps(tokens)).status == 200
        secrets |= set(browser.jar.values())
        reply = browser.get("/page?refresh")
        assert server.counts()["grants"] == 1
        secrets |= {*browser.jar.values(), reply.seen["sid"], reply.seen["token"]}
        if medium == "redis":
            with store.client() as client:
                assert client.dbsize() == records
                client.save()
            files = [Path(store.directory) / "dump.rdb"]
        else:
            files = sorted(tmp_path.iterdir())
        dump = b"".join(each.read_bytes() for each in files)
    assert b"row:" in dump
    assert (b"session:" in dump) == (kind == SERVER_SIDE)
    assert [secret for secret in secrets if secret.encode() in dump] == []
