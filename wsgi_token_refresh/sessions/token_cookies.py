"""Tokens in cookies of their own, as they are."""

from __future__ import annotations

from itertools import zip_longest

from ..errors import ConfigurationError
from ..memo import Memo, digest
from ..tokens import Tokens, numeric_date, token_times
from .cookies import (
    MOST_VALUES,
    Attributes,
    CookieReader,
    expired_cookie,
    problems_of_attributes,
    problems_of_name,
    refuse_types,
    set_cookie,
)
from .kind import Renewed, what_fits

DAY = 86_400
_MOST_TIMES = 2 * 2**20
_WEIGHT_OF_TIMES = 384
_BOGUS = 600.0
"""Seconds by which what a token says of its life is wrong (the iat is not its own), and told beside it."""


class TokenCookies:
    """Keeps the access token and the refresh token in a cookie each.

    ``prefix`` goes before both names (``"__Host-"``). ``refresh_max_age`` is in seconds. A small third cookie,
    ``<access_name>_expires``, holds the expiry of an access token that does not say it itself.
    Raises ``ConfigurationError`` for what browsers would drop.
    """

    authenticates = False
    is_shared = False
    may_be_remembered = True
    secrets: tuple[bytes, ...] = ()

    def __init__(
        self,
        *,
        access_name: str = "access_token",
        refresh_name: str = "refresh_token",
        prefix: str = "",
        secure: bool = True,
        domain: str | None = None,
        path: str = "/",
        samesite: str | None = "Lax",
        refresh_max_age: int = 30 * DAY,
    ) -> None:
        self._attributes = Attributes(secure, domain, path, samesite)
        texts = {"access_name": access_name, "refresh_name": refresh_name, "prefix": prefix}
        refuse_types("TokenCookies", self._attributes, texts, {"refresh_max_age": refresh_max_age}, {})
        self._access = prefix + access_name
        self._refresh = prefix + refresh_name
        self._expires = f"{self._access}_expires"
        self.refresh_max_age = refresh_max_age
        problems = self._problems()
        if problems:
            raise ConfigurationError([f"TokenCookies: {problem}" for problem in problems])
        self._names = (self._access, self._refresh, self._expires)
        self._reader = CookieReader(self._names)
        self._times: Memo[tuple[float | None, float | None]] = Memo(_MOST_TIMES)

    def __repr__(self) -> str:
        return f"TokenCookies(access_name={self._access!r}, refresh_name={self._refresh!r})"

    def load(self, cookie: str) -> tuple[Tokens, ...]:
        """Read the tokens of a ``Cookie`` header; several where a name stands there several times."""
        if self._access not in cookie and self._refresh not in cookie:
            return ()
        read = self._reader.read(cookie)
        access, refresh, expires = (read[name] for name in self._names)
        pairs = zip_longest(access, refresh, expires)
        one = refresh[0] if len(refresh) == 1 else None
        found = [self._tokens(token, again or one, times) for token, again, times in pairs if token or again]
        return tuple(found[:MOST_VALUES])

    def without_refresh_token(self, cookie: str) -> str:
        """Cut the refresh cookie out of a ``Cookie`` header."""
        return self._reader.cut(cookie, (self._refresh,))

    def for_application(self, cookie: str, tokens: Tokens | None) -> str:
        """Leave the fresh access token in a ``Cookie`` header, and nothing else of ours."""
        if tokens is None or tokens.access_token is None:
            return self._reader.cut(cookie, self._names)
        return self._reader.only(cookie, self._access, tokens.access_token)

    def begin(self, tokens: Tokens, now: float) -> list[str]:
        """Make the ``Set-Cookie`` values for these tokens; raises ``CookieError`` for a token that is too large."""
        credentials = []
        if tokens.access_token is not None and tokens.expires_at is not None:
            left = max(1, int(tokens.expires_at - now))
            credentials.append(set_cookie(self._access, tokens.access_token, left, self._attributes))
            ends, lives = token_times(tokens.access_token)
            if ends is None or lives is None or lives > (tokens.lifetime or lives) + _BOGUS:
                times = f"{tokens.expires_at:.0f}.{tokens.lifetime or 0:.0f}"
                credentials.append(set_cookie(self._expires, times, left, self._attributes))
        if tokens.refresh_token is None:
            return [*credentials, expired_cookie(self._refresh, self._attributes)]
        lasts = self.refresh_max_age
        if tokens.refresh_expires_at is not None:
            lasts = max(1, min(lasts, int(tokens.refresh_expires_at - now)))
        return [*credentials, set_cookie(self._refresh, tokens.refresh_token, lasts, self._attributes)]

    def adopt(self, tokens: Tokens, now: float) -> list[str]:
        """Make the ``Set-Cookie`` values for who came with another kind of session; raises ``CookieError``."""
        return self.begin(tokens, now)

    def renew(self, tokens: Tokens, now: float, cookie: str = "", shown: Tokens | None = None) -> Renewed:
        """Make the ``Set-Cookie`` values for refreshed tokens; one that is too large is left out and told.

        With the refresh token alone the browser is handed the access token on its next request.
        """
        return what_fits(self.begin, tokens, now)

    def end(self, cookie: str) -> None:
        """Do nothing: what a browser keeps, nobody else can end."""

    def handle_of(self, cookie: str) -> str | None:
        """Give None: there is no list of sessions."""
        return None

    def expire(self) -> list[str]:
        """Make the ``Set-Cookie`` values that take the session out of the browser."""
        return [expired_cookie(name, self._attributes) for name in self._names]

    def _tokens(self, access_token: str | None, refresh_token: str | None, told: str | None) -> Tokens:
        expires_at, lifetime = self._times_of(access_token) if access_token else (None, None)
        told_at, _, told_lifetime = (told or "").partition(".")
        if expires_at is None:
            expires_at = numeric_date(_number(told_at))
        if lifetime is None or told_at == f"{expires_at:.0f}":
            # What was known when the token came counts before what it says of itself.
            lifetime = numeric_date(_number(told_lifetime)) or lifetime
        return Tokens(access_token, refresh_token, expires_at, lifetime)

    def _times_of(self, access_token: str) -> tuple[float | None, float | None]:
        key = digest(access_token)
        times = self._times.get(key)
        if times is None:
            times = token_times(access_token)
            self._times.put(key, times, _WEIGHT_OF_TIMES)
        return times

    def _problems(self) -> list[str]:
        attributes = self._attributes
        problems = [problem for name in (self._access, self._refresh) for problem in problems_of_name(name, attributes)]
        if self._access == self._refresh:
            problems.append(f"both cookies are named {self._access!r}; give them two names")
        problems += problems_of_attributes(attributes, self.refresh_max_age)
        return problems


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None
