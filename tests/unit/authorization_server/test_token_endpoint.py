"""The token endpoint against answers of every shape, and against servers that misbehave on the wire."""

from __future__ import annotations

import base64
import contextlib
import gzip
import inspect
import io
import json
import math
import os
import queue
import signal
import socket
import ssl
import struct
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs

import pytest
import requests
import responses
from responses import matchers
from urllib3.exceptions import NewConnectionError

from tests.tls import write_certificate
from wsgi_token_refresh.authorization_server.calls import LATE, MAX_BODY, Incoming, Wait
from wsgi_token_refresh.authorization_server.deadline_http import MOST_IDLE
from wsgi_token_refresh.authorization_server.dialects import Dialect, judged_by_body
from wsgi_token_refresh.authorization_server.http_answer import AnswerReader
from wsgi_token_refresh.authorization_server.token_endpoint import TokenEndpoint
from wsgi_token_refresh.errors import ConfigurationError, TokenResponseError
from wsgi_token_refresh.tokens import Refreshed, Rejected, Tokens, Unreachable

URL = "https://auth.example.com/token"
NOW = 1_700_000_000.0
BODY = json.dumps({"access_token": "new", "refresh_token": "next", "expires_in": 60}).encode()
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
NEW = Refreshed(Tokens("new", "next", NOW + 60, 60))
WRONG = [None, 5, 1.5, b"x", ["x"], {"x": 1}, object()]
SHORT = 0.2
"""Seconds of timeout where the timeout is what is tested."""
WELL_BEFORE = 5
"""Seconds: what has no end of its own takes longer, and what is slow does not."""


def endpoint(url=URL, **arguments):
    return TokenEndpoint(url, **{"clock": lambda: NOW, **arguments})


class Server:
    """Hands each connection to a handler in a thread of its own, and keeps what ``read`` read."""

    def __init__(self, handler, tls=None):
        self.requests = []
        self.connections = []
        self.stopping = threading.Event()
        self._handler = handler
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}/token"
        self.threads = [threading.Thread(target=self._accept)]
        self.threads[0].start()

    def _accept(self):
        while not self.stopping.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
            self.connections.append(connection)
            self.threads.append(threading.Thread(target=self._handle, args=(connection,)))
            self.threads[-1].start()

    def _handle(self, connection):
        with connection, contextlib.suppress(OSError):
            self._handler(self, connection)

    def read(self, connection):
        """Read one request; empty when the client has hung up."""
        data = b""
        while b"\r\n\r\n" not in data:
            if not (more := connection.recv(65_536)):
                return b""
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
        while len(body) < length:
            body += connection.recv(65_536)
        self.requests.append(head + b"\r\n\r\n" + body)
        return self.requests[-1]

    def close(self):
        self.stopping.set()
        for sock in (self._listener, *self.connections):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join(5)
        for sock in (self._listener, *self.connections):
            sock.close()


@pytest.fixture
def serve():
    servers = []

    def start(handler, tls=None):
        servers.append(Server(handler, tls))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def answering(answer=ANSWER, times=99):
    def handler(server, connection):
        for _ in range(times):
            if not server.read(connection):
                return
            connection.sendall(answer)

    return handler


def dripping(first, drop=b"x"):
    def handler(server, connection):
        server.read(connection)
        connection.sendall(first)
        while not server.stopping.wait(0.01):
            connection.sendall(drop)

    return handler


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Give the path of a PEM file with a key and a certificate for 127.0.0.1 that signs itself."""
    return write_certificate(tmp_path_factory.mktemp("tls") / "server.pem")


@pytest.fixture
def tls(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture(params=["http", "https"])
def started(request, serve, certificate, tls):
    """Start a server, and give it with an endpoint that trusts it, over either scheme."""

    def start(handler, **arguments):
        server = serve(handler, tls if request.param == "https" else None)
        return server, endpoint(server.url, ca_bundle=certificate, **arguments)

    return start


def timed(call):
    began = time.monotonic()
    result = call()
    return result, time.monotonic() - began


class TestWhatIsSent:
    @pytest.mark.parametrize(
        ("arguments", "form", "authorization"),
        [
            pytest.param({}, {}, None, id="a client without a name"),
            pytest.param({"client_id": "web"}, {"client_id": ["web"]}, None, id="a public client says its name"),
            pytest.param(
                {"client_id": "we:b", "client_secret": "s&cr%t ü"},
                {},
                "we%3Ab:s%26cr%25t+%C3%BC",
                id="a secret goes by basic, form-encoded first",
            ),
            pytest.param(
                {"client_id": "web", "client_secret": "s", "client_auth": "client_secret_post"},
                {"client_id": ["web"], "client_secret": ["s"]},
                None,
                id="client_secret_post",
            ),
            pytest.param({"scope": "openid api"}, {"scope": ["openid api"]}, None, id="scope"),
        ],
    )
    @responses.activate
    def test_the_refresh_grant(self, arguments, form, authorization):
        responses.post(URL, body=BODY)
        assert endpoint(**arguments).refresh("r&1") == NEW
        request = responses.calls[0].request
        sent = request.body.decode()
        assert parse_qs(sent) == {"grant_type": ["refresh_token"], "refresh_token": ["r&1"], **form}
        assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
        expected = authorization and "Basic " + base64.b64encode(authorization.encode()).decode()
        assert request.headers.get("Authorization") == expected

    @pytest.mark.parametrize(
        ("dialect", "content", "answer"),
        [
            pytest.param("simplejwt", {"refresh": "r"}, {"access": "new", "refresh": "next"}, id="simplejwt"),
            pytest.param(
                "camel",
                {"refreshToken": "r"},
                {"accessToken": "new", "refreshToken": "next", "expiresIn": 5},
                id="camel",
            ),
            pytest.param(
                Dialect("json", "auth.token", "data.token", "data.next"),
                {"auth": {"token": "r"}},
                {"data": {"token": "new", "next": "next"}},
                id="a dialect of one's own",
            ),
        ],
    )
    @responses.activate
    def test_json(self, dialect, content, answer):
        responses.post(URL, json=answer, match=[matchers.json_params_matcher(content)])
        tokens = endpoint(dialect=dialect, client_id="web").refresh("r").tokens
        assert (tokens.access_token, tokens.refresh_token) == ("new", "next")

    @responses.activate
    def test_json_with_basic_authentication(self):
        responses.post(URL, json={"access": "new"})
        auth = {"client_id": "web", "client_secret": "s", "client_auth": "client_secret_basic"}
        assert endpoint(dialect="simplejwt", **auth).refresh("r").tokens.refresh_token == "r"
        assert responses.calls[0].request.headers["Authorization"] == "Basic d2ViOnM="

    @responses.activate
    def test_bearer_has_a_header_and_no_body(self):
        responses.post(URL, body=BODY)
        assert endpoint(dialect="bearer").refresh("r.1") == NEW
        request = responses.calls[0].request
        assert (request.headers["Authorization"], request.body) == ("Bearer r.1", None)
        assert request.headers["Content-Length"] == "0"

    @pytest.mark.parametrize(
        ("dialect", "token"),
        [
            pytest.param("oauth2", "", id="nothing"),
            pytest.param("oauth2", "\udc80", id="a lone surrogate"),
            pytest.param("oauth2", "a" * (MAX_BODY + 1), id="over 4 MiB"),
            pytest.param("oauth2", None, id="None"),
            pytest.param("bearer", "a\r\nX: 1", id="another header"),
            pytest.param("bearer", "\xe9", id="not ASCII, in a header"),
        ],
    )
    @responses.activate
    def test_what_cannot_be_sent_is_rejected_without_a_call(self, dialect, token):
        assert endpoint(dialect=dialect).refresh(token) == Rejected("malformed_refresh_token")
        assert not responses.calls

    @pytest.mark.parametrize("token", ["\xe9", "a\r\nX: 1", "a" * 30_000])
    @pytest.mark.parametrize("dialect", ["oauth2", "camel"])
    @responses.activate
    def test_a_refresh_token_goes_back_as_it_came(self, dialect, token):
        responses.post(URL, json={"access_token": "a", "accessToken": "a"})
        assert isinstance(endpoint(dialect=dialect).refresh(token), Refreshed)
        body = responses.calls[0].request.body.decode()
        sent = json.loads(body)["refreshToken"] if dialect == "camel" else parse_qs(body)["refresh_token"][0]
        assert sent == token

    @responses.activate
    def test_a_secret_that_a_function_gives_is_that_of_the_moment(self):
        responses.post(URL, body=BODY)
        asked = endpoint(client_id="web", client_secret=iter(["one", "two"]).__next__)
        assert [asked.refresh("r"), asked.refresh("r")] == [NEW, NEW]
        said = [base64.b64decode(call.request.headers["Authorization"][6:]) for call in responses.calls]
        assert said == [b"web:one", b"web:two"]

    @responses.activate
    def test_without_a_secret_nothing_is_sent(self):
        def failing():
            raise RuntimeError("s3cret")

        asked = endpoint(client_id="web", client_secret=failing, revocation_endpoint=URL)
        assert asked.refresh("r") == Unreachable(False, "client_secret: failed by RuntimeError")
        assert asked.revoke("r") == "client_secret: failed by RuntimeError"
        assert not responses.calls

    def test_cookies_are_not_carried(self, serve):
        server = serve(answering(ANSWER.replace(b"\r\n\r\n", b"\r\nSet-Cookie: user=1; Path=/\r\n\r\n", 1)))
        asked = endpoint(server.url)
        assert [asked.refresh("r"), asked.refresh("r")] == [NEW, NEW]
        assert b"cookie" not in b"".join(server.requests).lower()

    def test_the_environment_is_not_asked(self, serve, tmp_path, monkeypatch):
        server = serve(answering())
        (tmp_path / ".netrc").write_text("machine 127.0.0.1 login other password wrong\n")
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
        assert endpoint(server.url, dialect="bearer").refresh("r") == NEW
        assert b"\r\nAuthorization: Bearer r\r\n" in server.requests[0]

    def test_a_long_request_arrives_whole(self, started):
        server, asked = started(answering())
        assert asked.refresh("%" * 16_384) == NEW
        assert server.requests[0].endswith(b"refresh_token=" + b"%25" * 16_384)


class TestWhatAnAnswerMeans:
    """The outcomes themselves are tested with the dialects; here is what HTTP adds to them."""

    @pytest.mark.parametrize(
        ("status", "headers", "expected"),
        [
            pytest.param(429, {}, Unreachable(False, "HTTP 429", 2.0), id="a 429 was surely not processed"),
            pytest.param(429, {"Retry-After": "7"}, Unreachable(False, "HTTP 429", 7.0), id="Retry-After in seconds"),
            pytest.param(
                503, {"Retry-After": "99999"}, Unreachable(True, "HTTP 503", 3600.0), id="an hour is the longest pause"
            ),
            pytest.param(
                503, {"Retry-After": "9" * 5_000}, Unreachable(True, "HTTP 503", 3600.0), id="even of 5000 digits"
            ),
            pytest.param(
                503,
                {"Retry-After": "Tue, 14 Nov 2023 22:13:50 GMT"},
                Unreachable(True, "HTTP 503", 30.0),
                id="Retry-After as a date",
            ),
            pytest.param(
                503,
                {"Retry-After": "Tue, 14 Nov 2000 22:13:50 GMT"},
                Unreachable(True, "HTTP 503", 0.0),
                id="a date that has passed",
            ),
            pytest.param(503, {"Retry-After": "soon"}, Unreachable(True, "HTTP 503"), id="no date at all"),
            pytest.param(
                503,
                {"Retry-After": "Tue, 14 Nov 99999999999 22:13:50 GMT"},
                Unreachable(True, "HTTP 503"),
                id="a date that no clock will show",
            ),
            pytest.param(503, {}, Unreachable(True, "HTTP 503"), id="a 503 alone says nothing"),
            pytest.param(
                307, {"Location": "/x"}, Unreachable(True, "HTTP 307: redirects are not followed"), id="a redirect"
            ),
        ],
    )
    @responses.activate
    def test_status_and_headers(self, status, headers, expected):
        responses.post(URL, status=status, headers=headers, body=BODY[:-1] + b', "error": "busy"}')
        assert endpoint().refresh("r") == expected
        assert len(responses.calls) == 1

    @pytest.mark.parametrize(
        ("status", "body", "content_type", "expected"),
        [
            pytest.param(
                400, b'{"error": "invalid_grant"}', "application/json", Rejected("invalid_grant"), id="refused"
            ),
            pytest.param(
                401,
                b'{"error": "invalid_client"}',
                "text/plain",
                Rejected("invalid_client", False),
                id="set up wrongly",
            ),
            pytest.param(
                200,
                b"<html>",
                "text/html; charset=utf-8",
                Unreachable(True, "HTTP 200 with text/html, not a token response"),
                id="a page",
            ),
            pytest.param(
                200,
                b" " * (MAX_BODY + 1),
                "application/json",
                Unreachable(True, "HTTP 200 with more than 4 MiB"),
                id="too long",
            ),
            pytest.param(200, BODY + b" " * (MAX_BODY - len(BODY)), "application/json", NEW, id="as long as can be"),
        ],
    )
    @responses.activate
    def test_bodies(self, status, body, content_type, expected):
        responses.post(URL, status=status, body=body, content_type=content_type)
        assert endpoint().refresh("r") == expected

    @pytest.mark.parametrize(
        ("failure", "expected"),
        [
            pytest.param(
                requests.ConnectionError("s3cret"), Unreachable(True, "failed: ConnectionError"), id="nothing is known"
            ),
            pytest.param(requests.ConnectTimeout(), Unreachable(False, "timed out after 5 s"), id="connect timeout"),
            pytest.param(
                requests.ConnectionError(NewConnectionError(None, "x")),
                Unreachable(False, "failed: NewConnectionError"),
                id="no connection",
            ),
            pytest.param(requests.ReadTimeout(), Unreachable(True, "timed out after 5 s"), id="read timeout"),
            pytest.param(OSError("s3cret"), Unreachable(True, "failed: OSError"), id="an error of the system"),
        ],
    )
    @responses.activate
    def test_another_carrier_than_ours_is_not_trusted_to_have_sent_nothing(self, failure, expected):
        responses.post(URL, body=failure)
        assert endpoint().refresh("r") == expected


class TestTheWire:
    def test_one_connection_serves_many_refreshes(self, started):
        server, asked = started(answering())
        assert [asked.refresh("r") for _ in range(3)] == [NEW] * 3
        assert len(server.connections) == 1

    def test_a_connection_that_was_dropped_meanwhile_is_not_reused(self, started):
        server, asked = started(answering(times=1))
        assert asked.refresh("r") == NEW
        server.threads[1].join(5)  # the server has hung up by then
        assert asked.refresh("r") == NEW
        assert len(server.connections) == 2

    def test_a_connection_that_was_idle_for_long_is_not_used_again(self, started):
        late = [0.0]
        server, asked = started(answering(), monotonic=lambda: time.monotonic() + late[0])
        for passed, connections in ((0.0, 1), (MOST_IDLE, 2), (MOST_IDLE / 10, 2)):
            late[0] += passed
            assert asked.refresh("r") == NEW
            assert len(server.connections) == connections

    @pytest.mark.parametrize("status", [b"102 Processing", b"103 Early Hints"])
    def test_what_is_no_answer_yet_is_skipped(self, started, status):
        _, asked = started(answering(b"HTTP/1.1 " + status + b"\r\nLink: </a>; rel=preload\r\n\r\n" + ANSWER))
        assert [asked.refresh("r") for _ in range(2)] == [NEW] * 2

    def test_a_server_that_reads_and_hangs_up_on_a_reused_connection_may_have_processed(self, serve):
        def handler(server, connection):
            server.read(connection)
            connection.sendall(ANSWER)
            server.read(connection)

        server = serve(handler)
        asked = endpoint(server.url)
        assert asked.refresh("r") == NEW
        assert asked.refresh("r") == Unreachable(True, "connection closed without an answer")
        assert len(server.requests) == 2

    def test_refused(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        asked = endpoint(f"http://127.0.0.1:{port}/token")
        assert asked.refresh("r") == Unreachable(False, "connection refused")

    @pytest.mark.parametrize(
        "host",
        [
            pytest.param("no.such.host.invalid", id="unknown"),
            pytest.param("a" * 64 + ".example", id="too long a label"),
        ],
    )
    def test_a_name_that_is_not_resolved(self, host, monkeypatch):
        if len(host) < 64:

            def unknown(*_, **__):
                raise socket.gaierror(socket.EAI_NONAME, "unknown")

            monkeypatch.setattr(socket, "getaddrinfo", unknown)
        assert endpoint(f"https://{host}/token").refresh("r") == Unreachable(False, "host name not resolved")

    def test_all_addresses_together_have_one_timeout(self, monkeypatch):
        full = socket.create_server(("127.0.0.1", 0), backlog=0)
        address = full.getsockname()
        waiting = []
        for _ in range(4):  # the queue of the listener is full after one or two, and then nobody is let in
            waiting.append(socket.socket())
            waiting[-1].setblocking(False)
            waiting[-1].connect_ex(address)
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address)] * 50
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        outcome, took = timed(lambda: endpoint().refresh("r", timeout=SHORT))
        for sock in (full, *waiting):
            sock.close()
        assert outcome == Unreachable(False, "timed out after 0.2 s")
        assert took < WELL_BEFORE

    def test_the_next_address_is_tried_when_one_refuses(self, serve, monkeypatch):
        server = serve(answering())
        with socket.create_server(("127.0.0.1", 0)) as listener:
            refusing = listener.getsockname()
        found = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in (refusing, ("127.0.0.1", server.port))
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        assert endpoint(server.url).refresh("r") == NEW

    def test_no_address_at_all(self, monkeypatch):
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [])
        assert endpoint().refresh("r") == Unreachable(False, "failed: OSError")

    def test_a_name_that_took_all_the_time(self, serve, monkeypatch):
        server = serve(answering())
        now = [0.0]
        real = socket.getaddrinfo

        def slow(*arguments, **named):
            now[0] += 6
            return real(*arguments, **named)

        monkeypatch.setattr(socket, "getaddrinfo", slow)
        asked = endpoint(server.url, monotonic=lambda: now[0])
        assert asked.refresh("r") == Unreachable(False, "timed out after 5 s")
        assert not server.connections

    def test_a_certificate_that_nobody_trusts(self, serve, tls):
        server = serve(answering(), tls)
        assert endpoint(server.url).refresh("r") == Unreachable(False, "TLS certificate not trusted")
        assert not server.requests

    def test_certificates_that_change_are_read_anew(self, serve, tls, certificate, tmp_path):
        bundle = tmp_path / "bundle.pem"
        other = write_certificate(tmp_path / "other.pem")
        bundle.write_bytes(Path(other).read_bytes())
        server = serve(answering(), tls)
        asked = endpoint(server.url, ca_bundle=bundle)
        assert asked.refresh("r") == Unreachable(False, "TLS certificate not trusted")
        bundle.write_bytes(Path(certificate).read_bytes())
        assert asked.refresh("r") == NEW

    def test_no_query_is_logged(self, started, certificate, caplog):
        caplog.set_level("DEBUG")
        server, _ = started(answering())
        asked = endpoint(server.url + "?tenant=s3cret", ca_bundle=certificate)
        assert asked.refresh("r") == NEW
        assert server.requests[0].startswith(b"POST /token?tenant=s3cret HTTP/1.1\r\n")
        assert "POST /token" in caplog.text
        assert "s3cret" not in caplog.text

    def test_a_server_without_tls(self, serve):
        server = serve(lambda server, connection: connection.sendall(b"HTTP/1.1 400 no\r\n\r\n"))
        asked = endpoint(server.url.replace("http:", "https:"))
        assert asked.refresh("r") == Unreachable(False, "TLS failure")

    def test_a_handshake_that_never_ends(self, serve):
        server = serve(lambda server, connection: server.stopping.wait(9))
        asked = endpoint(server.url.replace("http:", "https:"), timeout=SHORT)
        outcome, took = timed(lambda: asked.refresh("r"))
        assert outcome == Unreachable(False, "timed out after 0.2 s")
        assert took < WELL_BEFORE

    @pytest.mark.parametrize(
        "handler",
        [
            pytest.param(lambda server, connection: server.read(connection) and server.stopping.wait(9), id="nothing"),
            pytest.param(dripping(b""), id="a status line byte by byte"),
            pytest.param(dripping(b"HTTP/1.1 200 OK\r\nX-Slow: "), id="a header byte by byte"),
            pytest.param(dripping(b"HTTP/1.1 200 OK\r\n", b"X: 1\r\n"), id="header after header"),
            pytest.param(dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), id="one 100 Continue after the other"),
            pytest.param(dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b" "), id="a body byte by byte"),
            pytest.param(
                dripping(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"), id="chunk by chunk"
            ),
            pytest.param(dripping(b"HTTP/1.1 200 OK\r\n\r\n", b" "), id="a body without an end"),
        ],
    )
    def test_the_time_for_an_answer_is_a_total(self, started, handler):
        _, asked = started(handler, answer_timeout=SHORT)
        outcome, took = timed(lambda: asked.refresh("r"))
        assert outcome == Unreachable(True, "no answer within 0.2 s")
        assert SHORT <= took < WELL_BEFORE
        assert outcome.pending is not None

    def test_the_patience_of_the_call_replaces_that_of_the_endpoint(self, serve):
        server = serve(lambda server, connection: server.stopping.wait(9))
        outcome, took = timed(lambda: endpoint(server.url).refresh("r", patience=SHORT))
        assert outcome == Unreachable(True, "no answer within 0.2 s")
        assert took < WELL_BEFORE

    def test_a_timeout_is_that_until_the_request_is_sent(self, serve):
        def handler(server, connection):
            server.read(connection)
            server.stopping.wait(3 * SHORT)
            connection.sendall(ANSWER)

        assert endpoint(serve(handler).url).refresh("r", timeout=SHORT) == NEW

    def test_a_request_that_nobody_takes_has_the_timeout_of_sending(self, serve):
        server = serve(lambda server, connection: server.stopping.wait(9))
        asked = endpoint(server.url, scope="s" * 9_999_999)
        outcome, took = timed(lambda: asked.refresh("r", timeout=SHORT))
        assert outcome == Unreachable(True, "timed out after 0.2 s")
        assert outcome.pending is None
        assert took < WELL_BEFORE

    @pytest.mark.parametrize("timeout", [0, -1.0])
    def test_without_time_nothing_is_sent(self, serve, timeout):
        server = serve(answering())
        assert endpoint(server.url).refresh("r", timeout=timeout).sent is False
        assert not server.requests

    @pytest.mark.parametrize(
        ("answer", "expected"),
        [
            pytest.param(b"", Unreachable(True, "connection closed without an answer"), id="closed before answering"),
            pytest.param(b"SSH-2.0-x\r\n", Unreachable(True, "answer is no HTTP"), id="another protocol"),
            pytest.param(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n99\r\n{",
                Unreachable(True, "answer cut short"),
                id="cut short",
            ),
            pytest.param(b"HTTP/1.0 200 OK\r\n\r\n" + BODY, NEW, id="closed after an answer without a length"),
            pytest.param(ANSWER.replace(b"200 OK", b"204 None"), NEW, id="a body where none may be"),
            pytest.param(
                b"HTTP/1.1 307 No\r\nLocation: http://[\r\nContent-Length: 9999999\r\n\r\n",
                Unreachable(True, "HTTP 307: redirects are not followed"),
                id="a redirect to nowhere, whose body is not awaited",
            ),
            pytest.param(
                b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
                Unreachable(True, "HTTP 200 with no media type, not a token response"),
                id="packed, and not even that",
            ),
            pytest.param(
                b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(BODY), NEW, id="packed unasked"
            ),
            pytest.param(
                b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(b" " * 99_999_999),
                Unreachable(True, "HTTP 200 with more than 4 MiB"),
                id="packed, and far over 4 MiB",
            ),
            pytest.param(
                b"HTTP/1.1 200 OK\r\n\r\n" + b" " * 5_000_000,
                Unreachable(True, "HTTP 200 with more than 4 MiB"),
                id="over 4 MiB, which is not read to its end",
            ),
        ],
    )
    def test_odd_answers(self, started, answer, expected):
        _, asked = started(answering(answer, times=1))
        assert asked.refresh("r") == expected

    @pytest.mark.parametrize(
        "answer",
        [
            pytest.param(ANSWER.replace(b"\r\n", b"\r\n" + b"X: 1\r\n" * 500, 1), id="five hundred fields"),
            pytest.param(ANSWER.replace(b"\r\n", b"\r\nno field\r\n\xff: \x00\r\n", 1), id="lines that are no fields"),
            pytest.param(ANSWER.replace(b"Length: ", b"Length: 7, "), id="two lengths"),
            pytest.param(ANSWER.replace(b"application/json", b"\xff\x0b\x85;=\x01"), id="an odd type"),
            pytest.param(ANSWER.replace(b"Length: ", b"Length: 9"), id="a length that is too great"),
            pytest.param(ANSWER.replace(b"Length: ", b"Langth: "), id="no length"),
            pytest.param(ANSWER.replace(b"Length: ", b"Encoding: gzip\r\nX-Length: "), id="packed by its word alone"),
        ],
    )
    def test_heads_that_http_client_cannot_read(self, started, answer):
        _, asked = started(answering(answer, times=1))
        assert asked.refresh("r") == NEW

    def test_a_length_that_is_too_great_where_the_server_waits_for_more(self, started):
        handler = answering(ANSWER.replace(b"Length: ", b"Length: 9"))
        _, asked = started(handler, answer_timeout=SHORT)
        assert [asked.refresh("r") for _ in range(2)] == [NEW] * 2

    @pytest.mark.parametrize(
        "status", [b"400 Bad Request", b"401 No", b"429 Slow", b"500 Oh", b"503 Busy", b"302 Found"]
    )
    @pytest.mark.parametrize(
        "length", [b"Length: ", b"Langth: ", b"Length: 9"], ids=["length", "no length", "too great"]
    )
    def test_two_new_tokens_are_taken_whatever_the_status(self, started, status, length):
        _, asked = started(answering(ANSWER.replace(b"200 OK", status).replace(b"Length: ", length), times=1))
        assert asked.refresh("r") == NEW

    @pytest.mark.parametrize(
        ("status", "expected"),
        [
            pytest.param(b"503 Busy", Unreachable(True, "HTTP 503", 7.0), id="a 503"),
            pytest.param(b"429 Slow", Unreachable(False, "HTTP 429", 7.0), id="a 429"),
        ],
    )
    def test_a_status_that_says_all_counts_where_its_body_does_not_come(self, started, status, expected):
        answer = b"HTTP/1.1 " + status + b"\r\nRetry-After: 7\r\nContent-Length: 900\r\n\r\n<html>"
        _, asked = started(answering(answer), answer_timeout=SHORT)
        assert asked.refresh("r") == expected
        _, asked = started(answering(answer, times=1))
        assert asked.refresh("r") == expected

    def test_a_connection_serves_on_after_an_outage(self, started):
        answer = b"HTTP/1.1 503 Busy\r\nContent-Length: 6\r\n\r\n<html>"
        server, asked = started(answering(answer))
        assert [asked.refresh("r").reason for _ in range(2)] == ["HTTP 503"] * 2
        assert len(server.connections) == 1

    @pytest.mark.parametrize(
        "answer",
        [
            pytest.param(ANSWER[:-5], id="behind the refresh token"),
            pytest.param(ANSWER[:-5].replace(b"Length: ", b"Encoding: identity\r\nX: "), id="without a length"),
            pytest.param(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n99\r\n" + BODY[:-1],
                id="in the middle of a chunk",
            ),
            pytest.param(
                b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 99\r\n\r\n"
                + gzip.compress(BODY[:-1])[:-8],
                id="packed",
            ),
            pytest.param(BODY + b"\r\n", id="without a status line"),
        ],
    )
    def test_a_refresh_token_that_has_come_whole_is_not_lost_with_the_rest(self, started, answer):
        _, asked = started(answering(answer, times=1))
        assert asked.refresh("r").tokens.refresh_token == "next"
        handler, (told,) = TestLateAnswers.answering_late(answer)
        _, asked = started(handler, answer_timeout=0.05)
        pending = asked.refresh("r").pending
        told.set()
        assert pending.outcome(5).tokens.refresh_token == "next"

    @pytest.mark.parametrize(
        "body",
        [
            pytest.param(b'{"access_token": "new", "refresh_token": "ne', id="in its text"),
            pytest.param(b'{"access_token": "new", "refresh_token": 12', id="in its digits"),
            pytest.param(b"access_token=new&refresh_token=ne", id="in its part of a form"),
            pytest.param(b'{"access_token": "new"', id="before it"),
        ],
    )
    def test_half_a_refresh_token_is_none(self, started, body):
        _, asked = started(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n" + body, times=1))
        assert asked.refresh("r") == Unreachable(True, "answer cut short")

    def test_a_form_that_is_cut_behind_its_refresh_token_has_it(self, started):
        body = b"refresh_token=next&access_token=ne"
        _, asked = started(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n" + body, times=1))
        assert asked.refresh("r") == Refreshed(Tokens(None, "next"))

    @pytest.mark.parametrize(
        ("arrived", "expected"),
        [
            pytest.param(ANSWER.replace(b"Length: ", b"Length: 9"), 200, id="behind a whole object"),
            pytest.param(b"HTTP/1.1 400 X\r\n\r\n", None, id="where a body may have been"),
            pytest.param(b"HTTP/1.1 400 X\r\n\r\nRefresh token", None, id="in the middle of a text"),
            pytest.param(b"", None, id="at once"),
        ],
    )
    def test_a_connection_that_breaks(self, arrived, expected):
        class Broken:
            def recv_into(self, buffer):
                if not left:
                    raise ConnectionResetError
                part = left.pop()
                buffer[: len(part)] = part
                return len(part)

        left = [arrived] if arrived else []
        incoming = Incoming(Broken(), io.BytesIO(), AnswerReader(judged_by_body, MAX_BODY))
        if expected is None:
            with pytest.raises(ConnectionResetError):
                incoming.read(Wait(5, time.monotonic))
        else:
            assert incoming.read(Wait(5, time.monotonic)).status == expected

    def test_reset(self, serve):
        def handler(server, connection):
            server.read(connection)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()

        assert endpoint(serve(handler).url).refresh("r") == Unreachable(True, "connection lost")

    def test_redirects_are_not_followed(self, serve):
        other = serve(answering())
        server = serve(answering(b"HTTP/1.1 308 No\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % other.url.encode()))
        assert endpoint(server.url).refresh("r") == Unreachable(True, "HTTP 308: redirects are not followed")
        assert not other.connections


class TestMaySend:
    def test_it_is_asked_once_after_connecting_and_before_the_first_byte(self, started):
        server, asked = started(answering())
        seen = []

        def may_send():
            deadline = time.monotonic() + 2
            while not server.connections and time.monotonic() < deadline:
                time.sleep(0.001)
            seen.append((len(server.connections), list(server.requests)))
            return True

        assert asked.refresh("%" * 16_384, may_send=may_send) == NEW
        assert seen == [(1, [])]

    def test_no_means_that_no_byte_is_written(self, serve):
        received: queue.Queue[bytes] = queue.Queue()
        server = serve(lambda server, connection: received.put(connection.recv(1)))
        outcome = endpoint(server.url).refresh("r", may_send=lambda: False)
        assert outcome == Unreachable(False, "given back before it was sent")
        assert received.get(timeout=5) == b""

    def test_no_on_a_connection_in_use_does_not_harm_the_next(self, started):
        server, asked = started(answering())
        assert asked.refresh("r") == NEW
        assert asked.refresh("r", may_send=lambda: False).sent is False
        assert asked.refresh("r") == NEW
        assert len(server.requests) == 2

    def test_it_is_not_asked_where_nobody_listens(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        asked = []
        endpoint(f"http://127.0.0.1:{port}/").refresh("r", may_send=lambda: asked.append(1) or True)
        assert not asked


class TestLateness:
    """A process that was stopped while it waited takes the answer that came meanwhile."""

    @pytest.fixture
    def pair(self):
        ours, theirs = socket.socketpair()
        ours.settimeout(0)
        with ours, theirs:
            yield ours, theirs

    def test_what_is_there_is_read_after_the_deadline(self, pair):
        ours, theirs = pair
        theirs.sendall(b"late")
        wait = Wait(5, iter([0.0, 100.0]).__next__)
        assert wait.receive(ours, memoryview(buffer := bytearray(9))) == 4
        assert buffer.startswith(b"late")

    def test_what_is_not_there_is_not_awaited(self, pair):
        wait = Wait(5, iter([0.0, 100.0]).__next__)
        with pytest.raises(TimeoutError):
            wait.receive(pair[0], bytearray(9))

    def test_who_keeps_sending_gets_50_ms_in_all(self, pair):
        ours, theirs = pair
        theirs.sendall(b"lat")
        wait = Wait(5, iter([0.0, 100.0, 100.0 + LATE, 100.1 + LATE]).__next__)
        assert [wait.receive(ours, bytearray(1)) for _ in "la"] == [1, 1]
        with pytest.raises(TimeoutError):
            wait.receive(ours, bytearray(1))

    def test_tls_that_wants_to_write_is_waited_for_by_writing(self, pair):
        class Renegotiating:
            wants = True

            def fileno(self):
                return pair[0].fileno()

            def recv_into(self, buffer):
                if self.wants:
                    self.wants = False
                    raise ssl.SSLWantWriteError
                return len(buffer)

        assert Wait(5, time.monotonic).receive(Renegotiating(), bytearray(3)) == 3

    def test_a_process_that_was_stopped(self, serve):
        asked, resume = threading.Event(), threading.Event()

        def handler(server, connection):
            server.read(connection)
            asked.set()
            resume.wait(5)
            connection.sendall(ANSWER)

        server = serve(handler)
        child = python(
            f"""
            print(type(TokenEndpoint({server.url!r}, answer_timeout=0.2).refresh("r")).__name__)
            """
        )
        assert asked.wait(10)
        child.send_signal(signal.SIGSTOP)
        os.waitpid(child.pid, os.WUNTRACED)
        resume.set()
        time.sleep(0.3)  # past the timeout of the child, which does not run
        child.send_signal(signal.SIGCONT)
        assert child.communicate(timeout=10)[0] == "Refreshed\n"


class TestLateAnswers:
    """An answer that nobody waited for any longer is still there for whoever kept what the refresh gave."""

    @staticmethod
    def answering_late(*parts):
        """Give a handler that sends each part once it is told to, and the event for each."""
        told = [threading.Event() for _ in parts]

        def handler(server, connection):
            server.read(connection)
            for event, part in zip(told, parts, strict=True):
                event.wait(5)
                connection.sendall(part)

        return handler, told

    def test_it_is_read_when_it_comes(self, started):
        handler, (told,) = self.answering_late(ANSWER)
        _, asked = started(handler, answer_timeout=0.05)
        pending = asked.refresh("r").pending
        assert pending.outcome(0) is None
        told.set()
        assert pending.outcome(5) == NEW
        assert pending.outcome(0) == NEW

    def test_it_is_read_on_where_the_call_stopped(self, started):
        handler, told = self.answering_late(ANSWER[:20], ANSWER[20:-5], ANSWER[-5:])
        told[0].set()
        _, asked = started(handler, answer_timeout=0.05)
        pending = asked.refresh("r").pending
        told[1].set()
        assert pending.outcome(0.05) is None
        told[2].set()
        assert pending.outcome(5) == NEW

    def test_another_thread_may_wait_for_it_while_others_look(self, started):
        handler, (told,) = self.answering_late(ANSWER)
        _, asked = started(handler, answer_timeout=0.05)
        pending = asked.refresh("r").pending
        found = []
        waiting = threading.Thread(target=lambda: found.append(pending.outcome(5)))
        waiting.start()
        assert pending.outcome(0) is None
        told.set()
        waiting.join(5)
        assert found == [NEW]

    @pytest.mark.parametrize(
        "answer",
        [
            pytest.param(ANSWER, id="whole"),
            pytest.param(ANSWER.replace(b"Content-Length: ", b"Content-Length: 9"), id="shorter than it says"),
        ],
    )
    def test_all_who_wait_for_it_get_it(self, started, answer):
        handler, (told,) = self.answering_late(answer)
        _, asked = started(handler, answer_timeout=0.05)
        pending = asked.refresh("r").pending
        found = []
        waiting = [threading.Thread(target=lambda: found.append(pending.outcome(5))) for _ in range(5)]
        for thread in waiting:
            thread.start()
        told.set()
        for thread in waiting:
            thread.join(5)
        assert found == [NEW] * 5
        assert pending.outcome(0) == NEW

    @pytest.mark.parametrize(
        ("part", "expected"),
        [
            pytest.param(b"", Unreachable(True, "connection closed without an answer"), id="without a word"),
            pytest.param(ANSWER[:-30], Unreachable(True, "answer cut short"), id="in the middle"),
            pytest.param(
                b"HTTP/1.1 400 Bad Request\r\n\r\n" + b'{"error": "invalid_grant"}',
                Rejected("invalid_grant"),
                id="after a refusal",
            ),
            pytest.param(
                b"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\n\r\n", Unreachable(True, "HTTP 503", 7.0), id="after a 503"
            ),
            pytest.param(b"?\r\n", Unreachable(True, "answer is no HTTP"), id="after something else"),
        ],
    )
    def test_the_connection_ends(self, started, part, expected):
        handler, (told,) = self.answering_late(part)
        _, asked = started(handler, answer_timeout=0.05)
        pending = asked.refresh("r").pending
        told.set()
        assert pending.outcome(5) == expected

    def test_its_life_is_counted_from_the_last_look_that_found_nothing(self, serve):
        handler, (told,) = self.answering_late(ANSWER)
        now = [NOW]
        pending = endpoint(serve(handler).url, answer_timeout=0.05, clock=lambda: now[0]).refresh("r").pending
        now[0] += 10
        assert pending.outcome(0) is None
        now[0] += 100
        told.set()
        assert pending.outcome(5).tokens.expires_at == NOW + 10 + 60

    def test_closed_by_whoever_has_it(self, serve):
        handler, (told,) = self.answering_late(ANSWER)
        pending = endpoint(serve(handler).url, answer_timeout=0.05).refresh("r").pending
        pending.close()
        told.set()
        assert pending.outcome(1) == Unreachable(True, "failed: OSError")

    def test_closed_when_nobody_has_it(self, serve):
        closed = threading.Event()

        def handler(server, connection):
            server.read(connection)
            if not connection.recv(1):
                closed.set()

        outcome = endpoint(serve(handler).url, answer_timeout=0.05).refresh("r")
        assert not closed.wait(0.05)
        del outcome
        assert closed.wait(5)

    def test_no_other_call_is_kept_from_its_connection(self, serve):
        handler, (told,) = self.answering_late(ANSWER)
        server = serve(handler)
        asked = endpoint(server.url)
        pending = asked.refresh("r", patience=0.05).pending
        told.set()
        assert asked.refresh("r") == NEW
        assert pending.outcome(5) == NEW
        assert len(server.connections) == 2

    def test_it_shows_no_token(self, serve):
        handler, (told,) = self.answering_late(b"")
        outcome = endpoint(serve(handler).url, answer_timeout=0.05).refresh("s3cret")
        told.set()
        assert "s3cret" not in repr(outcome) + repr(outcome.pending)

    def test_a_child_does_not_read_what_its_parent_waits_for(self, serve):
        handler, (told,) = self.answering_late(ANSWER)
        server = serve(handler)
        child = python(
            f"""
            import os
            pending = TokenEndpoint({server.url!r}, answer_timeout=0.05).refresh("r").pending
            if not (pid := os.fork()):
                outcome = pending.outcome(0)
                os._exit(0 if type(outcome).__name__ == "Unreachable" and outcome.sent else 1)
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            print(code, flush=True)
            print(type(pending.outcome(5)).__name__)
            """
        )
        assert child.stdout.readline() == "0\n"
        told.set()
        assert child.communicate(timeout=20)[0] == "Refreshed\n"

    def test_another_greenlet_waits_for_it(self, serve):
        pytest.importorskip("gevent")
        handler, (told,) = self.answering_late(ANSWER)
        server = serve(handler)
        child = python(
            f"""
            import warnings
            warnings.simplefilter("ignore")
            from gevent import monkey, sleep, spawn
            monkey.patch_all()
            pending = TokenEndpoint({server.url!r}, answer_timeout=0.05).refresh("r").pending
            waiting = spawn(pending.outcome, 5)
            sleep(0)
            print(pending.outcome(0), flush=True)
            print(type(waiting.get()).__name__)
            """
        )
        assert child.stdout.readline() == "None\n"
        told.set()
        assert child.communicate(timeout=20)[0] == "Refreshed\n"


def python(script):
    """Run a script with a token endpoint at hand, in a process of its own."""
    imports = "from wsgi_token_refresh.authorization_server.token_endpoint import TokenEndpoint\n"
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", imports + textwrap.dedent(script)], stdout=subprocess.PIPE, text=True
    )


class TestProcesses:
    def test_a_child_makes_its_own_connection(self, serve):
        server = serve(answering())
        child = python(
            f"""
            import os
            endpoint = TokenEndpoint({server.url!r})
            kinds = [type(endpoint.refresh("r")).__name__]
            if not (pid := os.fork()):
                os._exit(0 if type(endpoint.refresh("r")).__name__ == "Refreshed" else 1)
            kinds.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
            kinds.append(type(endpoint.refresh("r")).__name__)
            print(*kinds)
            """
        )
        assert child.communicate(timeout=20)[0] == "Refreshed 0 Refreshed\n"
        assert len(server.connections) == 2

    def test_nothing_is_made_before_the_first_use(self):
        asked = endpoint()
        assert asked._session.made() is None

    def test_greenlets_refresh_side_by_side_though_gevent_patches_late(self, serve):
        pytest.importorskip("gevent")
        together = threading.Barrier(2)

        def handler(server, connection):
            server.read(connection)
            together.wait(5)
            connection.sendall(ANSWER)

        server = serve(handler)
        child = python(
            f"""
            endpoint = TokenEndpoint({server.url!r})
            import warnings
            warnings.simplefilter("ignore")
            from gevent import monkey, joinall, spawn
            monkey.patch_all()
            jobs = [spawn(endpoint.refresh, "r") for _ in range(2)]
            joinall(jobs)
            print(*(type(job.value).__name__ for job in jobs))
            """
        )
        assert child.communicate(timeout=20)[0] == "Refreshed Refreshed\n"

    def test_threads_do_not_share_a_deadline(self, serve):
        server = serve(lambda server, connection: server.stopping.wait(9))
        asked = endpoint(server.url)
        long = threading.Thread(target=asked.refresh, args=("r",), kwargs={"patience": 9})
        long.start()
        outcome, took = timed(lambda: asked.refresh("r", patience=SHORT))
        server.stopping.set()
        long.join()
        assert outcome == Unreachable(True, "no answer within 0.2 s")
        assert took < WELL_BEFORE


class TestRevocation:
    REVOKE = "https://auth.example.com/revoke"

    @pytest.mark.parametrize(
        ("status", "reason"),
        [
            pytest.param(200, None, id="done"),
            pytest.param(204, None, id="done without a body"),
            pytest.param(400, "HTTP 400", id="refused"),
            pytest.param(503, "HTTP 503", id="down"),
        ],
    )
    @responses.activate
    def test_the_request_of_rfc_7009(self, status, reason):
        responses.post(self.REVOKE, status=status, json={"error": "unsupported_token_type"})
        asked = endpoint(client_id="web", client_secret="s", revocation_endpoint=self.REVOKE)
        assert asked.revoke("r") == reason
        request = responses.calls[0].request
        assert parse_qs(request.body.decode()) == {"token": ["r"], "token_type_hint": ["refresh_token"]}
        assert request.headers["Authorization"] == "Basic d2ViOnM="

    @responses.activate
    def test_a_public_client_says_its_name(self):
        responses.post(self.REVOKE)
        endpoint(client_id="web", revocation_endpoint=self.REVOKE).revoke("r")
        assert parse_qs(responses.calls[0].request.body.decode())["client_id"] == ["web"]

    def test_nothing_to_do_without_an_endpoint_or_a_token(self):
        assert endpoint().revoke("r") is None
        assert endpoint(revocation_endpoint=self.REVOKE).revoke("") is None

    def test_the_body_of_the_answer_is_not_awaited(self, serve):
        server = serve(dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"))
        assert endpoint(revocation_endpoint=server.url).revoke("r") is None

    def test_it_takes_no_longer_than_its_timeout(self, serve):
        server = serve(dripping(b"HTTP/1.1 200 OK\r\n"))
        asked = endpoint(revocation_endpoint=server.url)
        reason, took = timed(lambda: asked.revoke("r", timeout=SHORT))
        assert reason == "timed out after 0.2 s"
        assert took < WELL_BEFORE


class TestConfiguration:
    def test_what_others_read(self):
        asked = endpoint(timeout=3, single_use=False, old_access_token_survives=False, client_id="web")
        assert (asked.timeout, asked.single_use, asked.old_access_token_survives) == (3, False, False)
        assert endpoint(answer_timeout=7).answer_timeout == 7
        assert asked.identity == (URL, "web")
        assert endpoint().identity == (URL, "")

    def test_repr_shows_no_secret(self):
        asked = endpoint(URL + "?key=s3cret", client_id="web", client_secret="s3cret")
        assert repr(asked) == "TokenEndpoint('https://auth.example.com/token', client_id='web')"

    def test_read_takes_the_dialect_and_rfc_6749(self):
        asked = endpoint(dialect="simplejwt")
        assert asked.read({"access": "a", "expires_in": 60}) == Tokens("a", None, NOW + 60, 60)
        assert asked.read({"access_token": "a", "expires_in": 60}) == Tokens("a", None, NOW + 60, 60)
        with pytest.raises(TokenResponseError, match="access is missing; keys found: token"):
            asked.read({"token": "a"})

    @pytest.mark.parametrize(
        ("default", "lifetime"),
        [
            pytest.param(3600, 3600, id="seconds"),
            pytest.param("never", 100 * 365 * 86_400, id="never"),
            pytest.param(math.inf, 100 * 365 * 86_400, id="infinity"),
            pytest.param(1e20, 100 * 365 * 86_400, id="longer than anybody lives"),
        ],
    )
    @responses.activate
    def test_the_life_of_an_access_token_that_does_not_say_it(self, default, lifetime):
        responses.post(URL, json={"access_token": "a"})
        asked = endpoint(default_expires_in=default)
        expected = Tokens("a", None, NOW + lifetime, lifetime)
        assert asked.read({"access_token": "a"}) == expected
        assert asked.refresh("r").tokens == replace(expected, refresh_token="r")
        assert asked.read({"access_token": "a", "expires_in": 60}).lifetime == 60

    @pytest.mark.parametrize(
        "value", [None, 5, 1.5, b"x", ["x"], {"x": 1}, object()], ids=lambda value: type(value).__name__
    )
    @pytest.mark.parametrize(
        ("argument", "fits"),
        [
            ("url", ()),
            ("dialect", ()),
            ("client_id", (None,)),
            ("client_secret", (None,)),
            ("client_auth", (None,)),
            ("timeout", (5, 1.5)),
            ("answer_timeout", (5, 1.5)),
            ("default_expires_in", (5, 1.5)),
            ("single_use", ()),
            ("old_access_token_survives", ()),
            ("revocation_endpoint", (None,)),
            ("scope", (None,)),
            ("allow_insecure", ()),
            ("ca_bundle", (None,)),
            ("max_calls", (5,)),
            ("clock", ()),
            ("monotonic", ()),
        ],
    )
    def test_every_argument_of_a_wrong_type_is_said(self, argument, fits, value):
        arguments = {"url": URL, argument: value}
        if any(value is good or value == good for good in fits):
            assert TokenEndpoint(**arguments)
            return
        with pytest.raises(ConfigurationError, match=argument):
            TokenEndpoint(**arguments)

    def test_every_argument_is_in_that_table(self):
        (table,) = [
            mark.args[1]
            for mark in self.test_every_argument_of_a_wrong_type_is_said.pytestmark
            if mark.args[0] == ("argument", "fits")
        ]
        assert {argument for argument, _ in table} == set(inspect.signature(TokenEndpoint).parameters)

    @pytest.mark.parametrize(
        ("url", "arguments"),
        [
            pytest.param("http://localhost:8000/token", {}, id="http on localhost"),
            pytest.param("http://127.9.9.9/token", {}, id="http on 127.0.0.0/8"),
            pytest.param("http://[::1]:8000/token", {}, id="http on ::1"),
            pytest.param("http://auth.internal/token", {"allow_insecure": True}, id="http where it is allowed"),
            pytest.param(URL + "?tenant=1", {}, id="a query"),
        ],
    )
    def test_good_urls(self, url, arguments):
        assert endpoint(url, revocation_endpoint=url, **arguments).identity == (url, "")

    @pytest.mark.parametrize(
        ("url", "says"),
        [
            pytest.param("http://auth.example.com/token", "sends tokens in the clear to auth.example.com", id="http"),
            pytest.param("http://127.0.0.1.example.com/", "sends tokens in the clear", id="a name like an address"),
            pytest.param("https://u:s3cret@auth.example.com/", "holds credentials", id="credentials"),
            pytest.param("https://auth.example.com/#s3cret", "holds a fragment", id="a fragment"),
            pytest.param("ftp://auth.example.com/", "is no URL", id="another scheme"),
            pytest.param("/token", "is no URL", id="a path"),
            pytest.param("https://auth.example.com:s3cret/", "is no URL", id="a port that is none"),
            pytest.param("https://[::1/token", "is no URL", id="half an address"),
            pytest.param("https://auth.example.com/a b", "is no URL", id="white space"),
            pytest.param("http://127.0.0.1\\@example.com/", "is no URL", id="a backslash"),
            pytest.param("", "is no URL", id="nothing"),
            pytest.param(None, "is no URL", id="None"),
        ],
    )
    def test_bad_urls(self, url, says):
        with pytest.raises(ConfigurationError) as caught:
            endpoint(url)
        assert len(caught.value.problems) == 1
        assert caught.value.problems[0].startswith("url: ")
        assert says in str(caught.value)
        assert "s3cret" not in str(caught.value)

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            pytest.param({"dialect": "oauth"}, "dialect: 'oauth' is unknown; say oauth2, simplejwt", id="a dialect"),
            pytest.param({"dialect": None}, "dialect: None is unknown", id="no dialect"),
            pytest.param({"timeout": 0}, "timeout: 0 is no number of seconds", id="timeout 0"),
            pytest.param({"timeout": float("nan")}, "timeout: nan", id="timeout NaN"),
            pytest.param({"timeout": float("inf")}, "timeout: inf", id="timeout without an end"),
            pytest.param({"timeout": "5"}, "timeout: '5'", id="timeout a text"),
            pytest.param({"timeout": True}, "timeout: True", id="timeout a boolean"),
            pytest.param({"answer_timeout": 0}, "answer_timeout: 0 is no number of seconds", id="no answer"),
            pytest.param({"default_expires_in": 0}, "default_expires_in: 0 is no number", id="a life of nothing"),
            pytest.param({"default_expires_in": "ever"}, "default_expires_in: 'ever' is no number", id="in words"),
            pytest.param({"default_expires_in": math.nan}, "default_expires_in: nan", id="a life of NaN"),
            pytest.param({"client_id": "w\ud800"}, "client_id: is no text", id="a client of half a character"),
            pytest.param(
                {"client_id": "w", "client_secret": b"s3cret\xff"}, "client_secret: is neither text", id="secret bytes"
            ),
            pytest.param({"max_calls": 0}, "max_calls: 0 is no number of calls", id="no calls"),
            pytest.param({"max_calls": 1.5}, "max_calls: 1.5", id="half a call"),
            pytest.param({"max_calls": True}, "max_calls: True", id="calls a boolean"),
            pytest.param({"ca_bundle": "/no/such.pem"}, "ca_bundle: '/no/such.pem' does not exist", id="no bundle"),
            pytest.param({"revocation_endpoint": "revoke"}, "revocation_endpoint: is no URL", id="revocation endpoint"),
            pytest.param({"client_auth": "jwt"}, "client_auth: 'jwt' is unknown; say client_secret_basic", id="auth"),
            pytest.param(
                {"client_auth": "client_secret_post"}, "needs both client_id and client_secret", id="no client"
            ),
            pytest.param({"client_secret": "s3cret"}, "needs both client_id and client_secret", id="a secret alone"),
            pytest.param(
                {"client_id": "web", "client_secret": "s3cret", "client_auth": "none"},
                "client_secret: is sent nowhere",
                id="a secret for nobody",
            ),
            pytest.param(
                {"dialect": "camel", "client_id": "web", "client_secret": "s3cret"},
                "client_secret: is sent nowhere with client_auth='none'; leave it out, or say",
                id="a secret with JSON",
            ),
            pytest.param(
                {"dialect": "bearer", "client_id": "web", "client_secret": "s3cret"},
                "client_secret: is sent nowhere with client_auth='none'; leave it out",
                id="a secret with bearer",
            ),
            pytest.param(
                {"dialect": "camel", "client_id": "w", "client_secret": "s3cret", "client_auth": "client_secret_post"},
                "has no place where the dialect sends json",
                id="client_secret_post with JSON",
            ),
            pytest.param(
                {
                    "dialect": "bearer",
                    "client_id": "w",
                    "client_secret": "s3cret",
                    "client_auth": "client_secret_basic",
                },
                "both want the Authorization header",
                id="basic with bearer",
            ),
            pytest.param({"dialect": "camel", "scope": "x"}, "scope: has no place", id="scope with JSON"),
        ],
    )
    def test_what_cannot_work(self, arguments, says):
        with pytest.raises(ConfigurationError) as caught:
            endpoint(**arguments)
        assert len(caught.value.problems) == 1
        assert says in str(caught.value)
        assert "s3cret" not in str(caught.value)

    def test_all_that_is_wrong_is_said_at_once(self):
        with pytest.raises(ConfigurationError) as caught:
            endpoint("http://auth.example.com/", dialect="?", client_auth="?", timeout=0, max_calls=0)
        assert [problem.partition(":")[0] for problem in caught.value.problems] == [
            *("dialect", "url", "client_auth", "timeout", "max_calls")
        ]
