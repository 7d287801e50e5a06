"""What is written to the log, and how often."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from .decision import Answer, Pass, Redirect
from .holding import Held
from .refresher import STORE_DOWN, Flight
from .routes import Rule
from .tokens import Refreshed, Rejected, Unreachable

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

MINUTE = 60.0
_MOST_CAUSES = 128

log = logging.getLogger("wsgi_token_refresh")


class Journal:
    """Writes what was decided to the logger ``wsgi_token_refresh``; never a token, and no cause twice a minute.

    ``url`` is that of the token endpoint.
    """

    def __init__(
        self, clock: Callable[[], float], monotonic: Callable[[], float] = time.monotonic, *, url: str = "its URL"
    ) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._url = url.partition("?")[0]
        self._told: dict[str, float] = {}

    def started(self, endpoint: object, routes: object, kind: object, store: object, verifier: object) -> None:
        """Say what was configured, and what that does not protect from."""
        log.info("%r, %r, %r, %r", routes, endpoint, kind, store)
        if verifier is None and not getattr(kind, "authenticates", False):
            log.warning(
                "verifier=None: nobody is authenticated, and a protected route only means that there is a token "
                "cookie; the API behind must check the token. Give a JwtVerifier where this application trusts it"
            )

    def decided(
        self, environ: WSGIEnvironment, rule: Rule, decision: Answer, flight: Flight, *, held: Held, began: float
    ) -> None:
        """Write a line for a request (DEBUG), and one for what somebody should know."""
        self.consulted(flight)
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

    def consulted(self, flight: Flight) -> None:
        """Say what the ledger or the authorization server said, where somebody should know."""
        outcome, name = flight.outcome, _name(flight)
        if flight.down:
            self.store_down(flight.down)
        if isinstance(outcome, Refreshed) and flight.own:
            log.info("refreshed session=%s", name)
        elif isinstance(outcome, Unreachable) and flight.own:
            log.warning("no tokens from %s: %s session=%s", self._url, outcome.reason, name)
        elif isinstance(outcome, Rejected) and not outcome.ends_session:
            self.error(f"{self._url} refuses this client: {outcome.code}; put TokenEndpoint right")
        elif isinstance(outcome, Rejected):
            self._over(flight, outcome.code, name)

    def _over(self, flight: Flight, code: str, name: str) -> None:
        if code == "spent":
            log.warning("a refresh token was shown that was replaced long ago (reuse) session=%s", name)
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
