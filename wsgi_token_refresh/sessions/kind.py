"""What every kind of session does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ..errors import CookieError, StoreError
from ..tokens import Tokens

Renewed = tuple[list[str], CookieError | StoreError | None]
"""The ``Set-Cookie`` values of a refresh, and why not all of it could be kept."""


class SessionKind(Protocol):
    """How tokens are kept between requests.

    ``authenticates`` tells whether genuine tokens that it loads need no verifier to say whose they are;
    ``is_shared`` whether every host sees at once what one of them changes, and ``may_be_remembered`` whether a
    ``Cookie`` header is enough to pass a request. ``secrets`` of the application mark what is genuine in a store.
    """

    refresh_max_age: int
    authenticates: bool
    is_shared: bool
    may_be_remembered: bool

    @property
    def secrets(self) -> tuple[bytes, ...]:
        """Give what marks genuine tokens in a store, as it is now: the first marks, all are taken."""

    def load(self, cookie: str) -> tuple[Tokens, ...]:
        """Read the tokens of a ``Cookie`` header, in the order in which they are to be tried.

        Raises ``StoreError`` where they lie in a store that is down.
        """

    def without_refresh_token(self, cookie: str) -> str:
        """Give the ``Cookie`` header that public routes see."""

    def for_application(self, cookie: str, tokens: Tokens | None) -> str:
        """Give the ``Cookie`` header that the application sees."""

    def begin(self, tokens: Tokens, now: float) -> list[str]:
        """Make the ``Set-Cookie`` values of a sign-in; raises ``CookieError``, and ``StoreError`` as ``load`` does."""

    def adopt(self, tokens: Tokens, now: float) -> list[str]:
        """Make the ``Set-Cookie`` values for who came with another kind of session; raises as ``begin`` does."""

    def renew(self, tokens: Tokens, now: float, cookie: str, shown: Tokens | None) -> Renewed:
        """Make the ``Set-Cookie`` values for as much of refreshed tokens as can be kept, and say what could not.

        ``shown`` are those that came with ``cookie`` and were refreshed. Raises ``StoreError`` as ``load`` does.
        """

    def end(self, cookie: str) -> None:
        """End here what this header shows; raises ``StoreError`` as ``load`` does."""

    def handle_of(self, cookie: str) -> str | None:
        """Name the session of a ``Cookie`` header in the list of a person's sessions; None where there is no list."""

    def expire(self) -> list[str]:
        """Make the ``Set-Cookie`` values that take the session out of the browser."""


def what_fits(begin: Callable[[Tokens, float], list[str]], tokens: Tokens, now: float) -> Renewed:
    """Make the ``Set-Cookie`` values for tokens, or for their refresh token alone, and tell what was too large."""
    try:
        return begin(tokens, now), None
    except CookieError as error:
        try:
            return begin(Tokens(refresh_token=tokens.refresh_token, genuine=tokens.genuine), now), error
        except CookieError:
            return [], error
