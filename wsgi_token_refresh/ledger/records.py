"""The ledger's two kinds of record in a store, sealed so that only a refresh token opens them."""

from __future__ import annotations

import json
import re
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import astuple, dataclass, fields, replace
from typing import Any

from ..errors import StoreError
from ..stores.protocol import Entry, Store
from ..tokens import Tokens, numeric_date
from ..written import count, listed, name, text, tokens_of
from . import rules
from .rules import Family, Row, State
from .sealing import Marks, fingerprint, key_under, new_key, seal, unseal

HOUR = 3600.0
DAY = 24 * HOUR
_GENUINE = [field.name for field in fields(Tokens)].index("genuine")
A_WHILE = 60.0
NO_HICCUP = 600.0
BARE_REFUSAL = "400:"
"""The rule that names a 400 without a body."""
_REASON = re.compile(rb"[A-Za-z0-9_.:-]{1,64}")
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


@dataclass(frozen=True, slots=True)
class Refusals:
    """Since when a refresh token is refused by answers that one rule would name, by the clocks of the hosts."""

    rule: str
    since: float

    def are_stuck(self, now: float) -> bool:
        """Tell whether they have lasted so long that a person should be offered another way."""
        return now - self.since >= A_WHILE

    def are_for_good(self, now: float) -> bool:
        """Tell whether they can mean nothing else, and cannot be named: RFC 6749 5.2 has 400 for refusals."""
        return self.rule == BARE_REFUSAL and now - self.since >= NO_HICCUP


class Records:
    """Finds, founds and changes families in a store; every method may raise ``StoreError``.

    ``identity`` is the token endpoint and the client, ``lives`` is how long a refresh cookie can live (seconds).
    """

    def __init__(self, store: Store, identity: tuple[str, str], lives: float, marks: Marks | None = None) -> None:
        self._store = store
        self._marks = Marks() if marks is None else marks
        self._identity = identity
        self._lives = lives + DAY

    def find(self, tokens: Tokens) -> Look | None:
        """Read the row and the family of a refresh token; None where there is none that it opens."""
        named = self._fingerprint(tokens)
        row = self._row(named)
        if row is None:
            return None
        key = unseal(key_under(tokens.refresh_token or "", row.family), row.sealed_key, named)
        look = None if key is None else self.look(Member(row.family, row.generation, key))
        if look is None or look.tokens.refresh_token is not None or look.member.generation != look.family.current:
            return look
        return replace(look, tokens=replace(look.tokens, refresh_token=tokens.refresh_token))

    def look(self, member: Member) -> Look | None:
        """Read a family; None where its record is gone."""
        return self._opened(member, self._store.read(_family_key(member.family)))

    def found(self, tokens: Tokens, *, vouched: bool = True, replaces: bool = False) -> Member | None:
        """Write a family, then the row that leads to it; None where another was faster.

        With ``replaces`` the refresh token leads to the new family whatever it stood for before. Where nothing has
        ``vouched`` for it, it is garbage until a refresh says otherwise: it is not kept, and goes within an hour.
        """
        named, lives = self._fingerprint(tokens), self._lives if vouched else HOUR
        member = Member(secrets.token_hex(16), 0, new_key())
        expires_at = rules.VOUCHED if vouched and tokens.access_token is None else tokens.expires_at
        sealed = self._sealed(member, tokens if vouched else Tokens())
        family = rules.founded(sealed, expires_at if vouched else None, named)
        self._store.swap(_family_key(member.family), None, rules.encode_family(family), lives)
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
            if not rules.may_follow(family, answered, tokens.expires_at, rotated=rotated):
                return None
            return rules.refreshed(
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
        self.change(look.member, lambda family, now: replace(rules.ended(family, "superseded"), sealed=sealed))
        return look.member if other is None else other.member

    def change(
        self, member: Member, change: Callable[[Family, float], Family | None], *, missing: Family | None = None
    ) -> Family | None:
        """Change a family by compare-and-set; None where ``change`` wants none, or the record is gone.

        ``missing`` is taken for a record that is gone.
        """
        for _ in range(ATTEMPTS):
            entry = self._store.read(_family_key(member.family))
            family = missing if entry.value is None else rules.decode_family(entry.value)
            after = None if family is None else change(family, entry.now)
            if after is None or self.swap(member, entry.value, after):
                return after
        raise StoreError("the record of a session changed too often to be written")

    def swap(self, member: Member, value: bytes | None, family: Family) -> bool:
        """Write a family where ``value`` still stands, and tell whether it did."""
        return self._store.swap(_family_key(member.family), value, rules.encode_family(family), self._life(family))

    def wait(self, look: Look, seconds: float) -> Look | None:
        """Look at the family when it is no longer as it was; None after ``seconds``, or where its record is gone."""
        entry = self._store.wait(_family_key(look.member.family), look.value, seconds)
        return None if entry is None else self._opened(look.member, entry)

    def renew(self, look: Look) -> None:
        """Let the current row live as long as the cookie that is about to be handed over."""
        if look.now - look.family.refreshed_at > DAY and look.tokens.refresh_token is not None:
            named = self._fingerprint(look.tokens)
            self._write_row(look.member, look.family.current, look.tokens, named)
            self._store.touch(_row_key(named), self._lives)
            self._store.touch(_family_key(look.member.family), self._lives)

    def bury(self, member: Member, tokens: Tokens, family: Family) -> None:
        """Take away a refused family that nothing vouches for, and leave no more than why its refresh token is refused.

        Only what still stands as this caller wrote it is taken away: somebody may have gone on with it.
        """
        named = self._fingerprint(tokens)
        place = _grave_key(named)
        is_kept = self._store.swap(place, self._store.read(place).value, family.reason.encode(), HOUR)
        if is_kept and self._store.swap(_family_key(member.family), rules.encode_family(family), b"", 0):
            value = self._store.read(_row_key(named)).value
            row = rules.decode_row(value or b"")
            if row is not None and row.family == member.family:
                self._store.swap(_row_key(named), value, b"", 0)

    def buried(self, tokens: Tokens) -> str | None:
        """Tell why a refresh token is refused that has left nothing else."""
        value = self._store.read(_grave_key(self._fingerprint(tokens))).value
        return value.decode("ascii") if value is not None and _REASON.fullmatch(value) else None

    def refused_again(self, look: Look, tokens: Tokens, rule: str, now: float) -> None:
        """Remember since when a refresh token is refused in this way, unless it was good in between."""
        place = _refusals_key(self._fingerprint(tokens))
        entry = self._store.read(place)
        before = _decode_refusals(entry.value)
        same = before is not None and before.rule == rule and before.since >= look.family.refreshed_at
        since = before.since if before is not None and same else now
        self._store.swap(place, entry.value, json.dumps([rule, since]).encode(), DAY)

    def refusals(self, tokens: Tokens) -> Refusals | None:
        """Tell how a refresh token is refused, if it is by answers that no rule names."""
        return _decode_refusals(self._store.read(_refusals_key(self._fingerprint(tokens))).value)

    def _life(self, family: Family) -> float:
        """Garbage must not fill the store: a family that no refresh and no good token vouches for goes soon."""
        if not rules.is_vouched(family):
            return HOUR
        refused = family.state is State.REFUSED and family.current == 0
        return HOUR if refused else self._lives

    def _let_rows_live(self, before: Family, after: Family) -> None:
        first = before.refreshed_at == 0
        for named in rules.no_longer_welcome(before, after):
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
        return rules.encode_row(Row(member.family, generation, sealed))

    def _row(self, named: str) -> Row | None:
        value = self._store.read(_row_key(named)).value
        return None if value is None else rules.decode_row(value)

    def _sealed(self, member: Member, tokens: Tokens, leads_to: Member | None = None) -> bytes:
        lead = [] if leads_to is None else [leads_to.family, leads_to.generation, leads_to.key.hex()]
        said = astuple(tokens)[:_GENUINE]
        mark = tokens.genuine and self._marks.of(member.family, said)
        return seal(member.key, json.dumps([*said, mark, *lead]).encode(), member.family)

    def _opened(self, member: Member, entry: Entry) -> Look | None:
        if entry.value is None:
            return None
        family = rules.decode_family(entry.value)
        plain = None if family is None else unseal(member.key, family.sealed, member.family)
        if family is None or plain is None:
            return None
        try:
            said = listed(plain, _GENUINE + 1)
            tokens, leads_to = self._tokens(member, said[:_GENUINE], said[_GENUINE]), _lead(said[_GENUINE + 1 :])
        except ValueError:
            return None
        return Look(member, entry.value, rules.as_of(family, entry.now), tokens, entry.now, leads_to)

    def _tokens(self, member: Member, said: list[Any], mark: object) -> Tokens:
        """Read tokens: those that came out of a browser are no pair, and genuine is what bears our mark."""
        tokens = tokens_of(said)
        tokens = replace(tokens, genuine=self._marks.are_genuine(mark, member.family, said))
        return tokens if mark else unproven(tokens)

    def _fingerprint(self, tokens: Tokens) -> str:
        return fingerprint(self._identity, tokens.refresh_token or "")


def unproven(tokens: Tokens) -> Tokens:
    """Leave out an access token that nobody has verified."""
    return replace(tokens, access_token=None, expires_at=None, lifetime=None)


def _lead(said: list[Any]) -> Member | None:
    if not said:
        return None
    family, generation, key = said[:3]
    return Member(name(family), count(generation), bytes.fromhex(name(key)))


def _decode_refusals(value: bytes | None) -> Refusals | None:
    try:
        rule, since, *_ = listed(value or b"[]", 2)
        known, since = text(rule), numeric_date(since)
    except ValueError:
        return None
    return None if since is None else Refusals(known, since)


def _row_key(named: str) -> str:
    return f"row:{named}"


def _family_key(family: str) -> str:
    return f"family:{family}"


def _grave_key(named: str) -> str:
    return f"no:{_short(named)}"


def _refusals_key(named: str) -> str:
    return f"refusals:{_short(named)}"


def _short(named: str) -> str:
    """Shorten a fingerprint to 128 bits: there may be many of these."""
    return urlsafe_b64encode(bytes.fromhex(named[:32])).decode().rstrip("=")
