"""What an application may do with its response, and what reaches the server of it."""

from __future__ import annotations

import sys
from wsgiref.util import FileWrapper

import pytest
from werkzeug.test import create_environ

from tests.walk.conftest import EXPIRED, LIFETIME, World, cookies_of, jar, tell
from wsgi_token_refresh.testing import RotatingAuthorizationServer

BOTH = {"access_token", "refresh_token"}
TEXT = ("Content-Type", "text/plain")


def bare(app):
    return app


@pytest.fixture
def lint():
    """No lint: what the server gets is looked at itself."""
    return bare


class Server:
    """A server that keeps what it is given."""

    def __init__(self):
        self.started, self.written = [], []

    def start_response(self, *arguments):
        self.started.append(arguments)
        return self.written.append


def call(world, browser, server, path="/dashboard", **headers):
    header = "; ".join(f"{name}={value}" for name, value in jar(browser).items())
    return world.middleware(create_environ(path, headers={"Cookie": header, **headers}), server.start_response)


def refreshed(make, app):
    """Call an application in a request that refreshes; give what it returned, and the server."""
    world, server = make(app=app), Server()
    browser = world.signed_in()
    world.later(EXPIRED)
    return call(world, browser, server), server


def set_by(headers):
    return [value.partition("=")[0] for name, value in headers if name == "Set-Cookie"]


def test_the_iterable_of_the_application_reaches_the_server_itself(make, tmp_path):
    (tmp_path / "file").write_bytes(b"x")
    with open(tmp_path / "file", "rb") as file:
        wrapper = FileWrapper(file)

        def app(environ, start_response):
            start_response("200 OK", [TEXT])
            return wrapper

        world, server = make(app=app), Server()
        browser = world.signed_in()
        assert call(world, browser, server) is wrapper
        assert call(world, browser, server) is wrapper
        world.later(EXPIRED)
        assert call(world, browser, server) is wrapper
        assert call(world, browser, server, "/static/file") is wrapper


def test_a_module_s_constant_headers_stay_as_they_are(make):
    headers = [TEXT]

    def app(environ, start_response):
        start_response("200 OK", headers)
        return [b""]

    _, server = refreshed(make, app)
    assert headers == [TEXT]
    assert set(set_by(server.started[0][1])) == BOTH


def test_exc_info_is_passed_only_where_there_is_one(make):
    def app(environ, start_response):
        start_response("200 OK", [TEXT])
        try:
            raise ValueError
        except ValueError:
            start_response("500 Oh", [TEXT], sys.exc_info())
        return [b""]

    _, server = refreshed(make, app)
    assert [len(arguments) for arguments in server.started] == [2, 3]
    assert server.started[1][2][0] is ValueError
    assert all(set(set_by(arguments[1])) == BOTH for arguments in server.started)


def test_the_server_s_write_is_the_application_s(make):
    def app(environ, start_response):
        start_response("200 OK", [TEXT])(b"written")
        return []

    _, server = refreshed(make, app)
    assert server.written == [b"written"]


def test_a_generator_starts_when_it_is_read(make):
    def app(environ, start_response):
        start_response("200 OK", [TEXT])
        yield b"late"

    iterable, server = refreshed(make, app)
    assert not server.started
    assert list(iterable) == [b"late"]
    assert set(set_by(server.started[0][1])) == BOTH


def test_an_application_that_never_starts_loses_nothing(make):
    def app(environ, start_response):
        return []

    world, server = make(app=app), Server()
    browser = world.signed_in()
    world.later(EXPIRED)
    assert call(world, browser, server) == []
    assert not server.started
    world.middleware._app = tell
    assert set(cookies_of(browser.get("/dashboard"))) == BOTH
    assert world.server.counts()["grants"] == 1


def test_an_exception_of_the_application_reaches_the_server(make):
    def app(environ, start_response):
        raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        refreshed(make, app)


def test_close_reaches_the_application(make):
    closed = []

    class Body(list):
        def close(self):
            closed.append(True)

    def app(environ, start_response):
        start_response("200 OK", [TEXT])
        return Body([b"x"])

    world = make(app=app)
    browser = world.signed_in()
    browser.get("/dashboard")
    world.later(EXPIRED)
    browser.get("/dashboard")
    assert closed == [True, True]


def test_the_environ_is_the_server_s_own(make):
    seen = []

    def app(environ, start_response):
        seen.append(environ)
        return tell(environ, start_response)

    world = make(app=app)
    browser = world.signed_in()
    for seconds in (0, 0, EXPIRED):
        world.later(seconds)
        environ = create_environ("/dashboard", headers={"Cookie": f"access_token={jar(browser)['access_token']}"})
        if seconds:
            environ["HTTP_COOKIE"] += f"; refresh_token={jar(browser)['refresh_token']}"
        world.middleware(environ, Server().start_response)
        assert seen[-1] is environ
        assert type(environ) is dict


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("access_token=own; Path=/", id="sets one"),
        pytest.param("access_token=; Max-Age=0; Path=/", id="expires one"),
    ],
)
def test_an_application_wins_that(make, value):
    def app(environ, start_response):
        start_response("200 OK", [TEXT, ("set-cookie", value), ("Set-Cookie", "b=1")])
        return [b""]

    _, server = refreshed(make, app)
    headers = server.started[0][1]
    assert [each for name, each in headers if name.lower() == "set-cookie"][:2] == [value, "b=1"]
    assert set_by(headers) == ["b", "refresh_token"]


def test_headers_are_merged(make):
    def app(environ, start_response):
        start_response("200 OK", [TEXT, ("cache-control", "public, max-age=60"), ("Vary", "Accept"), ("vary", "A, B")])
        return [b""]

    _, server = refreshed(make, app)
    headers = server.started[0][1]
    assert [value for name, value in headers if name.lower() == "cache-control"] == ["no-store"]
    assert [value for name, value in headers if name.lower() == "vary"] == ["Accept, A, B, Cookie"]


def test_a_response_that_was_decided_after_a_sign_out_brings_nothing_back(make):
    """Somebody signs out in another tab while a slow view runs."""
    world = make()

    def slow(environ, start_response):
        tab = world.copy_of(browser)
        world.middleware._app = sign_out
        tab.get("/dashboard")
        world.middleware._app = slow
        start_response("200 OK", [TEXT])
        return [b""]

    def sign_out(environ, start_response):
        environ["wsgi_token_refresh.session"].sign_out()
        return tell(environ, start_response)

    browser = world.signed_in()
    world.later(EXPIRED)
    world.middleware._app = slow
    assert cookies_of(browser.get("/dashboard")) == {}
    assert world.server.counts()["live"] == 0


def test_a_response_that_was_decided_after_a_refresh_sends_the_newest(make):
    world = make()

    def slow(environ, start_response):
        world.middleware._app = tell
        world.later(EXPIRED)
        other.get("/dashboard")
        return tell(environ, start_response)

    browser = world.signed_in()
    other = world.copy_of(browser)
    world.later(EXPIRED)
    world.middleware._app = slow
    browser.get("/dashboard")
    assert jar(browser) == jar(other)
    assert world.server.counts()["grants"] == 2


def test_a_token_that_no_browser_keeps_is_handed_over_on_every_request(clock, caplog):
    server = RotatingAuthorizationServer(access_lifetime=LIFETIME, audience="a" * 5000, clock=clock)
    with server.serve() as served:
        world = World(bare, served, clock, audience="a" * 5000)
        browser = world.browser(refresh_token=server.login()["refresh_token"])
        for _ in range(3):
            response = browser.get("/dashboard")
            assert response.json["state"] == "live"
            assert len(response.json["access_token"]) > 5000
        assert set(cookies_of(response)) <= {"refresh_token"}
        assert server.counts()["requests"] == 1
    assert "access_token" in caplog.text
    assert "bytes" in caplog.text
