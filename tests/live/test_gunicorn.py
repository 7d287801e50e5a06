"""Real gunicorns, a real authorization server, real signals."""

from __future__ import annotations

import http.client
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.real_redis import running_redis
from wsgi_token_refresh.testing.process import AuthorizationServerProcess, run_in_process

from .servers import PATIENCE, Browser, Gunicorn, Reply, at_once, gunicorn, request, request_on

DELAY = 0.2
SLACK = 0.5


@pytest.fixture(scope="module")
def server() -> Iterator[AuthorizationServerProcess]:
    with run_in_process(access_lifetime=300, reuse="revoke") as running:
        yield running


@pytest.fixture(autouse=True)
def _reset(server: AuthorizationServerProcess) -> None:
    server.reset()


def sign_in(server: AuthorizationServerProcess, port: int, *, good: bool = False) -> Browser:
    """Give a browser with a session; without ``good`` its access token has expired and is gone."""
    tokens = server.login()
    jar = {"refresh_token": tokens["refresh_token"]}
    return Browser(port, {**jar, "access_token": tokens["access_token"]} if good else jar)


def until(condition: object, what: str) -> None:
    ends = time.monotonic() + PATIENCE
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < ends, what
        time.sleep(0.005)


@pytest.mark.parametrize("preload", [False, True], ids=["", "preload"])
@pytest.mark.parametrize("worker_class", ["sync", "gthread", "gevent"])
def test_twenty_requests_at_once_are_one_grant_and_twenty_good_answers(
    server: AuthorizationServerProcess, tmp_path: Path, worker_class: str, preload: bool
) -> None:
    rounds = 20 if (worker_class, preload) == ("gthread", False) else 3
    with gunicorn(server.url, tmp_path / "s", worker_class=worker_class, preload=preload) as running:
        server.set(delay=DELAY)
        for number in range(1, rounds + 1):
            browser = sign_in(server, running.port)
            replies = at_once([(running.port, "/page", browser.jar)] * 20)
            assert [reply.status for reply in replies] == [200] * 20
            assert len({reply.cookies()["refresh_token"] for reply in replies}) == 1
            browser.jar.update(replies[-1].cookies())
            assert browser.get().status == 200
            counts = server.counts()
            assert (counts["grants"], counts["refused"], counts["live"]) == (number, 0, number)


def test_sessions_interleaved_are_one_grant_each_and_nobody_sees_anothers_token(
    server: AuthorizationServerProcess, tmp_path: Path
) -> None:
    with gunicorn(server.url, tmp_path / "s") as running:
        server.set(delay=DELAY)
        browsers = [sign_in(server, running.port) for _ in range(64)]
        replies = at_once([(running.port, "/page", browser.jar) for _ in range(4) for browser in browsers])
        assert [reply.status for reply in replies] == [200] * 256
        sids = [reply.seen["sid"] for reply in replies]
        assert all(len({sids[index + 64 * turn] for turn in range(4)}) == 1 for index in range(64))
        assert len(set(sids)) == 64
        counts = server.counts()
        assert (counts["grants"], counts["refused"], counts["live"]) == (64, 0, 64)


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Give the place of a store: a file, or a real Redis where the test is told so."""
    if getattr(request, "param", "sqlite") == "sqlite":
        yield str(tmp_path / "s")
    else:
        with running_redis() as store:
            yield store.url


@pytest.fixture
def hosts(server: AuthorizationServerProcess, place: str) -> Iterator[tuple[Gunicorn, Gunicorn]]:
    """Two gunicorns on one store, so that one can be killed or stopped as a whole."""
    with (
        gunicorn(server.url, place, workers=1, timeout=2) as one,
        gunicorn(server.url, place, workers=1, timeout=2) as two,
    ):
        yield one, two


def in_background(browser: Browser) -> threading.Thread:
    def get() -> None:
        try:
            browser.get(keep=False)
        except OSError:
            return

    thread = threading.Thread(target=get)
    thread.start()
    return thread


@pytest.mark.parametrize(
    ("fault", "lives"),
    [
        pytest.param("hang", True, id="where the server had not rotated the session lives"),
        pytest.param("hang-after", False, id="where the server had rotated it costs one login"),
    ],
)
@pytest.mark.parametrize(
    ("number", "place"),
    [
        pytest.param(signal.SIGKILL, "sqlite", id="killed"),
        pytest.param(signal.SIGSTOP, "sqlite", id="stopped"),
        pytest.param(signal.SIGSTOP, "redis", id="stopped-redis"),
    ],
    indirect=["place"],
)
def test_a_host_that_dies_while_it_refreshes_delays_nobody_for_long(
    server: AuthorizationServerProcess, hosts: tuple[Gunicorn, Gunicorn], fault: str, lives: bool, number: int
) -> None:
    one, two = hosts
    browser = sign_in(server, one.port)
    good = sign_in(server, two.port, good=True)
    good.jar["refresh_token"] = browser.jar["refresh_token"]
    server.fault(fault, seconds=60)
    thread = in_background(browser)
    until(lambda: server.counts()["requests"] == 1, "the refresh never reached the server")
    one.signal(number)
    passed = good.get(keep=False)
    assert (passed.status, passed.took < 2) == (200, True), "a good token waits for nobody"
    waited = browser.get(port=two.port)
    assert waited.status == 503
    assert waited.took <= 2 + 2 + 1 + SLACK
    server.release()
    time.sleep(int(dict(waited.headers)["Retry-After"]))
    outcome = 200 if lives else 303
    assert browser.get(port=two.port).status == outcome, "whoever comes when told is answered"
    if number == signal.SIGSTOP:
        asked = server.counts()["requests"]
        one.signal(signal.SIGCONT)
        thread.join(PATIENCE)
        assert server.counts()["requests"] == asked, "who wakes late sends nothing"
        assert browser.get(port=two.port).status == outcome
    thread.join(PATIENCE)


def test_requests_with_a_good_token_do_not_wait_for_a_stopped_host(
    server: AuthorizationServerProcess, hosts: tuple[Gunicorn, Gunicorn]
) -> None:
    one, two = hosts
    server.set(access_lifetime=12)
    browser = sign_in(server, one.port, good=True)
    due = browser.get().seen["expires_at"] - 12 / 3 * 0.9
    server.fault("hang", seconds=60)
    until(lambda: time.time() > due, "time stands still")
    thread = in_background(browser)
    until(lambda: server.counts()["requests"] == 1, "the refresh never reached the server")
    one.signal(signal.SIGSTOP)
    reply = browser.get(port=two.port)
    assert reply.status == 200
    assert reply.took < 1
    one.signal(signal.SIGCONT)
    server.release()
    thread.join(PATIENCE)


def test_an_answer_that_comes_after_all_time_is_read_by_who_asked_though_nobody_comes_by(
    server: AuthorizationServerProcess, hosts: tuple[Gunicorn, Gunicorn]
) -> None:
    one, two = hosts
    browser = sign_in(server, one.port)
    server.set(delay=3)
    assert browser.get().status == 503
    until(lambda: server.counts()["grants"] == 1, "the server never answered")
    until(lambda: browser.get(port=two.port).status == 200, "the answer was lost")
    assert (server.counts()["requests"], server.counts()["refused"]) == (1, 0)


@pytest.mark.parametrize("worker_class", ["gthread", "gevent"])
def test_a_worker_that_is_told_to_end_takes_what_is_still_to_come(
    server: AuthorizationServerProcess, tmp_path: Path, worker_class: str
) -> None:
    with (
        gunicorn(
            server.url,
            tmp_path / "s",
            workers=1,
            worker_class=worker_class,
            answer_timeout=2,
            graceful=15,
        ) as one,
        gunicorn(server.url, tmp_path / "s", workers=1, answer_timeout=2) as two,
    ):
        browsers = [sign_in(server, one.port) for _ in range(6)]
        server.set(delay=3)
        replies = at_once([(one.port, "/page", browser.jar) for browser in browsers])
        assert [reply.status for reply in replies] == [503] * 6
        one.process.terminate()
        for browser in browsers:
            until(lambda browser=browser: browser.get(port=two.port).status == 200, "an answer was lost")
        assert (server.counts()["requests"], server.counts()["refused"]) == (6, 0)
        one.process.wait(PATIENCE)


def test_who_comes_while_a_thread_waits_for_a_late_answer_is_served_at_once(
    server: AuthorizationServerProcess, tmp_path: Path
) -> None:
    server.set(access_lifetime=12)
    with ExitStack() as stack:
        sync, threads = (
            stack.enter_context(
                gunicorn(
                    server.url,
                    tmp_path / kind,
                    workers=1,
                    worker_class=kind,
                    answer_timeout=10,
                    wait_timeout=1,
                )
            )
            for kind in ("sync", "gthread")
        )
        at_the_door, on_the_connection = (sign_in(server, each.port, good=True) for each in (sync, threads))
        seen = [each.get().seen for each in (at_the_door, on_the_connection)]
        server.set(delay=6)
        due = max(each["expires_at"] for each in seen) - 12 / 3 * 0.9
        until(lambda: time.time() > due, "time stands still")
        assert at_the_door.get().seen["token"] == seen[0]["token"]
        assert request(sync.port, "/public", {}).took < 3
        with closing(http.client.HTTPConnection("127.0.0.1", threads.port, timeout=30)) as connection:
            for path in ("/page", "/public"):
                reply = request_on(connection, path, on_the_connection.jar)
                assert (reply.status, reply.took < 3) == (200, True)
        until(lambda: server.counts()["grants"] == 2, "the server never answered")
        for browser, before in zip((at_the_door, on_the_connection), seen, strict=True):
            until(lambda browser=browser: browser.get().status == 200, "somebody is logged out")
            assert browser.get().seen["token"] != before["token"]
        assert (server.counts()["requests"], server.counts()["refused"]) == (2, 0)


@pytest.mark.parametrize(
    "fault", ["500", "502", "503", "503-retry-after", "429", "html", "broken-json", "reset", "hang", "drip"]
)
def test_a_hiccup_keeps_everybody_signed_in(
    server: AuthorizationServerProcess, hosts: tuple[Gunicorn, Gunicorn], fault: str
) -> None:
    one, two = hosts
    good, expired = sign_in(server, one.port, good=True), sign_in(server, one.port)
    server.fault(fault, times=1, seconds=2 if fault in ("429", "503-retry-after") else 60)
    refused = expired.get()
    assert refused.status == 503
    assert refused.cookies() == {}
    assert refused.took <= 2 + 1 + SLACK
    assert expired.get(port=two.port).status == 503
    assert server.counts()["requests"] == 1
    assert good.get().status == 200
    assert expired.get("/optional").seen["state"] == "unavailable"
    assert expired.get("/login").status == 200
    server.release()
    if fault == "drip":
        # The dripping server had rotated, and its answer went on coming to the host that had asked.
        until(lambda: expired.get(port=one.port).status == 200, "the answer was lost")
        return
    if fault == "hang":
        # No host asks again while the answer may come; the one that had asked has not looked since.
        until(lambda: expired.get(port=two.port).status == 200, "nobody has asked again")
        return
    time.sleep(float(dict(refused.headers)["Retry-After"]))
    assert expired.get(port=two.port).status == 200


def test_a_server_that_is_down_keeps_everybody_signed_in_until_it_is_back(
    server: AuthorizationServerProcess, hosts: tuple[Gunicorn, Gunicorn]
) -> None:
    one, two = hosts
    browser = sign_in(server, one.port)
    server.set(down=True)
    first = browser.get()
    assert (first.status, browser.get(port=two.port).status) == (503, 503)
    server.set(down=False)
    until(lambda: browser.get(port=two.port).status == 200, "the session did not come back")
    assert server.counts()["live"] == 1


def test_a_sign_out_is_seen_by_the_next_refresh_on_another_host(
    server: AuthorizationServerProcess, hosts: tuple[Gunicorn, Gunicorn]
) -> None:
    one, two = hosts
    browser = sign_in(server, one.port)
    assert browser.get().status == 200
    old = dict(browser.jar)
    assert browser.get("/logout").status == 200
    assert browser.jar == {}
    late = Browser(two.port, {"refresh_token": old["refresh_token"]})
    assert late.get().status == 303
    assert server.counts()["grants"] == 1


def test_gunicorns_file_wrapper_and_redirects_reach_the_server(
    server: AuthorizationServerProcess, hosts: tuple[Gunicorn, Gunicorn]
) -> None:
    browser = sign_in(server, hosts[0].port)
    reply: Reply = browser.get("/file")
    assert reply.body == (Path(__file__).parent / "application.py").read_bytes()
    location = dict(Browser(hosts[0].port).get("/page?a=1").headers)["Location"]
    assert location == "/login?next=/page%3Fa%3D1"


@pytest.mark.parametrize("worker_class", ["gthread", "gevent"])
def test_a_refusal_does_not_wait_for_a_body_that_never_comes(
    server: AuthorizationServerProcess, tmp_path: Path, worker_class: str
) -> None:
    with gunicorn(server.url, tmp_path / "s", workers=1, worker_class=worker_class) as running, ExitStack() as ends:
        address = ("127.0.0.1", running.port)
        clients = [ends.enter_context(socket.create_connection(address, PATIENCE)) for _ in range(8)]
        began = time.monotonic()
        for client in clients:
            client.sendall(b"POST /page HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\nab")
        assert [client.recv(12) for client in clients] == [b"HTTP/1.1 401"] * 8
        assert time.monotonic() - began < 2


@pytest.mark.parametrize("size", [1, 5_000, 30_000, 65_536])
@pytest.mark.parametrize("worker_class", ["sync", "gthread", "gevent"])
def test_a_refusal_of_a_body_that_has_arrived_reaches_the_client_and_ends_well(
    server: AuthorizationServerProcess, tmp_path: Path, worker_class: str, size: int
) -> None:
    head = f"POST /page HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {size}\r\n\r\n"
    with gunicorn(server.url, tmp_path / "s", workers=1, worker_class=worker_class) as running:
        with socket.create_connection(("127.0.0.1", running.port), PATIENCE) as client:
            client.sendall(head.encode() + b"x" * size)
            answer = b""
            while more := client.recv(65_536):
                answer += more
        assert answer.startswith(b"HTTP/1.1 401")
