"""WSGI middleware that keeps people signed in."""

from . import interpreter as _interpreter  # noqa: F401 (first: what follows cannot be loaded everywhere)
from .authorization_server.dialects import Dialect
from .authorization_server.token_endpoint import TokenEndpoint
from .authorization_server.verifier import JwtVerifier
from .errors import (
    ConfigurationError,
    CookieError,
    CrossSiteError,
    NotWrappedError,
    StoreError,
    TokenRefreshError,
    TokenResponseError,
)
from .middleware import TokenRefreshMiddleware
from .policy.paths import safe_next
from .policy.routes import Routes
from .sessions.sealed_cookie import SealedCookie
from .sessions.server_side import ServerSideSession
from .sessions.token_cookies import TokenCookies
from .token_session import TokenSession, get_session

__all__ = [
    "ConfigurationError",
    "CookieError",
    "CrossSiteError",
    "Dialect",
    "JwtVerifier",
    "NotWrappedError",
    "Routes",
    "SealedCookie",
    "ServerSideSession",
    "StoreError",
    "TokenCookies",
    "TokenEndpoint",
    "TokenRefreshError",
    "TokenRefreshMiddleware",
    "TokenResponseError",
    "TokenSession",
    "get_session",
    "safe_next",
]
