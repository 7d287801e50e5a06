"""The whole walk of a request."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

from . import wsgi
from .authorization_server.token_endpoint import TokenEndpoint
from .errors import StoreError
from .holding import NOTHING, Assessor, Found, Held, Verifier
from .ledger.flight import Flight
from .ledger.rules import SEND_WITHIN
from .ledger.single_flight import WAIT_TIMEOUT, Refresher
from .observing.journal import Journal
from .observing.worker import is_wanted
from .passing import Passing
from .policy.decision import (
    ANONYMOUS,
    LIVE,
    Access,
    Answer,
    Decision,
    Pass,
    Redirect,
    Refresh,
    Refuse,
    Request,
    decide,
    lets_guests_in,
    may_refresh,
    settle,
)
from .policy.paths import is_plain
from .policy.routes import Routes, Rule
from .sessions.cookies import MOST_VALUES
from .sessions.kind import SessionKind
from .sessions.several import Several
from .sessions.token_cookies import TokenCookies
from .settings import read_settings
from .stores.default import default_store
from .stores.protocol import Store
from .token_session import KEY, SIGNED_IN, Seen, Services, TokenSession, show
from .tokens import Rejected, Tokens
from .wiring import check_arguments, refuse_to_wrap_itself

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_NO_FLIGHT = Flight(None)
_PUBLIC, _OPTIONAL, _PROTECTED = Rule.PUBLIC, Rule.OPTIONAL, Rule.PROTECTED
_PASSING_METHODS = ("GET", "HEAD")

log = logging.getLogger("wsgi_token_refresh")


@dataclass(frozen=True, slots=True)
class _Decided:
    """Everything that is known about a request once it has been decided; ``shown`` are the tokens that it came with."""

    request: Request
    rule: Rule
    found: Sequence[Found]
    shown: Tokens
    held: Held
    flight: Flight
    decision: Answer


class TokenRefreshMiddleware:
    """Keeps the users of a WSGI application signed in.

    ``refresh_before`` is how many seconds before its expiry an access token is refreshed, at most; ``hand_over``
    is for how many seconds a browser that was already seen with newer tokens may still show older ones;
    ``wait_timeout`` is for how many seconds a request waits for the refresh of another one before it is a 503.
    ``session`` defaults to ``TokenCookies()``, ``store`` to a file for the workers of one host; ``session_reads`` are
    kinds of session that are read beside the one that is written. ``verifier=None`` must be said: then nobody is
    ``authenticated`` by a token that a browser showed. Raises ``ConfigurationError``.
    """

    def __init__(
        self,
        app: WSGIApplication,
        *,
        token_endpoint: TokenEndpoint,
        routes: Routes,
        verifier: Verifier | None,
        session: SessionKind | None = None,
        session_reads: Sequence[SessionKind] = (),
        store: Store | None = None,
        refresh_before: float = 300.0,
        hand_over: float = 600.0,
        wait_timeout: float = WAIT_TIMEOUT,
        authorization_header: bool = True,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        check_arguments(
            {
                "app": app,
                "token_endpoint": token_endpoint,
                "routes": routes,
                "verifier": verifier,
                "session": session,
                "store": store,
            },
            {"refresh_before": refresh_before, "hand_over": hand_over, "wait_timeout": wait_timeout},
            authorization_header=authorization_header,
            clock=clock,
            monotonic=monotonic,
        )
        kind: SessionKind = TokenCookies() if session is None else session
        several = Several(kind, session_reads)
        kind = several if session_reads else kind
        store = default_store(clock=clock) if store is None else store
        self._app = app
        self._routes = routes
        self._kind = kind
        self._load_each = several.load_each
        self._clock = clock
        longest_call = token_endpoint.timeout + token_endpoint.answer_timeout + SEND_WITHIN
        self._journal = Journal(clock, monotonic, url=token_endpoint.identity[0], longest_call=longest_call)
        self._refresh_before = refresh_before
        self._refresher = Refresher(
            store,
            token_endpoint,
            refresh_before=refresh_before,
            hand_over=hand_over,
            lives=kind.refresh_max_age,
            wait_timeout=wait_timeout,
            secrets=lambda: kind.secrets,
            clock=clock,
            monotonic=monotonic,
        )
        self._caller = self._refresher.caller
        self._assessor = Assessor(
            verifier, refresh_before=refresh_before, clock=clock, authenticates=kind.authenticates
        )
        self._passing = Passing(refresh_before=refresh_before, clock=clock)
        self._services = Services(
            kind,
            token_endpoint,
            self._refresher,
            self._assessor,
            clock,
            authorization_header,
            self._journal,
            self._passing.distrust,
        )
        self._journal.started(token_endpoint, routes, kind, store, verifier)

    @classmethod
    def from_settings(
        cls, app: WSGIApplication, settings: Mapping[str, object] | None = None
    ) -> TokenRefreshMiddleware:
        """Wrap an application as flat settings say, those of the environment (``TOKEN_REFRESH_*``) included.

        Raises ``ConfigurationError``, which names every wrong setting and its cure.
        """
        return cls(app, **read_settings(settings))

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Walk one request from its cookies to its answer (PEP 3333)."""
        try:
            if self._caller.awaits:
                self._caller.collect()
            passed = self._pass_known(environ, start_response)
            return self._walk(environ, start_response) if passed is None else passed
        except RecursionError:
            refuse_to_wrap_itself(self, TokenRefreshMiddleware.__call__)
            raise

    def _walk(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        began = self._clock()
        request, rule = wsgi.read_request(environ, self._routes.is_trusted), self._rule_for(environ)
        if KEY in environ:
            self._journal.wrapped_twice()
        found, flight = self._found(environ, request, rule), _NO_FLIGHT
        held = self._assessor.first_session(found)
        shown = held.tokens
        decision = decide(
            rule, request, held.access, refreshable=held.refreshable, passes_preflight=self._routes.passes_preflight
        )
        if isinstance(decision, Refresh) or self._is_to_be_looked_up(rule, decision, held):
            looks, may_call = not isinstance(decision, Refresh), may_refresh(rule, request)
            held, flight = self._consult(held, _tokens_of(found), looks=looks, may_call=may_call)
            shown = held.tokens
            held = self._services.landed(flight, held)
            decision = _with_a_way_out(settle(rule, request, held.access, flight.outcome), flight)
        self._journal.decided(environ, rule, decision, flight, held=held, began=began)
        decided = _Decided(request, rule, found, shown, held, flight, decision)
        return self._carry_out(environ, start_response, decided)

    # Passing: what every request pays.

    def _pass_known(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes] | None:
        """Pass a request about which the memo knows all that there is to decide."""
        if SIGNED_IN in environ and environ[SIGNED_IN].state == LIVE:
            return self._pass_signed_in(environ, start_response)
        rule, cookie = self._routes.known(environ.get("PATH_INFO", "")), environ.get("HTTP_COOKIE", "")
        if environ["REQUEST_METHOD"] not in _PASSING_METHODS or "HTTP_UPGRADE" in environ:
            return None
        if wsgi.VIRTUAL_ROOT in environ or ((root := environ.get("SCRIPT_NAME")) and not is_plain(root)):
            return None
        if rule is _PUBLIC:
            return self._pass_public(environ, start_response, cookie)
        known = self._passing.known(cookie)
        if known is None or (rule is not _PROTECTED and rule is not _OPTIONAL):
            return None
        session = TokenSession(self._services, environ, cookie, known.held, LIVE)
        environ[KEY] = session
        show(environ, known.seen)
        if log.isEnabledFor(logging.DEBUG):
            self._journal.passed(environ)
        return self._app(environ, wsgi.with_cookies(start_response, session))

    def _pass_signed_in(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes] | None:
        """Pass a test's request as that of somebody who is signed in, by the rules; None where they do not matter."""
        request, session = wsgi.read_request(environ, self._routes.is_trusted), environ[SIGNED_IN]
        decision = decide(self._rule_for(environ), request, Access.FRESH, refreshable=False)
        if decision == Pass(LIVE):
            return self._app(environ, wsgi.with_cookies(start_response, session))
        if isinstance(decision, Redirect):
            return wsgi.redirect(environ, start_response, decision, self._routes.home_url, ())
        return None

    def _pass_public(self, environ: WSGIEnvironment, start_response: StartResponse, cookie: str) -> Iterable[bytes]:
        """Pass a request on a public path: as it came, less the refresh cookie."""
        session = TokenSession(self._services, environ, cookie, NOTHING, ANONYMOUS)
        environ[KEY] = session
        show(environ, Seen(self._passing.public(cookie, self._kind.without_refresh_token)))
        return self._app(environ, wsgi.with_cookies(start_response, session))

    # Deciding.

    def _found(self, environ: WSGIEnvironment, request: Request, rule: Rule) -> Sequence[Found]:
        """Read what came along of each kind of session; nothing where another site sent it."""
        if rule is Rule.PUBLIC or request.cross_site:
            return ()
        found = self._load_each(environ.get("HTTP_COOKIE", ""))
        for each in found:
            if isinstance(each, StoreError):
                self._journal.store_down(each)
        return found

    def _rule_for(self, environ: WSGIEnvironment) -> Rule:
        return max(map(self._routes.rule_for, wsgi.paths_of(environ)))

    def _is_to_be_looked_up(self, rule: Rule, decision: Answer, held: Held) -> bool:
        if self._kind.is_shared or decision != Pass(LIVE) or lets_guests_in(rule) or not held.refreshable:
            return False
        return not self._passing.trusts(held.tokens)

    def _consult(self, held: Held, candidates: Sequence[Tokens], *, looks: bool, may_call: bool) -> tuple[Held, Flight]:
        """Ask the ledger about the tokens held, and about the next ones where that session is over.

        Gives those for which it spoke, and what it said: a session that is over is never that of the next ones.
        """
        limit = self._refresher.limit()
        ask = self._look_up if looks or not may_call else self._refresh
        flight, shown = ask(held, limit), held.tokens
        for other in (self._assessor.assess(each) for each in candidates if _is_another(each, shown)):
            if not _is_over(flight):
                break
            found = ask(other, limit)
            if may_call and _says_nothing(found, other):
                found = self._refresh(other, limit)
            if not _is_over(found) and not _says_nothing(found, other):
                held, flight = other, found
        return held, flight

    def _look_up(self, held: Held, limit: float) -> Flight:
        return self._refresher.look_up(held.tokens)

    def _refresh(self, held: Held, limit: float) -> Flight:
        good = held.access.good
        vouched = good or self._assessor.vouches(held.tokens)
        return self._refresher.refresh(held.tokens, good=good, vouched=vouched, limit=limit)

    # Carrying out.

    def _carry_out(self, environ: WSGIEnvironment, start_response: StartResponse, decided: _Decided) -> Iterable[bytes]:
        cookie, decision = environ.get("HTTP_COOKIE", ""), decided.decision
        state = decision.state if isinstance(decision, Pass) else ANONYMOUS
        unread = decided.rule is Rule.PUBLIC and not decided.request.cross_site
        unread = unread or any(isinstance(each, StoreError) for each in decided.found)
        came_along = None if unread else _tokens_of(decided.found)
        session = TokenSession(self._services, environ, cookie, decided.held, state)
        session.took(decided.flight, came_along, decided.shown)
        session.is_foreign = decided.request.cross_site and not self._routes.takes_posts(environ.get("PATH_INFO", ""))
        if isinstance(decision, Pass):
            environ[KEY] = session
            self._let_see(session, cookie, decided, state)
            if decided.flight.late:
                return self._pass_late(environ, start_response, session, decided.flight)
            return self._app(environ, wsgi.with_cookies(start_response, session))
        set_cookie = self._cookies_of_refusal(decision, decided.flight) or session.cookies()
        if isinstance(decision, Redirect):
            if decision.to_login and decided.request.callback:
                self._journal.callback_refused(environ)
            url = self._routes.login_url if decision.to_login else self._routes.home_url
            return wsgi.redirect(environ, start_response, decision, url, set_cookie)
        login_url = self._routes.login_url if decision.offers_login else None
        navigation = decided.request.navigation
        answer = wsgi.refuse(
            environ, start_response, decision, navigation=navigation, login_url=login_url, set_cookie=set_cookie
        )
        if decided.flight.late:
            return wsgi.closing(answer, partial(self._finish, environ, decided.flight), self._caller.collect)
        return answer

    def _pass_late(
        self, environ: WSGIEnvironment, start_response: StartResponse, session: TokenSession, flight: Flight
    ) -> Iterable[bytes]:
        """Pass a request whose own call is unanswered yet: its thread waits on once the response has gone out."""
        try:
            answer = self._app(environ, wsgi.with_cookies(start_response, session))
        except Exception:
            self._finish(environ, flight)
            raise

        def finish() -> None:
            # Where only the end of the connection ends a response, that is not to wait.
            if session.ends_by_length or environ.get("SERVER_PROTOCOL") != "HTTP/1.0":
                self._finish(environ, flight)

        return wsgi.closing(answer, finish, self._caller.collect)

    def _finish(self, environ: WSGIEnvironment, flight: Flight) -> None:
        """Let the answer to a call be read after its request was answered; by a worker's only thread not for long."""
        self._refresher.finish(flight, partial(is_wanted, environ), to_the_end=bool(environ.get("wsgi.multithread")))

    def _let_see(self, session: TokenSession, cookie: str, decided: _Decided, state: str) -> None:
        if lets_guests_in(decided.rule):
            session.show_to_guests()
            return
        seen = session.show()
        fresh = decided.held.access is Access.FRESH and decided.flight.outcome is None
        if fresh and state == LIVE and self._kind.may_be_remembered:
            self._passing.remember(cookie, decided.held, seen)

    def _cookies_of_refusal(self, decision: Decision, flight: Flight) -> list[str]:
        """Expire the cookies of a refused family: on the way to the login page, and once."""
        goes = isinstance(decision, Redirect) and decision.to_login
        if goes and flight.member is not None and _is_over(flight) and self._refresher.take_refusal(flight.member):
            return self._kind.expire()
        return []


def _is_another(tokens: Tokens, shown: Tokens) -> bool:
    return tokens.refresh_token not in (None, shown.refresh_token)


def _tokens_of(found: Sequence[Found]) -> Sequence[Tokens]:
    """Give all tokens that were read, in the order in which they are to be tried."""
    read = [tokens for each in found if not isinstance(each, StoreError) for tokens in each]
    return read[:MOST_VALUES]


def _with_a_way_out(decision: Answer, flight: Flight) -> Answer:
    """Offer the login page where a session can only end, and nothing says so."""
    offers = flight.stuck and isinstance(decision, Refuse) and decision.status == HTTPStatus.SERVICE_UNAVAILABLE
    return replace(decision, offers_login=True) if offers and isinstance(decision, Refuse) else decision


def _is_over(flight: Flight) -> bool:
    return isinstance(flight.outcome, Rejected) and flight.outcome.ends_session


def _says_nothing(flight: Flight, held: Held) -> bool:
    """Tell whether nobody knows that these tokens are a session."""
    return flight.outcome is None and not held.access.good
