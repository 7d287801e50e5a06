"""The application of the storm, once behind the middleware and once behind the naive one, for gunicorn."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from werkzeug.wrappers import Request, Response

from wsgi_token_refresh import JwtVerifier, Routes, TokenCookies, TokenEndpoint, TokenRefreshMiddleware, get_session
from wsgi_token_refresh.testing.handle import AuthorizationServerHandle

from .naive import NaiveRefresh, set_token_cookies

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


def ours() -> WSGIApplication:
    """Make the application behind ``TokenRefreshMiddleware``."""
    server = _server()
    return TokenRefreshMiddleware(
        _application(lambda request, _response, tokens: get_session(request.environ).sign_in(tokens)),
        token_endpoint=TokenEndpoint(server.token_endpoint),
        routes=Routes(),
        verifier=JwtVerifier(jwks_url=server.jwks_url, algorithms=["RS256"], audience="api"),
        session=TokenCookies(secure=False),
    )


def naive() -> WSGIApplication:
    """Make the same application behind ``NaiveRefresh``."""
    app = _application(lambda _request, response, tokens: set_token_cookies(response, tokens))
    return NaiveRefresh(app, _server().token_endpoint)


def _application(sign_in: Callable[[Request, Response, dict[str, object]], None]) -> WSGIApplication:
    """Answer with 200, and sign in at ``/login``."""

    @Request.application
    def application(request: Request) -> Response:
        response = Response("well")
        if request.path == "/login":
            sign_in(request, response, _server().login())
        return response

    return application


def _server() -> AuthorizationServerHandle:
    return AuthorizationServerHandle(os.environ["AUTHORIZATION_SERVER"])
