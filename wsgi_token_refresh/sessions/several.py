"""A kind of session that reads what older kinds have written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..arguments import kind_of
from ..errors import ConfigurationError, CookieError, StoreError
from ..holding import Found
from ..tokens import Tokens
from .cookies import MOST_VALUES, cookie_name
from .kind import Renewed, SessionKind


class Several:
    """Writes as one kind of session does, and reads older (or coming) ones too, so that a deployment can change over.

    Who is read from another kind is written as the first with the next refresh or sign-in, and the cookies of the
    other are expired with it. Who has a session of the first kind is never read from another. Raises
    ``ConfigurationError`` for a kind that is named twice, and for what is none.
    """

    def __init__(self, writes: SessionKind, reads: Sequence[SessionKind]) -> None:
        problems = list(_problems_of(reads))
        if problems:
            raise ConfigurationError(problems)
        self._writes = writes
        self._others = tuple(reads)
        self._kinds = kinds = (writes, *self._others)
        if len({repr(each) for each in kinds}) < len(kinds):
            raise ConfigurationError(
                ["session_reads: names a kind of session twice, or the one that writes; leave one out"]
            )
        self.refresh_max_age = max(each.refresh_max_age for each in kinds)
        self.authenticates = any(each.authenticates for each in kinds)
        self.is_shared = all(each.is_shared for each in kinds)
        self.may_be_remembered = all(each.may_be_remembered for each in kinds)

    @property
    def secrets(self) -> tuple[bytes, ...]:
        """Give what marks genuine tokens in a store, as it is now."""
        return tuple(secret for each in self._kinds for secret in each.secrets)

    def __repr__(self) -> str:
        return f"Several({self._writes!r}, reads={list(self._others)!r})"

    def load(self, cookie: str) -> tuple[Tokens, ...]:
        """Read what is there, that of the kind that writes first; raises ``StoreError`` where nothing else is found."""
        each = self.load_each(cookie)
        found = tuple(tokens for of_kind in each if not isinstance(of_kind, StoreError) for tokens in of_kind)
        for error in each:
            if isinstance(error, StoreError) and not found:
                raise error
        return found[:MOST_VALUES]

    def load_each(self, cookie: str) -> tuple[Found, ...]:
        """Read what each kind has, the one that writes first, then in the order in which the others are named."""
        return tuple(_found(kind, cookie) for kind in self._kinds)

    def without_refresh_token(self, cookie: str) -> str:
        """Cut out what public routes must not see of any kind."""
        for kind in self._kinds:
            cookie = kind.without_refresh_token(cookie)
        return cookie

    def for_application(self, cookie: str, tokens: Tokens | None) -> str:
        """Cut out what the application must not see of any kind."""
        return self._writes.for_application(self._of_the_first(cookie), tokens)

    def begin(self, tokens: Tokens, now: float) -> list[str]:
        """Begin a session as the kind that writes; raises ``CookieError`` and ``StoreError``."""
        return self._and_no_other(self._writes.begin(tokens, now))

    def adopt(self, tokens: Tokens, now: float) -> list[str]:
        """Begin the session of who came with another kind; raises ``CookieError`` and ``StoreError``."""
        return self._and_no_other(self._writes.adopt(tokens, now))

    def renew(self, tokens: Tokens, now: float, cookie: str = "", shown: Tokens | None = None) -> Renewed:
        """Write refreshed tokens as the kind that writes, and whoever came with another as one that begins.

        So does who came with several: their tokens may be those of another session than the one that is written, and
        an answer that expires cookies must set its own, in whatever order answers come.
        """
        if self._of_the_first(cookie) == cookie:
            return self._writes.renew(tokens, now, cookie, shown)
        try:
            return self.adopt(tokens, now), None
        except (CookieError, StoreError) as error:
            return self._kept(tokens, now, cookie, shown), error

    def _kept(self, tokens: Tokens, now: float, cookie: str, shown: Tokens | None) -> list[str]:
        """Renew the session as it came: better than lost. A kind that has not shown it is given nothing of it."""
        for kind in self._kinds:
            found = _found(kind, cookie)
            if not isinstance(found, StoreError) and shown in found:
                return kind.renew(tokens, now, cookie, shown)[0]
        return []

    def end(self, cookie: str) -> None:
        """End what every kind has of it; raises ``StoreError``."""
        for kind in self._kinds:
            kind.end(cookie)

    def handle_of(self, cookie: str) -> str | None:
        """Name the session as the first kind does that has it in a list."""
        handles = (kind.handle_of(cookie) for kind in self._kinds)
        return next((handle for handle in handles if handle is not None), None)

    def expire(self) -> list[str]:
        """Expire the cookies of every kind."""
        return [*self._writes.expire(), *self._expired()]

    def _of_the_first(self, cookie: str) -> str:
        for other in self._others:
            cookie = other.for_application(cookie, None)
        return cookie

    def _and_no_other(self, cookies: list[str]) -> list[str]:
        """Expire what the other kinds have set, but for cookies of the same name."""
        names = {cookie_name(each) for each in cookies}
        return [*cookies, *(each for each in self._expired() if cookie_name(each) not in names)]

    def _expired(self) -> list[str]:
        return [cookie for other in self._others for cookie in other.expire()]


def _problems_of(reads: object) -> Iterator[str]:
    if isinstance(reads, str | bytes) or not isinstance(reads, Sequence):
        yield f"session_reads: is no list but {kind_of(reads)}; give session_reads=[TokenCookies(...)]"
        return
    for number, kind in enumerate(reads):
        if not hasattr(kind, "for_application") or isinstance(kind, type):
            yield f"session_reads[{number}] is {kind_of(kind)}; give TokenCookies(...), or leave it out"


def _found(kind: SessionKind, cookie: str) -> Found:
    """Read what a kind has; its store matters only to who shows a cookie of that kind."""
    try:
        return kind.load(cookie)
    except StoreError as error:
        return () if kind.for_application(cookie, None) == cookie else error
