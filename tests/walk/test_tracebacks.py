"""What an error reporter sees of a request in which something of ours raises: no token under a name that none hides."""

from __future__ import annotations

from pathlib import Path

import pytest
from werkzeug.test import Client

import wsgi_token_refresh
from tests.unit.ledger.test_single_flight import Disturbed
from tests.walk.conftest import LIFETIME, World
from wsgi_token_refresh import TokenCookies, get_session
from wsgi_token_refresh.errors import CookieError, TokenResponseError
from wsgi_token_refresh.sessions.sealed_cookie import SealedCookie
from wsgi_token_refresh.sessions.server_side import ServerSideSession
from wsgi_token_refresh.tokens import Refreshed

PACKAGE = Path(wsgi_token_refresh.__file__).parent
KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
SECRET = "the-client-secret-that-is-nobody-s"
HIDDEN = {"cookie", "set_cookie", "token", "session", "secret", "auth", "authorization", "credentials", "api_key"}
"""Names of variables that reporters hide: they stand in ``sentry_sdk.scrubber.DEFAULT_DENYLIST``, and match whole."""
GIVEN = {"environ"}
"""What every frame of every WSGI application has (PEP 3333)."""
TELLS = 16
"""Characters of a secret that give it away."""


class BrokenError(Exception):
    """What nobody expects."""


def frames(error):
    """Give the frames of our own in which an error was raised, and those of what led to it."""
    while error is not None:
        traceback = error.__traceback__
        while traceback is not None:
            path = Path(traceback.tb_frame.f_code.co_filename)
            if path.is_relative_to(PACKAGE) and not path.is_relative_to(PACKAGE / "testing"):
                yield path.stem, traceback.tb_frame
            traceback = traceback.tb_next
        error = error.__cause__ or error.__context__


def shown(error, secrets):
    """Name the variables that show a secret and that nobody hides."""
    ends = {secret[-TELLS:] for secret in secrets if secret and len(secret) >= TELLS}
    for module, frame in frames(error):
        for name, value in frame.f_locals.items():
            if name.lower() not in HIDDEN | GIVEN and any(end in repr(value) for end in ends):
                yield f"{module}.{frame.f_code.co_name}: {name}"


class Broken:
    """A world in which one step of all that may fail does."""

    def __init__(self, served, clock, kind):
        self.served, self.store = served, Disturbed(clock)
        self.secrets, self.left, self.spoilt = {SECRET}, None, {}
        self.world = World(
            lambda app: app,
            served,
            clock,
            app=self.app,
            session=self.kind(kind),
            store=self.store,
            routes={"optional": ["/enter", "/leave"]},
        )
        self.store.before = self.step
        self.world.endpoint._client = type(self.world.endpoint._client)("client_secret_post", "web", SECRET)
        for part, method in (
            (self.world.endpoint, "_post"),
            (self.world.endpoint, "_outcome"),
            (self.world.middleware._assessor._verifier, "verify"),
            (self.world.middleware._kind, "begin"),
        ):
            self.disturb(part, method)

    def kind(self, name):
        if name == "sealed":
            return SealedCookie(keys=[KEY])
        return TokenCookies() if name == "token_cookies" else ServerSideSession(self.store, index_key=KEY)

    def disturb(self, part, method):
        """Let something fail, before and after it was done, and know what secrets it gives."""
        call = getattr(part, method)

        def disturbed(*arguments, **options):
            self.step(method, "")
            given = call(*arguments, **options)
            if isinstance(given, list):
                self.secrets |= {each.partition(";")[0] for each in given}
            if isinstance(given, Refreshed):
                self.secrets |= {given.tokens.access_token, given.tokens.refresh_token}
            self.step(method, "")
            return given

        setattr(part, method, disturbed)

    def step(self, operation, key):
        if self.left is not None:
            self.left -= 1
            if self.left == 0:
                raise BrokenError(operation)

    def app(self, environ, start_response):
        session, path = get_session(environ), environ["PATH_INFO"]
        if path == "/enter":
            answer = {**self.served.server.login("ada"), **self.spoilt}
            self.secrets |= {str(answer["access_token"]), answer["refresh_token"]}
            session.sign_in(answer)
        if path == "/leave":
            session.sign_out()
        if environ["QUERY_STRING"] == "refresh":
            session.refresh()
        self.step("application", "")
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b""]

    def start_response(self, status, headers, exc_info=None):
        """Start no response, as a server does that has started one."""
        raise BrokenError("start_response")

    def errors(self, path, later):
        """Give what is raised where the first step fails, then the second, until nothing does."""
        for number in range(1, 99):
            browser, self.left = Client(self.world.app), None
            browser.get("/enter")
            self.secrets |= {each.value for each in browser._cookies.values()}
            self.world.later(later)
            self.left = number
            try:
                browser.get(path)
            except BrokenError as error:
                yield error
            if self.left > 0:
                break


KINDS = pytest.mark.parametrize("kind", ["token_cookies", "sealed", "server_side"])


@KINDS
@pytest.mark.parametrize(
    ("path", "later"),
    [
        pytest.param("/dashboard", 1, id="a pass"),
        pytest.param("/dashboard", LIFETIME + 1, id="a refresh"),
        pytest.param("/dashboard?refresh", 40, id="a refresh that the application wants"),
        pytest.param("/leave", 1, id="a sign-out"),
        pytest.param("/enter", 1, id="a sign-in"),
        pytest.param("/static/a.css", 1, id="a public path"),
    ],
)
def test_no_error_shows_a_token_under_a_name_that_nobody_hides(served, clock, kind, path, later):
    broken = Broken(served, clock, kind)
    found = [set(shown(error, broken.secrets)) for error in broken.errors(path, later)]
    assert found
    assert set().union(*found) == set()


@KINDS
@pytest.mark.parametrize(
    ("spoilt", "error"),
    [
        pytest.param({"access_token": "x" * 9000}, (CookieError, TokenResponseError), id="a token that is too large"),
        pytest.param(
            {"access_token": "one that nobody has signed"}, TokenResponseError, id="one that fails verification"
        ),
        pytest.param({"access_token": 7}, TokenResponseError, id="what is no token response"),
    ],
)
def test_no_error_of_a_sign_in_does(served, clock, kind, spoilt, error):
    broken = Broken(served, clock, kind)
    broken.spoilt = spoilt
    with pytest.raises(error) as caught:
        Client(broken.world.app).get("/enter")
    assert set(shown(caught.value, broken.secrets)) == set()


@KINDS
@pytest.mark.parametrize("later", [1, LIFETIME + 1])
def test_no_server_that_starts_no_response_is_shown_one(served, clock, kind, later):
    broken = Broken(served, clock, kind)
    browser = Client(broken.world.app)
    browser.get("/enter")
    cookie = "; ".join(f"{each.key}={each.value}" for each in browser._cookies.values())
    broken.secrets |= {each.value for each in browser._cookies.values()}
    broken.world.later(later)
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/dashboard", "QUERY_STRING": "", "HTTP_COOKIE": cookie}
    with pytest.raises(BrokenError) as caught:
        broken.world.app({**environ, "SERVER_NAME": "x", "SERVER_PORT": "80"}, broken.start_response)
    assert set(shown(caught.value, broken.secrets)) == set()
