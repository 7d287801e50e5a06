"""What a request asks of the ledger, and what the ledger says to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ..tokens import Outcome, Tokens
from .records import Member


class Endpoint(Protocol):
    """What single flight needs of a token endpoint.

    ``timeout`` is within how many seconds a request is sent, ``answer_timeout`` how long its answer is waited for then.
    ``max_calls`` is how many may go out at once from a process.
    """

    timeout: float
    answer_timeout: float
    max_calls: int
    single_use: bool
    old_access_token_survives: bool
    identity: tuple[str, str]

    def refresh(self, token: str, *, patience: float, may_send: Callable[[], bool]) -> Outcome:
        """Ask for new tokens, and wait ``patience`` seconds for the answer to what was sent."""

    def revoke(self, token: str) -> str | None:
        """Revoke a refresh token; a reason where that failed."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request shows; ``good`` is whether its access token was verified and has not expired.

    ``vouched`` is whether it was verified, expired or not. ``limit`` is until when the request may wait for others
    (monotonic seconds). ``forced`` is whether a session asks that was let in already, and whose token somebody refused:
    a stream may outlive the time in which its tokens are welcome.
    """

    tokens: Tokens
    good: bool
    vouched: bool
    limit: float = 0.0
    forced: bool = False


@dataclass(frozen=True, slots=True)
class Flight:
    """What the ledger says to a request.

    ``outcome`` is None where the tokens that it has are the ones to go on with. ``own`` is True where this
    request itself asked the authorization server. ``member`` is None where the ledger could not be read, or has no
    record. ``lost`` is why the answer to the refresh before this one never came, where that may have been processed.
    ``shown`` are the tokens of a request that went on without the ledger, ``down`` is why the store could not be asked.
    ``stuck`` is True where the refresh is refused for a while already, by answers that no rule names.
    ``late`` is True where the answer to the call of this request is still to come.
    """

    outcome: Outcome | None
    member: Member | None = None
    own: bool = False
    lost: str = ""
    shown: Tokens | None = None
    down: str = ""
    late: bool = False
    stuck: bool = False
