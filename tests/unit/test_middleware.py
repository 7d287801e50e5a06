"""The walk of a request: which cookies count, what the memo passes, and what it never does."""

from __future__ import annotations

import json
import logging
import math
from dataclasses import replace

import pytest
from werkzeug.test import Client

from tests.invented import INVENTED
from tests.unit.ledger.test_single_flight import (
    DUE,
    EXPIRED,
    LIFETIME,
    NOW,
    Clock,
    Disturbed,
    Endpoint,
    issued,
    refresher,
)
from tests.unit.test_holding import Verifier
from tests.unit.test_token_session import answer_of, cookie_header
from wsgi_token_refresh import ConfigurationError, CrossSiteError, Routes, TokenRefreshMiddleware, get_session
from wsgi_token_refresh.passing import TRUSTED_FOR
from wsgi_token_refresh.policy.routes import _LONGEST_KNOWN
from wsgi_token_refresh.tokens import (
    Failed,
    KeysUnavailable,
    Refreshed,
    Rejected,
    Tokens,
    Unreachable,
    Verified,
    refresh_window,
)
from wsgi_token_refresh.wiring import LONGEST

OLD = issued(0, NOW)
OTHER = issued(50, NOW)
REFUSED = Rejected("invalid_grant")
SAME_SITE = {"Sec-Fetch-Site": "same-origin"}
CROSS_SITE = {"Sec-Fetch-Site": "cross-site"}
NAVIGATION = {"Sec-Fetch-Mode": "navigate"}
ROUTES = Routes(protected=["/dashboard"], public=["/static"], guest_only=["/register"])


def tell(environ, start_response):
    """Do what the query string says to the session, and answer with what the application sees."""
    session = get_session(environ)
    if environ["QUERY_STRING"] == "sign-out":
        session.sign_out()
    if environ["QUERY_STRING"] == "refresh":
        session.refresh()
    seen = {
        "state": session.state,
        "token": session.access_token,
        "cookie": environ.get("HTTP_COOKIE"),
        "authorization": environ.get("HTTP_AUTHORIZATION"),
    }
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(seen).encode()]


class World:
    """A middleware on a store that counts, and a browser that sends what it is told."""

    def __init__(self, *, app=tell, **options):
        self.clock = Clock()
        self.store = Disturbed(self.clock)
        self.endpoint = Endpoint(self.clock)
        self.verifier = Verifier()
        options = {"routes": ROUTES, "verifier": self.verifier, **options}
        self.middleware = TokenRefreshMiddleware(
            app,
            token_endpoint=self.endpoint,
            store=self.store,
            clock=self.clock,
            monotonic=self.clock,
            **options,
        )
        self.other = refresher(self.store.inner, self.endpoint, self.clock)
        self.client = Client(self.middleware, use_cookies=False)

    def send(self, path, *several, method="GET", also="", headers=(), **options):
        """Send a request with these tokens in its cookies, and with another site's cookie."""
        cookie = "; ".join(filter(None, (cookie_header(*several), also)))
        headers = {**dict(headers), **({"Cookie": cookie} if cookie else {})}
        return self.client.open(path, method=method, headers=headers, **options)

    def later(self, seconds):
        self.clock.now += seconds

    def reads(self):
        """Tell how often the store was read since the last time that this was asked."""
        count = self.store.done.count("read")
        self.store.done.clear()
        return count


@pytest.fixture
def world():
    return World()


@pytest.mark.parametrize(
    ("outcome", "rule"),
    [
        pytest.param(Unreachable(True, "HTTP 403 with text/html", rule="403:Denied*"), "403:Denied*", id="a page"),
        pytest.param(Rejected("gone", ends_session=False, rule="400:gone"), "400:gone", id="an unknown code"),
        pytest.param(Unreachable(True, "HTTP 400 with text/html", shape="400 text/html"), "RFC 6749 5.2", id="no code"),
    ],
)
def test_a_session_that_can_only_end_gets_a_way_out_and_the_log_says_how_to_name_it(world, caplog, outcome, rule):
    world.later(EXPIRED)
    pages = []
    for _ in range(3):
        world.endpoint.outcomes.append(outcome)
        pages.append(world.send("/dashboard", issued(0, NOW), headers=NAVIGATION))
        world.later(61)
    assert [page.status_code for page in pages] == [503] * 3
    assert ["sign in again" in page.text for page in pages] == [False, True, True]
    assert not [page.headers for page in pages if "Set-Cookie" in page.headers or "Location" in page.headers]
    errors = [each.getMessage() for each in caplog.records if each.levelno == logging.ERROR]
    assert [error for error in errors if rule in error]
    assert len(set(errors)) == len(errors) / 3, "each once a minute"


def test_a_token_that_says_nothing_of_its_end_passes_in_an_outage(caplog):
    world = World(verifier=None)
    world.endpoint.outcomes.append(Unreachable(False, "connection refused"))
    opaque = Tokens("opaque", "refresh-0")
    for _ in range(2):
        reply = world.send("/dashboard", opaque)
        assert (reply.status_code, reply.json["state"]) == (200, "live")
    newer = issued(1, world.clock())
    world.endpoint.outcomes.append(Refreshed(newer))
    world.later(1)
    assert world.send("/dashboard", opaque).json["token"] == newer.access_token


class Late:
    """An answer that comes after everybody has stopped waiting for it."""

    comes = None

    def outcome(self, seconds):
        return self.comes

    def close(self):
        """Nothing is open."""


def test_the_answer_to_a_call_is_read_once_the_response_has_gone_out(world):
    answer, newer = Late(), issued(1, NOW + DUE)
    world.later(DUE)
    world.endpoint.outcomes.append(Unreachable(True, "no answer within 5 s", pending=answer))
    reply = world.send("/dashboard", issued(0, NOW), buffered=False)
    assert reply.status_code == 200
    answer.comes = Refreshed(newer)
    reply.close()
    assert world.other.look_up(issued(0, NOW)).outcome == Refreshed(newer)


def late_world(app, answer, **options):
    """A world in which the answer to the next refresh comes too late for who asked."""
    world = World(app=app, **options)
    world.later(DUE)
    world.endpoint.outcomes.append(Unreachable(True, "no answer within 5 s", pending=answer))
    return world


def has_come(world, newer):
    return world.other.look_up(issued(0, NOW)).outcome == Refreshed(newer)


def test_the_answer_to_a_call_is_read_though_the_application_fails():
    answer, newer = Late(), issued(1, NOW + DUE)

    def fails(environ, start_response):
        answer.comes = Refreshed(newer)
        raise ZeroDivisionError

    world = late_world(fails, answer)
    with pytest.raises(ZeroDivisionError):
        world.send("/dashboard", issued(0, NOW))
    assert has_come(world, newer)


def test_the_answer_to_a_call_is_read_while_a_response_is_streamed():
    answer, newer, seen = Late(), issued(1, NOW + DUE), []

    def streams(environ, start_response):
        start_response("200 OK", [])
        yield b"one"
        answer.comes = Refreshed(newer)
        yield b"two"
        seen.append(has_come(world, newer))
        yield b"three"

    world = late_world(streams, answer)
    assert world.send("/dashboard", issued(0, NOW)).data == b"onetwothree"
    assert seen == [True]


@pytest.mark.parametrize(
    ("protocol", "headers", "waits"),
    [
        pytest.param("HTTP/1.1", [], True, id="that has its own end"),
        pytest.param("HTTP/1.0", [("Content-Length", "0")], True, id="whose length is said"),
        pytest.param("HTTP/1.0", [], False, id="that ends with its connection is not held open for it"),
    ],
)
def test_the_answer_to_a_call_is_waited_for_after_a_response(protocol, headers, waits):
    answer, newer = Late(), issued(1, NOW + DUE)

    def says(environ, start_response):
        start_response("200 OK", headers)
        return [b""]

    world = late_world(says, answer)
    reply = world.send("/dashboard", issued(0, NOW), buffered=False, environ_overrides={"SERVER_PROTOCOL": protocol})
    answer.comes = Refreshed(newer)
    reply.close()
    assert has_come(world, newer) == waits


def test_the_application_s_own_response_is_closed_before_the_answer_to_a_call_is_waited_for():
    answer, newer, order = Late(), issued(1, NOW + DUE), []

    class Blocks(list):
        def close(self):
            order.append(has_come(world, newer))

    def closes(environ, start_response):
        start_response("200 OK", [])
        return Blocks([b"one"])

    world = late_world(closes, answer)
    reply = world.send("/dashboard", issued(0, NOW), buffered=False)
    answer.comes = Refreshed(newer)
    reply.close()
    assert (order, has_come(world, newer)) == ([False], True)


def test_whoever_comes_by_collects_what_has_come_for_somebody_else(world):
    answer, newer = Late(), issued(1, NOW + EXPIRED)
    world.later(EXPIRED)
    world.endpoint.outcomes.append(Unreachable(True, "no answer within 20 s", pending=answer))
    assert world.send("/dashboard", issued(0, NOW)).status_code == 503
    assert world.send("/static/a.css").status_code == 200
    assert world.other.look_up(issued(0, NOW)).outcome is None
    answer.comes = Refreshed(newer)
    assert world.send("/static/a.css").status_code == 200
    assert world.other.look_up(issued(0, NOW)).outcome == Refreshed(newer)


def test_an_application_that_is_wrapped_twice_is_told(caplog):
    inner = World()
    outer = World(app=inner.middleware)
    assert outer.send("/dashboard", issued(0, NOW)).status_code == 200
    assert ["wraps already" in each.getMessage() for each in caplog.records if each.levelno == logging.ERROR] == [True]


@pytest.mark.parametrize(
    ("headers", "path"),
    [
        pytest.param({"Upgrade": "websocket", "Sec-Fetch-Site": "same-origin"}, "/dashboard", id="a handshake"),
        pytest.param({"Sec-Fetch-Dest": "image"}, "/", id="what a page embeds"),
    ],
)
def test_a_token_of_unknown_end_passes_where_nobody_may_ask_for_a_newer_one(headers, path):
    reply = World(verifier=None).send(path, Tokens("opaque", "refresh-0"), headers=headers)
    assert (reply.status_code, reply.json["token"]) == (200, "opaque")


# Making one.


@pytest.mark.parametrize("name", ["refresh_before", "hand_over"])
@pytest.mark.parametrize("value", [0, -1, True, "300", None, math.nan, math.inf, LONGEST], ids=repr)
def test_seconds_that_are_none_are_refused(name, value):
    with pytest.raises(ConfigurationError) as raised:
        World(**{name: value})
    assert raised.value.problems == (f"TokenRefreshMiddleware: {name} is {value!r}; give seconds, more than 0",)


def test_every_wrong_number_is_named():
    with pytest.raises(ConfigurationError) as raised:
        World(refresh_before=0, hand_over=0)
    assert len(raised.value.problems) == 2


def test_without_a_store_there_is_a_file_of_this_user_s_own(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    clock = Clock()
    TokenRefreshMiddleware(tell, token_endpoint=Endpoint(clock), routes=ROUTES, verifier=None, clock=clock)
    assert list(tmp_path.glob("*/ledger.sqlite"))


@pytest.mark.parametrize(
    ("argument", "value", "wanted"),
    [
        ("app", None, "app is of type NoneType; give a WSGI application"),
        ("routes", ["/"], "routes is of type list; give Routes("),
        ("token_endpoint", "https://auth.example.com", "token_endpoint is of type str; give TokenEndpoint("),
        ("verifier", "RS256", "verifier is of type str; give JwtVerifier("),
        ("session", "cookies", "session is of type str; give TokenCookies("),
        ("store", "x.db", "store is of type str; give a store"),
    ],
)
def test_what_is_no_collaborator_is_refused(argument, value, wanted):
    arguments = {"app": tell, "token_endpoint": Endpoint(Clock()), "routes": ROUTES, "verifier": None, "store": None}
    with pytest.raises(ConfigurationError) as raised:
        TokenRefreshMiddleware(**{**arguments, argument: value})
    assert [problem.startswith(f"TokenRefreshMiddleware: {wanted}") for problem in raised.value.problems] == [True]


# Paths.


class Unknowing(Routes):
    """Routes that name a rule for every path that nothing else knows."""

    def __init__(self, rule):
        super().__init__()
        self.rule = rule

    def rule_for(self, path):
        return self.rule

    known = rule_for


@pytest.mark.parametrize("rule", INVENTED, ids=lambda rule: f"strictness {rule.value}")
def test_a_rule_that_nobody_knows_is_as_strict_as_protected(rule):
    world = World(routes=Unknowing(rule))
    assert world.send("/x", headers=NAVIGATION).status_code == 303
    assert world.send("/x", method="POST").status_code == 401
    assert world.send("/x", OLD, method="POST", headers=CROSS_SITE).status_code == 403
    for _ in range(2):
        seen = world.send("/x", OLD, headers={"Authorization": "Bearer client's own"}).json
        assert (seen["state"], seen["authorization"]) == ("live", f"Bearer {OLD.access_token}")
        assert OLD.refresh_token not in seen["cookie"]
    world.other.end(OLD, "sign-out", vouched=True)
    world.later(TRUSTED_FOR + 1)
    assert world.send("/x", OLD, headers=NAVIGATION).status_code == 303


@pytest.mark.parametrize("path", ["/dashboard\x01", "/static/\n", "/\x7f"], ids=["protected", "public", "optional"])
def test_a_path_with_control_characters_is_refused_also_the_second_time_with_a_known_session(world, path):
    assert world.send("/dashboard", OLD).status_code == 200
    for _ in range(3):
        response = world.send("/", OLD, environ_overrides={"PATH_INFO": path})
        assert (response.status_code, response.json["reason"]) == (400, "malformed_path")


CONFUSED = [
    pytest.param("/static/../dashboard", {}, id="two dots, on a public path"),
    pytest.param("/login/%252e%252e/x", {}, id="encoded twice"),
    pytest.param("/static", {"SCRIPT_NAME": "/a/.."}, id="in the root"),
    pytest.param("/static", {"HTTP_X_VHM_ROOT": "/static/.."}, id="in a virtual root"),
]


@pytest.mark.parametrize(("path", "environ"), CONFUSED)
def test_two_dots_are_refused_on_every_route_with_and_without_a_session(world, path, environ):
    world.send("/static")
    world.send("/dashboard", OLD)
    for tokens in ((), (OLD,), (OLD,)):
        response = world.send(path, *tokens, environ_overrides=environ)
        assert (response.status_code, response.json["reason"]) == (400, "malformed_path")


@pytest.mark.parametrize("path", ["/dashboard/", "/static/", "/login/", "/"])
def test_a_path_of_more_than_8_kb_is_refused(world, path):
    response = world.send(path + "a" * 8192, OLD)
    assert (response.status_code, response.json["reason"]) == (414, "path_too_long")
    assert response.content_type == "application/problem+json"


def test_a_path_that_is_too_long_to_be_remembered_is_served_all_the_same(world):
    path = "/dashboard/" + "x" * _LONGEST_KNOWN
    for _ in range(2):
        assert world.send(path, OLD).json["state"] == "live"
        assert world.send(path).status_code == 401


# Several cookies of one name.


def test_the_first_live_one_of_several_counts(world):
    for several in ((OTHER, OLD), (issued(1, NOW - EXPIRED), OTHER, OLD), (issued(2, NOW, sub="eve"), OTHER)):
        response = world.send("/dashboard", *several)
        assert response.json["token"] == OTHER.access_token
        assert response.json["cookie"] == f"access_token={OTHER.access_token}"
    assert world.endpoint.asked == []


def test_a_dead_refresh_token_does_not_end_the_other_session(world):
    world.later(EXPIRED)
    newer = issued(1, world.clock())
    world.endpoint.outcomes += [REFUSED, Refreshed(newer)]
    response = world.send("/dashboard", OLD, OTHER)
    assert response.json["token"] == newer.access_token
    assert len(response.headers.getlist("Set-Cookie")) == 2
    assert world.endpoint.asked == [OLD.refresh_token, OTHER.refresh_token]


def test_the_other_session_is_left_alone_while_the_first_one_may_live(world):
    world.later(EXPIRED)
    world.endpoint.outcomes.append(Unreachable(True, "timed out"))
    assert world.send("/dashboard", OLD, OTHER).status_code == 503
    assert world.endpoint.asked == [OLD.refresh_token]


def test_the_same_refresh_token_is_shown_once_however_often_it_stands_there(world):
    world.later(EXPIRED)
    world.endpoint.outcomes.append(REFUSED)
    again = replace(OTHER, refresh_token=OLD.refresh_token)
    response = world.send("/dashboard", OLD, again, also=f"access_token={issued(9, NOW).access_token}")
    assert (response.status_code, response.json["reason"]) == (401, "invalid_grant")
    assert world.endpoint.asked == [OLD.refresh_token]


def test_a_session_is_over_when_every_refresh_token_is_dead(world):
    world.later(EXPIRED)
    world.endpoint.outcomes += [REFUSED, REFUSED]
    assert world.send("/dashboard", OLD, OTHER).status_code == 401
    assert world.endpoint.asked == [OLD.refresh_token, OTHER.refresh_token]


# The memo.


def test_what_was_looked_up_is_trusted_by_its_tokens_though_a_foreign_cookie_changes_each_time(world):
    world.other.found(OLD)
    assert world.send("/dashboard", OLD, also="seen=0").json["token"] == OLD.access_token
    assert world.reads() == 2
    for number in range(1, 10):
        world.later(TRUSTED_FOR / 10)
        response = world.send("/dashboard", OLD, also=f"seen={number}")
        assert response.json["token"] == OLD.access_token
        assert response.json["cookie"] == f"access_token={OLD.access_token}; seen={number}"
    assert world.reads() == 0
    world.later(TRUSTED_FOR / 10)
    assert world.send("/dashboard", OLD, also="seen=9").status_code == 200
    assert world.reads() == 2


def test_the_same_header_is_passed_unread_and_never_with_a_token_of_the_client_s_own(world):
    for reads in (1, 0, 0):
        response = world.send("/dashboard", OLD, headers={"Authorization": "Bearer forged"})
        assert response.json["authorization"] == f"Bearer {OLD.access_token}"
        assert world.reads() == reads
    assert len(world.verifier.verified) == 1


def test_a_request_that_was_passed_unread_is_a_line_in_the_log(world, caplog):
    caplog.set_level(logging.DEBUG, logger="wsgi_token_refresh")
    for _ in range(2):
        world.send("/dashboard", OLD)
    lines = [each.getMessage() for each in caplog.records]
    assert lines[-1] == "GET /dashboard: passed"
    assert OLD.access_token not in caplog.text


@pytest.mark.parametrize("also", ["", "seen=9"], ids=["the same header", "another header"])
def test_a_sign_out_elsewhere_is_noticed_within_half_a_minute(world, also):
    world.send("/dashboard", OLD)
    world.later(1)
    world.send("/dashboard", OLD, also="seen=1")
    world.other.end(OLD, "sign-out", vouched=True)
    world.later(TRUSTED_FOR - 2)
    assert world.send("/dashboard", OLD, also=also).status_code == 200
    world.later(1)
    response = world.send("/dashboard", OLD, also=also)
    assert (response.status_code, response.json["reason"]) == (401, "ended")


@pytest.mark.parametrize("state", ["ended", "refused"])
def test_a_dead_refresh_cookie_before_the_living_one_ends_nothing(world, state):
    dead = issued(70, NOW, refresh_token="refresh-dead")
    world.send("/dashboard", OLD)
    if state == "ended":
        world.other.end(dead, "sign-out", vouched=True)
    else:
        world.endpoint.outcomes.append(REFUSED)
        world.other.refresh(dead, good=False, vouched=True)
    header = f"access_token={OLD.access_token}; refresh_token=refresh-dead; refresh_token={OLD.refresh_token}"
    # Whose the access token is, nobody knows, so that the living session gets one of its own.
    world.endpoint.outcomes.append(Refreshed(issued(1, NOW)))
    for _ in range(3):
        world.later(TRUSTED_FOR + 1)
        response = world.client.get("/dashboard", headers={"Cookie": header, "Accept": "text/html"})
        assert response.status_code == 200
        assert all("Max-Age=0" not in each for each in response.headers.getlist("Set-Cookie"))
        assert response.json["token"] == issued(1, NOW).access_token


def test_an_ended_session_is_over_whatever_stands_beside_it(world):
    """A refresh cookie that nobody knows vouches for nothing."""
    world.send("/dashboard", OLD)
    world.other.end(OLD, "sign-out", vouched=True)
    world.later(TRUSTED_FOR + 1)
    world.endpoint.outcomes.append(REFUSED)
    header = f"access_token={OLD.access_token}; refresh_token={OLD.refresh_token}; refresh_token=unknown"
    for _ in range(3):
        assert world.client.get("/dashboard", headers={"Cookie": header}).status_code == 401
        world.later(TRUSTED_FOR + 1)
    assert world.endpoint.asked == ["unknown"]


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/dashboard", {"Upgrade": "websocket", "Connection": "Upgrade", "Origin": "http://localhost"}),
        ("/blog", {"Sec-Fetch-Dest": "image", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Site": "same-origin"}),
    ],
    ids=["a handshake", "what a page embeds"],
)
def test_what_may_not_wait_does_not_refresh_the_next_one_in_the_jar_either(world, path, headers):
    world.send("/dashboard", OLD)
    world.other.end(OLD, "sign-out", vouched=True)
    world.later(TRUSTED_FOR + 1)
    header = f"access_token={OLD.access_token}; refresh_token={OLD.refresh_token}; refresh_token=unknown"
    world.client.get(path, headers={"Cookie": header, **headers})
    assert world.endpoint.asked == []


def test_a_session_that_is_over_is_not_that_of_the_next_one_in_the_jar(world):
    other = issued(5, NOW, subject="bob")
    world.send("/dashboard", OLD)
    world.other.end(OLD, "sign-out", vouched=True)
    world.later(TRUSTED_FOR + 1)
    header = "; ".join(f"access_token={each.access_token}; refresh_token={each.refresh_token}" for each in (OLD, other))
    for _ in range(2):
        response = world.client.get("/dashboard", headers={"Cookie": header})
        assert (response.status_code, response.json["token"]) == (200, other.access_token)


@pytest.mark.parametrize("also", ["", "seen=1", "seen=9"], ids=["the same header", "a known one", "another one"])
def test_a_sign_out_here_is_noticed_at_once(world, also):
    world.send("/dashboard", OLD)
    world.send("/dashboard", OLD, also="seen=1")
    world.send("/dashboard?sign-out", OLD)
    response = world.send("/dashboard", OLD, also=also)
    assert (response.status_code, response.json["reason"]) == (401, "ended")


def test_who_shows_the_token_that_somebody_had_replaced_here_gets_the_new_one_at_once(world):
    world.send("/dashboard", OLD, also="seen=1")
    newer = issued(1, world.clock())
    world.endpoint.outcomes.append(Refreshed(newer))
    assert world.send("/dashboard?refresh", OLD).json["token"] == newer.access_token
    assert world.send("/dashboard", OLD, also="seen=1").json["token"] == newer.access_token


@pytest.mark.parametrize("also", ["", "seen=9"], ids=["the same header", "another header"])
def test_nothing_is_trusted_past_the_window(world, also):
    until_due = LIFETIME - refresh_window(OLD, 300)
    world.later(until_due - TRUSTED_FOR / 2)
    world.send("/dashboard", OLD)
    world.later(TRUSTED_FOR / 2 - 1)
    assert world.send("/dashboard", OLD, also=also).json["token"] == OLD.access_token
    world.later(2)
    newer = issued(1, world.clock())
    world.endpoint.outcomes.append(Refreshed(newer))
    assert world.send("/dashboard", OLD, also=also).json["token"] == newer.access_token


def test_a_refresh_token_is_trusted_with_its_own_access_token_only(world):
    world.send("/dashboard", OLD)
    world.reads()
    world.send("/dashboard", replace(OLD, refresh_token="another"))
    assert world.reads() > 0


def test_a_token_without_a_refresh_token_is_passed_without_the_store(world):
    for _ in range(2):
        response = world.client.get("/dashboard", headers={"Cookie": f"access_token={OLD.access_token}"})
        assert response.json["state"] == "live"
    assert world.store.done == []


def test_the_authorization_header_that_is_left_alone_is_left_alone_also_the_second_time():
    world = World(authorization_header=False)
    for _ in range(2):
        response = world.send("/dashboard", OLD, headers={"Authorization": "Basic eDp5"})
        assert (response.json["state"], response.json["authorization"]) == ("live", "Basic eDp5")


def test_a_known_session_passes_no_unsafe_request_from_another_site(world):
    world.send("/dashboard", OLD)
    response = world.send("/dashboard", OLD, method="POST", headers=CROSS_SITE)
    assert (response.status_code, response.json["reason"]) == (403, "cross_site")


def test_a_known_session_is_sent_home_from_a_page_for_guests(world):
    world.send("/dashboard", OLD)
    for _ in range(2):
        response = world.send("/register", OLD, headers={"Sec-Fetch-Mode": "navigate"})
        assert (response.status_code, response.headers["Location"]) == (303, "/")


def test_a_known_session_signs_out_once_for_all(world):
    world.send("/dashboard", OLD)
    response = world.send("/dashboard?sign-out", OLD)
    assert (response.json["state"], response.json["cookie"], response.json["authorization"]) == (
        "anonymous",
        None,
        None,
    )
    assert world.endpoint.revoked == [OLD.refresh_token]
    assert all("Max-Age=0" in each for each in response.headers.getlist("Set-Cookie"))


# A client's own Authorization.


OWN = ["Bearer own", "bearer own", " Bearer own", "Basic eDp5, Bearer own", "BEARER\town", "DPoP a, bearer own"]


def authorization(world, path, *several, **options):
    """Send a request twice, the second time perhaps known, and tell its state and what it shows of the header."""
    seen = [world.send(path, *several, **options).json for _ in range(2)]
    assert seen[0] == seen[1]
    return seen[0]["state"], seen[0]["authorization"]


@pytest.mark.parametrize("own", [*OWN, "Basic eDp5"])
@pytest.mark.parametrize("path", ["/dashboard", "/"], ids=["protected", "optional"])
def test_with_a_session_what_a_client_sends_gives_way_to_the_access_token(world, path, own):
    ours = ("live", f"Bearer {OLD.access_token}")
    assert authorization(world, path, OLD, headers={"Authorization": own}) == ours


@pytest.mark.parametrize("own", OWN)
def test_without_a_session_no_bearer_token_of_a_client_arrives_on_an_optional_route(world, own):
    assert authorization(world, "/", headers={"Authorization": own}) == ("anonymous", None)
    assert authorization(world, "/", method="POST", headers={**dict(CROSS_SITE), "Authorization": own}) == (
        "anonymous",
        None,
    )
    world.later(EXPIRED)
    world.endpoint.outcomes.append(Unreachable(False, "connection refused"))
    assert authorization(world, "/", OLD, headers={"Authorization": own}) == ("unavailable", None)


@pytest.mark.parametrize("own", ["Basic eDp5", "DPoP a", "Token b"])
def test_without_a_session_what_is_no_bearer_token_arrives_on_an_optional_route(world, own):
    assert authorization(world, "/", headers={"Authorization": own}) == ("anonymous", own)


@pytest.mark.parametrize("several", [(), (OLD,)], ids=["nobody", "somebody"])
@pytest.mark.parametrize("path", ["/static/a", "/login", "/register", "/callback"])
def test_what_a_client_sends_arrives_where_guests_are_let_in(world, path, several):
    assert authorization(world, path, *several, headers={"Authorization": OWN[0]})[1] == OWN[0]


@pytest.mark.parametrize(("path", "several"), [("/dashboard", (OLD,)), ("/", (OLD,)), ("/", ())])
def test_the_header_of_a_client_is_left_alone_where_that_is_said(path, several):
    world = World(authorization_header=False)
    for own in (*OWN, "Basic eDp5"):
        assert authorization(world, path, *several, headers={"Authorization": own})[1] == own


# Public paths, and pages of login.


@pytest.mark.parametrize("times", [1, 2, 3], ids=["the first time", "the second time", "the third time"])
def test_a_public_path_is_passed_without_the_refresh_cookie_and_without_the_store(world, times):
    for _ in range(times):
        response = world.send("/static/a.css", OLD, also="b=1", headers={"Authorization": "Bearer own"})
    assert response.json == {
        "state": "anonymous",
        "token": None,
        "cookie": f"access_token={OLD.access_token}; b=1",
        "authorization": "Bearer own",
    }
    assert world.store.done == []
    assert world.verifier.verified == []


@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize("times", [1, 2], ids=["the first time", "on a known path"])
def test_a_public_path_signs_out_by(world, method, times):
    for _ in range(times - 1):
        world.send("/static/logout", OLD)
    response = world.send("/static/logout?sign-out", OLD, method=method, headers=SAME_SITE)
    assert len(response.headers.getlist("Set-Cookie")) == 3
    assert all("Max-Age=0" in each for each in response.headers.getlist("Set-Cookie"))
    assert world.endpoint.revoked == [OLD.refresh_token]
    assert world.send("/dashboard", OLD).status_code == 401


@pytest.mark.parametrize("path", ["/static/logout", "/login", "/register", "/"])
def test_another_site_signs_nobody_out_by_a_post_to(world, path):
    world.send("/dashboard", OLD)
    response = world.send(f"{path}?sign-out", OLD, method="POST", headers=CROSS_SITE)
    assert (response.status_code, response.json["state"]) == (200, "anonymous")
    assert "Set-Cookie" not in response.headers
    assert world.endpoint.revoked == []
    world.later(TRUSTED_FOR)
    assert world.send("/dashboard", OLD).status_code == 200


def sign_in_or_say_why(environ, start_response):
    """Sign in whatever comes, and answer 403 with the reason where that may not be."""
    session = get_session(environ)
    try:
        session.sign_in(answer_of(OTHER))
    except CrossSiteError as error:
        start_response("403 Forbidden", [])
        return [str(error).encode()]
    start_response("204 No Content", [])
    return [b""]


SIGNING_IN = Routes(
    protected=[],
    guest_only=["/register"],
    public=["/open"],
    form_post=["/callback", "/open/callback"],
    trusted_origins=["https://app.example.com"],
)


@pytest.mark.parametrize("path", ["/login", "/login/step-2", "/register", "/open/login", "/anywhere", "/callbacks"])
@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Sec-Fetch-Site": "cross-site"}, id="cross-site"),
        pytest.param({"Sec-Fetch-Site": "same-site"}, id="same-site"),
        pytest.param({"Sec-Fetch-Site": "same-origin, cross-site"}, id="doubled"),
        pytest.param({"Origin": "null"}, id="an opaque origin"),
        pytest.param({"Origin": "https://evil.example"}, id="another origin"),
    ],
)
def test_another_site_signs_nobody_in_by_a_post_to(path, headers):
    world = World(app=sign_in_or_say_why, routes=SIGNING_IN)
    world.other.found(OLD)
    response = world.send(path, OLD, method="POST", headers=headers)
    assert (response.status_code, "Set-Cookie" in response.headers) == (403, False)
    assert "form_post" in response.text
    assert path in response.text
    assert OTHER.access_token not in response.text
    assert world.other.look_up(OLD).outcome is None, "nobody's session is ended"


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        pytest.param("POST", "/login", {"Sec-Fetch-Site": "same-origin"}, id="the form itself"),
        pytest.param("POST", "/login", {"Origin": "http://localhost"}, id="the form itself, in an old browser"),
        pytest.param("POST", "/login", {}, id="a program"),
        pytest.param("GET", "/callback", {"Sec-Fetch-Site": "cross-site"}, id="a provider that sends the browser back"),
        pytest.param("POST", "/callback", {"Sec-Fetch-Site": "cross-site"}, id="a provider that posts its answer"),
        pytest.param("POST", "/callback/idp", {"Origin": "https://idp.example"}, id="below the path that is named"),
        pytest.param("POST", "/open/callback", {"Origin": "null"}, id="on a public path that is named"),
        pytest.param(
            "POST",
            "/login",
            {"Sec-Fetch-Site": "cross-site", "Origin": "https://app.example.com"},
            id="a trusted origin",
        ),
    ],
)
def test_whoever_may_signs_in(method, path, headers):
    world = World(app=sign_in_or_say_why, routes=SIGNING_IN)
    response = world.send(path, method=method, headers=headers)
    assert (response.status_code, len(response.headers.getlist("Set-Cookie"))) == (204, 2)


def test_a_post_to_login_from_another_site_has_no_session(world):
    response = world.send("/login", OLD, method="POST", headers=CROSS_SITE)
    assert (response.status_code, response.json["state"]) == (200, "anonymous")


# The way in.


CALLBACK = "/callback?code=secret-code&state=secret-state"


def errors_of(caplog):
    return [each.getMessage() for each in caplog.records if each.levelno == logging.ERROR]


@pytest.mark.parametrize(
    "routes",
    [
        pytest.param(Routes(), id="without a word of where it is"),
        pytest.param(Routes(sign_in=["/callback"]), id="named by sign_in"),
        pytest.param(Routes(login_url="/callback"), id="login_url itself"),
        pytest.param(Routes(optional=["/callback"]), id="optional"),
    ],
)
def test_a_provider_s_answer_arrives(routes, caplog):
    world = World(routes=routes)
    response = world.send(CALLBACK, headers=NAVIGATION)
    assert (response.status_code, response.json["state"]) == (200, "anonymous")
    assert errors_of(caplog) == []


def test_a_provider_s_answer_below_login_url_arrives():
    assert World(routes=Routes()).send(f"/login{CALLBACK}", headers=NAVIGATION).status_code == 200


def test_a_provider_s_answer_to_a_page_for_guests_arrives_whoever_is_signed_in():
    world = World(routes=Routes(guest_only=["/callback"]))
    assert world.send(CALLBACK, OLD, headers=NAVIGATION).json["state"] == "live"
    assert world.send("/callback?code=1", OLD, headers=NAVIGATION).status_code == 303


def test_a_provider_s_answer_that_meets_a_protected_route_is_one_error_a_minute_and_in_no_next(caplog):
    world = World(routes=Routes(sign_in=[]))
    for _ in range(3):
        response = world.send(CALLBACK, headers=NAVIGATION)
        assert (response.status_code, response.headers["Location"]) == (303, "/login")
    (error,) = errors_of(caplog)
    assert "sign_in=['/callback']" in error
    assert "secret" not in caplog.text
    world.later(61)
    world.send(CALLBACK, headers=NAVIGATION)
    assert len(errors_of(caplog)) == 2


@pytest.mark.parametrize(
    ("path", "location"),
    [
        pytest.param("/shop?code=94110", "/login?next=/shop%3Fcode%3D94110", id="a code of the post goes along"),
        pytest.param("/callback?code=1", "/login", id="a code alone does not where a sign-in ends"),
        pytest.param("/shop?access_token=s3cret", "/login?next=/shop", id="a token stays behind"),
        pytest.param("/shop?next=%2Fcb%3Fcode%3D1%26state%3D2", "/login", id="nor does what is for another path"),
    ],
)
def test_another_query_on_a_protected_route(path, location, caplog):
    response = World(routes=Routes(sign_in=[])).send(path, headers=NAVIGATION)
    assert response.headers["Location"] == location
    assert "s3cret" not in caplog.text


def test_another_query_on_a_protected_route_is_no_error(caplog):
    World(routes=Routes(sign_in=[])).send("/callback?code=1", headers=NAVIGATION)
    assert errors_of(caplog) == []


# Wrapped in a way that cannot work.


def test_an_application_that_calls_its_own_middleware_is_told_so_in_a_sentence():
    class Application:
        def __call__(self, environ, start_response):
            return self.wsgi_app(environ, start_response)

    application = Application()
    world = World(app=application)
    application.wsgi_app = world.middleware
    with pytest.raises(ConfigurationError, match="wraps an application that calls this very middleware"):
        world.send("/login")


def test_an_application_that_calls_itself_without_an_end_is_not_told_that_it_is_wrapped_wrongly():
    def endless(environ, start_response):
        return endless(environ, start_response)

    with pytest.raises(RecursionError):
        World(app=endless).send("/login")


def test_an_application_that_forwards_to_itself_a_few_times_is_served():
    def forwarding(environ, start_response):
        if environ["PATH_INFO"] == "/login/end":
            return tell(environ, start_response)
        return world.middleware({**environ, "PATH_INFO": "/login/end"}, start_response)

    world = World(app=forwarding)
    assert world.send("/login").status_code == 200


def test_two_middlewares_around_one_application_keep_people_signed_in():
    inner = World()
    outer = World(app=inner.middleware)
    assert outer.send("/dashboard", OLD).json["state"] == "live"


# What the ledger says.


def test_a_token_that_cannot_be_verified_just_now_is_an_answer_that_says_so_and_nothing_is_refreshed(world):
    world.verifier.has_keys = False
    response = world.send("/dashboard", OLD)
    assert (response.status_code, response.json["reason"]) == (503, "keys_unavailable")
    assert world.endpoint.asked == []
    world.verifier.has_keys = True
    assert world.send("/dashboard", OLD).status_code == 200


def test_new_tokens_that_fail_verification_are_told_and_the_session_is_let_alone_for_a_while(world, caplog):
    wrong = issued(1, NOW, sub="eve")
    world.endpoint.outcomes += [Refreshed(wrong), REFUSED]
    # Who has no access token yet has no subject that could change.
    before = {"Cookie": f"refresh_token={OLD.refresh_token}"}
    response = world.client.get("/dashboard", headers=before)
    assert (response.status_code, response.json["reason"]) == (503, "unverified")
    assert len(response.headers.getlist("Set-Cookie")) == 2
    errors = [each.getMessage() for each in caplog.records if each.levelno == logging.ERROR]
    assert len(errors) == 1
    assert "sub is 'eve'" in errors[0]
    world.later(1)
    assert world.client.get("/dashboard", headers=before).status_code == 503
    assert world.send("/dashboard", wrong).status_code == 503
    assert world.endpoint.asked == [OLD.refresh_token]
    world.later(1)
    assert world.send("/dashboard", wrong).status_code == 401
    assert world.endpoint.asked == [OLD.refresh_token, wrong.refresh_token]


class Hiccup:
    """A verifier to which a token is what it is told, until it knows the key."""

    leeway = 30.0
    keys_version = 0

    def __init__(self, token, at_first):
        self.token = token
        self.at_first = at_first

    def verify(self, token):
        if token == self.token and self.keys_version == 0:
            return self.at_first
        return Verified({"sub": "ada"})


@pytest.mark.parametrize(
    "at_first",
    [Failed("kid: no such key"), KeysUnavailable("the keys are not to be had")],
    ids=["whose key is not known yet", "whose keys cannot be fetched"],
)
def test_who_has_a_good_token_goes_on_with_it_past_a_new_one(at_first):
    newer = issued(1, NOW + DUE)
    verifier = Hiccup(newer.access_token, at_first)
    world = World(verifier=verifier)
    world.later(DUE)
    world.endpoint.outcomes.append(Refreshed(newer))
    for jar in (OLD, replace(OLD, refresh_token=newer.refresh_token)):
        reply = world.send("/dashboard", jar)
        assert (reply.status_code, reply.json["token"]) == (200, OLD.access_token)
        sent = dict(each.partition(";")[0].split("=") for each in reply.headers.getlist("Set-Cookie"))
        assert (sent["access_token"], sent["refresh_token"]) == (OLD.access_token, newer.refresh_token)
        world.later(1)
    verifier.keys_version = 1
    reply = world.send("/dashboard", jar)
    assert (reply.status_code, reply.json["token"]) == (200, newer.access_token)
    assert f"access_token={newer.access_token};" in reply.headers["Set-Cookie"]
    assert world.endpoint.asked == [OLD.refresh_token]


def test_the_cookies_of_a_refused_session_are_expired_once_on_the_way_to_the_login_page(world):
    world.later(DUE)
    world.endpoint.outcomes.append(REFUSED)
    page = {"Sec-Fetch-Mode": "navigate"}
    for cookies in (3, 0):
        response = world.send("/dashboard", OLD, headers=page)
        assert (response.status_code, len(response.headers.getlist("Set-Cookie"))) == (303, cookies)
