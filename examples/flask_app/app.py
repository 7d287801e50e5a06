"""A Flask application whose users stay signed in."""

from __future__ import annotations

import os
import time
from typing import Any

import requests
from flask import Blueprint, Flask, current_app, redirect, render_template, request
from werkzeug.wrappers import Response

from wsgi_token_refresh import (
    CrossSiteError,
    JwtVerifier,
    Routes,
    TokenCookies,
    TokenEndpoint,
    TokenRefreshMiddleware,
    get_session,
    safe_next,
)

pages = Blueprint("pages", __name__)


def create_app() -> Flask:
    """Make the application; the authorization server's URL stands in the environment."""
    server = os.environ.get("AUTHORIZATION_SERVER", "http://127.0.0.1:9000")
    app = Flask(__name__)
    app.config["AUTHORIZATION_SERVER"] = server
    app.register_blueprint(pages)
    app.wsgi_app = TokenRefreshMiddleware(  # type: ignore[method-assign]
        app.wsgi_app,
        token_endpoint=TokenEndpoint(f"{server}/token", client_id="web", revocation_endpoint=f"{server}/revoke"),
        routes=Routes(
            protected=["/"],
            optional=["/logout"],  # signing out works while the authorization server is down, too
            public=["/static"],
            guest_only=["/login"],
            login_url="/login",
            home_url="/dashboard",
        ),
        verifier=JwtVerifier(jwks_url=f"{server}/jwks.json", algorithms=["RS256"], audience="api"),
        # Only because this example runs on plain http: leave it out where there is TLS.
        session=TokenCookies(secure=False),
    )
    return app


@pages.get("/login")
def login() -> str:
    """Show the login form."""
    return render_template("login.html")


@pages.post("/login")
def sign_in() -> Response | tuple[str, int]:
    """Ask the authorization server for the first tokens, and begin a session with them."""
    credentials = {name: request.form.get(name, "") for name in ("username", "password")}
    try:
        answer = requests.post(f"{current_app.config['AUTHORIZATION_SERVER']}/login", data=credentials, timeout=5)
    except requests.RequestException:
        return render_template("login.html", problem="The authorization server does not answer."), 503
    if answer.status_code != 200:
        return render_template("login.html", problem="No such user, or another password."), 403
    try:
        get_session(request.environ).sign_in(answer.json())
    except CrossSiteError:
        return render_template("login.html", problem="Another site has sent this form. Nobody was signed in."), 403
    return redirect(safe_next(request.args.get("next"), default="/dashboard"), 303)


@pages.post("/logout")
def sign_out() -> Response:
    """End the session here, at the authorization server and in the browser."""
    get_session(request.environ).sign_out()
    return redirect("/login", 303)


@pages.get("/")
def home() -> Response:
    """Go where there is something to see."""
    return redirect("/dashboard", 303)


@pages.get("/dashboard")
def dashboard() -> str:
    """Show how long the access token is good for, and how often it was refreshed."""
    return render_template("dashboard.html", **_me())


@pages.get("/settings")
def settings() -> str:
    """Show what the application sees of a session."""
    shown = request.headers.get("Authorization", "")[:20]
    return render_template("settings.html", authorization=shown, cookies=sorted(request.cookies), **_me())


@pages.get("/api/me")
def me() -> dict[str, Any]:
    """Say in JSON who this is."""
    return _me()


def _me() -> dict[str, Any]:
    session = get_session(request.environ)
    claims = dict(session.claims or {})
    return {
        "claims": claims,
        "seconds_left": max(0.0, (session.expires_at or 0) - time.time()),
        "refreshes": _refreshes(claims.get("sid")),
        "worker": os.getpid(),
    }


def _refreshes(family: str | None) -> int | None:
    """Ask the demo's authorization server how often it has refreshed this session; real ones do not say."""
    try:
        counts = requests.get(f"{current_app.config['AUTHORIZATION_SERVER']}/counts", timeout=2).json()
        return int(counts["families"][family]["grants"])
    except (requests.RequestException, KeyError):
        return None
