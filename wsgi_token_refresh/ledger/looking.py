"""Finding the family of what a request shows, and founding it where there is none."""

from __future__ import annotations

from dataclasses import replace

from ..errors import StoreError
from ..tokens import Rejected, Tokens
from . import rules
from .flight import Asked, Flight
from .records import ATTEMPTS, Look, Records, unproven
from .rules import State

MOST_UNSAVED = 256


class Looking:
    """Looks families up in their records; may raise ``StoreError``. ``hand_over`` is in seconds."""

    def __init__(self, records: Records, hand_over: float) -> None:
        self.records = records
        self.unsaved: dict[str, tuple[Look, Tokens]] = {}
        self._hand_over = hand_over

    def look(self, asked: Asked) -> Look | Flight:
        """Look at the record of what is shown; whoever finds none founds it."""
        self.save()
        for _ in range(ATTEMPTS):
            look = self.find(asked.tokens)
            ahead = 0 if look is None else look.member.generation - look.family.current
            if look is None:
                if (answer := self._found(asked)) is not None:
                    return answer
            elif ahead > 1:
                self.records.found(_known(asked), vouched=asked.vouched, replaces=True)
            elif ahead == 1 and look.family.state is State.LIVE:
                # Its fetcher could write the row and no more: what is shown here is what it got.
                oldest = replace(look.member, generation=look.family.oldest)
                self.records.keep(replace(look, member=oldest), _known(asked), self._hand_over)
            else:
                return look
        raise StoreError("the record of a session vanished as often as it was written")

    def find(self, tokens: Tokens) -> Look | None:
        """Find the family of these tokens, or the one to which it gave way while they were welcome."""
        look = self.records.find(tokens)
        for _ in range(ATTEMPTS):
            if look is None or look.leads_to is None:
                return look
            if not rules.is_welcome(look.family, look.member.generation, look.now, self._hand_over):
                return look
            look = self.records.look(look.leads_to)
        return look

    def save(self) -> None:
        """Write down what could not be written while the store was down."""
        for family, (look, tokens) in list(self.unsaved.items()):
            self.records.keep(look, tokens, self._hand_over)
            self.unsaved.pop(family, None)

    def save_later(self, look: Look, tokens: Tokens) -> None:
        """Remember new tokens that the store did not take."""
        if len(self.unsaved) < MOST_UNSAVED:
            self.unsaved[look.member.family] = (look, tokens)

    def _found(self, asked: Asked) -> Flight | None:
        """Found a family, unless one that nothing vouched for was refused and is gone."""
        reason = None if asked.vouched else self.records.buried(asked.tokens)
        if reason is not None:
            return Flight(Rejected(reason))
        self.records.found(_known(asked), vouched=asked.vouched)
        return None


def _known(asked: Asked) -> Tokens:
    """Give what may be written of what is shown: only a seal of ours says that two tokens belong together."""
    return asked.tokens if asked.tokens.genuine else unproven(asked.tokens)
