"""What reviews of the whole found from outside, each as the rule that it broke."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.ledger.test_single_flight import EXPIRED, NOW, Clock, Endpoint, issued
from tests.unit.test_middleware import World
from wsgi_token_refresh import Routes, TokenRefreshMiddleware, get_session
from wsgi_token_refresh.policy.routes import Rule
from wsgi_token_refresh.stores.memory import MemoryStore
from wsgi_token_refresh.stores.sqlite import SqliteStore
from wsgi_token_refresh.tokens import Refreshed, Rejected
from wsgi_token_refresh.wsgi import with_set_cookie

OLD = issued(0, NOW)
PAGE = {"Accept": "text/html"}


@pytest.fixture
def world():
    return World()


# Runs in another process, which sees the files as they are by now.
ANOTHER = """
import sys
from wsgi_token_refresh.stores.sqlite import SqliteStore
store = SqliteStore(sys.argv[1])
try:
    found = store.read("f").value
    print(store.swap("f", found, b"another", 60), flush=True)
except Exception:
    print("down", flush=True)
sys.stdin.read()
store.close()
"""


@pytest.mark.parametrize("suffix", ["-shm", "-wal"])
def test_a_cleaner_that_takes_a_side_file_lets_no_two_processes_win_one_swap(tmp_path: Path, suffix: str):
    path = tmp_path / "ledger.sqlite"
    store = SqliteStore(path)
    assert store.swap("f", None, b"0", 60)
    os.unlink(f"{path}{suffix}")
    command = [sys.executable, "-c", ANOTHER, str(path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": "."}, **pipes) as another:
        said = another.stdout.readline().strip()
        won = store.swap("f", b"0", b"this", 60)
        another.stdin.close()
    assert not (won and said == "True")
    assert store.swap("g", None, b"1", 60)
    store.close()


@pytest.mark.parametrize("path", ["/dash\xffboard", "/@@dashboard", "/%40%40dashboard", "/x/@@../dashboard"])
def test_a_path_that_some_framework_reads_as_a_protected_one_is_protected(path: str):
    assert Routes(protected=["/dashboard"]).rule_for(path) is Rule.PROTECTED


@pytest.mark.parametrize("path", ["/" + "a" * 5000 + "%41", "/a" * 3000 + "/.well-known", "/" + "a;b" * 2000])
def test_a_long_path_is_read_in_a_moment(path: str):
    assert Routes(protected=["/dashboard"]).rule_for(path) in (Rule.OPTIONAL, Rule.PROTECTED)


def test_a_virtual_root_that_a_client_names_opens_nothing(world: World):
    for _ in range(2):
        assert world.send("/", OLD).status_code == 200
        assert world.send("/", headers={"X-Vhm-Root": "/dashboard"}).status_code == 401


def test_another_site_s_websocket_has_no_session_also_when_the_memo_knows_it(world: World):
    handshake = {"Upgrade": "websocket", "Origin": "https://evil.example.com", "Sec-Fetch-Site": "same-site"}
    for _ in range(2):
        assert world.send("/dashboard", OLD).status_code == 200
        assert world.send("/dashboard", OLD, headers=handshake).status_code == 403
    own = {"Upgrade": "websocket", "Sec-Fetch-Site": "same-origin"}
    assert world.send("/dashboard", OLD, headers=own).status_code == 200


def test_a_clock_that_is_set_back_lengthens_no_trust(world: World):
    assert world.send("/dashboard", OLD).status_code == 200
    world.other.end(OLD, "sign-out")
    world.later(-7200)
    assert world.send("/dashboard", OLD).status_code == 401


def test_several_refresh_cookies_share_the_time_of_one_request(world: World):
    world.later(EXPIRED)

    def slow(refresh_token, *, patience, may_send):
        world.later(patience - 0.5)
        return Rejected("invalid_grant")

    world.endpoint.refresh = slow
    began = world.clock.now
    world.send("/dashboard", *(issued(serial, NOW) for serial in range(4)))
    assert world.clock.now - began <= world.endpoint.answer_timeout + 1


def signing_in(tokens_of_sign_in, then):
    def application(environ, start_response):
        session = get_session(environ)
        session.sign_in(tokens_of_sign_in)
        then(session)
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps({"token": session.access_token}).encode()]

    return application


def test_a_refresh_after_a_sign_in_sends_the_newest_tokens():
    signed, newer = issued(10, NOW), issued(11, NOW)
    answer = {"access_token": signed.access_token, "refresh_token": signed.refresh_token}
    world = World(app=signing_in(answer, lambda session: session.refresh()))
    world.endpoint.outcomes.append(Refreshed(newer))
    reply = world.send("/open")
    assert json.loads(reply.data) == {"token": newer.access_token}
    assert any(newer.refresh_token in cookie for cookie in reply.headers.getlist("Set-Cookie"))


def test_without_a_verifier_a_cookie_puts_no_line_break_into_the_environ():
    clock = Clock()
    wrapped = TokenRefreshMiddleware(
        lambda environ, start_response: [start_response("200 OK", []) and b""],
        token_endpoint=Endpoint(clock),
        routes=Routes(),
        verifier=None,
        store=MemoryStore(clock=clock),
        clock=clock,
    )
    cookie = f"access_token=%E2%82%AC%0d%0aX-A: b; access_token_expires={NOW + 900:.0f}.900"
    statuses = []
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "SCRIPT_NAME": "", "HTTP_COOKIE": cookie}
    wrapped(environ, lambda status, headers, exc_info=None: statuses.append(status))
    assert statuses == ["401 Unauthorized"]
    assert "HTTP_AUTHORIZATION" not in environ


def test_headers_for_caches_of_a_kind_do_not_outlive_no_store():
    headers = [("CDN-Cache-Control", "public"), ("Surrogate-Control", "max-age=9"), ("Cache-Control", "public")]
    names = [name for name, _ in with_set_cookie(headers, ["n=v"])]
    assert names == ["Cache-Control", "Vary", "Set-Cookie"]


def test_what_a_view_writes_into_the_claims_is_not_what_was_verified():
    def application(environ, start_response):
        claims = get_session(environ).claims
        start_response("200 OK", [("Content-Type", "text/plain")])
        claims["role"] = claims.get("role", "") + "x"
        return [claims["role"].encode()]

    world = World(app=application)
    assert [world.send("/dashboard", OLD).data for _ in range(3)] == [b"x"] * 3
