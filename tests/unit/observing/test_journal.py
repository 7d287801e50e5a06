"""What is written to the log: each thing once, no cause twice a minute, and never a token."""

from __future__ import annotations

import itertools
import logging
import signal
import sys
from types import SimpleNamespace

import pytest

from tests.unit.ledger.test_single_flight import NOW, Clock, issued
from wsgi_token_refresh.holding import NOTHING, Held
from wsgi_token_refresh.ledger.flight import Flight
from wsgi_token_refresh.ledger.records import Member
from wsgi_token_refresh.ledger.single_flight import STORE_DOWN
from wsgi_token_refresh.observing.journal import _MOST_CAUSES, MINUTE, Journal
from wsgi_token_refresh.policy.decision import Access, Pass, Redirect, Refuse
from wsgi_token_refresh.policy.routes import Routes, Rule
from wsgi_token_refresh.tokens import Refreshed, Rejected, Unreachable

TRIES = itertools.count()
DOWN = "the store is down (disk full): nobody is logged out by that, and nothing is refreshed meanwhile"
TOKENS = issued(1, NOW)
HELD = Held(TOKENS, Access.FRESH)
MEMBER = Member("c0ffee00" + 24 * "1", 3, b"the key of the family")
SECRETS = (TOKENS.access_token, TOKENS.refresh_token, str(MEMBER.key), MEMBER.family)
REFRESHED = Refreshed(TOKENS)
REFUSED = Rejected("invalid_grant")
LIVE = Pass("live")
ENVIRON = {
    "REQUEST_METHOD": "GET",
    "PATH_INFO": "/dashboard",
    "QUERY_STRING": f"token={TOKENS.access_token}",
    "HTTP_COOKIE": f"access_token={TOKENS.access_token}; refresh_token={TOKENS.refresh_token}",
    "HTTP_AUTHORIZATION": f"Bearer {TOKENS.access_token}",
}


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def journal(clock):
    return Journal(clock, clock)


@pytest.fixture
def told(caplog):
    """Give the lines of a level and above; no secret ever stands in any."""
    caplog.set_level(logging.DEBUG, logger="wsgi_token_refresh")

    def lines(level=logging.INFO):
        assert not any(secret in caplog.text for secret in SECRETS)
        return [(each.levelname, each.getMessage()) for each in caplog.records if each.levelno >= level]

    return lines


def decide(journal, decision, flight, *, rule=Rule.PROTECTED, held=HELD, environ=()):
    journal.decided({**ENVIRON, **dict(environ)}, rule, decision, flight, held=held, began=NOW - 0.012)


@pytest.mark.parametrize(
    ("flight", "lines"),
    [
        pytest.param(Flight(None, MEMBER), [], id="no refresh"),
        pytest.param(
            Flight(REFRESHED, MEMBER, own=True),
            [("INFO", "refreshed session=c0ffee00")],
            id="a refresh by this request",
        ),
        pytest.param(Flight(REFRESHED, MEMBER), [], id="a refresh by another"),
        pytest.param(
            Flight(Unreachable(True, "timed out"), MEMBER, own=True),
            [("WARNING", "no tokens from its URL: timed out session=c0ffee00")],
            id="no answer to this request",
        ),
        pytest.param(Flight(Unreachable(True, "timed out"), MEMBER), [], id="no answer to another"),
        pytest.param(
            Flight(Unreachable(False, STORE_DOWN), down="disk full"),
            [
                (
                    "WARNING",
                    "the store is down (disk full): nobody is logged out by that, and nothing is refreshed meanwhile",
                )
            ],
            id="the store is down",
        ),
        pytest.param(
            Flight(None, down="disk full"),
            [
                (
                    "WARNING",
                    "the store is down (disk full): nobody is logged out by that, and nothing is refreshed meanwhile",
                )
            ],
            id="the store is down, and the token is good",
        ),
        pytest.param(
            Flight(Rejected("invalid_client", ends_session=False), MEMBER, own=True),
            [("ERROR", "its URL refuses this client: invalid_client; put TokenEndpoint right")],
            id="a refusal of this client",
        ),
        pytest.param(
            Flight(REFUSED, MEMBER, own=True),
            [
                (
                    "WARNING",
                    "session over: the authorization server refused the refresh token: invalid_grant session=c0ffee00",
                )
            ],
            id="a refusal of the refresh token",
        ),
        pytest.param(
            Flight(REFUSED, MEMBER, own=True, lost="timed out"),
            [
                (
                    "WARNING",
                    "session over: invalid_grant. The answer to the refresh before this one was lost (timed out), and "
                    "the authorization server had rotated by then session=c0ffee00",
                )
            ],
            id="a refusal after an answer that was lost",
        ),
        pytest.param(Flight(REFUSED, MEMBER), [], id="a refusal that another was told"),
        pytest.param(
            Flight(Rejected("spent"), MEMBER),
            [("WARNING", "a refresh token was shown that was replaced long ago (reuse) session=c0ffee00")],
            id="a token that was replaced long ago",
        ),
        pytest.param(
            Flight(REFRESHED, own=True), [("INFO", "refreshed session=-")], id="a refresh of a session without a name"
        ),
    ],
)
def test_what_somebody_should_know_of(journal, told, flight, lines):
    decide(journal, LIVE, flight)
    assert told() == lines


@pytest.mark.parametrize(
    ("decision", "flight", "words"),
    [
        pytest.param(LIVE, Flight(None, MEMBER), "passed live", id="passed"),
        pytest.param(Pass("anonymous", "no_session"), Flight(None), "passed anonymous no_session", id="with a reason"),
        pytest.param(LIVE, Flight(REFRESHED, MEMBER, own=True), "refreshed", id="refreshed"),
        pytest.param(LIVE, Flight(REFRESHED, MEMBER), "handed over", id="handed over"),
        pytest.param(Redirect(True, "no_session"), Flight(None), "303 no_session", id="redirected"),
        pytest.param(Refuse(401, "no_session"), Flight(None), "401 no_session", id="refused"),
        pytest.param(Refuse(503, "timed out"), Flight(Unreachable(True, "timed out")), "503 timed out", id="not now"),
    ],
)
def test_a_request_is_one_line_at_debug(journal, told, decision, flight, words):
    decide(journal, decision, flight)
    name = "-" if flight.member is None else "c0ffee00"
    lines = [line for level, line in told(logging.DEBUG) if level == "DEBUG"]
    assert lines == [f"GET /dashboard protected: {words} in 12 ms (900 s left) session={name}"]


def test_a_request_without_a_token_has_no_time_left(journal, told):
    decide(journal, LIVE, Flight(None), held=NOTHING)
    assert "(0 s left)" in told(logging.DEBUG)[0][1]


def test_a_public_request_is_no_line(journal, told):
    decide(journal, Pass("anonymous"), Flight(None), rule=Rule.PUBLIC)
    assert told(logging.DEBUG) == []


def test_a_request_is_no_line_above_debug(journal, caplog):
    caplog.set_level(logging.INFO, logger="wsgi_token_refresh")
    decide(journal, LIVE, Flight(None, MEMBER))
    assert caplog.records == []


def test_a_request_that_the_memo_knew_is_one_line_at_debug(journal, told):
    journal.passed(ENVIRON)
    assert told(logging.DEBUG) == [("DEBUG", "GET /dashboard: passed")]


@pytest.mark.parametrize(
    "tell",
    [
        pytest.param(lambda journal: journal.error("the key is wrong"), id="an error"),
        pytest.param(lambda journal: journal.misconfigured("aud is wrong"), id="a misconfiguration"),
        pytest.param(
            lambda journal: decide(journal, LIVE, Flight(None, down=f"tried {next(TRIES)} times")), id="a lost store"
        ),
        pytest.param(
            lambda journal: decide(journal, LIVE, Flight(Rejected("invalid_client", ends_session=False), MEMBER)),
            id="a refusal of this client",
        ),
    ],
)
def test_a_cause_is_told_once_a_minute(journal, told, clock, tell):
    for seconds, lines in ((0, 1), (MINUTE - 1, 1), (1, 2), (1, 2)):
        clock.now += seconds
        tell(journal)
        assert len(told()) == lines


def test_one_cause_keeps_no_other_back(journal, told):
    journal.misconfigured("aud is wrong")
    journal.misconfigured("iss is wrong")
    assert len(told()) == 2
    assert all(level == "ERROR" for level, _ in told())


def test_no_more_than_so_many_causes_are_remembered(journal, told):
    for number in range(3 * _MOST_CAUSES):
        journal.error(f"cause {number}")
        assert len(journal._told) <= _MOST_CAUSES
    assert len(told()) == 3 * _MOST_CAUSES


@pytest.mark.parametrize(
    ("verifier", "warnings"), [(object(), 0), (None, 1)], ids=["with a verifier", "without a verifier"]
)
def test_a_start_says_what_was_configured_and_what_that_does_not_protect_from(journal, told, verifier, warnings):
    journal.started("endpoint", "routes", "cookies", "store", verifier)
    assert told()[0] == ("INFO", "'routes', 'endpoint', 'cookies', 'store'")
    assert [level for level, _ in told(logging.WARNING)] == ["WARNING"] * warnings
    assert all("nobody is authenticated" in line for _, line in told(logging.WARNING))


def test_a_start_says_where_login_url_is_too_wide(journal, told):
    routes = Routes(login_url="/account", protected=["/", "/account/settings"])
    journal.started("endpoint", routes, "cookies", "store", object())
    assert told(logging.WARNING) == [("WARNING", *routes.warnings)]


# The server in which it runs.

URL = "https://auth.example.com/token?tenant=7"
SILENT = Unreachable(True, "no answer within 5 s")


@pytest.mark.parametrize(
    ("url", "environ", "tells"),
    [
        pytest.param(
            "http://127.0.0.1:8000/token", {"HTTP_HOST": "127.0.0.1:8000"}, True, id="the host of the request"
        ),
        pytest.param(
            "http://127.0.0.1:8000/token",
            {"HTTP_HOST": "app.example", "SERVER_NAME": "127.0.0.1", "SERVER_PORT": "8000"},
            True,
            id="the server's own name and port",
        ),
        pytest.param(
            "https://app.example/token",
            {"HTTP_HOST": "other.example", "SERVER_NAME": "app.example", "SERVER_PORT": "443"},
            True,
            id="its default port",
        ),
        pytest.param("http://127.0.0.1:9000/token", {"HTTP_HOST": "127.0.0.1:8000"}, False, id="not another port"),
        pytest.param(URL, {"HTTP_HOST": "app.example.com"}, False, id="nor another host"),
    ],
)
@pytest.mark.parametrize("flight", [Flight(SILENT, MEMBER, own=True), Flight(SILENT, MEMBER, late=True)])
def test_an_authorization_server_behind_its_own_clients_is_told(clock, told, url, environ, tells, flight):
    journal = Journal(clock, clock, url=url)
    decide(journal, LIVE, flight, environ=environ)
    lines = [text for level, text in told(logging.ERROR) if "on the server that asks" in text]
    assert len(lines) == tells


@pytest.mark.parametrize(
    "flight",
    [
        pytest.param(Flight(Unreachable(False, "connection refused"), MEMBER, own=True), id="what was never sent"),
        pytest.param(Flight(Unreachable(True, "HTTP 502"), MEMBER, own=True), id="what was answered"),
        pytest.param(Flight(SILENT, MEMBER), id="what another one has sent"),
    ],
)
def test_nobody_waited_for_itself(clock, told, flight):
    journal = Journal(clock, clock, url="http://127.0.0.1:8000/token")
    decide(journal, LIVE, flight, environ={"HTTP_HOST": "127.0.0.1:8000"})
    assert told(logging.ERROR) == []


class Worker:
    """As gunicorn's: it handles the signal by which its arbiter kills it."""

    def __init__(self, kind, timeout):
        self.cfg = SimpleNamespace(worker_class_str=kind, timeout=timeout)

    def handle_abort(self, *_):
        raise SystemExit


@pytest.mark.parametrize(
    ("kind", "timeout", "tells"),
    [
        pytest.param("sync", 30, False, id="enough time"),
        pytest.param("sync", 26, True, id="as long as a call"),
        pytest.param("sync", 10, True, id="less"),
        pytest.param("sync", 0, False, id="no limit"),
        pytest.param("gthread", 10, False, id="a kind of worker that is not killed for a request"),
    ],
)
def test_a_server_that_kills_its_worker_before_an_answer_can_come_is_told(clock, told, kind, timeout, tells):
    before = signal.signal(signal.SIGABRT, Worker(kind, timeout).handle_abort)
    try:
        journal = Journal(clock, clock, url=URL, longest_call=26)
        for _ in range(2):
            decide(journal, LIVE, Flight(None))
    finally:
        signal.signal(signal.SIGABRT, before)
    lines = told(logging.ERROR)
    assert len(lines) == tells
    assert all(f"timeout of gunicorn is {timeout} s, and the answer" in text for _, text in lines)


@pytest.mark.parametrize(("harakiri", "tells"), [(b"20", 1), (b"60", 0), (None, 0)])
def test_harakiri_is_seen(clock, told, monkeypatch, harakiri, tells):
    monkeypatch.setitem(sys.modules, "uwsgi", SimpleNamespace(opt={} if harakiri is None else {"harakiri": harakiri}))
    decide(Journal(clock, clock, url=URL, longest_call=26), LIVE, Flight(None))
    assert len(told(logging.ERROR)) == tells


def test_a_process_looks_once_whether_it_may_be_killed(clock, monkeypatch):
    looks = []
    monkeypatch.setattr("wsgi_token_refresh.observing.journal.killed_after", lambda: looks.append(1))
    journal = Journal(clock, clock, url=URL, longest_call=26)
    for _ in range(3):
        decide(journal, LIVE, Flight(None))
    assert len(looks) == 1
