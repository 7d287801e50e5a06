"""What is decided about a request, as data: :func:`decide` before a refresh, :func:`settle` after it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from .routes import Rule
from .tokens import Freshness, Outcome, Refreshed, Rejected, Unreachable


class Access(Enum):
    """How an access token stands once it has been verified."""

    FRESH = "good for longer than the window"
    DUE = "in the window"
    SHORT = "within the margin"
    LEEWAY = "expired, but within the leeway"
    BAD = "expired, missing, unreadable, or failing verification"
    UNKNOWN = "cannot be verified just now"
    UNREAD = "lies in a store that is down"

    @property
    def good(self) -> bool:
        """Tell whether it has been verified and has not expired."""
        return self in (Access.FRESH, Access.DUE, Access.SHORT)


@dataclass(frozen=True, slots=True)
class Request:
    """What a decision depends on of a request."""

    method: str = "GET"
    navigation: bool = False
    prefetch: bool = False
    cross_site: bool = False
    preflight: bool = False
    websocket: bool = False
    subresource: bool = False
    has_next: bool = False
    malformed: bool = False


@dataclass(frozen=True, slots=True)
class Pass:
    """The application answers, with the session that there is."""

    state: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Refresh:
    """Newer tokens are wanted first; ``look_only`` where they may be taken from the ledger and no other place."""

    look_only: bool = False


@dataclass(frozen=True, slots=True)
class Redirect:
    """303 to ``login_url`` or ``home_url``."""

    to_login: bool
    reason: str
    with_next: bool = False


@dataclass(frozen=True, slots=True)
class Refuse:
    """An answer of ours with this status."""

    status: int
    reason: str
    retry_after: float | None = None


Answer = Pass | Redirect | Refuse
Decision = Answer | Refresh

LIVE, ANONYMOUS, UNAVAILABLE = "live", "anonymous", "unavailable"
_NO_SESSION = "no_session"
_NOBODY_CAN_SAY = {Access.UNKNOWN: "keys_unavailable", Access.UNREAD: "store_down"}


def decide(
    rule: Rule, request: Request, access: Access, *, refreshable: bool, passes_preflight: bool = False
) -> Decision:
    """Decide about a request from what it shows; ``refreshable`` is whether it has a refresh token."""
    if request.malformed:
        return Refuse(400, "malformed_path")
    if rule is Rule.PUBLIC:
        return Pass(ANONYMOUS)
    if rule in (Rule.LOGIN, Rule.GUEST_ONLY):
        return _for_guests(rule, request, access)
    if request.cross_site or (request.preflight and rule is Rule.PROTECTED):
        return _for_strangers(rule, request, passes_preflight)
    return _for_members(rule, request, access, refreshable)


def may_refresh(rule: Rule, request: Request) -> bool:
    """Tell whether a request may wait for the authorization server: not a handshake, nor what a page embeds."""
    return not (request.websocket or (request.subresource and rule is Rule.OPTIONAL))


def settle(rule: Rule, request: Request, access: Access, outcome: Outcome | None) -> Answer:
    """Decide after a refresh gave ``outcome``; ``access`` is how the token stands that there is now.

    ``outcome`` is None where the tokens that the request has are the ones to go on with.
    """
    if isinstance(outcome, Rejected) and outcome.ends_session:
        return _over(rule, request, outcome.code)
    if access.good:
        return Pass(LIVE)
    if outcome is None:
        return _over(rule, request, _NO_SESSION)
    if isinstance(outcome, Refreshed):
        return _unavailable(rule, "unverified", None)
    if isinstance(outcome, Unreachable):
        return _unavailable(rule, outcome.reason, outcome.retry_after)
    return _unavailable(rule, outcome.code, None)


def access_of(freshness: Freshness) -> Access:
    """Tell how a verified token stands that is not past the leeway."""
    return Access.LEEWAY if freshness is Freshness.EXPIRED else Access[freshness.name]


def _for_guests(rule: Rule, request: Request, access: Access) -> Answer:
    if request.cross_site:
        return Pass(ANONYMOUS, "cross_site")
    if not access.good:
        return Pass(ANONYMOUS)
    goes_home = rule is Rule.GUEST_ONLY and request.method == "GET" and request.navigation and not request.has_next
    return Redirect(False, "signed_in") if goes_home else Pass(LIVE)


def _for_strangers(rule: Rule, request: Request, passes_preflight: bool) -> Answer:
    if request.preflight:
        return Pass(ANONYMOUS, "preflight") if passes_preflight else Refuse(204, "preflight")
    return Refuse(403, "cross_site") if rule is Rule.PROTECTED else Pass(ANONYMOUS, "cross_site")


def _for_members(rule: Rule, request: Request, access: Access, refreshable: bool) -> Decision:
    if access in _NOBODY_CAN_SAY:
        return _unavailable(rule, _NOBODY_CAN_SAY[access], None)
    if access is Access.FRESH or (access.good and not refreshable) or (access is Access.LEEWAY and not refreshable):
        return Pass(LIVE)
    if not refreshable:
        return _over(rule, request, _NO_SESSION)
    if request.websocket:
        return Pass(LIVE) if access.good else Refresh(look_only=True)
    if request.subresource and rule is Rule.OPTIONAL:
        return Pass(LIVE) if access.good else Pass(ANONYMOUS, "subresource")
    return Refresh()


def _over(rule: Rule, request: Request, reason: str) -> Answer:
    if rule is Rule.OPTIONAL:
        return Pass(ANONYMOUS, reason)
    if request.navigation and not request.prefetch and not request.websocket:
        return Redirect(True, reason, with_next=request.method in ("GET", "HEAD"))
    return Refuse(401, reason)


def _unavailable(rule: Rule, reason: str, retry_after: float | None) -> Answer:
    return Pass(UNAVAILABLE, reason) if rule is Rule.OPTIONAL else Refuse(503, reason, retry_after)
