"""The middleware between two lints, in front of an application that tells what it sees."""

from __future__ import annotations

import json
import time
import warnings
from wsgiref.validate import validator

import pytest
from werkzeug.middleware.lint import LintMiddleware
from werkzeug.test import Client

from wsgi_token_refresh import JwtVerifier, Routes, TokenCookies, TokenEndpoint, TokenRefreshMiddleware, get_session
from wsgi_token_refresh.stores.memory import MemoryStore
from wsgi_token_refresh.testing import RotatingAuthorizationServer

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from webtest.lint import middleware as webtest_lint

PATIENCE = 5.0
LIFETIME = 300
IN_WINDOW, IN_MARGIN, EXPIRED = 220, 295, 400
"""Seconds after which an access token stands so."""
NAVIGATION = {"Sec-Fetch-Mode": "navigate"}
ROUTES = {
    "protected": ["/dashboard"],
    "public": ["/static"],
    "guest_only": ["/register"],
    "login_url": "/login",
    "home_url": "/home",
}


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1_700_000_000

    def __call__(self) -> float:
        return self.now


def wsgiref_lint(app):
    """Lint by wsgiref, which wants a type also for a redirect that has no body (RFC 9110 8.3 does not)."""
    return validator(_typed(app))


def _typed(app):
    def typed(environ, start_response):
        def start(status, headers, *exc_info):
            untyped = status.startswith("303") and not any(name.lower() == "content-type" for name, _ in headers)
            return start_response(status, [*headers, ("Content-Type", "text/plain")] if untyped else headers, *exc_info)

        return app(environ, start)

    return typed


def tell(environ, start_response):
    """Answer with what the application sees."""
    session = get_session(environ)
    seen = {
        "authorization": environ.get("HTTP_AUTHORIZATION"),
        "cookie": environ.get("HTTP_COOKIE", ""),
        "state": session.state,
        "authenticated": session.authenticated,
        "sub": (session.claims or {}).get("sub"),
        "access_token": session.access_token,
        "expires_at": session.expires_at,
    }
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(seen).encode()] if environ["REQUEST_METHOD"] != "HEAD" else [b""]


def cookies_of(response):
    """Give what a response sets: names and values, an empty value for what it expires."""
    return dict(each.partition(";")[0].split("=", 1) for each in response.headers.getlist("Set-Cookie"))


class Browser(Client):
    """A browser that reads every answer to its end, and closes it."""

    def open(self, *arguments, **options):
        return super().open(*arguments, buffered=True, **options)


class World:
    """One middleware, its application, an authorization server and browsers."""

    def __init__(self, lint, served, clock, *, app=tell, routes=None, verifier=None, audience="api", **options):
        self.server, self.clock = served.server, clock
        endpoint = {name: options.pop(name) for name in ("single_use", "old_access_token_survives") if name in options}
        self.endpoint = TokenEndpoint(
            served.token_endpoint,
            client_id="web",
            timeout=PATIENCE,
            revocation_endpoint=served.revocation_endpoint,
            clock=clock,
            **endpoint,
        )
        self.middleware = TokenRefreshMiddleware(
            lint(app),
            token_endpoint=self.endpoint,
            routes=Routes(**{**ROUTES, **(routes or {})}),
            verifier=JwtVerifier(jwks_url=served.jwks_url, algorithms=["RS256"], audience=audience, clock=clock),
            **{"session": TokenCookies(), "store": MemoryStore(clock=clock), "clock": clock, **options},
        )
        self.app = lint(self.middleware)

    def client(self):
        """Open a client without a jar: it sends what it is told."""
        return Browser(self.app, use_cookies=False)

    def browser(self, **cookies):
        """Open a browser that has these cookies."""
        client = Browser(self.app)
        for name, value in cookies.items():
            client.set_cookie(name, value)
        return client

    def signed_in(self, user="ada"):
        """Open the browser of somebody who is signed in."""
        answer = self.server.login(user)
        return self.browser(access_token=answer["access_token"], refresh_token=answer["refresh_token"])

    def copy_of(self, browser):
        """Open another browser with the same jar."""
        return self.browser(**jar(browser))

    def later(self, seconds):
        """Let time pass."""
        self.clock.now += seconds

    def until(self, condition):
        """Wait for what another thread does."""
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end
            time.sleep(0.002)


def jar(browser):
    """Give the cookies of a browser."""
    found = {name: browser.get_cookie(name) for name in ("access_token", "refresh_token", "access_token_expires")}
    return {name: cookie.value for name, cookie in found.items() if cookie is not None}


@pytest.fixture(scope="session")
def clock():
    return Clock()


@pytest.fixture(scope="session")
def _served(clock):
    with RotatingAuthorizationServer(access_lifetime=LIFETIME, clock=clock).serve() as served:
        yield served


@pytest.fixture
def served(_served):
    yield _served
    _served.server.reset()


@pytest.fixture(
    params=[
        pytest.param(wsgiref_lint, id="wsgiref"),
        pytest.param(webtest_lint, id="webtest"),
        pytest.param(LintMiddleware, id="werkzeug"),
    ]
)
def lint(request):
    return request.param


@pytest.fixture
def make(lint, served, clock):
    """Make a world; its options are those of the middleware and of its token endpoint."""
    return lambda **options: World(lint, served, clock, **options)


@pytest.fixture
def world(make):
    return make()
