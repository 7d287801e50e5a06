"""Tokens in a store, and in the browser a random id that alone opens them."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass, field, replace
from functools import partial

from ..errors import ConfigurationError, StoreError
from ..ledger.sealing import Marks, key_under, seal, unseal
from ..memo import Memo
from ..stores.protocol import Entry, Store
from ..tokens import Tokens, as_text, unverified_claims
from ..written import listed, number, tokens_of
from .cookies import (
    Attributes,
    CookieReader,
    expired_cookie,
    problems_of_attributes,
    problems_of_name,
    refuse_types,
    set_cookie,
)
from .keys import Keys, KeySource, OneKeySource, secret_faults
from .kind import Renewed
from .person_index import PersonIndex

DAY = 86_400
SEEN_EVERY = 60.0
"""Seconds between two writes of when a session was last seen."""
_ATTEMPTS = 32
_MOST_TO_END = 256
_ID = re.compile(r"[A-Za-z0-9_-]{43}\Z")
_FIELDS = 5
"""How many fields a record has at least: when it began, whose it is, two tokens, a mark."""


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """A session of a person, for a list of them: times are seconds since the epoch; ``handle`` names it to us."""

    handle: str
    created_at: float
    seen_at: float


@dataclass(frozen=True, slots=True)
class _Record:
    """What the store holds of a session; ``value`` is how it was read, at ``now`` of the store's clock."""

    id: str = field(repr=False)
    value: bytes = field(repr=False)
    now: float
    created_at: float
    seen_at: float
    subject: str | None = field(repr=False)
    tokens: Tokens


class _Opened:
    """The records that were opened while these secrets counted, which say what of them is genuine."""

    def __init__(self, secrets: tuple[bytes, ...]) -> None:
        self.secrets = secrets
        self.records: Memo[_Record] = Memo()


class ServerSideSession:
    """Keeps the tokens of a session in ``store``, sealed under a key that only the browser's id gives.

    Lifetimes are in seconds: a session ends ``idle_lifetime`` after it was last seen, and ``absolute_lifetime`` after
    its sign-in. ``index_key``, a secret of 32 characters or more, lets a person's sessions be listed and ended; the
    store then has them under an HMAC of the subject. Of several the first lists, and all are looked under. Only what
    one of ``keys`` has marked (the first marks, all are taken; ``index_key`` where there are none) tells who somebody
    is without a verifier, since others may be able to write to the store. Either may be a function, which is asked at
    once and then once a second at most. Raises ``ConfigurationError``.
    """

    is_shared = True
    may_be_remembered = False

    def __init__(
        self,
        store: Store,
        *,
        name: str = "token_session_id",
        prefix: str = "",
        secure: bool = True,
        domain: str | None = None,
        path: str = "/",
        samesite: str | None = "Lax",
        idle_lifetime: int = 7 * DAY,
        absolute_lifetime: int = 30 * DAY,
        index_key: OneKeySource | None = None,
        keys: KeySource = (),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._attributes = Attributes(secure, domain, path, samesite)
        texts = {"name": name, "prefix": prefix}
        numbers = {"idle_lifetime": idle_lifetime, "absolute_lifetime": absolute_lifetime}
        refuse_types("ServerSideSession", self._attributes, texts, numbers, {"monotonic": monotonic})
        self._name = prefix + name
        self._store = store
        self._idle = idle_lifetime
        self.refresh_max_age = absolute_lifetime
        problems = [
            *problems_of_name(self._name, self._attributes),
            *(each.replace("refresh_max_age", "absolute_lifetime") for each in self._problems_of_attributes()),
        ]
        if not 0 < idle_lifetime <= absolute_lifetime:
            problems.append(f"idle_lifetime is {idle_lifetime}; give seconds, absolute_lifetime at most")
        if not hasattr(store, "swap") or isinstance(store, type):
            problems.append(f"store is of type {type(store).__name__}; give a store such as RedisStore.from_url(...)")
        self._keys = Keys("ServerSideSession", "keys", keys, partial(secret_faults, "keys"), monotonic=monotonic)
        self._index_keys = Keys(
            "ServerSideSession",
            "index_key",
            () if index_key is None else index_key,
            partial(secret_faults, "index_key"),
            alone=True,
            monotonic=monotonic,
        )
        problems += [*self._keys.problems, *self._index_keys.problems]
        if problems:
            raise ConfigurationError([f"ServerSideSession: {problem}" for problem in problems])
        self.authenticates = bool(self.secrets)
        self._marks = Marks(lambda: self.secrets)
        self._reader = CookieReader((self._name,))
        is_listed = bool(self._index_keys.lately())
        self._index = PersonIndex(store, self._index_keys.now, absolute_lifetime) if is_listed else None
        self._last = _Opened(())
        self._to_end: dict[str, None] = {}
        # A session that soon ends idle is seen more often.
        self._see_every = min(SEEN_EVERY, idle_lifetime / 10)

    def __repr__(self) -> str:
        return f"ServerSideSession({self._store!r}, name={self._name!r})"

    @property
    def secrets(self) -> tuple[bytes, ...]:
        """Give what marks genuine tokens in a store, as it is now: the keys, then those of the list."""
        return (*self._keys.now(), *self._index_keys.now())

    # What every kind of session does.

    def load(self, cookie: str) -> tuple[Tokens, ...]:
        """Read the session in one look at the store, or in one for each id if there are several.

        Raises ``StoreError``.
        """
        if self._to_end:
            self._end_others()
        records = list(self._records(cookie))
        for record in records[:1]:
            if record.now - record.seen_at >= self._see_every:
                self._see(record)
        return tuple(record.tokens for record in records)

    def without_refresh_token(self, cookie: str) -> str:
        """Cut the id out of a ``Cookie`` header."""
        return self._reader.cut(cookie, (self._name,))

    def for_application(self, cookie: str, tokens: Tokens | None) -> str:
        """Cut the id out of a ``Cookie`` header; the access token stands in ``Authorization`` alone."""
        return self._reader.cut(cookie, (self._name,))

    def begin(self, tokens: Tokens, now: float) -> list[str]:
        """Write a session under a new id (OWASP session fixation), and give its cookie; raises ``StoreError``."""
        return self._begin(secrets.token_urlsafe(32), tokens)

    def adopt(self, tokens: Tokens, now: float) -> list[str]:
        """Write the session of who came with another kind, once for all who come together; raises ``StoreError``."""
        if tokens.refresh_token is None:
            return self.begin(tokens, now)
        secret = json.dumps([tokens.refresh_token, tokens.access_token]).encode()
        digest = hashlib.sha256(b"wsgi-token-refresh adopted session" + secret)
        return self._begin(urlsafe_b64encode(digest.digest()).decode().rstrip("="), tokens)

    def renew(self, tokens: Tokens, now: float, cookie: str = "", shown: Tokens | None = None) -> Renewed:
        """Write refreshed tokens where the session is still there; sets no cookie. Raises ``StoreError``.

        What cannot be written is no loss: the ledger hands over to who shows the tokens from before. Of several ids
        the one is written to whose tokens were shown, since another one may be somebody else's.
        """
        is_alone = len(self._ids(cookie)) == 1
        for record in self._records(cookie):
            if is_alone or record.tokens == shown:
                self._replace(record, tokens, shown)
        return [], None

    def end(self, cookie: str) -> None:
        """Take the session out of the store: every worker sees it at once. Raises ``StoreError``.

        What could not be ended is no session in this process any more, and is ended as soon as the store is back.
        """
        try:
            self._end(cookie)
        except StoreError:
            if len(self._to_end) < _MOST_TO_END:
                self._to_end[cookie] = None
            raise

    def _end(self, cookie: str) -> None:
        for record in self._records(cookie):
            self._store.touch(_key(record.id), 0)
            if self._index is not None and record.subject is not None:
                self._index.remove(record.subject, [_handle(record.id)])
        self._to_end.pop(cookie, None)

    def _end_others(self) -> None:
        """End what could not be ended while the store was down; raises ``StoreError``."""
        for cookie in list(self._to_end):
            self._end(cookie)

    def expire(self) -> list[str]:
        """Make the ``Set-Cookie`` value that takes the id out of the browser."""
        return [expired_cookie(self._name, self._attributes)]

    # What a person's account page does.

    def handle_of(self, cookie: str) -> str | None:
        """Name the session of a ``Cookie`` header, to tell it from the others of a list."""
        ids = self._ids(cookie)
        return _handle(ids[0]) if ids else None

    def sessions(self, subject: str | int) -> list[SessionInfo]:
        """List the sessions of a subject (``sub``), the newest first.

        Raises ``StoreError``, and ``ConfigurationError`` without a key.
        """
        handles = self._people().handles(subject)
        found = [info for info in map(self._info, handles) if info is not None]
        gone = set(handles) - {info.handle for info in found}
        if gone:
            self._people().tidy(subject, gone)
        return sorted(found, key=lambda info: -info.created_at)

    def end_session(self, subject: str | int, handle: str) -> bool:
        """End one of a person's sessions, and tell whether there was one; raises as ``sessions`` does."""
        if handle not in self._people().handles(subject):
            return False
        return self._end_all(subject, [handle]) == 1

    def end_sessions(self, subject: str | int) -> int:
        """Sign a person out everywhere, and tell how many sessions that ended; raises as ``sessions`` does.

        Their refresh tokens are not revoked: without the ids nobody can open them.
        """
        return self._end_all(subject, self._people().handles(subject))

    # Sessions in the store.

    def _ids(self, cookie: str) -> list[str]:
        if self._name not in cookie:
            return []
        return [each for each in self._reader.read(cookie)[self._name] if _ID.match(each)]

    def _records(self, cookie: str) -> Iterator[_Record]:
        for secret in self._ids(cookie):
            entry = self._store.read(_key(secret))
            record = self._opened_record(secret, entry)
            if record is not None and record.now < record.created_at + self.refresh_max_age:
                yield record

    def _begin(self, secret: str, tokens: Tokens) -> list[str]:
        now, subject = self._store.read(_key(secret)).now, _subject(tokens)
        value = self._written(secret, now, now, subject, tokens)
        if self._index is not None and subject is not None:
            # First, so that no session is on no list.
            self._index.add(subject, _handle(secret), now)
        self._store.swap(_key(secret), None, value, self._lives(now, now))
        return [set_cookie(self._name, secret, self.refresh_max_age, self._attributes)]

    def _opened_record(self, secret: str, entry: Entry) -> _Record | None:
        """Open what was read; what was opened before and has not changed is not opened again."""
        if entry.value is None:
            return None
        opened = self._opened()
        known = opened.get(secret)
        if known is not None and known.value == entry.value:
            return _Record(secret, known.value, entry.now, known.created_at, known.seen_at, known.subject, known.tokens)
        record = self._read(secret, entry.value, entry.now)
        if record is not None:
            opened.put(secret, record, 2 * len(entry.value) + 1024)
        return record

    def _opened(self) -> Memo[_Record]:
        """Give what was opened while the secrets of the moment counted."""
        counting, last = (*self._keys.lately(), *self._index_keys.lately()), self._last
        if last.secrets != counting:
            last = self._last = _Opened(counting)
        return last.records

    def _see(self, record: _Record) -> None:
        # Who is slower than another request has nothing to write, and a store that is down is told by who needs it.
        try:
            self._write(record, record.tokens)
        except StoreError:
            return

    def _write(self, record: _Record, tokens: Tokens) -> bool:
        value = self._written(record.id, record.created_at, record.now, record.subject, tokens)
        return self._store.swap(_key(record.id), record.value, value, self._lives(record.created_at, record.now))

    def _replace(self, record: _Record, tokens: Tokens, shown: Tokens | None) -> None:
        current: _Record | None = record
        for _ in range(_ATTEMPTS):
            # What was shown is older, also where it ends later than what a refresh has given for it.
            if current is None or (current.tokens != shown and _is_newer(current.tokens, tokens)):
                return
            if self._write(current, tokens):
                return
            entry = self._store.read(_key(record.id))
            current = self._opened_record(record.id, entry)

    def _written(self, secret: str, created_at: float, seen_at: float, subject: str | None, tokens: Tokens) -> bytes:
        said = [created_at, subject, *astuple(tokens)[:-1]]
        plain = json.dumps([*said, tokens.genuine and self._marks.of(_key(secret), said)]).encode()
        head = json.dumps([created_at, seen_at]).encode()
        return head + b"\n" + seal(key_under(secret, _key(secret)), plain, _key(secret))

    def _read(self, secret: str, value: bytes, now: float) -> _Record | None:
        _, seen_at = _times(value)
        plain = unseal(key_under(secret, _key(secret)), value.partition(b"\n")[2], _key(secret))
        try:
            *said, mark = listed(plain or b"[]", _FIELDS)
            created_at, tokens = number(said[0]), tokens_of(said[2:])
        except ValueError:
            return None
        subject = said[1] if isinstance(said[1], str) else None
        tokens = replace(tokens, genuine=self._marks.are_genuine(mark, _key(secret), said))
        return _Record(secret, value, now, created_at, seen_at, subject, tokens)

    def _lives(self, created_at: float, now: float) -> float:
        return max(1.0, min(self._idle, created_at + self.refresh_max_age - now))

    def _end_all(self, subject: str | int, handles: Sequence[str]) -> int:
        living = [handle for handle in handles if self._store.read(f"session:{handle}").value is not None]
        for handle in living:
            self._store.touch(f"session:{handle}", 0)
        self._people().remove(subject, handles)
        return len(living)

    def _people(self) -> PersonIndex:
        if self._index is None:
            raise ConfigurationError("ServerSideSession: give index_key= to list and end the sessions of a person")
        return self._index

    def _info(self, handle: str) -> SessionInfo | None:
        value = self._store.read(f"session:{handle}").value
        return None if value is None else SessionInfo(handle, *_times(value))

    def _problems_of_attributes(self) -> list[str]:
        return problems_of_attributes(self._attributes, self.refresh_max_age)


def _handle(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _key(secret: str) -> str:
    return f"session:{_handle(secret)}"


def _subject(tokens: Tokens) -> str | None:
    subject = (unverified_claims(tokens.access_token or "") or {}).get("sub")
    named = as_text(subject)
    return named if isinstance(named, str) else None


def _times(value: bytes) -> tuple[float, float]:
    """Read when a session began and was seen; long ago where nobody can say, so that it is soon written again."""
    try:
        created_at, seen_at, *_ = listed(value.partition(b"\n")[0], 2)
        return float(number(created_at)), float(number(seen_at))
    except ValueError:
        return 0.0, 0.0


def _is_newer(current: Tokens, tokens: Tokens) -> bool:
    return current == tokens or (current.expires_at or 0.0) > (tokens.expires_at or 0.0)
