"""The whole walk of a request."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from . import wsgi
from .decision import (
    ANONYMOUS,
    LIVE,
    Access,
    Answer,
    Decision,
    Pass,
    Redirect,
    Refresh,
    Request,
    decide,
    may_refresh,
    settle,
)
from .errors import ConfigurationError, StoreError
from .holding import NOTHING, Assessor, Held, Verifier
from .journal import Journal
from .memo import Memo
from .paths import has_control_characters
from .refresher import STORE_DOWN, Flight, Refresher
from .routes import Routes, Rule
from .session_kind import SessionKind
from .sessions.several import Several
from .sessions.token_cookies import TokenCookies
from .settings import read_settings
from .store import Store
from .stores.default import default_store
from .token_endpoint import TokenEndpoint
from .token_session import KEY, SIGNED_IN, Services, TokenSession, is_bearer, show
from .tokens import Rejected, Tokens, refresh_window

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

TRUSTED_FOR = 30.0
"""Seconds for which the pass path trusts its memo, for each session and process."""
_NO_FLIGHT = Flight(None)
_UNREAD = Held(Tokens(), Access.UNREAD, reason=STORE_DOWN)
_MOST_PATHS = 4096
_PUBLIC, _OPTIONAL, _PROTECTED = Rule.PUBLIC, Rule.OPTIONAL, Rule.PROTECTED
_LONGEST_PATH = 512
_WEIGHT_OF_TRUST = 1024
# The path at which Pyramid's traversal begins, and any client can send it.
_VIRTUAL_ROOT = "HTTP_X_VHM_ROOT"
_PASSING_METHODS = ("GET", "HEAD")
LONGEST = 10 * 366 * 86_400.0

_MAY_BE_NONE = ("verifier", "session", "store")
_KINDS = {
    "app": ("__call__", "a WSGI application, such as app.wsgi_app of Flask"),
    "token_endpoint": ("refresh", "TokenEndpoint('https://...')"),
    "routes": ("rule_for", "Routes(protected=[...])"),
    "verifier": ("verify", "JwtVerifier(...), or None where nobody here is to trust the tokens"),
    "session": ("for_application", "TokenCookies(...), or leave it out"),
    "store": ("swap", "a store such as SqliteStore('/var/lib/app/sessions.sqlite'), or leave it out"),
}

log = logging.getLogger("wsgi_token_refresh")


@dataclass(slots=True)
class _Trust:
    """Until when tokens are passed without a look at the ledger."""

    until: float

    def lasts(self, now: float) -> bool:
        """Tell whether it lasts; what lasts longer than it can is from before the clock was set back."""
        return 0 < self.until - now <= TRUSTED_FOR


@dataclass(frozen=True, slots=True)
class _Known:
    """What the memo knows of a ``Cookie`` header while ``trust`` lasts: a live session, and what is shown of it."""

    held: Held
    trust: _Trust
    shown: str = field(repr=False)
    authorization: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Decided:
    """Everything that is known about a request once it has been decided; ``shown`` are the tokens that it came with."""

    request: Request
    rule: Rule
    candidates: Sequence[Tokens] | None
    shown: Tokens
    held: Held
    flight: Flight
    decision: Answer


class TokenRefreshMiddleware:
    """Keeps the users of a WSGI application signed in.

    ``refresh_before`` is how many seconds before its expiry an access token is refreshed, at most; ``hand_over``
    is for how many seconds a browser that was already seen with newer tokens may still show older ones.
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
        authorization_header: bool = True,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        _check(
            _problems_of_kinds(
                app=app,
                token_endpoint=token_endpoint,
                routes=routes,
                verifier=verifier,
                session=session,
                store=store,
            ),
            _problems_of_seconds(refresh_before=refresh_before, hand_over=hand_over),
        )
        kind: SessionKind = TokenCookies() if session is None else session
        kind = Several(kind, session_reads) if session_reads else kind
        store = default_store(clock=clock) if store is None else store
        self._app = app
        self._routes = routes
        self._kind = kind
        self._clock = clock
        self._journal = Journal(clock, monotonic, url=token_endpoint.identity[0])
        self._refresh_before = refresh_before
        self._refresher = Refresher(
            store,
            token_endpoint,
            refresh_before=refresh_before,
            hand_over=hand_over,
            lives=kind.refresh_max_age,
            clock=clock,
            monotonic=monotonic,
        )
        self._assessor = Assessor(
            verifier, refresh_before=refresh_before, clock=clock, authenticates=kind.authenticates
        )
        self._services = Services(
            kind,
            token_endpoint,
            self._refresher,
            self._assessor,
            clock,
            authorization_header,
            self._journal,
            self._distrust,
        )
        self._memo: Memo[_Known] = Memo()
        self._trusted: Memo[_Trust] = Memo(2**20)
        self._cut: Memo[str] = Memo(2**20)
        self._rules: dict[str, Rule] = {}
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
        passed = self._pass_known(environ, start_response)
        if passed is not None:
            return passed
        began = self._clock()
        request, rule = wsgi.read_request(environ, self._routes.is_trusted), self._rule_for(environ)
        candidates, flight = self._candidates(environ, request, rule), _NO_FLIGHT
        held = _UNREAD if candidates is None else self._assessor.first_good(candidates)
        shown = held.tokens
        decision = decide(
            rule, request, held.access, refreshable=held.refreshable, passes_preflight=self._routes.passes_preflight
        )
        if isinstance(decision, Refresh) or self._is_to_be_looked_up(rule, decision, held):
            looks, may_call = not isinstance(decision, Refresh), may_refresh(rule, request)
            held, flight = self._consult(held, candidates or (), looks=looks, may_call=may_call)
            shown = held.tokens
            held = self._services.landed(flight, held)
            decision = settle(rule, request, held.access, flight.outcome)
        self._journal.decided(environ, rule, decision, flight, held=held, began=began)
        decided = _Decided(request, rule, candidates, shown, held, flight, decision)
        return self._carry_out(environ, start_response, decided)

    # Passing: what every request pays.

    def _pass_known(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes] | None:
        """Pass a request about which the memo knows all that there is to decide."""
        if SIGNED_IN in environ and environ[SIGNED_IN].state == LIVE:
            return self._pass_signed_in(environ, start_response)
        rule, header = self._rules.get(environ.get("PATH_INFO", "")), environ.get("HTTP_COOKIE", "")
        if environ["REQUEST_METHOD"] not in _PASSING_METHODS or "HTTP_UPGRADE" in environ or _VIRTUAL_ROOT in environ:
            return None
        if rule is _PUBLIC:
            return self._pass_public(environ, start_response, header)
        known = self._memo.get(header)
        if known is None or (rule is not _PROTECTED and rule is not _OPTIONAL):
            return None
        if not 0 < known.trust.until - self._clock() <= TRUSTED_FOR:
            return None
        session = TokenSession(self._services, environ, header, known.held, LIVE)
        environ[KEY] = session
        environ["HTTP_COOKIE"] = known.shown
        if known.authorization:
            environ["HTTP_AUTHORIZATION"] = known.authorization
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

    def _pass_public(self, environ: WSGIEnvironment, start_response: StartResponse, header: str) -> Iterable[bytes]:
        """Pass a request on a public path: as it came, less the refresh cookie."""
        session = TokenSession(self._services, environ, header, NOTHING, ANONYMOUS)
        environ[KEY] = session
        cut = self._cut.get(header)
        if cut is None:
            cut = self._kind.without_refresh_token(header)
            self._cut.put(header, cut, len(header) + len(cut) + 256)
        show(environ, cut, None)
        return self._app(environ, wsgi.with_cookies(start_response, session))

    # Deciding.

    def _candidates(self, environ: WSGIEnvironment, request: Request, rule: Rule) -> Sequence[Tokens] | None:
        """Give the tokens that came along; none where another site sent them, None where nobody can say."""
        if rule is Rule.PUBLIC or request.cross_site:
            return ()
        try:
            return self._kind.load(environ.get("HTTP_COOKIE", ""))
        except StoreError as error:
            self._journal.store_down(error)
            return None

    def _rule_for(self, environ: WSGIEnvironment) -> Rule:
        path = environ.get("PATH_INFO", "")
        rule = self._rules.get(path)
        if rule is None:
            rule = self._routes.rule_for(path)
            if len(self._rules) >= _MOST_PATHS:
                self._rules.clear()
            # What the memo passes is not looked at again, so a malformed path must never be known.
            if len(path) <= _LONGEST_PATH and not has_control_characters(path):
                self._rules[path] = rule
        virtual = environ.get(_VIRTUAL_ROOT)
        return rule if virtual is None else max(rule, self._routes.rule_for(f"{virtual}/{path}"))

    def _is_to_be_looked_up(self, rule: Rule, decision: Answer, held: Held) -> bool:
        if self._kind.is_shared or decision != Pass(LIVE) or rule < Rule.OPTIONAL or not held.refreshable:
            return False
        trust = self._trusted.get(_shown(held.tokens))
        return trust is None or not trust.lasts(self._clock())

    def _consult(self, held: Held, candidates: Sequence[Tokens], *, looks: bool, may_call: bool) -> tuple[Held, Flight]:
        """Ask the ledger about the tokens held, and about the next ones where that session is over.

        Gives those for which it spoke, and what it said: a session that is over is never that of the next ones.
        """
        limit = self._refresher.limit()
        ask = self._look_up if looks or not may_call else self._refresh
        flight, tried = ask(held, limit), {None, held.tokens.refresh_token}
        for other in (self._assessor.assess(each) for each in candidates if each.refresh_token not in tried):
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
        header, decision = environ.get("HTTP_COOKIE", ""), decided.decision
        state = decision.state if isinstance(decision, Pass) else ANONYMOUS
        unread = decided.rule is Rule.PUBLIC and not decided.request.cross_site
        came_along = None if unread else decided.candidates
        session = TokenSession(self._services, environ, header, decided.held, state)
        session.took(decided.flight, came_along, decided.shown)
        if isinstance(decision, Pass):
            environ[KEY] = session
            self._let_see(environ, header, decided, state)
            return self._app(environ, wsgi.with_cookies(start_response, session))
        cookies = self._cookies_of_refusal(decision, decided.flight) or session.cookies()
        if isinstance(decision, Redirect):
            url = self._routes.login_url if decision.to_login else self._routes.home_url
            return wsgi.redirect(environ, start_response, decision, url, cookies)
        return wsgi.refuse(environ, start_response, decision, navigation=decided.request.navigation, cookies=cookies)

    def _let_see(self, environ: WSGIEnvironment, header: str, decided: _Decided, state: str) -> None:
        if decided.rule < Rule.OPTIONAL:
            show(environ, self._kind.without_refresh_token(header), None)
            return
        tokens = decided.held.tokens if state == LIVE else None
        shown = self._kind.for_application(header, tokens)
        if self._services.authorization_header and is_bearer(environ):
            del environ["HTTP_AUTHORIZATION"]
        show(environ, shown, tokens if self._services.authorization_header else None)
        fresh = decided.held.access is Access.FRESH and decided.flight.outcome is None
        if fresh and state == LIVE and self._kind.may_be_remembered:
            self._remember(header, decided, shown)

    def _remember(self, header: str, decided: _Decided, shown: str) -> None:
        held, now = decided.held, self._clock()
        tokens = held.tokens
        trust = self._trusted.get(_shown(tokens))
        if trust is None or not trust.lasts(now):
            due = (tokens.expires_at or now) - refresh_window(tokens, self._refresh_before)
            trust = _Trust(min(now + TRUSTED_FOR, due))
            self._trusted.put(_shown(tokens), trust, _WEIGHT_OF_TRUST + len(tokens.access_token or ""))
        authorization = f"Bearer {tokens.access_token}" if self._services.authorization_header else ""
        known = _Known(held, trust, shown, authorization)
        self._memo.put(header, known, 3 * len(header) + 2 * len(authorization) + 1024)

    def _distrust(self, tokens: Tokens) -> None:
        """Look at the ledger before these tokens are passed again, whatever else stands in the header."""
        trust = self._trusted.get(_shown(tokens))
        if trust is not None:
            trust.until = 0.0

    def _cookies_of_refusal(self, decision: Decision, flight: Flight) -> list[str]:
        """Expire the cookies of a refused family: on the way to the login page, and once."""
        goes = isinstance(decision, Redirect) and decision.to_login
        if goes and flight.member is not None and _is_over(flight) and self._refresher.take_refusal(flight.member):
            return self._kind.expire()
        return []


def _shown(tokens: Tokens) -> str:
    return f"{tokens.access_token}\n{tokens.refresh_token or ''}"


def _is_over(flight: Flight) -> bool:
    return isinstance(flight.outcome, Rejected) and flight.outcome.ends_session


def _says_nothing(flight: Flight, held: Held) -> bool:
    """Tell whether nobody knows that these tokens are a session."""
    return flight.outcome is None and not held.access.good


def _check(*found: list[str]) -> None:
    problems = [problem for each in found for problem in each]
    if problems:
        raise ConfigurationError(problems)


def _problems_of_kinds(**arguments: object) -> list[str]:
    """Find what is no collaborator by what it lacks; what it holds is not shown, for it may be a secret."""
    return [
        f"TokenRefreshMiddleware: {name} is of type {type(value).__name__}; give {_KINDS[name][1]}"
        for name, value in arguments.items()
        if not (hasattr(value, _KINDS[name][0]) or (value is None and name in _MAY_BE_NONE))
    ]


def _problems_of_seconds(**seconds: float) -> list[str]:
    return [
        f"TokenRefreshMiddleware: {name} is {value!r}; give seconds, more than 0"
        for name, value in seconds.items()
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < LONGEST
    ]
