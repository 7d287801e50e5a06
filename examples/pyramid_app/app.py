"""A Pyramid application whose users stay signed in; the middleware stands before it in ``production.ini``."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import requests
from jinja2 import Environment, FileSystemLoader
from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPSeeOther
from pyramid.request import Request
from pyramid.response import Response
from pyramid.view import view_config

from wsgi_token_refresh import CrossSiteError, get_session, safe_next

HERE = Path(__file__).parent


def main(global_config: Mapping[str, str], **settings: str) -> Any:
    """Make the application: a ``paste.app_factory``."""
    with Configurator(settings=settings) as config:
        config.add_renderer(".html", Pages)
        config.add_static_view("static", str(HERE / "static"))
        for name, path in {"home": "/", "me": "/api/me"}.items():
            config.add_route(name, path)
        for name in ("login", "logout", "dashboard", "settings"):
            config.add_route(name, f"/{name}")
        config.scan(__name__)
        return config.make_wsgi_app()


class Pages:
    """Renders the templates of this example with Jinja."""

    templates = Environment(loader=FileSystemLoader(HERE / "templates"), autoescape=True)

    def __init__(self, info: Any) -> None:
        self._template = self.templates.get_template(info.name)

    def __call__(self, value: Mapping[str, Any], system: Mapping[str, Any]) -> str:
        """Render what a view has returned."""
        return self._template.render(**value)


@view_config(route_name="login", request_method="GET", renderer="login.html")
def login(request: Request) -> dict[str, Any]:
    """Show the login form."""
    return {}


@view_config(route_name="login", request_method="POST", renderer="login.html")
def sign_in(request: Request) -> dict[str, Any] | Response:
    """Ask the authorization server for the first tokens, and begin a session with them."""
    credentials = {name: request.POST.get(name, "") for name in ("username", "password")}
    try:
        answer = requests.post(f"{_server(request)}/login", data=credentials, timeout=5)
    except requests.RequestException:
        request.response.status_int = 503
        return {"problem": "The authorization server does not answer."}
    if answer.status_code != 200:
        request.response.status_int = 403
        return {"problem": "No such user, or another password."}
    try:
        get_session(request.environ).sign_in(answer.json())
    except CrossSiteError:
        request.response.status_int = 403
        return {"problem": "Another site has sent this form. Nobody was signed in."}
    return HTTPSeeOther(safe_next(request.GET.get("next"), default="/dashboard"))


@view_config(route_name="logout", request_method="POST")
def sign_out(request: Request) -> Response:
    """End the session here, at the authorization server and in the browser."""
    get_session(request.environ).sign_out()
    return HTTPSeeOther("/login")


@view_config(route_name="home", request_method="GET")
def home(request: Request) -> Response:
    """Go where there is something to see."""
    return HTTPSeeOther("/dashboard")


@view_config(route_name="dashboard", request_method="GET", renderer="dashboard.html")
def dashboard(request: Request) -> dict[str, Any]:
    """Show how long the access token is good for, and how often it was refreshed."""
    return _me(request)


@view_config(route_name="settings", request_method="GET", renderer="settings.html")
def settings(request: Request) -> dict[str, Any]:
    """Show what the application sees of a session."""
    shown = request.headers.get("Authorization", "")[:20]
    return {**_me(request), "authorization": shown, "cookies": sorted(request.cookies)}


@view_config(route_name="me", request_method="GET", renderer="json")
def me(request: Request) -> dict[str, Any]:
    """Say in JSON who this is."""
    return _me(request)


def _me(request: Request) -> dict[str, Any]:
    session = get_session(request.environ)
    claims = dict(session.claims or {})
    return {
        "claims": claims,
        "seconds_left": max(0.0, (session.expires_at or 0) - time.time()),
        "refreshes": _refreshes(request, claims.get("sid")),
        "worker": os.getpid(),
    }


def _refreshes(request: Request, family: str | None) -> int | None:
    """Ask the demo's authorization server how often it has refreshed this session; real ones do not say."""
    try:
        counts = requests.get(f"{_server(request)}/counts", timeout=2).json()
        return int(counts["families"][family]["grants"])
    except (requests.RequestException, KeyError):
        return None


def _server(request: Request) -> str:
    return str(request.registry.settings["authorization_server"])
