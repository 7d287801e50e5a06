"""A world in which every step of every request can be chosen.

The middleware that runs here is the real one. Each request is a greenlet that stops before every operation on the
store and around every call of the authorization server; whoever drives the world says which one goes on. Time is a
number. A host can crash, stop and go on, the store can be down, answers and responses can be lost or late.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from greenlet import GreenletExit, getcurrent, greenlet
from werkzeug.http import parse_cookie

from wsgi_token_refresh.authorization_server.dialects import DIALECTS, read_token_response
from wsgi_token_refresh.errors import StoreError
from wsgi_token_refresh.ledger.looking import Looking
from wsgi_token_refresh.ledger.records import DAY, Look, Records
from wsgi_token_refresh.ledger.slots import _Slots
from wsgi_token_refresh.middleware import TokenRefreshMiddleware
from wsgi_token_refresh.per_process import PerProcess
from wsgi_token_refresh.policy.routes import Routes
from wsgi_token_refresh.sessions.token_cookies import TokenCookies
from wsgi_token_refresh.stores.memory import MemoryStore
from wsgi_token_refresh.stores.protocol import Entry, Store
from wsgi_token_refresh.token_session import get_session
from wsgi_token_refresh.tokens import Outcome, Refreshed, Rejected, Tokens, Unreachable, received, token_times

START = 1_800_000_000.0
LIFETIME = 900.0
TIMEOUT = 5.0
ANSWER_TIMEOUT = 20.0
WAIT_TIMEOUT = 5.0
NEVER = float("inf")
IDENTITY = ("https://auth.example/token", "web")


@dataclass
class ServerFamily:
    """What the authorization server knows of one sign-in."""

    name: str
    subject: str = "ada"
    newest: str = ""
    spent: set[str] = field(default_factory=set)
    revoked: str = ""
    access_token: str = ""
    ends: float = 0.0


class AuthorizationServer:
    """``strict`` revokes the family on reuse, ``lenient`` only refuses the token, ``static`` does not rotate.

    Access tokens are ``jwt``; or given ``again`` until they have expired; or ``opaque``, without a word on their end.
    """

    def __init__(self, world: World, kind: str, gives: str) -> None:
        self.world = world
        self.kind = kind
        self.gives = gives
        self.families: dict[str, ServerFamily] = {}
        self.of_token: dict[str, ServerFamily] = {}
        self._serial = count()

    def login(self, subject: str = "ada") -> Tokens:
        family = ServerFamily(f"F{len(self.families)}", subject)
        self.families[family.name] = family
        return self._issue(family)

    def refresh(self, refresh_token: str) -> Outcome:
        family = self.of_token.get(refresh_token)
        if family is None or family.revoked:
            return Rejected("invalid_grant")
        if refresh_token in family.spent:
            if self.kind == "strict":
                family.revoked = "reuse"
            return Rejected("invalid_grant")
        return Refreshed(self._issue(family))

    def revoke(self, refresh_token: str) -> None:
        family = self.of_token.get(refresh_token)
        if family is not None:
            family.revoked = family.revoked or "asked to"

    def _issue(self, family: ServerFamily) -> Tokens:
        now, serial = self.world.now, next(self._serial)
        if self.gives != "again" or now >= family.ends:
            family.access_token, family.ends = self._access_token(family, serial), now + LIFETIME
        if not (self.kind == "static" and family.newest):
            family.spent |= {family.newest} - {""}
            family.newest = f"{family.name}-refresh-{serial}"
            self.of_token[family.newest] = family
        return received(family.access_token, family.newest, now=now)

    def _access_token(self, family: ServerFamily, serial: int) -> str:
        if self.gives == "opaque":
            return f"{family.name}-access-{serial}"
        now = self.world.now
        claims = {"sub": family.subject, "sid": family.name, "iat": now, "exp": now + LIFETIME, "n": serial}
        return "e30." + base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=") + ".c2ln"


class Endpoint:
    """A token endpoint whose every step can be chosen, and whose next answer can be ordered to fail."""

    timeout = TIMEOUT
    answer_timeout = ANSWER_TIMEOUT
    old_access_token_survives = True
    identity = IDENTITY

    def __init__(self, world: World, *, single_use: bool, max_calls: int) -> None:
        self.world = world
        self.single_use = single_use
        self.max_calls = max_calls

    def refresh(self, refresh_token: str, *, patience: float, may_send: Callable[[], bool]) -> Outcome:
        with self.world.calling():
            return self._refresh(refresh_token, patience, may_send)

    def _refresh(self, refresh_token: str, patience: float, may_send: Callable[[], bool]) -> Outcome:
        world = self.world
        world.point("before it sends")
        if not may_send():
            return Unreachable(False, "woken late")
        fault = world.take_fault()
        if fault == "refused":
            return Unreachable(False, "connection refused")
        world.sending(refresh_token)
        world._current().patience = patience
        world.point("sent")
        if fault == "never processed":
            return self._answer(PendingAnswer(world, None, NEVER), patience)
        outcome = world.server.refresh(refresh_token)
        if fault == "answer lost":
            world.forgive("an answer was lost")
        if fault == "too slow":
            world.too_slow[refresh_token] = world.now
        after = {"answer lost": NEVER, "slow": ANSWER_TIMEOUT - 0.5, "too slow": 2 * ANSWER_TIMEOUT}.get(fault or "", 0)
        return self._answer(PendingAnswer(world, outcome, world.now + after), patience)

    def _answer(self, pending: PendingAnswer, patience: float) -> Outcome:
        outcome = pending.outcome(patience)
        if outcome is None:
            return Unreachable(True, "timed out", pending=pending)
        self.world.point("answered")
        return outcome

    def revoke(self, refresh_token: str) -> str | None:
        self.world.point("before it revokes")
        self.world.server.revoke(refresh_token)
        return None

    def read(self, mapping: dict[str, Any]) -> Tokens:
        return read_token_response(mapping, DIALECTS["oauth2"], self.world.now)


class PendingAnswer:
    """An answer that comes at a moment, and lies in the socket from then on."""

    def __init__(self, world: World, answer: Outcome | None, at: float) -> None:
        self.world = world
        self.answer = answer
        self.at = at

    def outcome(self, seconds: float) -> Outcome | None:
        if self.at > self.world.now and seconds > 0:
            self.world.block(lambda: False, min(self.at, self.world.now + seconds))
        return self.answer if self.at <= self.world.now else None

    def close(self) -> None:
        self.at = NEVER


class SteppedSemaphore:
    """A semaphore that lets others go on while it is waited for."""

    def __init__(self, world: World, free: int) -> None:
        self.world = world
        self.free = free

    def acquire(self, blocking: bool = True, timeout: float = 0.0) -> bool:
        if blocking and not self.free and timeout:
            self.world.block(lambda: self.free > 0, self.world.now + timeout)
        taken = self.free > 0
        self.free -= taken
        return taken

    def release(self) -> None:
        self.free += 1


class SteppedStore:
    """A real store; every operation is a point, and a shared one can be down."""

    def __init__(self, world: World, inner: Store, *, shared: bool = True) -> None:
        self.world = world
        self.inner = inner
        self.shared = shared

    def read(self, key: str) -> Entry:
        self._point(f"read {key[:4]}")
        return self.inner.read(key)

    def swap(self, key: str, old: bytes | None, new: bytes, lives: float) -> bool:
        self._point(f"swap {key[:4]}")
        return self.inner.swap(key, old, new, lives)

    def touch(self, key: str, lives: float) -> None:
        self._point(f"touch {key[:4]}")
        self.inner.touch(key, lives)

    def wait(self, key: str, seen: bytes, seconds: float) -> Entry | None:
        world, until = self.world, self.world.now + seconds
        world.block(lambda: self.inner.read(key).value != seen or world.store_down, until)
        self._point("woken")
        entry = self.inner.read(key)
        return None if entry.value == seen else entry

    def _point(self, what: str) -> None:
        self.world.point(what)
        if self.shared and self.world.store_down:
            self.world.store_errors += 1
            raise StoreError("down")


@dataclass
class Response:
    """What a request was answered, on its way to the browser."""

    status: int
    cookies: list[str]
    state: str
    path: str = "/page"


@dataclass
class Running:
    """One request on its way."""

    number: int
    host: int
    path: str
    began: float
    coroutine: Any = None
    ready: Callable[[], bool] = lambda: True
    wakes: float | None = None
    at: str = "begin"
    disturbed: bool = False
    response: Response | None = None
    patience: float = 0.0
    is_good: bool = False


class World:
    """Two hosts, one store, one authorization server, one browser."""

    def __init__(
        self,
        make_store: Callable[[Callable[[], float]], Store],
        kind: str,
        *,
        single_use: bool = True,
        gives: str = "jwt",
        max_calls: int = 64,
    ) -> None:
        self.now = START
        self.server = AuthorizationServer(self, kind, gives)
        self.inner = make_store(lambda: self.now)
        self.store = SteppedStore(self, self.inner)
        self.endpoint = Endpoint(self, single_use=single_use, max_calls=max_calls)
        self.store_down = False
        self.store_errors = 0
        self.fault: str | None = None
        self.stopped: set[int] = set()
        self.hosts = [self._host(), self._host()]
        self.running: dict[int, Running] = {}
        self.arriving: list[Response] = []
        self.jars: list[dict[str, str]] = []
        self.jar: dict[str, str] = {}
        self.forgiven: list[str] = []
        self.sent: dict[str, list[Running]] = {}
        self.too_slow: dict[str, float] = {}
        self.out: set[int] = set()
        self.ended: set[str] = set()
        self.signed_out = False
        self._numbers = count()
        self._main = getcurrent()
        tokens = self.server.login()
        self.jar = {"access_token": tokens.access_token or "", "refresh_token": tokens.refresh_token or ""}
        self.jars.append(dict(self.jar))

    # What whoever drives it may do.

    def request(self, host: int, path: str = "/page", jar: dict[str, str] | None = None) -> Running:
        number = next(self._numbers)
        jar = dict(self.jar if jar is None else jar)
        ends, _ = token_times(jar.get("access_token", ""))
        is_good = path == "/page" and ends is not None and self.now < ends
        running = Running(number, host, path, self.now, disturbed=host in self.stopped, is_good=is_good)
        running.coroutine = greenlet(lambda: self._walk(running, jar))
        self.running[number] = running
        return running

    def somebody_elses(self) -> str:
        """Give a good access token of another person, such as somebody can plant beside a refresh token."""
        return self.server.login("eve").access_token or ""

    def runnable(self) -> list[Running]:
        return [each for each in self.running.values() if each.host not in self.stopped and self._is_ready(each)]

    def step(self, running: Running) -> None:
        running.coroutine.switch()
        if running.coroutine.dead:
            del self.running[running.number]
            assert running.response is not None

    def tick(self) -> bool:
        """Let time pass to the next moment at which a request goes on by itself; only when none can now."""
        waiting = [each for each in self.running.values() if each.host not in self.stopped and each.wakes is not None]
        if self.runnable() or not waiting:
            return False
        self.now = max(self.now, min(each.wakes or 0.0 for each in waiting))
        return True

    def jump(self, seconds: float) -> None:
        """Let time pass while nothing but stopped hosts has anything to do."""
        assert all(each.host in self.stopped for each in self.running.values())
        self.now += seconds

    def settle(self) -> None:
        """Run everything to its end, in turns."""
        self.stopped.clear()
        while self.running:
            able = self.runnable()
            if able:
                self.step(able[0])
            else:
                assert self.tick(), f"stuck: {[each.at for each in self.running.values()]}"

    def crash(self, host: int) -> None:
        for running in [each for each in self.running.values() if each.host == host]:
            if running.at in ("sent", "answered") or self._has_unwritten_answer(running):
                self.forgive("a host crashed around its send")
            if running.path in ("/enter", "/logout"):
                self.forgive("a host crashed in a sign-in or sign-out")
            del self.running[running.number]
            if running.coroutine:
                running.coroutine.throw(GreenletExit)
        refresher = self.hosts[host]._refresher
        if refresher._shared.unsaved:
            self.forgive("a host crashed before it could write its tokens down")
        if refresher.caller._late.made():
            self.forgive("a host crashed while an answer was still to come")
        self.hosts[host] = self._host()
        self.stopped.discard(host)

    def stop(self, host: int) -> None:
        self.stopped.add(host)
        for running in self.running.values():
            if running.host == host:
                running.disturbed = True
                if running.at in ("sent", "answered") or self._has_unwritten_answer(running):
                    self.forgive("a host was stopped around its send")

    def go_on(self, host: int) -> None:
        self.stopped.discard(host)

    def take_down_store(self) -> None:
        self.store_down = True
        if any(self._has_unwritten_answer(each) or each.at in ("sent", "answered") for each in self.running.values()):
            self.forgive("the store was lost between a call and its outcome")

    def deliver(self, index: int) -> None:
        response = self.arriving.pop(index)
        before = self.jar.get("refresh_token", "")
        for cookie in response.cookies:
            pair, _, attributes = cookie.partition(";")
            name, _, value = pair.partition("=")
            if "max-age=0" in attributes.lower():
                self.jar.pop(name, None)
            else:
                self.jar[name] = value
        now = self.server.of_token.get(self.jar.get("refresh_token", ""))
        if now is not None and now.name in self.ended:
            self.forgive("a response arrived after the sign-in or sign-out that it was decided before")
        self.jars.append(dict(self.jar))
        gone = self.server.of_token.get(before)
        if gone and "refresh_token" not in self.jar and not gone.revoked and not self.signed_out:
            assert self.server.kind == "lenient", "a living family's cookies were expired"
            assert self.forgiven, "a living family's cookies were expired"

    def lose(self, index: int) -> None:
        if self.arriving.pop(index).path == "/enter":
            self.forgive("the response to a sign-in was lost: the old session is over, and the new one unknown")

    def left_behind(self, jar: dict[str, str]) -> bool:
        """Tell whether a browser with this jar would show a generation that it was seen to have left for good."""
        look = self.look(jar.get("refresh_token", ""))
        if look is None:
            token = jar.get("refresh_token", "")
            return token in self.sent or token not in self.server.of_token
        return look.member.generation < look.family.oldest

    # What requests do.

    def point(self, what: str) -> None:
        self.block(lambda: True, None, what)

    def block(self, ready: Callable[[], bool], until: float | None, what: str = "waits") -> None:
        running = self._current()
        running.ready, running.wakes, running.at = ready, until, what
        self._main.switch()

    def take_fault(self) -> str | None:
        fault, self.fault = self.fault, None
        return fault

    def forgive(self, why: str) -> None:
        """Remember that something happened that nobody can repair."""
        self.forgiven.append(why)

    def sending(self, refresh_token: str) -> None:
        """Check that only the current generation is ever sent, by one caller at a time, whom the record names.

        And never twice, unless nobody can know what became of the first.
        """
        look, caller = self.look(refresh_token), self._current()
        if look is not None and look.family.state.value == "live":
            assert look.tokens.refresh_token == refresh_token, "a generation was sent that is not current"
            known = look.family.calling or self.store_down or not self.endpoint.single_use
            assert known, "somebody sent whom the record does not name as the caller"
        if self.server.kind != "static":
            earlier = self.sent.setdefault(refresh_token, [])
            assert not any(self._is_asking(each) for each in earlier), "two callers at once"
            assert not earlier or self.forgiven or self._may_repeat(refresh_token), "a refresh token was sent twice"
            if refresh_token in self.too_slow and not self.forgiven:
                waited = self.now - self.too_slow[refresh_token]
                assert waited >= ANSWER_TIMEOUT, "a refresh token was sent again although its answer could still come"
                self.forgive("nobody came by the host that had the answer in time")
            earlier.append(caller)

    @contextmanager
    def calling(self) -> Iterator[None]:
        """Check that no host has more calls out than it may."""
        caller = self._current()
        self.out.add(caller.number)
        there = [each for each in self.running.values() if each.host == caller.host and each.number in self.out]
        assert len(there) <= self.endpoint.max_calls, "too many calls at once"
        try:
            yield
        finally:
            self.out.discard(caller.number)

    def look(self, refresh_token: str) -> Look | None:
        return Records(self.inner, IDENTITY, 30 * 86400).find(Tokens(refresh_token=refresh_token))

    # What must hold in the end.

    def converge(self) -> Response:
        """Heal everything, let a browser go on, and give the answer to its last request."""
        self.fault = None
        self.store_down = False
        self.settle()
        while self.arriving:
            self.deliver(0)
        response = self.visit(0)
        for host in (1, 0, 1):
            self.jump(61)
            response = self.visit(host)
        return response

    def visit(self, host: int) -> Response:
        running = self.request(host)
        self.settle()
        self.deliver(0)
        assert running.response is not None
        return running.response

    def _walk(self, running: Running, jar: dict[str, str]) -> None:
        environ = {
            "REQUEST_METHOD": "GET",
            "SCRIPT_NAME": "",
            "PATH_INFO": running.path,
            "HTTP_ACCEPT": "text/html",
            "wsgi.multithread": running.host == 0,
            "HTTP_COOKIE": "; ".join(f"{name}={value}" for name, value in jar.items()),
        }
        seen: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> Any:
            self._decided(running, headers)
            seen.append((status, headers))

        answer = self.hosts[running.host](environ, start_response)
        list(answer)
        status, headers = seen[-1]
        cookies = [value for name, value in headers if name == "Set-Cookie"]
        running.response = Response(int(status[:3]), cookies, environ.get("seen", ""), running.path)
        self._is_in_time(running)
        self.arriving.append(running.response)
        if hasattr(answer, "close"):
            answer.close()

    def _is_in_time(self, running: Running) -> None:
        """Check how long a browser was held: nobody with a good token waits for an answer until its end."""
        took = self.now - running.began
        most = WAIT_TIMEOUT if running.is_good else max(WAIT_TIMEOUT, running.patience)
        most += WAIT_TIMEOUT if running.path == "/api" else 0  # its view asks again
        assert running.disturbed or took <= most + 1.001, f"request {running.number} took {took} s"

    def _application(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        session = get_session(environ)
        environ["seen"] = session.state
        before = self.server.of_token.get(parse_cookie(environ.get("HTTP_COOKIE", "")).get("refresh_token", ""))
        assert before is None, "the application was shown the refresh token"
        if environ["PATH_INFO"] == "/api":
            session.refresh()
        if environ["PATH_INFO"] == "/logout":
            with self._ending(session):
                session.sign_out()
            self.signed_out = True
        if environ["PATH_INFO"] == "/enter":
            tokens = self.server.login()
            with self._ending(session):
                session.sign_in({"access_token": tokens.access_token, "refresh_token": tokens.refresh_token})
        self.point("in the view")
        start_response("200 OK", [])
        return [b""]

    @contextmanager
    def _ending(self, session: Any) -> Iterator[None]:
        """Remember which families a view has ended once its call has returned, unless the store was down for it."""
        came_along = [self.server.of_token.get(each.refresh_token or "") for each in session._old_tokens()]
        errors = self.store_errors
        yield
        if not self.store_down and self.store_errors == errors:
            self.ended |= {family.name for family in came_along if family is not None}

    def _decided(self, running: Running, headers: list[tuple[str, str]]) -> None:
        for name, value in headers:
            if name == "Set-Cookie" and value.startswith("refresh_token=") and "max-age=0" not in value.lower():
                family = self.server.of_token[value.partition(";")[0].partition("=")[2]]
                assert self.store_down or family.name not in self.ended, "a family that had ended was brought back"

    def _is_ready(self, running: Running) -> bool:
        return running.ready() or (running.wakes is not None and self.now >= running.wakes)

    def _current(self) -> Running:
        current = getcurrent()
        return next(each for each in self.running.values() if each.coroutine is current)

    def _has_unwritten_answer(self, running: Running) -> bool:
        """Tell whether this request may have had something processed that no record shows yet."""
        for token, senders in self.sent.items():
            if running in senders:
                look = self.look(token)
                if look is None or look.family.calling is not None or look.tokens.refresh_token == token:
                    return True
        return False

    def _is_asking(self, running: Running) -> bool:
        at_work = self.running.get(running.number) is running and running.host not in self.stopped
        return at_work and not running.disturbed and running.at in ("sent", "answered", "waits")

    def _may_repeat(self, refresh_token: str) -> bool:
        look = self.look(refresh_token)
        return look is not None and look.family.pause is not None and look.family.pause.sent

    def _host(self) -> TokenRefreshMiddleware:
        host = TokenRefreshMiddleware(
            self._application,
            token_endpoint=self.endpoint,  # type: ignore[arg-type]
            routes=Routes(optional=["/enter", "/logout"]),
            verifier=None,
            session=TokenCookies(secure=False),
            store=self.store,
            clock=lambda: self.now,
            monotonic=lambda: self.now,
        )
        most = self.endpoint.max_calls
        stepped = [SteppedSemaphore(self, max(1, most // part)) for part in (1, 4, 2)]
        caller: Any = host._refresher.caller
        caller.between_looks = WAIT_TIMEOUT
        caller.slots._slots = PerProcess(lambda: _Slots(*stepped))  # type: ignore[arg-type]
        if not self.endpoint.single_use:
            own = SteppedStore(self, MemoryStore(clock=lambda: self.now), shared=False)
            host._refresher._alone = Looking(Records(own, IDENTITY, DAY), 600.0)
        return host
