"""The middleware of popular articles: where the access token is missing or has expired, refresh, and set cookies.

Alone in its process, with one request at a time, it works.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import jwt
import requests
from werkzeug.sansio.http import parse_cookie
from werkzeug.wrappers import Response

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class NaiveRefresh:
    """Refreshes in each request that finds its access token missing or expired."""

    def __init__(self, app: WSGIApplication, token_endpoint: str) -> None:
        self._app = app
        self._token_endpoint = token_endpoint

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Pass with a good token, else refresh; the login page where that is refused."""
        cookies = parse_cookie(environ.get("HTTP_COOKIE", ""))
        if environ["PATH_INFO"] == "/login" or _is_good(cookies.get("access_token")):
            return self._app(environ, start_response)
        form = {"grant_type": "refresh_token", "refresh_token": cookies.get("refresh_token", "")}
        answer = requests.post(self._token_endpoint, data=form, timeout=5)
        if answer.status_code != 200:
            response = Response(status=303, headers={"Location": "/login"})
            response.delete_cookie("access_token")
            response.delete_cookie("refresh_token")
            return response(environ, start_response)
        tokens = answer.json()
        environ["HTTP_AUTHORIZATION"] = f"Bearer {tokens['access_token']}"
        return self._app(environ, _setting_cookies(start_response, tokens))


def set_token_cookies(response: Response, tokens: Mapping[str, Any]) -> None:
    """Put both tokens of a token response into cookies."""
    response.set_cookie("access_token", tokens["access_token"], max_age=int(tokens["expires_in"]), httponly=True)
    response.set_cookie("refresh_token", tokens["refresh_token"], max_age=30 * 86400, httponly=True)


def _is_good(access_token: str | None) -> bool:
    if access_token is None:
        return False
    claims = jwt.decode(access_token, options={"verify_signature": False})
    return bool(claims["exp"] > time.time())


def _setting_cookies(start_response: StartResponse, tokens: Mapping[str, Any]) -> StartResponse:
    cookies = Response()
    set_token_cookies(cookies, tokens)

    def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
        return start_response(
            status, [*headers, *(("Set-Cookie", each) for each in cookies.headers.getlist("Set-Cookie"))]
        )

    return start
