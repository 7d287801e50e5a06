"""A signed-in user for test clients, without cookies, keys or an authorization server."""

from __future__ import annotations

import base64
import json
import logging
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any

from ..authorization_server.dialects import DIALECTS, read_token_response
from ..holding import Assessor
from ..ledger.single_flight import Refresher
from ..observing.journal import Journal
from ..policy.decision import ANONYMOUS, LIVE
from ..sessions.token_cookies import TokenCookies
from ..stores.memory import MemoryStore
from ..token_session import KEY, SIGNED_IN, Services, TokenSession
from ..tokens import Outcome, Refreshed, Tokens, Verification, Verified, received, unverified_claims

log = logging.getLogger("wsgi_token_refresh")

_HOUR = 3600
_REFRESH_BEFORE, _HAND_OVER = 300.0, 600.0


def signed_in(claims: Mapping[str, Any] | None = None, access_token: str | None = None) -> dict[str, Any]:
    """Give an environ fragment with which a request is that of a signed-in user, in a wrapped application or not.

    ``get_session(environ)`` gives a live session with these ``claims``, by default those of the access token, else of
    a user ``ada``, and with ``access_token``, by default an unsigned JWT made from the claims; ``iat`` and ``exp`` are
    added where they are missing. ``refresh()``, ``sign_in()`` and ``sign_out()`` work without a network, and last as
    long as the fragment is used; the headers of the request under way stay what they were. An access token or ``exp``
    that is no longer good is a ValueError.

    >>> client.get("/dashboard", environ_overrides=signed_in({"sub": "ada"}))  # doctest: +SKIP
    """
    now = int(time.time())
    if claims is None:
        claims = unverified_claims(access_token or "") or {"sub": "ada"}
    claims = {"iat": now, "exp": now + _HOUR, **claims}
    token = _unsigned(claims) if access_token is None else access_token
    session = _session(claims, received(token, "refresh", now=now, expires_in=claims["exp"] - now))
    if session.state != LIVE:
        raise ValueError("nobody is signed in by an access token that has expired: give one, or an exp, that is good")
    return {KEY: session, SIGNED_IN: session, "HTTP_AUTHORIZATION": f"Bearer {token}"}


def _session(claims: Mapping[str, Any], tokens: Tokens) -> TokenSession:
    endpoint, kind, clock = _Endpoint(claims), TokenCookies(), time.time
    assessor = Assessor(_Verifier({tokens.access_token or "": claims}), refresh_before=_REFRESH_BEFORE, clock=clock)
    refresher = Refresher(
        MemoryStore(),
        endpoint,
        refresh_before=_REFRESH_BEFORE,
        hand_over=_HAND_OVER,
        lives=kind.refresh_max_age,
    )
    services = Services(
        kind,
        endpoint,
        refresher,
        assessor,
        clock,
        authorization_header=True,
        journal=Journal(clock),
        distrust=lambda tokens: None,
    )
    held = assessor.assess(tokens)
    return TokenSession(services, {}, "", held, state=LIVE if held.access.good else ANONYMOUS)


class _Verifier:
    """Believes every token, since it is the test that says what stands in it."""

    leeway = 0.0
    keys_version = 0

    def __init__(self, told: Mapping[str, Mapping[str, Any]]) -> None:
        self._told = told

    def verify(self, token: str) -> Verification:
        return Verified(self._told.get(token) or unverified_claims(token) or {})


class _Endpoint:
    """Gives newer tokens with the same claims, and calls nobody."""

    timeout = answer_timeout = 1.0
    max_calls = 1
    single_use = True
    old_access_token_survives = True
    identity = ("https://auth.example.com/token", "test")

    def __init__(self, claims: Mapping[str, Any]) -> None:
        self._claims = claims

    def refresh(self, refresh_token: str, *, patience: float, may_send: Callable[[], bool]) -> Outcome:
        now, new = int(time.time()), secrets.token_hex(8)
        claims = {**self._claims, "iat": now, "exp": now + _HOUR, "jti": new}
        return Refreshed(received(_unsigned(claims), f"refresh-{new}", now=now))

    def revoke(self, refresh_token: str) -> str | None:
        return None

    def read(self, mapping: Mapping[str, Any]) -> Tokens:
        return read_token_response(mapping, DIALECTS["oauth2"], time.time())


def _unsigned(claims: Mapping[str, Any]) -> str:
    """Write an unsecured JWT (RFC 7519 6), which no verifier takes."""
    header, payload = (
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
        for part in ({"alg": "none", "typ": "JWT"}, dict(claims))
    )
    return f"{header}.{payload}."
