"""All tokens of a session in one encrypted cookie, in as many parts as browsers want."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from ..errors import ConfigurationError, CookieError
from ..memo import Memo, digest
from ..tokens import Tokens
from ..written import listed, tokens_of
from .cookies import (
    MOST_BYTES,
    MOST_VALUES,
    Attributes,
    CookieReader,
    expired_cookie,
    problems_of_attributes,
    problems_of_name,
    refuse_types,
    set_cookie,
)
from .keys import Keys, KeySource
from .kind import Renewed, what_fits

DAY = 86_400
LARGEST = 64 * 1024
log = logging.getLogger("wsgi_token_refresh")
_TAG = 12
_KEY = re.compile(r"[A-Za-z0-9_-]{43}=\Z")
_TOLD_EVERY = 60.0
_MOST_OPENED = 2**20
_PER_HEADER = len("; ") + len("=")


class _Ring:
    """What seals and opens under some keys, and what they have opened: it goes with them."""

    def __init__(self, keys: tuple[bytes, ...]) -> None:
        self.keys = keys
        self.fernet = MultiFernet([Fernet(key) for key in keys])
        self.opened: Memo[Tokens] = Memo(_MOST_OPENED)

    def decrypted(self, sealed: str) -> bytes | None:
        """Decrypt what one of the keys has sealed; None for anything else."""
        try:
            return self.fernet.decrypt(sealed.encode())
        except (InvalidToken, UnicodeEncodeError):
            return None


class SealedCookie:
    """Keeps all tokens of a session in one cookie that only we can read (Fernet: AES-128-CBC and HMAC-SHA256).

    ``keys`` are Fernet keys, as ``wsgi-token-refresh keygen`` prints them: the first seals, all open. They may be a
    function, which is asked for the list at once and then once a second at most. ``max_bytes`` is what all parts may
    take of a ``Cookie`` header; gunicorn and nginx refuse more than 8190 in all. ``refresh_max_age`` is in seconds.
    Raises ``ConfigurationError``.
    """

    authenticates = True
    is_shared = False
    may_be_remembered = True

    def __init__(
        self,
        *,
        keys: KeySource,
        name: str = "token_session",
        prefix: str = "",
        secure: bool = True,
        domain: str | None = None,
        path: str = "/",
        samesite: str | None = "Lax",
        refresh_max_age: int = 30 * DAY,
        max_bytes: int = 7 * 1024,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._attributes = Attributes(secure, domain, path, samesite)
        texts, numbers = {"name": name, "prefix": prefix}, {"refresh_max_age": refresh_max_age}
        refuse_types("SealedCookie", self._attributes, texts, numbers, {"monotonic": monotonic})
        self._name = prefix + name
        self.refresh_max_age = refresh_max_age
        self._max_bytes = max_bytes
        self._keys = Keys("SealedCookie", "keys", keys, _faults, monotonic=monotonic)
        problems = [
            *self._keys.problems,
            *problems_of_name(f"{self._name}.0", self._attributes),
            *problems_of_attributes(self._attributes, refresh_max_age),
        ]
        if isinstance(max_bytes, bool) or not isinstance(max_bytes, int) or not 512 <= max_bytes <= LARGEST:
            problems.append(f"max_bytes is {max_bytes!r}; give 512 to {LARGEST}")
        if problems:
            raise ConfigurationError([f"SealedCookie: {problem}" for problem in problems])
        self._last = _Ring(self._keys.lately())
        self._monotonic = monotonic
        self._told_at = -_TOLD_EVERY
        self._names = tuple(f"{self._name}.{number}" for number in range(1 + max_bytes // MOST_BYTES))
        self._reader = CookieReader(self._names)

    @property
    def secrets(self) -> tuple[bytes, ...]:
        """Give what marks genuine tokens in a store, as it is now: the keys."""
        return self._keys.now()

    def __repr__(self) -> str:
        return f"SealedCookie(name={self._name!r})"

    def load(self, cookie: str) -> tuple[Tokens, ...]:
        """Open what can be opened whole; parts that are torn, of several sets or of others' are nothing."""
        if self._name not in cookie:
            return ()
        opened = (self._open(sealed) for sealed in self._whole(cookie))
        return tuple(tokens for tokens in opened if tokens is not None)[:MOST_VALUES]

    def without_refresh_token(self, cookie: str) -> str:
        """Cut all parts out of a ``Cookie`` header."""
        return self._reader.cut(cookie, self._names)

    def for_application(self, cookie: str, tokens: Tokens | None) -> str:
        """Cut all parts out of a ``Cookie`` header; the access token stands in ``Authorization`` alone."""
        return self._reader.cut(cookie, self._names)

    def begin(self, tokens: Tokens, now: float) -> list[str]:
        """Make the ``Set-Cookie`` values for these tokens; raises ``CookieError`` for more than the budget."""
        token = self._seal(tokens)
        tag = urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).decode()[:_TAG]
        cookie = self._split(token, tag)
        taken = sum(len(name) + len(part) + _PER_HEADER for name, part in zip(self._names, cookie, strict=False))
        if len(cookie) > len(self._names) or taken > self._max_bytes:
            raise CookieError(
                f"the sealed cookie {self._name!r} would take {max(taken, len(token))} bytes, and may take "
                f"{self._max_bytes}: {_larger(tokens)}; ask the authorization server for a smaller one (fewer claims), "
                "or keep sessions on the server (ServerSideSession)"
            )
        lasts = self._lasts(tokens, now)
        written = zip(self._names, cookie, strict=False)
        unused = self._names[len(cookie) :]
        return [
            *(set_cookie(name, part, lasts, self._attributes) for name, part in written),
            *(expired_cookie(name, self._attributes) for name in unused),
        ]

    def adopt(self, tokens: Tokens, now: float) -> list[str]:
        """Make the ``Set-Cookie`` values for who came with another kind of session; raises ``CookieError``."""
        return self.begin(tokens, now)

    def renew(self, tokens: Tokens, now: float, cookie: str = "", shown: Tokens | None = None) -> Renewed:
        """Make the ``Set-Cookie`` values for refreshed tokens; an access token that is too large is left out and told.

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

    def _lasts(self, tokens: Tokens, now: float) -> int:
        ends = tokens.expires_at if tokens.refresh_token is None else tokens.refresh_expires_at
        lasts = self.refresh_max_age if ends is None else min(self.refresh_max_age, int(ends - now))
        return max(1, lasts)

    # Parts: <tag of the set>.<how many parts it has>.<piece>

    def _split(self, sealed: str, tag: str) -> list[str]:
        room = MOST_BYTES - len(self._names[-1]) - _TAG - len(".99.")
        count = -(-len(sealed) // room)
        return [f"{tag}.{count}.{sealed[start : start + room]}" for start in range(0, len(sealed), room)]

    def _whole(self, cookie: str) -> Iterable[str]:
        """Put the parts of each set together, in the order in which the sets begin."""
        sets: dict[tuple[str, str], dict[int, str]] = {}
        read = self._reader.read(cookie)
        for number, name in enumerate(self._names):
            for value in read[name]:
                tag, _, rest = value.partition(".")
                count, _, piece = rest.partition(".")
                sets.setdefault((tag, count), {}).setdefault(number, piece)
        for (_, count), pieces in sets.items():
            if str(len(pieces)) == count and max(pieces) == len(pieces) - 1:
                yield "".join(pieces[number] for number in range(len(pieces)))

    # Sealing.

    def _seal(self, tokens: Tokens) -> str:
        said = [
            self._name,
            tokens.access_token,
            tokens.refresh_token,
            tokens.expires_at,
            tokens.lifetime,
            tokens.refresh_expires_at,
            tokens.genuine,
        ]
        return self._ring(self._keys.now()).fernet.encrypt(json.dumps(said, separators=(",", ":")).encode()).decode()

    def _open(self, sealed: str) -> Tokens | None:
        key, keys, ring = digest(sealed), self._keys.lately(), self._last
        ring = ring if ring.keys is keys else self._ring(keys)
        tokens = ring.opened.get(key)
        if tokens is None:
            ring, plain = self._decrypted(ring, sealed)
            tokens = _read(plain, self._name)
            if tokens is not None:
                ring.opened.put(key, tokens, len(sealed) + 768)
        return tokens

    def _decrypted(self, ring: _Ring, sealed: str) -> tuple[_Ring, bytes | None]:
        """Decrypt by the keys of a ring; by those of the moment where another worker may have seen them earlier."""
        plain = ring.decrypted(sealed)
        if plain is None and (keys := self._keys.now()) is not ring.keys:
            ring = self._ring(keys)
            plain = ring.decrypted(sealed)
        if plain is None:
            self._tell(len(ring.keys))
        return ring, plain

    def _ring(self, keys: tuple[bytes, ...]) -> _Ring:
        """Give the ring of these keys; threads that see a change at the same time may make one each."""
        ring = self._last
        if ring.keys is not keys:
            ring = self._last = _Ring(keys)
        return ring

    def _tell(self, openers: int) -> None:
        """Say once a minute that something whole came which no key opens: hosts may have different keys."""
        now = self._monotonic()
        if now >= self._told_at + _TOLD_EVERY:
            self._told_at = now
            log.warning(
                "a cookie %r came that none of the %d session keys opens, and is no session: is the list of keys the "
                "same on every host?",
                self._name,
                openers,
            )


def _faults(keys: Sequence[object]) -> Iterator[str]:
    if not keys:
        yield "keys is empty; give a key that `wsgi-token-refresh keygen` prints"
    for number, key in enumerate(keys):
        # Fernet itself takes no notice of what follows a key, as another one behind a comma.
        text = key.decode("latin-1") if isinstance(key, bytes) else key
        if not isinstance(text, str) or not _KEY.match(text):
            yield (
                f"keys[{number}] is no key; make one with `wsgi-token-refresh keygen`, and separate several by white "
                "space"
            )


def _read(plain: bytes | None, name: str) -> Tokens | None:
    """Read what was sealed under this name; None for anything else, so for another cookie's content."""
    try:
        of, *said, genuine = listed(plain or b"[]", 7)[:7]
        tokens = tokens_of(said)
    except ValueError:
        return None
    if of != name or not (tokens.access_token or tokens.refresh_token):
        return None
    return replace(tokens, genuine=genuine is True)


def _larger(tokens: Tokens) -> str:
    access, refresh = len(tokens.access_token or ""), len(tokens.refresh_token or "")
    return f"the access token has {access} bytes" if access >= refresh else f"the refresh token has {refresh} bytes"
