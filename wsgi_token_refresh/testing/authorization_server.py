"""A small authorization server that rotates refresh tokens, counts what it is asked, and fails to order."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.wrappers import Request as BaseRequest
from werkzeug.wrappers import Response

from .answers import error, json_answer
from .clients import Clients, refusal_of_client
from .connections import reset_connection
from .dialects import DIALECTS, json_object
from .families import Families, Granted
from .faults import Exchange, Fault, Faults
from .handle import AuthorizationServerHandle
from .issuing import HONEST, Issuer, Twist
from .serving import serving
from .settings import Settings

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


class Request(BaseRequest):
    """A request of at most 64 KiB."""

    max_content_length = 65_536


class RotatingAuthorizationServer:
    r"""A WSGI application that issues, rotates and revokes tokens; thread-safe.

    ``POST /login``
        a token response for ``username`` and ``password``, form or JSON
    ``POST /token``
        the grants ``password`` and ``refresh_token`` (RFC 6749 4.3 and 6); in other dialects a refresh only
    ``POST /revoke``
        revokes the whole family of a refresh token (RFC 7009)
    ``GET /jwks.json`` and ``GET /.well-known/openid-configuration``
        the keys of its RS256 access tokens (RFC 7517), and where everything is
    ``GET /counts``, ``POST /fault``, ``/set``, ``/reset``, ``/release``, ``/rotate-keys``
        the methods of these names, their arguments in a JSON object

    ``access_lifetime``, ``refresh_lifetime`` and ``delay``, which precedes each refresh, are in seconds. A spent
    refresh token does what ``reuse`` says: it has its family revoked (``"revoke"``), is refused (``"reject"``), or
    works (``"allow"``). Without ``users`` any name and password will do, without ``clients`` any client; a client whose
    secret is None is public. ``dialect`` is how ``/token`` speaks: ``"oauth2"``, ``"simplejwt"``, ``"camel"`` or
    ``"bearer"``. ``clock`` gives seconds since the epoch. Values that cannot be are a ValueError.
    """

    def __init__(
        self,
        *,
        access_lifetime: float = 300,
        refresh_lifetime: float = 30 * 86400,
        rotate: bool = True,
        reuse: str = "revoke",
        delay: float = 0.0,
        users: Mapping[str, str] | None = None,
        issuer: str = "http://127.0.0.1",
        audience: str = "api",
        clients: Clients | None = None,
        dialect: str = "oauth2",
        opaque: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if dialect not in DIALECTS:
            raise ValueError(f"there is no dialect {dialect!r}; there are: {', '.join(DIALECTS)}")
        self._settings = self._first_settings = Settings(access_lifetime, rotate, reuse, delay)
        self._refresh_lifetime, self._clock = refresh_lifetime, clock
        self._users, self._clients = users, clients
        self._dialect, self._speaks_oauth2 = DIALECTS[dialect], dialect == "oauth2"
        self._issuer = Issuer(issuer=issuer, audience=audience, opaque=opaque, dialect=self._dialect, clock=clock)
        self._lock, self._released = threading.Lock(), threading.Event()
        self._forget()
        self._routes = self._endpoints()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request (PEP 3333)."""
        try:
            response = self._respond(Request(environ))
        except HTTPException as refusal:
            return refusal.get_response(environ)(environ, start_response)
        return response(environ, start_response)

    @contextmanager
    def serve(self, port: int = 0) -> Iterator[ServedAuthorizationServer]:
        """Serve on 127.0.0.1 in threads of this process; at the end every handler is ended, also those that hang.

        Port 0 is any free one; a port in use is an OSError. What it knows stays for the next time.
        """
        with serving(self, port=port, release=self.release) as url:
            yield ServedAuthorizationServer(url, self)

    def login(self, username: str = "ada", password: str = "lovelace") -> dict[str, Any]:  # noqa: S107
        """Sign in and get the token response; a wrong name or password is a ValueError."""
        if self._users is not None and self._users.get(username) != password:
            raise ValueError(f"no such user, or another password: {username!r}")
        with self._lock:
            granted = self._families.sign_in(username, expires_at=self._clock() + self._refresh_lifetime)
            lifetime = self._settings.access_lifetime
        return self._issuer.token_response(granted, lifetime, HONEST)

    def fault(self, name: str, times: int = 1, *, seconds: float | None = None) -> None:
        """Order a fault (see :mod:`wsgi_token_refresh.testing.faults`) for the next refresh requests that have none.

        An unknown name is a ValueError that lists the names.
        """
        with self._lock:
            self._faults.order(name, times, seconds=seconds)

    def set(self, **changes: Any) -> None:
        """Change ``delay``, ``access_lifetime``, ``rotate``, ``reuse``, or be ``down``; anything else is a ValueError.

        Down means that connections to the token endpoint are reset before anything is processed.
        """
        with self._lock:
            self._settings = self._settings.changed(changes)

    def counts(self) -> dict[str, Any]:
        """Count what happened since the start or the last reset.

        ``requests`` are refresh requests received, ``grants`` successful refreshes, ``refused`` answers of
        ``invalid_grant`` to a refresh, ``reuse`` spent refresh tokens presented, ``revocations`` families revoked,
        ``live`` families that are not, ``logins`` sign-ins. ``families`` maps a family's id, the ``sid`` of its access
        tokens, to its ``subject``, whether it is ``live``, and its own ``grants``, ``refused`` and ``reuse``.
        """
        with self._lock:
            return {"requests": self._requests, **self._families.counts()}

    def reset(self) -> None:
        """Forget sign-ins, counts, faults and changed settings, and release what waits; the keys stay."""
        with self._lock:
            self._forget()
        self.release()

    def release(self) -> None:
        """Let everything that waits at this moment (delays; slow, hanging and dripping answers) go on at once."""
        with self._lock:
            released, self._released = self._released, threading.Event()
        released.set()

    def rotate_keys(self) -> None:
        """Sign with a new key under a new ``kid``; the old keys stay published."""
        self._issuer.keys.rotate()

    def _forget(self) -> None:
        self._settings = self._first_settings
        self._families, self._faults, self._requests = Families(), Faults(), 0

    def _endpoints(self) -> dict[str, tuple[str, Callable[[Request], Response]]]:
        return {
            "/login": ("POST", self._login),
            "/token": ("POST", self._token),
            "/revoke": ("POST", self._revoke),
            "/jwks.json": ("GET", lambda _request: json_answer(self._issuer.keys.jwks())),
            "/.well-known/openid-configuration": ("GET", self._discovery),
            "/counts": ("GET", lambda _request: json_answer(self.counts())),
            "/fault": ("POST", _control(self.fault)),
            "/set": ("POST", _control(self.set)),
            "/reset": ("POST", _control(self.reset)),
            "/release": ("POST", _control(self.release)),
            "/rotate-keys": ("POST", _control(self.rotate_keys)),
        }

    def _respond(self, request: Request) -> Response:
        if request.path not in self._routes:
            raise NotFound
        method, respond = self._routes[request.path]
        if request.method != method:
            raise MethodNotAllowed([method])
        return respond(request)

    def _discovery(self, request: Request) -> Response:
        handle = AuthorizationServerHandle(request.root_url.rstrip("/"))
        return json_answer(
            {
                "issuer": self._issuer.issuer,
                "token_endpoint": handle.token_endpoint,
                "jwks_uri": handle.jwks_url,
                "revocation_endpoint": handle.revocation_endpoint,
                "grant_types_supported": ["password", "refresh_token"],
                "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
            }
        )

    def _login(self, request: Request) -> Response:
        return self._sign_in(request.form or json_object(request), 401, "invalid_credentials")

    def _sign_in(self, credentials: Mapping[str, Any], status: int, code: str) -> Response:
        try:
            return json_answer(self.login(str(credentials.get("username", "")), str(credentials.get("password", ""))))
        except ValueError as problem:
            return error(status, code, str(problem))

    def _revoke(self, request: Request) -> Response:
        if (refusal := refusal_of_client(request, self._clients)) is not None:
            return refusal
        with self._lock:
            self._families.revoke(request.form.get("token", ""))
        return json_answer({})

    def _token(self, request: Request) -> Response:
        if not self._is_refresh(request):
            return self._password_grant(request)
        exchange, fault, settings = self._receive(request)
        if settings.down:
            reset_connection(request.environ)
        exchange.wait(settings.delay)
        return exchange.process(HONEST) if fault is None else fault.play(exchange)

    def _is_refresh(self, request: Request) -> bool:
        return not self._speaks_oauth2 or request.form.get("grant_type") == "refresh_token"

    def _password_grant(self, request: Request) -> Response:
        if self._settings.down:
            reset_connection(request.environ)
        if (refusal := refusal_of_client(request, self._clients)) is not None:
            return refusal
        if request.form.get("grant_type") != "password":
            return error(400, "unsupported_grant_type", "There are: password, refresh_token.")
        return self._sign_in(request.form, 400, "invalid_grant")

    def _receive(self, request: Request) -> tuple[Exchange, Fault | None, Settings]:
        """Count a refresh request; whoever sees it counted can release it."""
        with self._lock:
            self._requests += 1
            fault = None if self._settings.down else self._faults.take()
            exchange = Exchange(request.environ, partial(self._refresh, request), self._released.wait)
            return exchange, fault, self._settings

    def _refresh(self, request: Request, twist: Twist) -> Response:
        refusal = refusal_of_client(request, self._clients) if self._speaks_oauth2 else None
        if refusal is not None:
            return refusal
        refresh_token = self._dialect.presented(request)
        if refresh_token is None:
            return self._dialect.invalid_request()
        granted, lifetime = self._grant(refresh_token, rotate=not twist.keep)
        if granted is None:
            return self._dialect.invalid_grant()
        return json_answer(self._issuer.token_response(granted, lifetime, twist))

    def _grant(self, refresh_token: str, *, rotate: bool) -> tuple[Granted | None, float]:
        with self._lock:
            now, settings = self._clock(), self._settings
            granted = self._families.refresh(
                refresh_token,
                now=now,
                expires_at=now + self._refresh_lifetime,
                rotate=rotate and settings.rotate,
                reuse=settings.reuse,
            )
            return granted, settings.access_lifetime


class ServedAuthorizationServer(AuthorizationServerHandle):
    """A server of this process that is being served: ``server`` is the application itself."""

    def __init__(self, url: str, server: RotatingAuthorizationServer) -> None:
        super().__init__(url)
        self.server = server


def _control(method: Callable[..., None]) -> Callable[[Request], Response]:
    def respond(request: Request) -> Response:
        try:
            method(**json_object(request))
        except (TypeError, ValueError) as problem:
            return error(400, "invalid_request", str(problem))
        return json_answer({})

    return respond
