"""What is written to the log, and how often."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..holding import Held
from ..ledger.flight import Flight
from ..ledger.single_flight import STORE_DOWN
from ..per_process import PerProcess
from ..policy.decision import Answer, Pass, Redirect
from ..policy.routes import Rule
from ..tokens import Refreshed, Rejected, Unreachable
from .worker import killed_after

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

MINUTE = 60.0
_MOST_CAUSES = 128
_LONGEST_SHOWN = 128

log = logging.getLogger("wsgi_token_refresh")


class Journal:
    """Writes what was decided to the logger ``wsgi_token_refresh``; never a token, and no cause twice a minute.

    ``url`` is that of the token endpoint, ``longest_call`` how many seconds a call to it can take.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        monotonic: Callable[[], float] = time.monotonic,
        *,
        url: str = "its URL",
        longest_call: float = 0.0,
    ) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._url = url.partition("?")[0]
        self._told: dict[str, float] = {}
        self._worker = PerProcess(lambda: self._check_worker(longest_call))

    def started(self, endpoint: object, routes: object, kind: object, store: object, verifier: object) -> None:
        """Say what was configured, and what that does not protect from."""
        log.info("%r, %r, %r, %r", routes, endpoint, kind, store)
        for warning in getattr(routes, "warnings", ()):
            log.warning("%s", warning)
        if verifier is None and not getattr(kind, "authenticates", False):
            log.warning(
                "verifier=None: nobody is authenticated, and a protected route only means that there is a token "
                "cookie; the API behind must check the token. Give a JwtVerifier where this application trusts it"
            )

    def decided(
        self, environ: WSGIEnvironment, rule: Rule, decision: Answer, flight: Flight, *, held: Held, began: float
    ) -> None:
        """Write a line for a request (DEBUG), and one for what somebody should know."""
        self._worker.get()
        self.consulted(flight)
        self._waited_for_itself(environ, flight)
        if rule is Rule.PUBLIC or not log.isEnabledFor(logging.DEBUG):
            return
        now = self._clock()
        left = (held.tokens.expires_at or now) - now
        log.debug(
            "%s %s %s: %s in %.0f ms (%.0f s left) session=%s",
            environ.get("REQUEST_METHOD"),
            ascii(environ.get("PATH_INFO"))[1:-1],
            rule.name.lower(),
            _in_words(decision, flight),
            1000 * (now - began),
            left,
            _name(flight),
        )

    def passed(self, environ: WSGIEnvironment) -> None:
        """Write the line for a request that the memo knew."""
        log.debug("%s %s: passed", environ.get("REQUEST_METHOD"), ascii(environ.get("PATH_INFO"))[1:-1])

    def error(self, message: str) -> None:
        """Say what somebody must put right."""
        self._once(logging.ERROR, message)

    def store_down(self, why: object) -> None:
        """Say that nothing is refreshed meanwhile, and why; an error of a store shows no record."""
        message = f"{STORE_DOWN} ({why}): nobody is logged out by that, and nothing is refreshed meanwhile"
        self._once(logging.WARNING, message, cause=STORE_DOWN)

    def misconfigured(self, reason: str) -> None:
        """Say that what the authorization server issues is not what the verifier wants."""
        self.error(
            f"the access token that the authorization server has just issued fails verification: {reason}; "
            "put the verifier right (audience, issuer, algorithms, key), or this host's clock",
        )

    def wrapped_twice(self) -> None:
        """Say that the inner one of two middlewares has no refresh token to end or to refresh."""
        self.error(
            "TokenRefreshMiddleware wraps an application that it wraps already: the inner one sees no refresh token, "
            "and sign_out() and refresh() do nothing there; wrap the application once"
        )

    def callback_refused(self, environ: WSGIEnvironment) -> None:
        """Say that people come back from a provider to a path that asks for the session which they do not have yet."""
        path = ascii(environ.get("PATH_INFO"))[:_LONGEST_SHOWN]
        self._once(
            logging.ERROR,
            f"a sign-in at a provider came back to {path}, which is protected, so nobody gets in and browsers go round "
            f"for ever: let it pass by sign_in=[{path}] of Routes, or by the setting sign_in",
            cause="callback",
        )

    def consulted(self, flight: Flight) -> None:
        """Say what the ledger or the authorization server said, where somebody should know."""
        outcome, name = flight.outcome, _name(flight)
        if flight.down:
            self.store_down(flight.down)
        if isinstance(outcome, Refreshed) and flight.own:
            log.info("refreshed session=%s", name)
        elif isinstance(outcome, Unreachable) and flight.own:
            log.warning("no tokens from %s: %s session=%s", self._url, outcome.reason, name)
            if outcome.rule:
                self.error(f"{self._url} refused a refresh: {outcome.reason}; {_named(outcome.rule)}")
            elif outcome.shape:
                self.error(
                    f"{self._url} refused a refresh: {outcome.reason}; no rule of rejected can name that: let the "
                    "server say it by a code (RFC 6749 5.2), or nobody gets to the login but by a link, after a minute"
                )
        elif isinstance(outcome, Rejected) and not outcome.ends_session:
            otherwise = f"; {_named(outcome.rule)}" if outcome.rule else ""
            self.error(f"{self._url} refuses this client: {outcome.code}; put TokenEndpoint right{otherwise}")
        elif isinstance(outcome, Rejected):
            self._over(flight, outcome.code, name)

    def _check_worker(self, longest_call: float) -> bool:
        """Say, and tell, whether the server may kill its worker while it waits for an answer, somebody's session."""
        seconds, setting = killed_after() or (math.inf, "")
        if seconds <= longest_call:
            self.error(
                f"the {setting} is {seconds:g} s, and the answer to a refresh may take {longest_call:g} s: a worker "
                "that is killed then takes somebody's session along; give the server more, or answer_timeout less"
            )
        return seconds <= longest_call

    def _waited_for_itself(self, environ: WSGIEnvironment, flight: Flight) -> None:
        """Say that the authorization server may be behind the very workers that wait for its answer."""
        outcome = flight.outcome
        if not (flight.own or flight.late) or not isinstance(outcome, Unreachable) or not outcome.sent:
            return
        parts = urlsplit(self._url)
        theirs = {parts.netloc, f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"}
        ours = {environ.get("HTTP_HOST"), f"{environ.get('SERVER_NAME')}:{environ.get('SERVER_PORT')}"}
        if theirs & ours and not outcome.reason.startswith("HTTP"):
            self.error(
                f"{self._url} gave no answer, and it is on the server that asks: workers that wait for an answer of "
                "their own never get it. Let the authorization server have processes of its own (docs/deployment.md)"
            )

    def _over(self, flight: Flight, code: str, name: str) -> None:
        if code == "spent":
            log.warning("a refresh token was shown that was replaced long ago (reuse) session=%s", name)
        elif code == "subject_changed":
            log.warning("session over: its refresh token is somebody else's than its access token session=%s", name)
        elif flight.own and flight.lost:
            log.warning(
                "session over: %s. The answer to the refresh before this one was lost (%s), and the authorization "
                "server had rotated by then session=%s",
                code,
                flight.lost,
                name,
            )
        elif flight.own:
            log.warning("session over: the authorization server refused the refresh token: %s session=%s", code, name)

    def _once(self, level: int, message: str, *, cause: str | None = None) -> None:
        now, cause = self._monotonic(), cause or message
        if now - self._told.get(cause, -MINUTE) >= MINUTE:
            if len(self._told) >= _MOST_CAUSES:
                self._told.clear()
            self._told[cause] = now
            log.log(level, "%s", message)


def _named(rule: str) -> str:
    return f"if that says that the refresh token is good no more, add {rule!r} to rejected, or nobody gets to the login"


def _name(flight: Flight) -> str:
    return "-" if flight.member is None else flight.member.name


def _in_words(decision: Answer, flight: Flight) -> str:
    if isinstance(decision, Pass):
        if isinstance(flight.outcome, Refreshed):
            return "refreshed" if flight.own else "handed over"
        return " ".join(("passed", decision.state, decision.reason)).strip()
    if isinstance(decision, Redirect):
        return f"303 {decision.reason}"
    return f"{decision.status} {decision.reason}"
