"""What is known of requests that pass: the memos of the pass path."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from .holding import Held
from .memo import Key, Memo, Samples, digest, sample
from .token_session import Seen
from .tokens import Tokens, refresh_window

TRUSTED_FOR = 30.0
"""Seconds for which the pass path trusts its memo, for each session and process."""
_MOST_READY, _MOST_FOLDED = 2 * 2**20, 17 * 2**20
_MOST_TRUSTED, _MOST_PUBLIC = 13 * 2**19, 2**19
_WEIGHT_OF_KNOWN, _WEIGHT_OF_FOLDED, _WEIGHT_OF_TRUST = 768, 1280, 320
"""Bytes of an entry beside its texts, as ``tracemalloc`` has them."""
_TELLING = 40


@dataclass(slots=True)
class _Trust:
    """Until when tokens are passed without a look at the ledger."""

    until: float

    def lasts(self, now: float) -> bool:
        """Tell whether it lasts; what lasts longer than it can is from before the clock was set back."""
        return 0 < self.until - now <= TRUSTED_FOR


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a ``Cookie`` header while ``trust`` lasts: a live session, and what is shown of it."""

    cookie: str = field(repr=False)
    held: Held
    trust: _Trust
    seen: Seen

    @property
    def weight(self) -> int:
        """Tell how many bytes it takes beside what is held."""
        return _WEIGHT_OF_KNOWN + len(self.cookie) + len(self.seen.cookie) + len(self.seen.authorization)


class _Folded:
    """The same in a third of the room: the access token is kept once for all texts in which it stands."""

    __slots__ = ("_cookie", "_held", "_seen", "_trust", "weight")

    def __init__(self, known: Known) -> None:
        token = known.held.tokens.access_token or ""
        self._held, self._trust = known.held, known.trust
        self._cookie = _around(token, known.cookie)
        self._seen = _around(token, known.seen.cookie), _around(token, known.seen.authorization)
        held = len(token) + len(known.held.tokens.refresh_token or "")
        self.weight = (
            _WEIGHT_OF_FOLDED + held + sum(len(text[0]) + len(text[2]) for text in (self._cookie, *self._seen))
        )

    def unfolded(self, cookie: str) -> Known | None:
        """Give what is known of this ``Cookie`` header; None where it is another one."""
        if _whole(self._cookie) != cookie:
            return None
        return Known(cookie, self._held, self._trust, Seen(*map(_whole, self._seen)))


class Passing:
    """Remembers live sessions by their ``Cookie`` header, for as long as the ledger need not be asked about them.

    Of most it keeps what is known folded, and of those seen last as it is needed. Whom it trusts it keeps for longer,
    by a digest: to forget that costs a look at the ledger. ``refresh_before`` is that of the middleware, in seconds;
    ``clock`` gives seconds since the epoch.
    """

    def __init__(self, *, refresh_before: float, clock: Callable[[], float]) -> None:
        self._refresh_before = refresh_before
        self._clock = clock
        self._ready: Samples[Known] = Samples(_MOST_READY)
        self._folded: Samples[_Folded] = Samples(_MOST_FOLDED)
        self._trusted: Samples[_Trust] = Samples(_MOST_TRUSTED)
        self._public: Memo[str] = Memo(_MOST_PUBLIC)

    def known(self, cookie: str) -> Known | None:
        """Give what is known of a ``Cookie`` header, while it may be trusted."""
        place = sample(cookie)
        known = self._ready.at(place)
        if known is None or known.cookie != cookie:
            known = self._unfolded(place, cookie)
        return known if known is not None and known.trust.lasts(self._clock()) else None

    def _unfolded(self, place: Key, cookie: str) -> Known | None:
        folded = self._folded.at(place)
        known = None if folded is None else folded.unfolded(cookie)
        if known is not None:
            self._ready.put_at(place, known, known.weight)
        return known

    def remember(self, cookie: str, held: Held, seen: Seen) -> None:
        """Pass this ``Cookie`` header until its session is to be looked up, or its token is to be refreshed."""
        place, known = sample(cookie), Known(cookie, held, self._trust(held.tokens), seen)
        self._ready.put_at(place, known, known.weight)
        folded = _Folded(known)
        self._folded.put_at(place, folded, folded.weight)

    def _trust(self, tokens: Tokens) -> _Trust:
        now, key = self._clock(), _key(tokens)
        trust = self._trusted.at(key)
        if trust is None or not trust.lasts(now):
            due = (tokens.expires_at or now) - refresh_window(tokens, self._refresh_before)
            trust = _Trust(min(now + TRUSTED_FOR, due))
            self._trusted.put_at(key, trust, _WEIGHT_OF_TRUST)
        return trust

    def trusts(self, tokens: Tokens) -> bool:
        """Tell whether these tokens pass without a look at the ledger, whatever else stands in the header."""
        trust = self._trusted.at(_key(tokens))
        return trust is not None and trust.lasts(self._clock())

    def distrust(self, tokens: Tokens) -> None:
        """Look at the ledger before these tokens are passed again."""
        trust = self._trusted.at(_key(tokens))
        if trust is not None:
            trust.until = 0.0

    def public(self, cookie: str, cut: Callable[[str], str]) -> str:
        """Give what public routes see of a ``Cookie`` header, which is cut once."""
        found = self._public.get(cookie)
        if found is None:
            found = cut(cookie)
            self._public.put(cookie, found, len(cookie) + len(found) + 512)
        return found


def _key(tokens: Tokens) -> bytes:
    return digest(f"{tokens.access_token}\n{tokens.refresh_token or ''}")


_Text = tuple[str, str, str]
"""A text in which a token stands: what is before it, the token, and what follows."""


def _around(token: str, text: str) -> _Text:
    """Divide a text at the token that stands in it, which becomes the very string that is held."""
    # The end of a token tells it from others, and a long text is not searched for a long one.
    start = text.find(token[-_TELLING:]) + min(_TELLING, len(token)) - len(token)
    if not token or start < 0 or not text.startswith(token, start):
        return text, "", ""
    return text[:start], token, text[start + len(token) :]


def _whole(text: _Text) -> str:
    before, token, after = text
    return f"{before}{token}{after}"
