"""A kind of session that reads what older kinds have written."""

from __future__ import annotations

from collections.abc import Sequence

from ..cookies import MOST_VALUES
from ..errors import ConfigurationError, CookieError
from ..session_kind import SessionKind
from ..tokens import Tokens


class Several:
    """Writes as one kind of session does, and reads older (or coming) ones too, so that a deployment can change over.

    Who is read from another kind is written as the first with the next refresh or sign-in, and the cookies of the
    other are expired with it. Raises ``ConfigurationError`` for a kind that is named twice.
    """

    def __init__(self, writes: SessionKind, reads: Sequence[SessionKind]) -> None:
        self._writes = writes
        self._others = tuple(reads)
        kinds = (writes, *self._others)
        if len({repr(each) for each in kinds}) < len(kinds):
            raise ConfigurationError(
                ["session_reads: names a kind of session twice, or the one that writes; leave one out"]
            )
        self.refresh_max_age = max(each.refresh_max_age for each in kinds)
        self.authenticates = any(each.authenticates for each in kinds)
        self.is_shared = all(each.is_shared for each in kinds)
        self.may_be_remembered = all(each.may_be_remembered for each in kinds)

    def __repr__(self) -> str:
        return f"Several({self._writes!r}, reads={list(self._others)!r})"

    def load(self, header: str) -> tuple[Tokens, ...]:
        """Read what is there, that of the kind that writes first; raises ``StoreError``."""
        found = self._writes.load(header)
        for other in self._others:
            found += other.load(header)
        return found[:MOST_VALUES]

    def without_refresh_token(self, header: str) -> str:
        """Cut out what public routes must not see of any kind."""
        for kind in (self._writes, *self._others):
            header = kind.without_refresh_token(header)
        return header

    def for_application(self, header: str, tokens: Tokens | None) -> str:
        """Cut out what the application must not see of any kind."""
        return self._writes.for_application(self._of_the_first(header), tokens)

    def begin(self, tokens: Tokens, now: float) -> list[str]:
        """Begin a session as the kind that writes; raises ``CookieError`` and ``StoreError``."""
        return [*self._writes.begin(tokens, now), *self._expired()]

    def adopt(self, tokens: Tokens, now: float) -> list[str]:
        """Begin the session of who came with another kind; raises ``CookieError`` and ``StoreError``."""
        return [*self._writes.adopt(tokens, now), *self._expired()]

    def renew(self, tokens: Tokens, now: float, header: str = "") -> tuple[list[str], CookieError | None]:
        """Write refreshed tokens as the kind that writes, and whoever came with another as one that begins."""
        mine = self._of_the_first(header)
        if mine == header:
            return self._writes.renew(tokens, now, header)
        if self._writes.load(header):
            cookies, error = self._writes.renew(tokens, now, header)
            return [*cookies, *self._expired()], error
        try:
            return self.adopt(tokens, now), None
        except CookieError as error:
            # Better kept as it was than lost.
            for other in self._others:
                if other.load(header):
                    return other.renew(tokens, now, header)[0], error
            return [], error

    def end(self, header: str) -> None:
        """End what every kind has of it; raises ``StoreError``."""
        for kind in (self._writes, *self._others):
            kind.end(header)

    def expire(self) -> list[str]:
        """Expire the cookies of every kind."""
        return [*self._writes.expire(), *self._expired()]

    def _of_the_first(self, header: str) -> str:
        for other in self._others:
            header = other.for_application(header, None)
        return header

    def _expired(self) -> list[str]:
        return [cookie for other in self._others for cookie in other.expire()]
