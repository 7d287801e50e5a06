"""What is decided about a request, as data: :func:`decide` before a refresh, :func:`settle` after it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from ..tokens import Freshness, Outcome, Refreshed, Rejected
from .routes import Rule


class Access(Enum):
    """How an access token stands once it has been verified."""

    FRESH = "good for longer than the window"
    DUE = "in the window"
    SHORT = "within the margin"
    LEEWAY = "expired, but within the leeway"
    UNSAID = "says nothing of its end, and may be good"
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
    too_long: bool = False
    callback: bool = False


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
    """An answer of ours with this status; ``offers_login`` where a person may rather sign in again than wait."""

    status: int
    reason: str
    retry_after: float | None = None
    offers_login: bool = False


Answer = Pass | Redirect | Refuse
Decision = Answer | Refresh

LIVE, ANONYMOUS, UNAVAILABLE = "live", "anonymous", "unavailable"
_NO_SESSION = "no_session"
_NOBODY_CAN_SAY = {Access.UNKNOWN: "keys_unavailable", Access.UNREAD: "store_down"}


def decide(
    rule: Rule, request: Request, access: Access, *, refreshable: bool, passes_preflight: bool = False
) -> Decision:
    """Decide about a request from what it shows; ``refreshable`` is whether it has a refresh token.

    A rule that is not known here is as strict as ``PROTECTED``, and so everywhere.
    """
    if request.too_long:
        return Refuse(414, "path_too_long")
    if request.malformed:
        return Refuse(400, "malformed_path")
    if rule is Rule.PUBLIC:
        return Pass(ANONYMOUS)
    if lets_guests_in(rule):
        return _for_guests(rule, request, access)
    if request.cross_site or (request.preflight and rule is not Rule.OPTIONAL):
        return _for_strangers(rule, request, passes_preflight)
    return _for_members(rule, request, access, refreshable)


def lets_guests_in(rule: Rule) -> bool:
    """Tell whether a rule is for people who are not signed in, so that nothing is refreshed or hidden for it."""
    return rule is Rule.PUBLIC or rule is Rule.LOGIN or rule is Rule.GUEST_ONLY


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
    is_asked = outcome is not None or not may_refresh(rule, request)
    if access is Access.UNSAID and is_asked and not isinstance(outcome, Refreshed):
        # Nobody has said that it is bad: better shown to an API that may take it than kept from it by an outage.
        return Pass(LIVE)
    if outcome is None:
        return _over(rule, request, _NO_SESSION)
    if isinstance(outcome, Refreshed):
        return _unavailable(rule, "unverified", None)
    reason, after = (outcome.code, None) if isinstance(outcome, Rejected) else (outcome.reason, outcome.retry_after)
    return _unavailable(rule, reason, after)


def access_of(freshness: Freshness) -> Access:
    """Tell how a verified token stands that is not past the leeway."""
    return Access.LEEWAY if freshness is Freshness.EXPIRED else Access[freshness.name]


def _for_guests(rule: Rule, request: Request, access: Access) -> Answer:
    if request.cross_site:
        return Pass(ANONYMOUS, "cross_site")
    if not access.good:
        return Pass(ANONYMOUS)
    if rule is Rule.GUEST_ONLY and request.method == "GET" and request.navigation:
        # Who goes somewhere, or comes back from a provider, is not sent elsewhere.
        return Pass(LIVE) if request.has_next or request.callback else Redirect(False, "signed_in")
    return Pass(LIVE)


def _for_strangers(rule: Rule, request: Request, passes_preflight: bool) -> Answer:
    if request.preflight:
        return Pass(ANONYMOUS, "preflight") if passes_preflight else Refuse(204, "preflight")
    return Pass(ANONYMOUS, "cross_site") if rule is Rule.OPTIONAL else Refuse(403, "cross_site")


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
        return Pass(LIVE) if access.good or access is Access.UNSAID else Pass(ANONYMOUS, "subresource")
    return Refresh()


def _over(rule: Rule, request: Request, reason: str) -> Answer:
    if rule is Rule.OPTIONAL:
        return Pass(ANONYMOUS, reason)
    if request.navigation and not request.prefetch and not request.websocket:
        return Redirect(True, reason, with_next=request.method in ("GET", "HEAD") and not request.callback)
    return Refuse(401, reason)


def _unavailable(rule: Rule, reason: str, retry_after: float | None) -> Answer:
    return Pass(UNAVAILABLE, reason) if rule is Rule.OPTIONAL else Refuse(503, reason, retry_after)
