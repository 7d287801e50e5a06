"""One person's session in one request: signing in and out, and a forced refresh, when something is not as it should."""

from __future__ import annotations

import logging
import re
from dataclasses import replace

import pytest
from werkzeug.wrappers import Request

from tests.unit.ledger.test_single_flight import LIFETIME, NOW, Clock, Disturbed, Endpoint, issued, refresher
from tests.unit.test_holding import Verifier
from wsgi_token_refresh.errors import CookieError, NotWrappedError, TokenResponseError
from wsgi_token_refresh.holding import NOTHING, Assessor
from wsgi_token_refresh.observing.journal import Journal
from wsgi_token_refresh.sessions.token_cookies import TokenCookies
from wsgi_token_refresh.token_session import Services, TokenSession, get_session
from wsgi_token_refresh.tokens import Refreshed, Rejected, Tokens, Unreachable

OLD = issued(0, NOW)
NEW = issued(1, NOW)
HUGE = issued(2, NOW, roles="r" * 4000)


def answer_of(tokens):
    """Write tokens as a token response."""
    answer = {"access_token": tokens.access_token, "token_type": "Bearer", "refresh_token": tokens.refresh_token}
    return {name: value for name, value in answer.items() if value is not None}


def cookie_header(*several):
    named = (("access_token", each.access_token, "refresh_token", each.refresh_token) for each in several)
    return "; ".join(f"{access}={one}; {refresh}={two}" for access, one, refresh, two in named)


def names_and_values(cookies):
    return dict(each.partition(";")[0].split("=", 1) for each in cookies)


class Desk:
    """What sessions work with, and the environ of a request."""

    def __init__(self, *, authorization_header=True):
        self.clock = Clock()
        self.store = Disturbed(self.clock)
        self.endpoint = Endpoint(self.clock)
        self.verifier = Verifier()
        self.refresher = refresher(self.store, self.endpoint, self.clock)
        self.assessor = Assessor(self.verifier, refresh_before=300.0, clock=self.clock)
        self.distrusted = []
        self.services = Services(
            TokenCookies(),
            self.endpoint,
            self.refresher,
            self.assessor,
            self.clock,
            authorization_header,
            Journal(self.clock, self.clock),
            self.distrusted.append,
        )
        self.environ = {}

    def session(self, *several, flight=None):
        """Open the session of a request with these cookies, of which the first are held."""
        header = cookie_header(*several)
        self.environ = {"HTTP_COOKIE": header}
        held, state = NOTHING, "anonymous"
        if several:
            self.environ["HTTP_AUTHORIZATION"] = f"Bearer {several[0].access_token}"
            held, state = self.assessor.assess(several[0]), "live"
        session = TokenSession(self.services, self.environ, header, held, state)
        if flight is not None:
            session.took(flight, None, held.tokens)
        return session

    def is_over(self, tokens):
        flight = self.refresher.look_up(tokens)
        return isinstance(flight.outcome, Rejected)


@pytest.fixture
def desk():
    return Desk()


@pytest.fixture
def warnings(caplog):
    """Give the warnings and errors; no token ever stands in any line."""
    caplog.set_level(logging.DEBUG, logger="wsgi_token_refresh")

    def lines():
        for tokens in (OLD, NEW, HUGE):
            assert tokens.access_token not in caplog.text
            assert tokens.refresh_token not in caplog.text
        return [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]

    return lines


# Signing in.


def test_signing_in_begins_a_session_and_ends_those_that_came_along(desk, warnings):
    another = issued(9, NOW)
    for tokens in (OLD, another):
        desk.refresher.found(tokens)
    session = desk.session(OLD, another)
    session.sign_in(answer_of(NEW))
    assert (session.state, session.access_token, session.claims["n"]) == ("live", NEW.access_token, 1)
    assert desk.environ["HTTP_AUTHORIZATION"] == f"Bearer {NEW.access_token}"
    assert desk.environ["HTTP_COOKIE"] == f"access_token={NEW.access_token}"
    assert session.has_changed
    assert names_and_values(session.cookies()) == {
        "access_token": NEW.access_token,
        "refresh_token": NEW.refresh_token,
    }
    assert [desk.is_over(tokens) for tokens in (OLD, another, NEW)] == [True, True, False]
    assert warnings() == []


def test_signing_in_while_the_store_is_down_is_a_session_and_two_warnings(desk, warnings, caplog):
    session = desk.session(OLD)
    desk.store.go_down()
    session.sign_in(answer_of(NEW))
    assert session.state == "live"
    assert names_and_values(session.cookies())["refresh_token"] == NEW.refresh_token
    assert [each.partition(":")[0] for each in warnings()] == [
        "a session could not be ended for other requests under way",
        "a session could not be written down at its sign-in",
    ]
    assert "signed in session=-" in caplog.text


def test_signing_in_without_a_refresh_token_leaves_no_older_one(desk, caplog):
    caplog.set_level(logging.INFO, logger="wsgi_token_refresh")
    session = desk.session()
    session.sign_in(answer_of(replace(NEW, refresh_token=None)))
    assert names_and_values(session.cookies()) == {"access_token": NEW.access_token, "refresh_token": ""}
    assert session.expires_at == NOW + LIFETIME
    assert desk.store.done == []
    assert "signed in session=-" in caplog.text


def test_a_new_token_that_cannot_be_verified_just_now_is_sent_and_shown_to_nobody(desk):
    desk.verifier.has_keys = False
    session = desk.session()
    session.sign_in(answer_of(NEW))
    assert (session.state, session.access_token, session.claims, session.expires_at) == (
        "unavailable",
        None,
        None,
        None,
    )
    assert not session.authenticated
    assert "HTTP_AUTHORIZATION" not in desk.environ
    assert names_and_values(session.cookies())["access_token"] == NEW.access_token


@pytest.mark.parametrize(
    ("tokens", "error", "match"),
    [
        pytest.param(issued(3, NOW, sub="eve"), TokenResponseError, "sub is 'eve'", id="that fails verification"),
        pytest.param(issued(3, NOW - 910), TokenResponseError, "expired", id="that has expired within the leeway"),
        pytest.param(HUGE, CookieError, "browsers keep 4096", id="that no browser would keep"),
        pytest.param(Tokens(None, "refresh"), TokenResponseError, "access_token", id="that is not there"),
    ],
)
def test_signing_in_with_a_token(desk, tokens, error, match):
    desk.refresher.found(OLD)
    session = desk.session(OLD)
    with pytest.raises(error, match=match):
        session.sign_in(answer_of(tokens))
    assert (session.state, session.access_token, session.has_changed) == ("live", OLD.access_token, False)
    assert session.cookies() == ()
    assert not desk.is_over(OLD)


# Signing out.


def test_signing_out_ends_and_revokes_every_session_that_came_along(desk, warnings):
    another = issued(9, NOW)
    session = desk.session(OLD, another)
    session.sign_out()
    assert (session.state, session.access_token, session.authenticated) == ("anonymous", None, False)
    assert desk.endpoint.revoked == [OLD.refresh_token, another.refresh_token]
    assert set(names_and_values(session.cookies()).values()) == {""}
    assert desk.is_over(OLD)
    assert desk.is_over(another)
    assert warnings() == []


def test_after_signing_out_the_application_sees_no_token(desk):
    session = desk.session(OLD)
    session.sign_out()
    assert "HTTP_AUTHORIZATION" not in desk.environ
    assert "HTTP_COOKIE" not in desk.environ


def test_signing_out_leaves_what_is_not_ours(desk):
    session = desk.session(OLD)
    desk.environ["HTTP_AUTHORIZATION"] = "Basic eDp5"
    session.sign_out()
    assert desk.environ["HTTP_AUTHORIZATION"] == "Basic eDp5"


def test_signing_out_leaves_the_authorization_header_alone_where_it_is_not_ours():
    desk = Desk(authorization_header=False)
    session = desk.session(OLD)
    session.sign_out()
    assert desk.environ["HTTP_AUTHORIZATION"] == f"Bearer {OLD.access_token}"


def test_signing_out_does_nothing_where_no_session_came_along(desk):
    session = desk.session()
    session.sign_out()
    assert not session.has_changed
    assert session.cookies() == ()
    assert desk.store.done == []


def test_signing_out_without_a_refresh_token_revokes_nothing_and_expires_the_cookies(desk):
    session = TokenSession(
        desk.services,
        {},
        f"access_token={OLD.access_token}",
        desk.assessor.assess(replace(OLD, refresh_token=None)),
        "live",
    )
    session.sign_out()
    assert desk.endpoint.revoked == []
    assert set(names_and_values(session.cookies()).values()) == {""}


def test_a_sign_out_is_a_line_in_the_log_that_names_the_session(desk, caplog):
    caplog.set_level("INFO", logger="wsgi_token_refresh")
    session = desk.session(OLD)
    session.sign_out()
    assert re.search(r"signed out session=[0-9a-f]{8}$", caplog.text.strip())


def test_a_revocation_that_fails_at_sign_out_is_a_warning_and_the_user_is_signed_out(desk, warnings):
    desk.endpoint.revocation_fails = "503"
    session = desk.session(OLD)
    session.sign_out()
    assert warnings() == ["a refresh token could not be revoked at sign-out: 503"]
    assert session.state == "anonymous"
    assert desk.is_over(OLD)


def test_signing_out_while_the_store_is_down_revokes_what_the_browser_showed(desk, warnings):
    session = desk.session(OLD)
    desk.store.go_down()
    session.sign_out()
    assert desk.endpoint.revoked == [OLD.refresh_token]
    assert set(names_and_values(session.cookies()).values()) == {""}
    assert warnings() == ["a session could not be ended for other requests under way: down"]


def test_signing_out_revokes_the_newest_token(desk):
    desk.clock.now += 700
    newer = issued(1, desk.clock())
    desk.endpoint.outcomes.append(Refreshed(newer))
    desk.refresher.refresh(OLD, good=True)
    desk.session(OLD).sign_out()
    assert desk.endpoint.revoked == [newer.refresh_token]


def test_who_signs_in_and_out_at_once_is_signed_out_of_both(desk):
    session = desk.session(OLD)
    session.sign_in(answer_of(NEW))
    session.sign_out()
    assert session.state == "anonymous"
    assert set(names_and_values(session.cookies()).values()) == {""}
    assert sorted(desk.endpoint.revoked) == [OLD.refresh_token, NEW.refresh_token]


# A forced refresh.


def test_a_forced_refresh_gives_a_newer_token(desk):
    desk.endpoint.outcomes.append(Refreshed(NEW))
    session = desk.session(OLD)
    assert session.refresh()
    assert session.access_token == NEW.access_token
    assert desk.environ["HTTP_AUTHORIZATION"] == f"Bearer {NEW.access_token}"
    assert names_and_values(session.cookies())["refresh_token"] == NEW.refresh_token


def test_a_refused_forced_refresh_ends_the_session_is_told_and_expires_nothing(desk, warnings):
    desk.endpoint.outcomes.append(Rejected("invalid_grant"))
    session = desk.session(OLD)
    assert not session.refresh()
    assert (session.state, session.access_token, session.claims) == ("anonymous", None, None)
    assert "HTTP_AUTHORIZATION" not in desk.environ
    assert "HTTP_COOKIE" not in desk.environ
    assert session.cookies() == ()
    assert not session.refresh(), "it is not asked again"
    assert desk.endpoint.asked == [OLD.refresh_token]
    (line,) = warnings()
    assert line.startswith("session over: the authorization server refused the refresh token: invalid_grant")


@pytest.mark.parametrize(
    "outcome",
    [
        pytest.param(Unreachable(True, "timed out"), id="gets no answer"),
        pytest.param(Rejected("invalid_client", ends_session=False), id="is refused for our own fault"),
    ],
)
def test_a_session_goes_on_when_its_forced_refresh(desk, outcome):
    desk.endpoint.outcomes.append(outcome)
    session = desk.session(OLD)
    assert not session.refresh()
    assert (session.state, session.access_token) == ("live", OLD.access_token)
    assert desk.environ["HTTP_AUTHORIZATION"] == f"Bearer {OLD.access_token}"


def test_a_forced_refresh_whose_token_cannot_be_verified_just_now_is_none(desk):
    desk.endpoint.outcomes.append(Refreshed(NEW))
    session = desk.session(OLD)
    desk.verifier.has_keys = False
    assert not session.refresh()
    assert (session.state, session.access_token) == ("live", OLD.access_token)
    sent = names_and_values(session.cookies())
    assert (sent["access_token"], sent["refresh_token"]) == (OLD.access_token, NEW.refresh_token)


def test_a_forced_refresh_whose_token_fails_verification_is_none_and_is_told(desk, warnings):
    desk.endpoint.outcomes.append(Refreshed(NEW))
    session = desk.session(OLD)
    desk.verifier.audience = "another"
    assert not session.refresh()
    assert (session.state, session.access_token) == ("live", OLD.access_token)
    (line,) = warnings()
    assert "fails verification: aud is not 'another'" in line


def test_a_request_of_a_framework_is_no_environ():
    with pytest.raises(NotWrappedError, match=r"get_session\(request\.environ\)"):
        get_session(Request({}))  # type: ignore[arg-type]


def test_nothing_is_refreshed_without_a_refresh_token(desk):
    held = desk.assessor.assess(replace(OLD, refresh_token=None))
    assert not TokenSession(desk.services, {}, "", held, "live").refresh()
    assert desk.endpoint.asked == []


def test_nothing_is_refreshed_for_a_session_that_is_not_live(desk):
    held = desk.assessor.assess(issued(0, NOW - 1000))
    assert not TokenSession(desk.services, {}, "", held, "anonymous").refresh()
    assert desk.endpoint.asked == []


# What goes out.


def test_a_token_too_large_for_a_cookie_is_told_once_and_the_refresh_token_goes_out(desk, warnings):
    desk.endpoint.outcomes.append(Refreshed(HUGE))
    for _ in range(2):
        session = desk.session(OLD)
        assert session.refresh()
        assert names_and_values(session.cookies()) == {"refresh_token": HUGE.refresh_token}
    (line,) = warnings()
    assert line.startswith("a token could not be sent to the browser: the cookie 'access_token' has")


def test_nothing_goes_out_for_a_session_that_has_ended_meanwhile(desk):
    desk.endpoint.outcomes.append(Refreshed(NEW))
    session = desk.session(OLD)
    session.refresh()
    desk.refresher.end(NEW, "sign-out", vouched=True)
    assert session.cookies() == ()


def test_a_session_shows_its_state_and_no_token(desk):
    assert repr(desk.session(OLD)) == "<TokenSession live>"
