"""The rotating authorization server that our tests lean on does what it is ordered to, and nothing else."""

from __future__ import annotations

import io
import json
import runpy
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse, RemoteDisconnected
from typing import Any
from urllib.parse import urlencode, urlsplit

import jwt
import pytest
from werkzeug.test import Client, TestResponse

import wsgi_token_refresh.testing
from wsgi_token_refresh.testing import RotatingAuthorizationServer, process
from wsgi_token_refresh.testing.__main__ import main
from wsgi_token_refresh.testing.authorization_server import ServedAuthorizationServer
from wsgi_token_refresh.testing.faults import FAULTS
from wsgi_token_refresh.testing.fixtures import rotating_authorization_server  # noqa: F401
from wsgi_token_refresh.testing.handle import AuthorizationServerHandle
from wsgi_token_refresh.testing.process import run_in_process


@dataclass
class Clock:
    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def server() -> RotatingAuthorizationServer:
    return RotatingAuthorizationServer(clock=Clock())


@pytest.fixture
def client(server: RotatingAuthorizationServer) -> Client:
    return Client(server)


@pytest.fixture
def served(server: RotatingAuthorizationServer) -> Iterator[ServedAuthorizationServer]:
    with server.serve() as served:
        yield served


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def refresh(client: Client, refresh_token: str, **form: str) -> TestResponse:
    return client.post("/token", data={"grant_type": "refresh_token", "refresh_token": refresh_token, **form})


def claims_of(client: Client, access_token: str) -> dict[str, Any]:
    keys = jwt.PyJWKSet.from_dict(client.get("/jwks.json").json or {})
    kid = jwt.get_unverified_header(access_token)["kid"]
    claims: dict[str, Any] = jwt.decode(
        access_token,
        keys[kid],
        algorithms=["RS256"],
        audience="api",
        options={"verify_exp": False, "verify_iat": False},
    )
    return claims


def picked(counts: dict[str, Any], **wanted: object) -> dict[str, object]:
    return {name: counts[name] for name in wanted}


class TestSignIn:
    @pytest.mark.parametrize("body", ["data", "json"], ids=["form", "JSON"])
    def test_login_gives_a_token_response(self, client: Client, body: str) -> None:
        response = client.post("/login", **{body: {"username": "ada", "password": "x"}})
        assert response.status_code == 200
        assert response.headers["Cache-Control"] == "no-store"
        assert response.json is not None
        assert sorted(response.json) == ["access_token", "expires_in", "refresh_token", "token_type"]
        assert response.json["expires_in"] == 300

    def test_the_access_token_is_a_jwt_of_the_published_key(
        self, server: RotatingAuthorizationServer, client: Client
    ) -> None:
        claims = claims_of(client, server.login("grace")["access_token"])
        (family,) = server.counts()["families"]
        assert len(claims.pop("jti")) == 16
        assert claims == {
            "iss": "http://127.0.0.1",
            "aud": "api",
            "sub": "grace",
            "sid": family,
            "iat": 1_800_000_000,
            "exp": 1_800_000_300,
        }

    @pytest.mark.parametrize(
        ("path", "form", "status", "error"),
        [
            pytest.param("/login", {"username": "ada", "password": "no"}, 401, "invalid_credentials", id="password"),
            pytest.param("/login", {"username": "eve", "password": "lovelace"}, 401, "invalid_credentials", id="name"),
            pytest.param("/login", {}, 401, "invalid_credentials", id="nothing sent"),
            pytest.param(
                "/token", {"grant_type": "password", "username": "eve"}, 400, "invalid_grant", id="password grant"
            ),
        ],
    )
    def test_wrong_credentials_are_refused(self, path: str, form: dict[str, str], status: int, error: str) -> None:
        server = RotatingAuthorizationServer(users={"ada": "lovelace"})
        response = Client(server).post(path, data=form)
        assert (response.status_code, (response.json or {})["error"]) == (status, error)
        assert server.counts()["logins"] == 0
        assert server.login("ada", "lovelace")["access_token"]

    def test_the_password_grant_signs_in(self, client: Client) -> None:
        response = client.post("/token", data={"grant_type": "password", "username": "ada", "password": "x"})
        assert claims_of(client, (response.json or {})["access_token"])["sub"] == "ada"

    def test_other_grants_are_not_supported(self, client: Client) -> None:
        response = client.post("/token", data={"grant_type": "authorization_code"})
        assert (response.status_code, (response.json or {})["error"]) == (400, "unsupported_grant_type")

    def test_opaque_access_tokens_are_no_jwts(self) -> None:
        server = RotatingAuthorizationServer(opaque=True)
        first, second = server.login()["access_token"], server.login()["access_token"]
        assert first != second
        assert "." not in first


class TestRotation:
    def test_a_refresh_gives_new_tokens_of_the_same_family(
        self, server: RotatingAuthorizationServer, client: Client
    ) -> None:
        old = server.login()
        new = refresh(client, old["refresh_token"]).json or {}
        assert new["refresh_token"] != old["refresh_token"]
        assert claims_of(client, new["access_token"])["sid"] == claims_of(client, old["access_token"])["sid"]
        wanted = {"logins": 1, "requests": 1, "grants": 1, "refused": 0, "revocations": 0, "reuse": 0, "live": 1}
        assert picked(server.counts(), **wanted) == wanted

    @pytest.mark.parametrize(
        ("reuse", "again", "newest", "counts"),
        [
            pytest.param("revoke", 400, 400, {"grants": 1, "refused": 2, "reuse": 1, "live": False}, id="revokes"),
            pytest.param("reject", 400, 200, {"grants": 2, "refused": 1, "reuse": 1, "live": True}, id="is refused"),
            pytest.param("allow", 200, 200, {"grants": 3, "refused": 0, "reuse": 1, "live": True}, id="works"),
        ],
    )
    def test_reuse_of_a_spent_refresh_token(
        self, reuse: str, again: int, newest: int, counts: dict[str, object]
    ) -> None:
        server = RotatingAuthorizationServer(reuse=reuse)
        client, old = Client(server), server.login()["refresh_token"]
        other = server.login("grace")["refresh_token"]
        new = (refresh(client, old).json or {})["refresh_token"]
        assert refresh(client, old).status_code == again
        assert refresh(client, new).status_code == newest
        assert next(iter(server.counts()["families"].values())) == {"subject": "ada", **counts}
        assert server.counts()["revocations"] == (reuse == "revoke")
        assert refresh(client, other).status_code == 200

    def test_without_rotation_the_refresh_token_stays_what_it_is(self) -> None:
        server = RotatingAuthorizationServer(rotate=False)
        token = server.login()["refresh_token"]
        for _ in range(2):
            assert (refresh(Client(server), token).json or {})["refresh_token"] == token
        assert server.counts()["reuse"] == 0

    def test_a_refresh_token_expires(self) -> None:
        clock = Clock()
        server = RotatingAuthorizationServer(refresh_lifetime=60, clock=clock)
        client, token = Client(server), server.login()["refresh_token"]
        clock.now += 59.9
        renewed = (refresh(client, token).json or {})["refresh_token"]
        clock.now += 60
        response = refresh(client, renewed)
        assert (response.status_code, (response.json or {})["error"]) == (400, "invalid_grant")
        assert server.counts()["live"] == 1

    def test_an_unknown_refresh_token_is_refused(self, server: RotatingAuthorizationServer, client: Client) -> None:
        assert (refresh(client, "garbage").json or {})["error"] == "invalid_grant"
        assert server.counts()["refused"] == 1

    def test_revocation_ends_the_whole_family(self, server: RotatingAuthorizationServer, client: Client) -> None:
        old = server.login()["refresh_token"]
        new = (refresh(client, old).json or {})["refresh_token"]
        for token in (old, old, "garbage"):
            assert client.post("/revoke", data={"token": token}).status_code == 200
        assert refresh(client, new).status_code == 400
        wanted = {"revocations": 1, "reuse": 0, "live": 0}
        assert picked(server.counts(), **wanted) == wanted

    def test_of_many_at_once_one_is_granted(self) -> None:
        server = RotatingAuthorizationServer(reuse="reject")
        token = server.login()["refresh_token"]
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: refresh(Client(server), token).status_code, range(16)))
        assert sorted(answers) == [200] + [400] * 15

    def test_new_keys_sign_and_old_ones_stay_published(
        self, server: RotatingAuthorizationServer, client: Client
    ) -> None:
        old = server.login()["access_token"]
        server.rotate_keys()
        new = server.login()["access_token"]
        assert jwt.get_unverified_header(old)["kid"] != jwt.get_unverified_header(new)["kid"]
        assert claims_of(client, old)["sid"] != claims_of(client, new)["sid"]


class TestClientAuthentication:
    @pytest.mark.parametrize("path", ["/token", "/revoke"])
    @pytest.mark.parametrize(
        ("auth", "form", "status"),
        [
            pytest.param(("web", "s3:+cr%t"), {}, 401, id="basic not form-urlencoded"),
            pytest.param(("web", "s3%3A%2Bcr%25t"), {}, 200, id="basic"),
            pytest.param(None, {"client_id": "web", "client_secret": "s3:+cr%t"}, 200, id="post"),
            pytest.param(None, {"client_id": "spa"}, 200, id="none, a public client"),
            pytest.param(None, {"client_id": "web"}, 401, id="no secret"),
            pytest.param(("web", "wrong"), {}, 401, id="wrong secret"),
            pytest.param(("who", "s3%3A%2Bcr%25t"), {}, 401, id="unknown client"),
            pytest.param(None, {}, 401, id="nothing"),
            pytest.param(("web", "s3%3A%2Bcr%25t"), {"client_secret": "s3:+cr%t"}, 400, id="twice"),
        ],
    )
    def test_clients(self, path: str, auth: tuple[str, str] | None, form: dict[str, str], status: int) -> None:
        server = RotatingAuthorizationServer(clients={"web": "s3:+cr%t", "spa": None})
        token = server.login()["refresh_token"]
        data = {"grant_type": "refresh_token", "refresh_token": token, "token": token, **form}
        response = Client(server).post(path, data=data, auth=auth)
        assert response.status_code == status
        assert ("WWW-Authenticate" in response.headers) == (status == 401)
        assert server.counts()["refused"] == 0

    def test_the_password_grant_wants_a_client_too(self) -> None:
        client = Client(RotatingAuthorizationServer(clients={"web": "secret"}))
        response = client.post("/token", data={"grant_type": "password", "username": "ada"})
        assert (response.status_code, (response.json or {})["error"]) == (401, "invalid_client")


def send_form(token: str | None) -> dict[str, Any]:
    return {"data": {"grant_type": "refresh_token", **({} if token is None else {"refresh_token": token})}}


def send_json(name: str) -> Callable[[str | None], dict[str, Any]]:
    return lambda token: {"json": {} if token is None else {name: token}}


def send_bearer(token: str | None) -> dict[str, Any]:
    return {} if token is None else {"headers": {"Authorization": f"Bearer {token}"}}


@pytest.mark.parametrize(
    ("dialect", "send", "keys", "refused", "missing"),
    [
        pytest.param(
            "oauth2",
            send_form,
            {"access_token", "refresh_token", "expires_in", "token_type"},
            (400, "error", "invalid_grant"),
            (400, "error", "invalid_request"),
            id="oauth2",
        ),
        pytest.param(
            "simplejwt",
            send_json("refresh"),
            {"access", "refresh"},
            (401, "code", "token_not_valid"),
            (400, "refresh", ["This field is required."]),
            id="simplejwt",
        ),
        pytest.param(
            "camel",
            send_json("refreshToken"),
            {"accessToken", "refreshToken", "expiresIn"},
            (401, "error", "invalid_grant"),
            (400, "error", "invalid_request"),
            id="camel",
        ),
        pytest.param(
            "bearer",
            send_bearer,
            {"access_token", "refresh_token"},
            (401, "msg", "Token has been revoked"),
            (401, "msg", "Missing Authorization Header"),
            id="bearer",
        ),
    ],
)
class TestDialects:
    def test_each_speaks_its_own_words(
        self,
        dialect: str,
        send: Callable[[str | None], dict[str, Any]],
        keys: set[str],
        refused: tuple[int, str, object],
        missing: tuple[int, str, object],
    ) -> None:
        server = RotatingAuthorizationServer(dialect=dialect)
        client, first = Client(server), server.login()
        assert first.keys() == keys
        token = next(value for name, value in first.items() if name.startswith("refresh"))
        assert (client.post("/token", **send(token)).json or {}).keys() == keys
        for presented, (status, key, value) in ((token, refused), (None, missing)):
            response = client.post("/token", **send(presented))
            assert (response.status_code, (response.json or {})[key]) == (status, value)
        wanted = {"requests": 3, "grants": 1, "refused": 1}
        assert picked(server.counts(), **wanted) == wanted


class TestFaults:
    @pytest.mark.parametrize(
        ("name", "status", "mimetype", "retry_after", "processed"),
        [
            pytest.param("slow", 200, "application/json", None, True, id="slow"),
            pytest.param("500", 500, "text/html", None, False, id="500"),
            pytest.param("502", 502, "text/html", None, False, id="502"),
            pytest.param("503", 503, "text/html", None, False, id="503 does not say when to come again"),
            pytest.param("503-retry-after", 503, "text/html", "0", False, id="503 that does"),
            pytest.param("429", 429, "text/html", "0", False, id="429"),
            pytest.param("html", 200, "text/html", None, False, id="html is not processed"),
            pytest.param("html-after", 200, "text/html", None, True, id="html-after is processed"),
            pytest.param("broken-json", 200, "application/json", None, False, id="broken JSON"),
            pytest.param("invalid_client", 401, "application/json", None, False, id="invalid_client"),
        ],
    )
    def test_an_answer_that_helps_nobody(
        self, name: str, status: int, mimetype: str, retry_after: str | None, processed: bool
    ) -> None:
        server = RotatingAuthorizationServer()
        client, token = Client(server), server.login()["refresh_token"]
        server.fault(name, seconds=0)
        response = refresh(client, token)
        assert (response.status_code, response.mimetype) == (status, mimetype)
        assert response.headers.get("Retry-After") == retry_after
        assert server.counts()["grants"] == processed
        assert refresh(client, token).status_code == (400 if processed else 200), "one order is for one request"

    def test_broken_json_is_no_json(self, server: RotatingAuthorizationServer, client: Client) -> None:
        server.fault("broken-json")
        with pytest.raises(ValueError, match="Unterminated"):
            json.loads(refresh(client, "any").text)

    def test_without_a_refresh_token_the_old_one_stays_good(
        self, server: RotatingAuthorizationServer, client: Client
    ) -> None:
        token = server.login()["refresh_token"]
        server.fault("no-refresh-token", times=2)
        for _ in range(2):
            answer = refresh(client, token).json or {}
            assert "refresh_token" not in answer
            assert claims_of(client, answer["access_token"])
        assert "refresh_token" in (refresh(client, token).json or {})

    def test_other_subject(self, server: RotatingAuthorizationServer, client: Client) -> None:
        token = server.login()["refresh_token"]
        server.fault("other-subject")
        assert claims_of(client, (refresh(client, token).json or {})["access_token"])["sub"] == "somebody-else"

    def test_unverifiable(self, server: RotatingAuthorizationServer, client: Client) -> None:
        token = server.login()["refresh_token"]
        server.fault("unverifiable")
        answer = refresh(client, token).json or {}
        with pytest.raises(KeyError):
            claims_of(client, answer["access_token"])
        assert refresh(client, answer["refresh_token"]).status_code == 200

    def test_orders_are_served_in_their_order(self, server: RotatingAuthorizationServer, client: Client) -> None:
        server.fault("502", times=2)
        server.fault("429")
        assert [refresh(client, "any").status_code for _ in range(4)] == [502, 502, 429, 400]

    @pytest.mark.parametrize(
        "name", ["reset", "reset-after", "drop", "hang", "hang-after", "drip", "drip-body"], ids=str
    )
    def test_what_touches_the_connection_needs_one(
        self, server: RotatingAuthorizationServer, client: Client, name: str
    ) -> None:
        token = server.login()["refresh_token"]
        server.fault(name, seconds=0)
        with pytest.raises(RuntimeError, match=r"serve it with serve\(\)"):
            refresh(client, token)
        assert server.counts()["grants"] == 0

    @pytest.mark.parametrize(
        ("order", "problem"),
        [
            pytest.param({"name": "boom"}, ", ".join(FAULTS), id="unknown name"),
            pytest.param({"name": "slow", "times": 0}, "times is a whole number from 1, not 0", id="no times"),
            pytest.param(
                {"name": "slow", "times": 1.5}, "times is a whole number from 1, not 1.5", id="part of a time"
            ),
            pytest.param({"name": "slow", "seconds": -1}, "seconds is a number from 0, not -1", id="less than no time"),
            pytest.param(
                {"name": "slow", "seconds": "1"}, "seconds is a number from 0, not '1'", id="text for seconds"
            ),
            pytest.param({}, "missing 1 required positional argument: 'name'", id="no name"),
        ],
    )
    def test_an_order_that_cannot_be_is_refused(self, client: Client, order: dict[str, Any], problem: str) -> None:
        response = client.post("/fault", json=order)
        assert response.status_code == 400
        assert problem in (response.json or {})["error_description"]


class TestSettings:
    @pytest.mark.parametrize(
        ("changes", "problem"),
        [
            pytest.param({"dealy": 1}, "there is no setting dealy; there are: access_lifetime, rotate", id="unknown"),
            pytest.param({"delay": -1}, "delay is a number from 0, not -1", id="negative delay"),
            pytest.param({"delay": True}, "delay is a number from 0, not True", id="delay without a length"),
            pytest.param({"access_lifetime": 0}, "access_lifetime is a number above 0, not 0", id="no life"),
            pytest.param({"rotate": 1}, "rotate is true or false, not 1", id="rotate"),
            pytest.param({"reuse": "x"}, "reuse is one of revoke, reject, allow, not 'x'", id="reuse"),
            pytest.param(
                {"down": "no", "rotate": "no"}, "rotate is true or false, not 'no'; down is", id="all at once"
            ),
        ],
    )
    def test_what_cannot_be_is_refused_and_changes_nothing(
        self, server: RotatingAuthorizationServer, client: Client, changes: dict[str, Any], problem: str
    ) -> None:
        response = client.post("/set", json=changes)
        assert response.status_code == 400
        assert (response.json or {})["error_description"].startswith(problem)
        assert server.login()["expires_in"] == 300

    @pytest.mark.parametrize(
        ("options", "problem"),
        [({"dialect": "latin"}, "oauth2, simplejwt, camel, bearer"), ({"reuse": "x"}, "reuse is one of")],
        ids=["dialect", "reuse"],
    )
    def test_the_constructor_checks_too(self, options: dict[str, Any], problem: str) -> None:
        with pytest.raises(ValueError, match=problem):
            RotatingAuthorizationServer(**options)

    def test_changes_hold_until_reset(self, server: RotatingAuthorizationServer, client: Client) -> None:
        old = server.login()["refresh_token"]
        server.set(access_lifetime=7, rotate=False, reuse="allow")
        server.fault("500", times=9)
        assert server.login()["expires_in"] == 7
        refresh(client, old)
        assert client.post("/reset").status_code == 200
        assert server.counts() == {
            "requests": 0,
            "logins": 0,
            "grants": 0,
            "refused": 0,
            "revocations": 0,
            "reuse": 0,
            "live": 0,
            "families": {},
        }
        new = server.login()
        assert new["expires_in"] == 300
        assert (refresh(client, new["refresh_token"]).json or {})["refresh_token"] != new["refresh_token"]
        assert refresh(client, old).status_code == 400


class TestRequests:
    @pytest.mark.parametrize(
        ("method", "path", "body", "status"),
        [
            pytest.param("GET", "/", b"", 404, id="unknown path"),
            pytest.param("GET", "/token", b"", 405, id="other method"),
            pytest.param("POST", "/fault", b"[1]", 400, id="JSON that is no object"),
            pytest.param("POST", "/login", b"{" * 65_537, 413, id="too long"),
        ],
    )
    def test_odd_ones_are_refused(self, client: Client, method: str, path: str, body: bytes, status: int) -> None:
        assert client.open(path, method=method, data=body).status_code == status

    def test_discovery_says_where_everything_is(self, client: Client) -> None:
        document = client.get("/.well-known/openid-configuration", base_url="http://auth.test:8000").json or {}
        assert document["issuer"] == "http://127.0.0.1"
        assert document["token_endpoint"] == "http://auth.test:8000/token"
        assert document["jwks_uri"] == "http://auth.test:8000/jwks.json"
        assert document["revocation_endpoint"] == "http://auth.test:8000/revoke"


def connected(served: AuthorizationServerHandle) -> closing[HTTPConnection]:
    return closing(HTTPConnection(urlsplit(served.url).netloc, timeout=10))


def ask_to_refresh(connection: HTTPConnection, refresh_token: str) -> None:
    form = urlencode({"grant_type": "refresh_token", "refresh_token": refresh_token})
    connection.request("POST", "/token", form, {"Content-Type": "application/x-www-form-urlencoded"})


def refreshed(connection: HTTPConnection, refresh_token: str) -> HTTPResponse:
    ask_to_refresh(connection, refresh_token)
    return connection.getresponse()


class TestServing:
    @pytest.mark.parametrize("body", [b"", b"username=ada" * 99], ids=["without a body", "with a body left unread"])
    def test_a_connection_is_kept(self, served: ServedAuthorizationServer, body: bytes) -> None:
        with connected(served) as connection:
            ports = set()
            for _ in range(3):
                connection.request("GET", "/login", body)
                response = connection.getresponse()
                response.read()
                ports.add(connection.sock.getsockname()[1])
        assert response.status == 405
        assert len(ports) == 1

    def test_it_says_nothing(self, served: ServedAuthorizationServer, capfd: pytest.CaptureFixture[str]) -> None:
        served.login()
        served.fault("drop")
        with connected(served) as connection, pytest.raises(RemoteDisconnected):
            refreshed(connection, "any")
        assert capfd.readouterr() == ("", "")

    def test_a_body_without_end_closes_the_connection(self, served: ServedAuthorizationServer) -> None:
        with connected(served) as connection:
            connection.putrequest("POST", "/login")
            connection.putheader("Content-Length", str(1 << 30))
            connection.endheaders()
            with pytest.raises(RemoteDisconnected):
                connection.getresponse()

    @pytest.mark.parametrize(
        ("name", "error", "processed"),
        [
            pytest.param("reset", ConnectionResetError, False, id="reset is not processed"),
            pytest.param("reset-after", ConnectionResetError, True, id="reset-after is"),
            pytest.param("drop", RemoteDisconnected, True, id="drop is processed and not answered"),
            pytest.param("hang", RemoteDisconnected, False, id="hang is not processed"),
            pytest.param("hang-after", RemoteDisconnected, True, id="hang-after is"),
        ],
    )
    def test_an_answer_that_never_comes(
        self, served: ServedAuthorizationServer, name: str, error: type[Exception], processed: bool
    ) -> None:
        token = served.login()["refresh_token"]
        served.fault(name, seconds=0.02)
        with connected(served) as connection:
            with pytest.raises(ConnectionError) as raised:
                refreshed(connection, token)
            assert type(raised.value) is error
            assert served.counts()["grants"] == processed
            assert refreshed(connection, token).status == (400 if processed else 200)

    @pytest.mark.parametrize("name", ["hang", "hang-after"])
    def test_a_hanging_answer_hangs_until_it_is_released(self, served: ServedAuthorizationServer, name: str) -> None:
        served.fault(name)
        with connected(served) as connection:
            ask_to_refresh(connection, served.login()["refresh_token"])
            until(lambda: served.counts()["requests"] == 1)
            served.release()
            with pytest.raises(RemoteDisconnected):
                connection.getresponse()
        assert served.counts()["grants"] == (name == "hang-after")

    @pytest.mark.parametrize("order", ["slow", "drip", "drip-body", "delay"], ids=str)
    def test_a_late_answer_comes_at_once_when_it_is_released(
        self, served: ServedAuthorizationServer, order: str
    ) -> None:
        if order == "delay":
            served.set(delay=60)
        else:
            served.fault(order, seconds=60)
        with connected(served) as connection:
            ask_to_refresh(connection, served.login()["refresh_token"])
            until(lambda: served.counts()["requests"] == 1)
            served.release()
            answer = json.loads(connection.getresponse().read())
        assert "refresh_token" in answer

    @pytest.mark.parametrize("order", ["slow", "delay"])
    def test_what_is_late_is_processed_late(self, served: ServedAuthorizationServer, order: str) -> None:
        if order == "delay":
            served.set(delay=60)
        else:
            served.fault(order, seconds=60)
        with connected(served) as connection:
            ask_to_refresh(connection, served.login()["refresh_token"])
            until(lambda: served.counts()["requests"] == 1)
            assert served.counts()["grants"] == 0
            served.reset()
            assert connection.getresponse().status == 400, "reset releases, and has forgotten the token"

    @pytest.mark.parametrize(
        ("name", "late"), [("drip", b"HTTP/1.1 2"), ("drip-body", b'{"access_t')], ids=["drip", "drip-body"]
    )
    def test_a_dripping_answer_comes_byte_by_byte(
        self, served: ServedAuthorizationServer, name: str, late: bytes
    ) -> None:
        token = served.login()["refresh_token"]
        served.fault(name, seconds=0.3)
        with connected(served) as connection:
            began = time.monotonic()
            ask_to_refresh(connection, token)
            chunks = []
            while chunk := connection.sock.recv(65_536):
                chunks.append(chunk)
        head, _, body = b"".join(chunks).partition(b"\r\n\r\n")
        assert time.monotonic() - began >= 0.3
        assert len(chunks) >= 3
        assert b"".join(chunks[1:] if name == "drip-body" else chunks).startswith(late)
        assert b"Connection: close" in head
        assert "refresh_token" in json.loads(body)
        assert served.counts()["grants"] == 1

    def test_a_refusal_drips_as_well(self, served: ServedAuthorizationServer) -> None:
        served.fault("drip-body", seconds=0.1)
        served.fault("drip", seconds=0)
        with connected(served) as connection:
            assert len(json.loads(refreshed(connection, "any").read())) == 2
        with connected(served) as connection:
            assert refreshed(connection, "any").status == 400

    @pytest.mark.parametrize("grant", ["refresh_token", "password"])
    def test_down_means_that_nothing_is_processed(self, served: ServedAuthorizationServer, grant: str) -> None:
        token = served.login()["refresh_token"]
        served.fault("500")
        served.set(down=True)
        form = urlencode({"grant_type": grant, "refresh_token": token, "username": "ada"})
        with connected(served) as connection:
            connection.request("POST", "/token", form, {"Content-Type": "application/x-www-form-urlencoded"})
            with pytest.raises(ConnectionResetError):
                connection.getresponse()
            wanted = {"requests": grant == "refresh_token", "logins": 1, "grants": 0}
            assert picked(served.counts(), **wanted) == wanted
            served.set(down=False)
            assert refreshed(connection, token).status == 500, "the fault on order is still there"

    def test_the_end_ends_what_hangs_and_what_is_idle(self, server: RotatingAuthorizationServer) -> None:
        with server.serve() as served, connected(served) as idle, connected(served) as hanging:
            before = threading.active_count()
            idle.request("GET", "/counts")
            idle.getresponse().read()
            server.fault("hang")
            ask_to_refresh(hanging, "any")
            until(lambda: server.counts()["requests"] == 1)
            assert threading.active_count() == before + 2
            handlers = [thread for thread in threading.enumerate() if "process_request" in thread.name]
        for thread in handlers:
            thread.join(5)
            assert not thread.is_alive()

    def test_it_can_be_served_again_and_knows_what_it_knew(self, server: RotatingAuthorizationServer) -> None:
        with server.serve() as served:
            port, token = urlsplit(served.url).port or 0, served.login()["refresh_token"]
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port)).close()
        with server.serve(port) as served, connected(served) as connection:
            assert refreshed(connection, token).status == 200
            with pytest.raises(OSError, match="in use"):
                server.serve(port).__enter__()

    def test_the_handle_refuses_what_the_server_refuses(self) -> None:
        with RotatingAuthorizationServer(users={"ada": "lovelace"}).serve() as served:
            assert served.login()["token_type"] == "Bearer"
            with pytest.raises(ValueError, match="no such user, or another password: 'eve'"):
                served.login("eve")
            with pytest.raises(ValueError, match="there is no fault 'boom'"):
                served.fault("boom")

    def test_the_fixture_is_a_server(self, rotating_authorization_server: ServedAuthorizationServer) -> None:  # noqa: F811
        assert rotating_authorization_server.server.counts() == rotating_authorization_server.counts()
        for url in (rotating_authorization_server.jwks_url, rotating_authorization_server.revocation_endpoint):
            assert url.startswith(rotating_authorization_server.url)


@pytest.fixture
def signal_handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class TestProcess:
    def test_it_runs_with_its_options_until_it_is_stopped(self) -> None:
        options: dict[str, Any] = {"users": {"ada": "lovelace"}, "clients": {"web": "secret", "spa": None}}
        with run_in_process(access_lifetime=30, rotate=False, opaque=None, **options) as served:
            token = served.login()
            assert token["expires_in"] == 30
            with connected(served) as connection:
                assert refreshed(connection, token["refresh_token"]).status == 401
            served.rotate_keys()
            assert served.counts()["requests"] == 1
            served.pause()
            served.resume()
            served.reset()
            assert served.counts()["logins"] == 0
            assert served.pid > 0
            served.stop()
            with pytest.raises(ConnectionRefusedError):
                served.counts()

    def test_a_paused_one_ends_as_well(self) -> None:
        with run_in_process() as served:
            served.pause()
        with pytest.raises(ConnectionRefusedError):
            served.counts()

    def test_one_that_does_not_start_is_an_error(self, capfd: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(RuntimeError, match="did not start"), run_in_process(speed="high"):
            pass
        assert "--speed" in capfd.readouterr().err

    def test_one_that_does_not_listen_is_killed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
        monkeypatch.setattr(process, "_command", lambda _options: [sys.executable, "-c", deaf])
        monkeypatch.setattr(process, "_PATIENCE", 0.05)
        with run_in_process() as served:
            ended = served._process
        assert ended.returncode == -signal.SIGKILL

    @pytest.mark.parametrize("told", ["SIGTERM", "SIGINT"])
    def test_the_command_says_its_url_and_ends_cleanly(self, told: str) -> None:
        command = [sys.executable, "-m", "wsgi_token_refresh.testing", "--access-lifetime", "1.5"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
            assert running.stdout is not None
            assert running.stdout.readline().startswith("http://127.0.0.1:")
            running.send_signal(getattr(signal, told))
            out, err = running.communicate(timeout=20)
        assert (running.returncode, out, err) == (0, "", "")

    @pytest.mark.usefixtures("signal_handlers")
    def test_it_ends_with_its_parent(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        monkeypatch.setattr(sys, "stdin", io.StringIO())
        main(["--until-stdin-ends", "--delay", "0.5", "--user", "ada=lovelace", "--client", "spa", "--no-rotate"])
        assert capsys.readouterr().out.startswith("http://127.0.0.1:")

    @pytest.mark.usefixtures("signal_handlers")
    def test_a_port_that_is_taken_is_said_in_a_sentence(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(SystemExit, match=f"port {port} of 127.0.0.1 cannot be served on: .*; give another"):
                main(["--port", str(port)])

    def test_a_user_without_a_password_is_refused(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit):
            main(["--user", "ada"])
        assert "'ada' has no password; give NAME=PASSWORD" in capsys.readouterr().err

    @pytest.mark.usefixtures("signal_handlers")
    def test_a_signal_ends_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # Its one line is said when it is ready: signalled there, it ends.
        monkeypatch.setattr("builtins.print", lambda *_args, **_kwargs: signal.raise_signal(signal.SIGTERM))
        main(["--reuse", "allow"])

    @pytest.mark.usefixtures("signal_handlers")
    def test_it_waits_for_the_signal(self, monkeypatch: pytest.MonkeyPatch) -> None:
        code = main.__code__
        here = threading.get_ident()

        def is_waiting() -> bool:
            # Condition.wait in Event.wait in main: starting a thread waits as well.
            waiting = sys._current_frames()[here]
            caller = waiting.f_back.f_back if waiting.f_back else None
            return waiting.f_code is threading.Condition.wait.__code__ and caller is not None and caller.f_code is code

        def end_what_waits() -> None:
            until(is_waiting)
            signal.pthread_kill(here, signal.SIGTERM)

        ender = threading.Thread(target=end_what_waits)
        monkeypatch.setattr("builtins.print", lambda *_args, **_kwargs: ender.start())
        main([])
        ender.join(5)

    @pytest.mark.usefixtures("signal_handlers")
    def test_the_module_is_the_command(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        name = "wsgi_token_refresh.testing.__main__"
        monkeypatch.delitem(sys.modules, name, raising=False)
        monkeypatch.setattr(sys, "argv", [name, "--until-stdin-ends"])
        monkeypatch.setattr(sys, "stdin", io.StringIO())
        runpy.run_module("wsgi_token_refresh.testing", run_name="__main__")
        assert capsys.readouterr().out.startswith("http://127.0.0.1:")

    def test_a_process_ends_also_where_none_can_be_paused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # As on Windows, whose processes are terminated at once.
        monkeypatch.delattr(signal, "SIGCONT")
        with run_in_process() as served:
            ended = served._process
        assert ended.returncode is not None


class TestPlugin:
    def test_it_is_light(self) -> None:
        heavy = ["wsgi_token_refresh.testing.authorization_server", "wsgi_token_refresh.testing.serving"]
        code = (
            f"import sys, wsgi_token_refresh.testing.fixtures; sys.exit(any(name in sys.modules for name in {heavy}))"
        )
        assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0

    def test_what_is_not_there_is_an_attribute_error(self) -> None:
        with pytest.raises(AttributeError, match="no attribute 'nothing'"):
            _ = wsgi_token_refresh.testing.nothing
