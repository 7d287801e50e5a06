"""WSGI middleware that keeps people signed in."""

from .dialects import Dialect
from .errors import (
    ConfigurationError,
    CookieError,
    NotWrappedError,
    StoreError,
    TokenRefreshError,
    TokenResponseError,
)
from .middleware import TokenRefreshMiddleware
from .paths import safe_next
from .routes import Routes
from .sessions.sealed_cookie import SealedCookie
from .sessions.server_side import ServerSideSession
from .sessions.token_cookies import TokenCookies
from .token_endpoint import TokenEndpoint
from .token_session import TokenSession, get_session
from .verifier import JwtVerifier

__all__ = [
    "ConfigurationError",
    "CookieError",
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
