"""The ledger's two kinds of record in a store, sealed so that only a refresh token opens them."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import astuple, dataclass, fields, replace

from . import ledger
from .errors import StoreError
from .ledger import Family, Row, State
from .sealing import fingerprint, key_under, new_key, seal, unseal
from .store import Entry, Store
from .tokens import Tokens

HOUR = 3600.0
DAY = 24 * HOUR
_FIELDS = len(fields(Tokens))
ATTEMPTS = 32
"""How often a compare-and-set is tried before the store is called unusable."""


@dataclass(frozen=True, slots=True)
class Member:
    """Where a refresh token stands in the ledger; ``repr`` shows no key."""

    family: str
    generation: int
    key: bytes

    def __repr__(self) -> str:
        return f"Member({self.name})"

    @property
    def name(self) -> str:
        """The name of a session in logs: 8 hex digits."""
        return self.family[:8]


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at the store found: the family as of ``now`` (the store's clock) and its current tokens.

    ``value`` is the family's record as it was read, ``leads_to`` the family to which it gave way.
    """

    member: Member
    value: bytes
    family: Family
    tokens: Tokens
    now: float
    leads_to: Member | None = None


class Records:
    """Finds, founds and changes families in a store; every method may raise ``StoreError``.

    ``identity`` is the token endpoint and the client, ``lives`` is how long a refresh cookie can live (seconds).
    """

    def __init__(self, store: Store, identity: tuple[str, str], lives: float) -> None:
        self._store = store
        self._identity = identity
        self._lives = lives + DAY

    def find(self, tokens: Tokens) -> Look | None:
        """Read the row and the family of a refresh token; None where there is none that it opens."""
        named = self._fingerprint(tokens)
        row = self._row(named)
        if row is None:
            return None
        key = unseal(key_under(tokens.refresh_token or "", row.family), row.sealed_key, named)
        return None if key is None else self.look(Member(row.family, row.generation, key))

    def look(self, member: Member) -> Look | None:
        """Read a family; None where its record is gone."""
        return _opened(member, self._store.read(_family_key(member.family)))

    def found(self, tokens: Tokens, *, lives: float | None = None, replaces: bool = False) -> Member | None:
        """Write a family, then the row that leads to it; None where another was faster.

        With ``replaces`` the refresh token leads to the new family whatever it stood for before.
        """
        named, lives = self._fingerprint(tokens), self._lives if lives is None else lives
        member = Member(secrets.token_hex(16), 0, new_key())
        family = ledger.founded(self._sealed(member, tokens), tokens.expires_at, named)
        self._store.swap(_family_key(member.family), None, ledger.encode_family(family), lives)
        row = self._new_row(member, 0, tokens, named)
        for _ in range(ATTEMPTS):
            held = self._store.read(_row_key(named)).value
            if held is not None and not replaces and self.find(tokens) is not None:
                break
            if self._store.swap(_row_key(named), held, row, lives):
                return member
        self._store.touch(_family_key(member.family), 0)
        return None

    def keep(self, look: Look, tokens: Tokens, hand_over: float) -> Member | None:
        """Write new tokens that answer the generation looked at; None where others have gone on meanwhile.

        Gives the member to go on with. Their row comes first, so that no family ever names a refresh token without one.
        """
        member, answered = look.member, look.family.current
        rotated = tokens.refresh_token != look.tokens.refresh_token
        named = self._fingerprint(tokens) if rotated else None
        if named is not None and not self._write_row(member, answered + 1, tokens, named):
            return self._give_way(look, tokens)
        sealed = self._sealed(member, tokens)

        def follow(family: Family, now: float) -> Family | None:
            if not ledger.may_follow(family, answered, tokens.expires_at, rotated=rotated):
                return None
            return ledger.refreshed(
                family,
                presented=member.generation,
                sealed=sealed,
                expires_at=tokens.expires_at,
                fingerprint=named,
                now=now,
                hand_over=hand_over,
            )

        wrote = self.change(member, follow, missing=look.family)
        if wrote is None:
            return None
        self._let_rows_live(look.family, wrote)
        return member

    def _give_way(self, look: Look, tokens: Tokens) -> Member:
        """Go over to the family of somebody who came with the new token before it could be written.

        This family must never send again, and leads there whoever shows one of its tokens.
        """
        other = self.find(tokens)
        sealed = self._sealed(look.member, look.tokens, None if other is None else other.member)
        self.change(look.member, lambda family, now: replace(ledger.ended(family, "superseded"), sealed=sealed))
        return look.member if other is None else other.member

    def change(
        self, member: Member, change: Callable[[Family, float], Family | None], *, missing: Family | None = None
    ) -> Family | None:
        """Change a family by compare-and-set; None where ``change`` wants none, or the record is gone.

        ``missing`` is taken for a record that is gone.
        """
        for _ in range(ATTEMPTS):
            entry = self._store.read(_family_key(member.family))
            family = missing if entry.value is None else ledger.decode_family(entry.value)
            after = None if family is None else change(family, entry.now)
            if after is None or self.swap(member, entry.value, after):
                return after
        raise StoreError("the record of a session changed too often to be written")

    def swap(self, member: Member, value: bytes | None, family: Family) -> bool:
        """Write a family where ``value`` still stands, and tell whether it did."""
        return self._store.swap(_family_key(member.family), value, ledger.encode_family(family), self._life(family))

    def wait(self, look: Look, seconds: float) -> Look | None:
        """Look at the family when it is no longer as it was; None after ``seconds``, or where its record is gone."""
        entry = self._store.wait(_family_key(look.member.family), look.value, seconds)
        return None if entry is None else _opened(look.member, entry)

    def renew(self, look: Look) -> None:
        """Let the current row live as long as the cookie that is about to be handed over."""
        if look.now - look.family.refreshed_at > DAY and look.tokens.refresh_token is not None:
            named = self._fingerprint(look.tokens)
            self._write_row(look.member, look.family.current, look.tokens, named)
            self._store.touch(_row_key(named), self._lives)
            self._store.touch(_family_key(look.member.family), self._lives)

    def _life(self, family: Family) -> float:
        """Garbage must not fill the store: a family that no refresh and no good token vouches for goes soon."""
        if not ledger.is_vouched(family):
            return DAY if family.state is State.ENDED else HOUR
        refused = family.state is State.REFUSED and family.current == 0
        return HOUR if refused else self._lives

    def _let_rows_live(self, before: Family, after: Family) -> None:
        first = before.refreshed_at == 0
        for named in ledger.no_longer_welcome(before, after):
            self._store.touch(_row_key(named), DAY)
        for _, named in after.welcome if first or after.current == before.current else ():
            self._store.touch(_row_key(named), self._lives)

    def _write_row(self, member: Member, generation: int, tokens: Tokens, named: str) -> bool:
        """Write the row of a refresh token unless another family has it."""
        if self._store.swap(_row_key(named), None, self._new_row(member, generation, tokens, named), self._lives):
            return True
        held = self._row(named)
        return held is not None and held.family == member.family

    def _new_row(self, member: Member, generation: int, tokens: Tokens, named: str) -> bytes:
        sealed = seal(key_under(tokens.refresh_token or "", member.family), member.key, named)
        return ledger.encode_row(Row(member.family, generation, sealed))

    def _row(self, named: str) -> Row | None:
        value = self._store.read(_row_key(named)).value
        return None if value is None else ledger.decode_row(value)

    def _sealed(self, member: Member, tokens: Tokens, leads_to: Member | None = None) -> bytes:
        lead = [] if leads_to is None else [leads_to.family, leads_to.generation, leads_to.key.hex()]
        return seal(member.key, json.dumps([*astuple(tokens), *lead]).encode(), member.family)

    def _fingerprint(self, tokens: Tokens) -> str:
        return fingerprint(self._identity, tokens.refresh_token or "")


def _opened(member: Member, entry: Entry) -> Look | None:
    if entry.value is None:
        return None
    family = ledger.decode_family(entry.value)
    plain = None if family is None else unseal(member.key, family.sealed, member.family)
    if family is None or plain is None:
        return None
    said = json.loads(plain)
    tokens, lead = Tokens(*said[:_FIELDS]), said[_FIELDS:]
    leads_to = Member(lead[0], lead[1], bytes.fromhex(lead[2])) if lead else None
    return Look(member, entry.value, ledger.as_of(family, entry.now), tokens, entry.now, leads_to)


def unproven(tokens: Tokens) -> Tokens:
    """Leave out an access token that nobody has verified."""
    return replace(tokens, access_token=None, expires_at=None, lifetime=None)


def _row_key(named: str) -> str:
    return f"row:{named}"


def _family_key(family: str) -> str:
    return f"family:{family}"
