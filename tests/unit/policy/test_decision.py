"""What is decided: every cell of the tables, and what holds for all of them."""

from __future__ import annotations

from itertools import product

import pytest

from tests.decision_tables import BEGIN, END, PAGE, TABLES, as_markdown, in_words
from tests.invented import INVENTED
from wsgi_token_refresh.policy.decision import (
    ANONYMOUS,
    LIVE,
    Access,
    Pass,
    Redirect,
    Refresh,
    Request,
    access_of,
    decide,
    lets_guests_in,
    may_refresh,
)
from wsgi_token_refresh.policy.decision import settle as settled
from wsgi_token_refresh.policy.routes import Rule
from wsgi_token_refresh.tokens import Freshness, Refreshed, Rejected, Tokens, Unreachable

CELLS = [
    pytest.param(cell, id=f"{table.title}: {', '.join(left)}, {column}: {in_words(cell.expected)}".replace("`", ""))
    for table in TABLES
    for left, cells in table.rows
    for column, cell in zip(table.columns, cells, strict=True)
]
FLAGS = ("navigation", "prefetch", "cross_site", "preflight", "websocket", "subresource", "has_next")
REQUESTS = [
    Request(method=method, **dict(zip(FLAGS, flags, strict=True)))
    for method in ("GET", "HEAD", "POST", "OPTIONS")
    for flags in product((False, True), repeat=len(FLAGS))
]
OUTCOMES = (
    Refreshed(Tokens("new")),
    Rejected("invalid_grant"),
    Rejected("invalid_client", ends_session=False),
    Unreachable(True, "timeout"),
    None,
)


@pytest.mark.parametrize("cell", CELLS)
def test_decides(cell):
    assert cell.call() == cell.expected


def test_the_page_in_the_docs_has_these_tables():
    page = PAGE.read_text(encoding="utf-8")
    assert page.partition(BEGIN)[2].partition(END)[0].strip() == as_markdown().strip()


@pytest.mark.parametrize("rule", Rule)
def test_refreshes_only_on_protected_and_optional_paths_and_with_a_refresh_token(rule):
    for request, access, refreshable in product(REQUESTS, Access, (False, True)):
        decision = decide(rule, request, access, refreshable=refreshable)
        if isinstance(decision, Refresh):
            assert refreshable
            assert rule in (Rule.PROTECTED, Rule.OPTIONAL)
            assert not request.cross_site
            assert decision.look_only == request.websocket


def test_nobody_reaches_a_protected_path_without_a_good_token():
    for request, access, refreshable in product(REQUESTS, Access, (False, True)):
        decision = decide(Rule.PROTECTED, request, access, refreshable=refreshable)
        if isinstance(decision, Pass):
            assert decision.state == LIVE
            assert access.good or access is Access.LEEWAY


def test_nobody_reaches_a_protected_path_after_a_refresh_without_a_good_token():
    for request, access, outcome in product(REQUESTS, Access, OUTCOMES):
        decision = settled(Rule.PROTECTED, request, access, outcome)
        assert isinstance(decision, Pass) <= (decision == Pass(LIVE) and (access.good or access is Access.UNSAID))


def test_optional_paths_always_answer_after_a_refresh():
    for request, access, outcome in product(REQUESTS, Access, OUTCOMES):
        assert isinstance(settled(Rule.OPTIONAL, request, access, outcome), Pass)


def test_the_login_page_always_answers():
    for request, access, refreshable in product(REQUESTS, Access, (False, True)):
        assert isinstance(decide(Rule.LOGIN, request, access, refreshable=refreshable), Pass)


def test_public_paths_are_anonymous_whatever_comes():
    for request, access, refreshable in product(REQUESTS, Access, (False, True)):
        assert decide(Rule.PUBLIC, request, access, refreshable=refreshable) == Pass(ANONYMOUS)


@pytest.mark.parametrize("rule", INVENTED, ids=lambda rule: f"strictness {rule.value}")
def test_a_rule_that_nobody_knows_is_decided_as_protected(rule):
    assert not lets_guests_in(rule)
    for request, access, refreshable, passes in product(REQUESTS, Access, (False, True), (False, True)):
        asked = {"refreshable": refreshable, "passes_preflight": passes}
        assert decide(rule, request, access, **asked) == decide(Rule.PROTECTED, request, access, **asked)
    for request, access, outcome in product(REQUESTS, Access, OUTCOMES):
        assert settled(rule, request, access, outcome) == settled(Rule.PROTECTED, request, access, outcome)
        assert may_refresh(rule, request) == may_refresh(Rule.PROTECTED, request)


def test_only_pages_that_a_person_asked_for_lead_to_the_login_page():
    for rule, request, access in product(Rule, REQUESTS, Access):
        decision = decide(rule, request, access, refreshable=False)
        if isinstance(decision, Redirect) and decision.to_login:
            assert request.navigation
            assert not request.prefetch
            assert not request.websocket
            assert decision.with_next == (request.method in ("GET", "HEAD"))


@pytest.mark.parametrize(
    ("freshness", "access"),
    [
        pytest.param(Freshness.FRESH, Access.FRESH, id="a verified token is as fresh as its time says"),
        pytest.param(Freshness.DUE, Access.DUE, id="a verified token in the window is due"),
        pytest.param(Freshness.SHORT, Access.SHORT, id="a verified token within the margin is short"),
        pytest.param(Freshness.EXPIRED, Access.LEEWAY, id="a verified token that has expired is in the leeway"),
    ],
)
def test_access_of(freshness, access):
    assert access_of(freshness) is access
