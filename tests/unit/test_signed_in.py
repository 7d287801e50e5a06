"""A signed-in user in the tests of an application: Flask's client and WebTest's, wrapped or not."""

from __future__ import annotations

import time
import warnings

import pytest
from flask import Flask, redirect, request
from webtest import TestApp

import wsgi_token_refresh.testing
from wsgi_token_refresh import (
    NotWrappedError,
    Routes,
    TokenEndpoint,
    TokenRefreshMiddleware,
    TokenResponseError,
    get_session,
)
from wsgi_token_refresh.stores.memory import MemoryStore
from wsgi_token_refresh.testing import signed_in
from wsgi_token_refresh.tokens import unverified_claims

with warnings.catch_warnings():
    # Pyramid 2.1 imports pkg_resources.
    warnings.simplefilter("ignore")
    from pyramid.config import Configurator
    from pyramid.response import Response

HOUR = 3600


def hello(environ):
    session = get_session(environ)
    return f"{session.state} {session.claims['sub'] if session.claims else '-'}"


def flask_app():
    app = Flask(__name__)

    @app.get("/")
    def home():
        return hello(request.environ)

    @app.get("/token")
    def token():
        return request.headers["Authorization"]

    @app.post("/logout")
    def logout():
        get_session(request.environ).sign_out()
        return redirect("/")

    return app


def pyramid_app():
    with Configurator() as config:
        config.add_route("home", "/")
        config.add_view(lambda request: Response(hello(request.environ)), route_name="home")
    return config.make_wsgi_app()


def wrapped(app, routes=None):
    return TokenRefreshMiddleware(
        app,
        token_endpoint=TokenEndpoint("https://auth.example.com/token"),
        routes=routes or Routes(),
        verifier=None,
        store=MemoryStore(),
    )


@pytest.fixture(params=["bare", "wrapped"])
def wrap(request):
    return wrapped if request.param == "wrapped" else lambda app: app


@pytest.fixture
def flask_client(wrap):
    app = flask_app()
    app.wsgi_app = wrap(app.wsgi_app)
    return app.test_client()


def test_flasks_client(flask_client):
    answer = flask_client.get("/", environ_overrides=signed_in({"sub": "grace"}))
    assert answer.text == "live grace"
    assert "Set-Cookie" not in answer.headers


def test_webtest(wrap):
    client = TestApp(wrap(pyramid_app()), extra_environ=signed_in({"sub": "grace"}))
    assert client.get("/").text == client.get("/").text == "live grace"


def test_the_view_reads_the_token(flask_client):
    answer = flask_client.get("/token", environ_overrides=signed_in(access_token="opaque"))
    assert answer.text == "Bearer opaque"


def test_the_cookies_of_the_client_are_let_alone(flask_client):
    assert "HTTP_COOKIE" not in signed_in()


def test_signing_out_lasts():
    app = flask_app()
    client, fragment = app.test_client(), signed_in()
    assert client.get("/", environ_overrides=fragment).text == "live ada"
    client.post("/logout", environ_overrides=fragment)
    assert client.get("/", environ_overrides=fragment).text == "anonymous -"


def test_who_has_signed_out_is_sent_to_the_login_page():
    app, fragment = flask_app(), signed_in()
    app.wsgi_app = wrapped(app.wsgi_app)
    client = app.test_client()
    client.post("/logout", environ_overrides=fragment)
    assert client.get("/", environ_overrides=fragment, headers={"Accept": "text/html"}).status_code == 303


def test_no_client_can_send_it(flask_client):
    headers = {"wsgi_token_refresh.signed_in": "1", "Wsgi-Token-Refresh.Session": "1"}
    if isinstance(flask_client.application.wsgi_app, TokenRefreshMiddleware):
        assert flask_client.get("/", headers=headers).status_code == 401
    else:
        flask_client.application.testing = True
        with pytest.raises(NotWrappedError):
            flask_client.get("/", headers=headers)


def test_a_middleware_around_another_is_no_test():
    """Else what is open outside would be open inside."""
    app = flask_app()
    app.wsgi_app = wrapped(app.wsgi_app, routes=Routes(protected=["/"]))
    app.wsgi_app = wrapped(app.wsgi_app, routes=Routes(protected=[], public=["/"]))
    assert app.test_client().get("/").status_code == 401


def test_a_page_for_guests_sends_home_who_is_signed_in_as_it_does_in_production():
    app, fragment = flask_app(), signed_in()
    app.wsgi_app = wrapped(app.wsgi_app, routes=Routes(guest_only=["/register"], home_url="/home"))
    answer = app.test_client().get("/register", environ_overrides=fragment, headers={"Sec-Fetch-Mode": "navigate"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/home")


def test_a_public_path_sees_nobody_as_it_does_in_production():
    app, fragment = flask_app(), signed_in()
    app.wsgi_app = wrapped(app.wsgi_app, routes=Routes(protected=[], public=["/"]))
    client = app.test_client()
    assert client.get("/").text == "anonymous -"
    assert client.get("/", environ_overrides=fragment).text == "anonymous -"


# Claims and tokens.


@pytest.mark.parametrize(
    ("claims", "token", "wanted"),
    [
        (None, None, {"sub": "ada"}),
        ({}, None, {}),
        ({"sub": 7, "roles": ["admin"]}, None, {"sub": 7, "roles": ["admin"]}),
        ({"sub": "grace"}, "opaque", {"sub": "grace"}),
        (None, "opaque", {"sub": "ada"}),
        (None, "a token of grace", {"sub": "grace"}),
    ],
    ids=["nothing said", "no claims", "claims", "claims and an opaque token", "an opaque token", "a token"],
)
def test_claims_and_token(claims, token, wanted):
    if token == "a token of grace":
        # Issued here and not where the table is made: a slow suite gets here long after it was read.
        token = get_session(signed_in({"sub": "grace"})).access_token
    session = get_session(signed_in(claims, token))
    assert {name: value for name, value in session.claims.items() if name not in ("iat", "exp")} == wanted
    assert session.authenticated
    assert session.expires_at == pytest.approx(time.time() + HOUR, abs=600)
    if token is not None:
        assert session.access_token == token
    else:
        assert unverified_claims(session.access_token) == session.claims
        assert session.access_token.endswith(".")


@pytest.mark.parametrize("token", [None, "opaque"])
def test_an_expired_user_is_a_mistake(token):
    with pytest.raises(ValueError, match="expired"):
        signed_in({"exp": int(time.time()) - 1}, token)


# What a view can do.


def test_refresh_gives_another_token():
    session = get_session(signed_in({"sub": "grace"}))
    before = session.access_token
    assert session.refresh()
    assert session.refresh()
    assert session.access_token != before
    assert (session.state, session.claims["sub"]) == ("live", "grace")


def test_sign_in_is_somebody_else():
    session = get_session(signed_in())
    token = get_session(signed_in({"sub": "grace"})).access_token
    session.sign_in({"access_token": token, "refresh_token": "of grace", "expires_in": 300})
    assert (session.access_token, session.claims["sub"]) == (token, "grace")
    assert [cookie.partition("=")[0] for cookie in session.cookies()] == ["access_token", "refresh_token"]


def test_sign_in_with_what_is_no_token_response():
    with pytest.raises(TokenResponseError):
        get_session(signed_in()).sign_in({"token": "x"})


def test_sign_out():
    session = get_session(signed_in())
    session.sign_out()
    assert (session.state, session.access_token, session.claims, session.refresh()) == ("anonymous", None, None, False)


def test_one_fragment_knows_nothing_of_another():
    get_session(signed_in()).sign_out()
    assert get_session(signed_in()).state == "live"


def test_it_is_exported():
    assert wsgi_token_refresh.testing.signed_in is signed_in
    assert set(wsgi_token_refresh.testing.__all__) == {"RotatingAuthorizationServer", "signed_in"}
    with pytest.raises(AttributeError, match="signed_out"):
        _ = wsgi_token_refresh.testing.signed_out
