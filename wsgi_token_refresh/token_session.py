"""One person's session, as the application sees it in one request."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from .errors import CrossSiteError, NotWrappedError, StoreError, TokenResponseError
from .holding import NOTHING, Assessor, Held
from .ledger.flight import Flight
from .ledger.records import Member
from .ledger.single_flight import Refresher
from .observing.journal import Journal
from .policy.decision import ANONYMOUS, LIVE, UNAVAILABLE, Access
from .sessions.cookies import cookie_name
from .sessions.kind import SessionKind
from .tokens import Refreshed, Rejected, Tokens

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

KEY = "wsgi_token_refresh.session"
"""Where the session stands in the environ; no client can set a key without ``HTTP_``."""

SIGNED_IN = "wsgi_token_refresh.signed_in"
"""Where the session of a test stands, which the middleware passes as it is."""

_LONGEST_SHOWN = 128

log = logging.getLogger("wsgi_token_refresh")


class SignInEndpoint(Protocol):
    """What signing in and out needs of a token endpoint."""

    def read(self, credentials: Mapping[str, Any]) -> Tokens:
        """Read a token response; raises ``TokenResponseError``."""

    def revoke(self, token: str) -> str | None:
        """Revoke a refresh token; a reason where that failed."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the application sees: its ``Cookie`` header, and the ``Authorization`` that stands for the session."""

    cookie: str = field(repr=False)
    authorization: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Services:
    """What a session works with; one for each middleware."""

    kind: SessionKind
    endpoint: SignInEndpoint
    refresher: Refresher
    assessor: Assessor
    clock: Callable[[], float]
    authorization_header: bool
    journal: Journal
    distrust: Callable[[Tokens], None]

    def landed(self, flight: Flight, held: Held) -> Held:
        """Give what a request holds after the ledger spoke; new tokens that fail verification are *our* mistake.

        Who has a good token goes on with it until the new one is good as well.
        """
        if not isinstance(flight.outcome, Refreshed):
            return held
        newer = self.assessor.assess(flight.outcome.tokens)
        if flight.own and flight.member is not None and newer.access in (Access.BAD, Access.LEEWAY):
            self.journal.misconfigured(newer.reason)
            self.refresher.hold(flight.member, f"the new access token fails verification: {newer.reason}")
        return held if held.access.good and not newer.access.good else newer

    def good_for(self, held: Held, newest: Tokens) -> Tokens:
        """Give what a browser is to have: the newest tokens, but an access token that is good and no worse one."""
        if not held.access.good or newest.access_token in (None, held.tokens.access_token):
            return newest
        if self.assessor.assess(newest).access.good:
            return newest
        again, until = newest.refresh_token, newest.refresh_expires_at
        return replace(held.tokens, refresh_token=again, refresh_expires_at=until)


class TokenSession:
    """One person's session in one request.

    ``state`` is ``"live"``, ``"anonymous"`` or ``"unavailable"`` (there may be a session, and nobody can say
    just now). What is changed here goes out with the response that the view returns; ``has_changed`` says that it may
    have cookies to carry, and ``is_foreign`` that another site has sent the request, which may not sign anybody in.
    """

    # What few requests have stands in the class, since every request pays for each attribute of its own.
    has_changed = False
    is_foreign = False
    ends_by_length = False
    _flight: Flight | None = None
    _came_along: Sequence[Tokens] | None = None
    _shown: Tokens | None = None
    _begun: Sequence[str] = ()
    _cookies: Callable[[], list[str]] | None = None

    def __init__(self, services: Services, environ: WSGIEnvironment, cookie: str, held: Held, state: str) -> None:
        self._services = services
        self._environ = environ
        self._cookie = cookie
        self._held = held
        self.state = state

    def took(self, flight: Flight, came_along: Sequence[Tokens] | None, shown: Tokens) -> None:
        """Take over what the ledger said of the tokens ``shown``, and all that came along where they were read."""
        self._flight, self._came_along, self._shown, self.has_changed = flight, came_along, shown, True

    def __repr__(self) -> str:
        return f"<TokenSession {self.state}>"

    def show(self) -> Seen:
        """Let the application see this session: its access token, and nothing else of ours or of the client's own."""
        services = self._services
        tokens = self._held.tokens if self.state == LIVE else None
        token = tokens is not None and services.authorization_header and tokens.access_token
        seen = Seen(services.kind.for_application(self._cookie, tokens), f"Bearer {token}" if token else "")
        if services.authorization_header and is_bearer(self._environ):
            del self._environ["HTTP_AUTHORIZATION"]
        show(self._environ, seen)
        return seen

    def show_to_guests(self) -> None:
        """Let the application see what came along, less the refresh token."""
        show(self._environ, Seen(self._services.kind.without_refresh_token(self._cookie)))

    @property
    def authenticated(self) -> bool:
        """Tell whether it is known who this is: by a verified access token, or because our own seal says so.

        Never true for ``TokenCookies`` with ``verifier=None``.
        """
        return self.state == LIVE and self._held.authenticated

    @property
    def access_token(self) -> str | None:
        """The access token, good for this request; None unless the session is live."""
        return self._held.tokens.access_token if self.state == LIVE else None

    @property
    def expires_at(self) -> float | None:
        """When the access token expires, in seconds since the epoch."""
        return self._held.tokens.expires_at if self.state == LIVE else None

    @property
    def claims(self) -> Mapping[str, Any] | None:
        """The claims of the access token, a copy; None where nobody vouches for them."""
        claims = self._services.assessor.claims(self._held) if self.state == LIVE else None
        return None if claims is None else dict(claims)

    @property
    def handle(self) -> str | None:
        """What names this session in the list of ``ServerSideSession.sessions``; None for other kinds."""
        return self._services.kind.handle_of(self._jar()) if self.state == LIVE else None

    def refresh(self) -> bool:
        """Get a newer token than this one, which an API has refused; tell whether there is another one now.

        Takes as long as the request of a page does that has to refresh: the two timeouts of the endpoint at most.
        """
        tokens = self._held.tokens
        if self.state != LIVE or tokens.refresh_token is None:
            return False
        self._services.distrust(tokens)
        # What the browser has shown is what it came with, whatever it was handed over since.
        shown = replace(tokens, refresh_token=(self._shown or tokens).refresh_token)
        flight = self._services.refresher.refresh(shown, good=True, forced=True)
        self._services.journal.consulted(flight)
        if isinstance(flight.outcome, Refreshed):
            self._flight, self.has_changed, self._cookies = flight, True, None
            self._shown = self._shown or tokens
            self._hold(self._services.landed(flight, self._held))
            return self.state == LIVE and self._held.tokens.access_token != tokens.access_token
        if isinstance(flight.outcome, Rejected) and flight.outcome.ends_session:
            self.state = ANONYMOUS
            self.show()
        return False

    def sign_in(self, token_response: Mapping[str, Any]) -> None:
        """Begin a session with the parsed answer of a login or token endpoint (RFC 6749 5.1).

        Raises ``TokenResponseError`` for what is missing or fails verification, ``CookieError`` for tokens that
        no browser would keep, and ``CrossSiteError`` in an unsafe request of another site (login CSRF, RFC 6819
        4.4.1.8); the session that there was goes on then.
        """
        if self.is_foreign:
            raise CrossSiteError(_foreign(self._environ))
        services = self._services
        try:
            tokens = services.endpoint.read(token_response)
        finally:
            # Whoever reports an error with its variables need not have it.
            del token_response
        held = services.assessor.assess(tokens)
        if held.access in (Access.BAD, Access.LEEWAY):
            raise TokenResponseError(f"the access token of this answer fails verification: {held.reason}")
        set_cookie = services.kind.begin(tokens, services.clock())
        came = self._old_tokens() or ()
        for old in came:
            self._end(old, "sign-in")
        self._end_here()
        name = self._found(tokens)
        self._begun, self._cookies, self.has_changed = set_cookie, (lambda: set_cookie), True
        # What follows in this view is about the new session.
        self._came_along, self._shown = (*came, tokens), tokens
        self._hold(held)
        log.info("signed in session=%s", name)

    def sign_out(self) -> None:
        """End the session everywhere: first here, then at the authorization server (RFC 7009), then in the browser.

        Does nothing where no session came along, so that another site can sign nobody out.
        """
        came = self._old_tokens()
        tokens = [each for each in (self._held.tokens, *(came or ())) if each != NOTHING.tokens]
        if not tokens and came is not None:
            return
        names = []
        for old in {each.refresh_token: each for each in tokens}.values():
            newest, name = self._end(old, "sign-out")
            names.append(name)
            if newest.refresh_token is not None:
                self._revoke(newest.refresh_token)
        self._end_here()
        self._cookies, self.has_changed = self._services.kind.expire, True
        self._held, self.state = NOTHING, ANONYMOUS
        self.show()
        log.info("signed out session=%s", ",".join(names))

    def cookies(self) -> Sequence[str]:
        """Decide the ``Set-Cookie`` values of the response: called when ``start_response`` is, and not before."""
        if self._cookies is not None:
            return self._cookies()
        if self._flight is None:
            return ()
        tokens = self._services.refresher.to_send(self._flight)
        if tokens is None:
            return self._begun
        set_cookie = self._renew(self._services.good_for(self._held, tokens))
        names = {cookie_name(each) for each in set_cookie}
        return [*(each for each in self._begun if cookie_name(each) not in names), *set_cookie]

    def _renew(self, tokens: Tokens) -> list[str]:
        services, problem = self._services, None
        try:
            set_cookie, problem = services.kind.renew(
                tokens, services.clock(), self._jar(), self._shown or self._held.tokens
            )
        except StoreError as error:
            set_cookie, problem = [], error
        if isinstance(problem, StoreError):
            services.journal.store_down(problem)
        elif problem is not None:
            services.journal.error(f"a token could not be sent to the browser: {problem}")
        return set_cookie

    def _jar(self) -> str:
        """Give the ``Cookie`` header of this session: as it came, or as it will come after a sign-in."""
        pairs = (each.partition(";")[0] for each in self._begun)
        return "; ".join(pair for pair in pairs if pair.partition("=")[2]) or self._cookie

    def _hold(self, held: Held) -> None:
        self._held = held
        self.state = LIVE if held.access.good else UNAVAILABLE
        self.show()

    def _old_tokens(self) -> Sequence[Tokens] | None:
        """Give the tokens that the browser sent with this request; None where nobody can say."""
        try:
            return self._services.kind.load(self._cookie) if self._came_along is None else self._came_along
        except StoreError as error:
            log.warning("a session could not be ended for other requests under way: %s", error)
            return None

    def _end_here(self) -> None:
        try:
            self._services.kind.end(self._jar())
        except StoreError as error:
            log.warning("a session could not be taken out of its store: %s", error)

    def _end(self, tokens: Tokens, reason: str) -> tuple[Tokens, str]:
        try:
            vouched = self._services.assessor.vouches(tokens)
            ended, member = self._services.refresher.end(tokens, reason, vouched=vouched)
        except StoreError as error:
            log.warning("a session could not be ended for other requests under way: %s", error)
            return tokens, "-"
        for known in (tokens, ended):
            self._services.distrust(known)
        return ended, _name(member)

    def _found(self, tokens: Tokens) -> str:
        try:
            member = self._services.refresher.found(tokens)
        except StoreError as error:
            log.warning("a session could not be written down at its sign-in: %s", error)
            return "-"
        return _name(member)

    def _revoke(self, token: str) -> None:
        failed = self._services.endpoint.revoke(token)
        if failed is not None:
            log.warning("a refresh token could not be revoked at sign-out: %s", failed)


def _name(member: Member | None) -> str:
    return "-" if member is None else member.name


def show(environ: WSGIEnvironment, seen: Seen) -> None:
    """Let the application see this, and the access token as RFC 6750 2.1 has it."""
    if seen.cookie:
        environ["HTTP_COOKIE"] = seen.cookie
    else:
        environ.pop("HTTP_COOKIE", None)
    if seen.authorization:
        environ["HTTP_AUTHORIZATION"] = seen.authorization


def is_bearer(environ: WSGIEnvironment) -> bool:
    """Tell whether the client itself sent a bearer token, which is not for the application.

    Wherever the word stands: servers join two headers by a comma, and readers strip and split as they like.
    """
    return "bearer" in environ.get("HTTP_AUTHORIZATION", "").lower()


def _foreign(environ: WSGIEnvironment) -> str:
    path = ascii(environ.get("PATH_INFO", ""))[:_LONGEST_SHOWN]
    return (
        f"another site ({ascii(environ.get('HTTP_ORIGIN', 'not named'))[:_LONGEST_SHOWN]}) has sent this request to "
        f"{path}, and sign_in() would make whoever sits at the browser somebody else (login CSRF): answer 403. If it "
        "is a site of yours, name it in Routes(trusted_origins=...); if a provider posts its answer here, "
        f"Routes(form_post=[{path}]), and check its state"
    )


def get_session(environ: Mapping[str, Any]) -> TokenSession:
    """Give the session of a request; raises ``NotWrappedError`` where the middleware was not passed."""
    session = environ.get(KEY) if isinstance(environ, Mapping) else None
    if isinstance(session, TokenSession):
        return session
    if not isinstance(environ, Mapping):
        raise NotWrappedError(
            f"get_session() wants the WSGI environ and not a {type(environ).__name__}: get_session(request.environ)"
        )
    raise NotWrappedError(
        "this environ did not pass TokenRefreshMiddleware: wrap the application in it "
        "(app.wsgi_app = TokenRefreshMiddleware(app.wsgi_app, ...)); in tests, use "
        "wsgi_token_refresh.testing.signed_in() or send the request through the middleware"
    )
