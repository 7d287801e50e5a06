"""The errors that this package raises.

::

    TokenRefreshError
    ├── ConfigurationError    settings that cannot work, all of them at once
    ├── TokenResponseError    a mapping that is no token response (RFC 6749 5.1)
    ├── CookieError           a value that no browser would keep as a cookie
    ├── CrossSiteError        a sign-in that another site has sent
    ├── StoreError            the store could not be read or written just now
    └── NotWrappedError       an environ that did not pass the middleware

None of them ever carries a token or a secret.
"""

from __future__ import annotations

from collections.abc import Iterable


class TokenRefreshError(Exception):
    """The root of every error of this package."""


class ConfigurationError(TokenRefreshError, ValueError):
    """Settings that cannot work: ``problems`` names each wrong one and its cure."""

    def __init__(self, problems: str | Iterable[str]) -> None:
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))


class TokenResponseError(TokenRefreshError, ValueError):
    """A mapping that is no token response (RFC 6749 5.1); names the keys found, never values."""


class CookieError(TokenRefreshError, ValueError):
    """A cookie that browsers would drop or misread; names the token and its size in bytes."""


class CrossSiteError(TokenRefreshError):
    """``sign_in`` was called in an unsafe request of another site, which may sign people in as somebody else."""


class StoreError(TokenRefreshError):
    """The store could not be read or written just now; nothing is known about its contents."""


class NotWrappedError(TokenRefreshError, LookupError):
    """``get_session`` was given an environ that did not pass ``TokenRefreshMiddleware``."""
