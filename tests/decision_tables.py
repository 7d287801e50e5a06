"""The tables of what is decided: each cell is a call of the core and what it must give.

``python -m tests.decision_tables --write`` prints them into ``docs/decisions.md``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from wsgi_token_refresh.policy.decision import (
    ANONYMOUS,
    LIVE,
    UNAVAILABLE,
    Access,
    Decision,
    Pass,
    Redirect,
    Refresh,
    Refuse,
    Request,
    decide,
    settle,
)
from wsgi_token_refresh.policy.routes import Rule
from wsgi_token_refresh.tokens import Outcome, Refreshed, Rejected, Tokens, Unreachable

PAGE = Path(__file__).parent.parent / "docs" / "decisions.md"
BEGIN, END = "<!-- tables: begin -->", "<!-- tables: end -->"

FETCH = Request()
NAVIGATION = Request(navigation=True)
GOOD = Access.FRESH

LIVE_PASS, ANONYMOUS_PASS = Pass(LIVE), Pass(ANONYMOUS)
KEYS = "keys_unavailable"
OVER = "no_session"


@dataclass(frozen=True)
class Cell:
    """One call, and the decision that it must give."""

    call: Callable[[], Decision]
    expected: Decision


@dataclass(frozen=True)
class Table:
    """A table: ``rows`` pairs what stands on the left with the cells."""

    title: str
    left: tuple[str, ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[tuple[str, ...], tuple[Cell, ...]], ...]


def asks(
    rule: Rule,
    request: Request,
    access: Access,
    expected: Decision,
    *,
    refreshable: bool = False,
    passes_preflight: bool = False,
) -> Cell:
    """Make the cell of a request before any refresh."""
    return Cell(
        partial(decide, rule, request, access, refreshable=refreshable, passes_preflight=passes_preflight), expected
    )


def settles(outcome: Outcome | None, access: Access, expected: Decision, rule: Rule = Rule.PROTECTED) -> Cell:
    """Make the cell of a navigation after a refresh."""
    return Cell(partial(settle, rule, NAVIGATION, access, outcome), expected)


def _by_rule(request: Request, access: Access, expected: dict[Rule, Decision]) -> tuple[Cell, ...]:
    return tuple(asks(rule, request, access, expected[rule]) for rule in RULES)


RULES = (Rule.PROTECTED, Rule.OPTIONAL, Rule.PUBLIC, Rule.GUEST_ONLY, Rule.LOGIN)
_RULE_NAMES = ("`protected`", "`optional`", "`public`", "`guest_only`", "`login_url`")


def _expected(protected: Decision, optional: Decision, guest_only: Decision, login: Decision) -> dict[Rule, Decision]:
    decisions = (protected, optional, ANONYMOUS_PASS, guest_only, login)
    return dict(zip(RULES, decisions, strict=True))


_NOBODY = _expected(Redirect(True, OVER, True), Pass(ANONYMOUS, OVER), ANONYMOUS_PASS, ANONYMOUS_PASS)
_NOBODY_FETCHES = {**_NOBODY, Rule.PROTECTED: Refuse(401, OVER)}
_UNKNOWN = _expected(Refuse(503, KEYS), Pass(UNAVAILABLE, KEYS), ANONYMOUS_PASS, ANONYMOUS_PASS)
_HOME = Redirect(False, "signed_in")

ROUTES = Table(
    "Routes",
    ("session", "request"),
    _RULE_NAMES,
    (
        (("live", "navigation"), _by_rule(NAVIGATION, GOOD, _expected(LIVE_PASS, LIVE_PASS, _HOME, LIVE_PASS))),
        (
            ("live", "navigation with `next`"),
            _by_rule(replace(NAVIGATION, has_next=True), GOOD, _expected(LIVE_PASS, LIVE_PASS, LIVE_PASS, LIVE_PASS)),
        ),
        (
            ("live", "navigation by POST"),
            _by_rule(replace(NAVIGATION, method="POST"), GOOD, _expected(LIVE_PASS, LIVE_PASS, LIVE_PASS, LIVE_PASS)),
        ),
        (("live", "fetch"), _by_rule(FETCH, GOOD, _expected(LIVE_PASS, LIVE_PASS, LIVE_PASS, LIVE_PASS))),
        (("none, or over", "navigation"), _by_rule(NAVIGATION, Access.BAD, _NOBODY)),
        (
            ("none, or over", "navigation by POST"),
            _by_rule(
                replace(NAVIGATION, method="POST"),
                Access.BAD,
                {**_NOBODY, Rule.PROTECTED: Redirect(True, OVER, False)},
            ),
        ),
        (
            ("none, or over", "prefetch of a page"),
            _by_rule(replace(NAVIGATION, prefetch=True), Access.BAD, _NOBODY_FETCHES),
        ),
        (("none, or over", "fetch"), _by_rule(FETCH, Access.BAD, _NOBODY_FETCHES)),
        (
            ("none, or over", "WebSocket upgrade"),
            _by_rule(replace(NAVIGATION, websocket=True), Access.BAD, _NOBODY_FETCHES),
        ),
        (("unavailable", "navigation"), _by_rule(NAVIGATION, Access.UNKNOWN, _UNKNOWN)),
        (("unavailable", "fetch"), _by_rule(FETCH, Access.UNKNOWN, _UNKNOWN)),
        (
            ("none, or over", "a provider's answer (`code` and `state`)"),
            _by_rule(
                replace(NAVIGATION, callback=True), Access.BAD, {**_NOBODY, Rule.PROTECTED: Redirect(True, OVER, False)}
            ),
        ),
        (
            ("live", "a provider's answer (`code` and `state`)"),
            _by_rule(replace(NAVIGATION, callback=True), GOOD, _expected(LIVE_PASS, LIVE_PASS, LIVE_PASS, LIVE_PASS)),
        ),
        (
            ("any", "a path of more than 8192 characters"),
            tuple(asks(rule, replace(FETCH, too_long=True), GOOD, Refuse(414, "path_too_long")) for rule in RULES),
        ),
        (
            ("any", "a path with `..`, NUL or control characters"),
            tuple(asks(rule, replace(FETCH, malformed=True), GOOD, Refuse(400, "malformed_path")) for rule in RULES),
        ),
    ),
)


_CROSS_SITE = replace(FETCH, method="POST", cross_site=True)
_PREFLIGHT = replace(FETCH, method="OPTIONS", preflight=True)
_WEBSOCKET = replace(FETCH, websocket=True)
_SUBRESOURCE = replace(FETCH, subresource=True)

REQUESTS = Table(
    "Requests of their own kind",
    ("request", "access token", "refresh token"),
    ("`protected`", "`optional`"),
    (
        (
            ("unsafe method from another site", "good", "yes"),
            (
                asks(Rule.PROTECTED, _CROSS_SITE, GOOD, Refuse(403, "cross_site"), refreshable=True),
                asks(Rule.OPTIONAL, _CROSS_SITE, GOOD, Pass(ANONYMOUS, "cross_site"), refreshable=True),
            ),
        ),
        (
            ("unsafe method from another site", "expired", "yes"),
            (
                asks(Rule.PROTECTED, _CROSS_SITE, Access.BAD, Refuse(403, "cross_site"), refreshable=True),
                asks(Rule.OPTIONAL, _CROSS_SITE, Access.BAD, Pass(ANONYMOUS, "cross_site"), refreshable=True),
            ),
        ),
        (
            ("preflight", "any", "any"),
            (
                asks(Rule.PROTECTED, _PREFLIGHT, Access.BAD, Refuse(204, "preflight"), refreshable=True),
                asks(Rule.OPTIONAL, _PREFLIGHT, Access.BAD, Pass(ANONYMOUS, OVER)),
            ),
        ),
        (
            ('preflight, with `preflight="pass"`', "any", "any"),
            (
                asks(
                    Rule.PROTECTED,
                    _PREFLIGHT,
                    Access.BAD,
                    Pass(ANONYMOUS, "preflight"),
                    refreshable=True,
                    passes_preflight=True,
                ),
                asks(Rule.OPTIONAL, _PREFLIGHT, Access.BAD, Pass(ANONYMOUS, OVER), passes_preflight=True),
            ),
        ),
        (
            ("OPTIONS that is no preflight", "expired", "yes"),
            (
                asks(Rule.PROTECTED, replace(FETCH, method="OPTIONS"), Access.BAD, Refresh(), refreshable=True),
                asks(Rule.OPTIONAL, replace(FETCH, method="OPTIONS"), Access.BAD, Refresh(), refreshable=True),
            ),
        ),
        (
            ("WebSocket upgrade", "in the window", "yes"),
            (
                asks(Rule.PROTECTED, _WEBSOCKET, Access.DUE, LIVE_PASS, refreshable=True),
                asks(Rule.OPTIONAL, _WEBSOCKET, Access.DUE, LIVE_PASS, refreshable=True),
            ),
        ),
        (
            ("WebSocket upgrade", "expired", "yes"),
            (
                asks(Rule.PROTECTED, _WEBSOCKET, Access.BAD, Refresh(look_only=True), refreshable=True),
                asks(Rule.OPTIONAL, _WEBSOCKET, Access.BAD, Refresh(look_only=True), refreshable=True),
            ),
        ),
        (
            ("image, style, script or font", "in the window", "yes"),
            (
                asks(Rule.PROTECTED, _SUBRESOURCE, Access.DUE, Refresh(), refreshable=True),
                asks(Rule.OPTIONAL, _SUBRESOURCE, Access.DUE, LIVE_PASS, refreshable=True),
            ),
        ),
        (
            ("image, style, script or font", "expired", "yes"),
            (
                asks(Rule.PROTECTED, _SUBRESOURCE, Access.BAD, Refresh(), refreshable=True),
                asks(Rule.OPTIONAL, _SUBRESOURCE, Access.BAD, Pass(ANONYMOUS, "subresource"), refreshable=True),
            ),
        ),
    ),
)


def _token_row(access: Access, refreshable: bool, protected: Decision, optional: Decision) -> tuple[Cell, ...]:
    good = access in (Access.FRESH, Access.DUE, Access.SHORT)
    return (
        asks(Rule.PROTECTED, NAVIGATION, access, protected, refreshable=refreshable),
        asks(Rule.OPTIONAL, NAVIGATION, access, optional, refreshable=refreshable),
        asks(Rule.LOGIN, NAVIGATION, access, LIVE_PASS if good else ANONYMOUS_PASS, refreshable=refreshable),
        asks(Rule.GUEST_ONLY, NAVIGATION, access, _HOME if good else ANONYMOUS_PASS, refreshable=refreshable),
    )


_YES, _NO = "yes", "no"
_UNREAD = (Refuse(503, "store_down"), Pass(UNAVAILABLE, "store_down"))
_UNVERIFIABLE = (Refuse(503, KEYS), Pass(UNAVAILABLE, KEYS))

TOKENS = Table(
    "Tokens",
    ("access token", "refresh token"),
    ("`protected`", "`optional`", "`login_url`", "`guest_only`"),
    (
        ((Access.FRESH.value, _YES), _token_row(Access.FRESH, True, LIVE_PASS, LIVE_PASS)),
        ((Access.FRESH.value, _NO), _token_row(Access.FRESH, False, LIVE_PASS, LIVE_PASS)),
        ((Access.DUE.value, _YES), _token_row(Access.DUE, True, Refresh(), Refresh())),
        ((Access.DUE.value, _NO), _token_row(Access.DUE, False, LIVE_PASS, LIVE_PASS)),
        ((Access.SHORT.value, _YES), _token_row(Access.SHORT, True, Refresh(), Refresh())),
        ((Access.SHORT.value, _NO), _token_row(Access.SHORT, False, LIVE_PASS, LIVE_PASS)),
        ((Access.LEEWAY.value, _YES), _token_row(Access.LEEWAY, True, Refresh(), Refresh())),
        ((Access.LEEWAY.value, _NO), _token_row(Access.LEEWAY, False, LIVE_PASS, LIVE_PASS)),
        ((Access.UNSAID.value, _YES), _token_row(Access.UNSAID, True, Refresh(), Refresh())),
        (
            (Access.UNSAID.value, _NO),
            _token_row(Access.UNSAID, False, Redirect(True, OVER, True), Pass(ANONYMOUS, OVER)),
        ),
        ((Access.BAD.value, _YES), _token_row(Access.BAD, True, Refresh(), Refresh())),
        (
            (Access.BAD.value, _NO),
            _token_row(Access.BAD, False, Redirect(True, OVER, True), Pass(ANONYMOUS, OVER)),
        ),
        ((Access.UNKNOWN.value, _YES), _token_row(Access.UNKNOWN, True, *_UNVERIFIABLE)),
        ((Access.UNKNOWN.value, _NO), _token_row(Access.UNKNOWN, False, *_UNVERIFIABLE)),
        ((Access.UNREAD.value, _NO), _token_row(Access.UNREAD, False, *_UNREAD)),
    ),
)


def _outcome_row(
    outcome: Outcome, good: Decision, bad: Decision, optional: Decision, unsaid: Decision | None = None
) -> tuple[Cell, ...]:
    return (
        settles(outcome, GOOD, good),
        settles(outcome, Access.UNSAID, unsaid or good),
        settles(outcome, Access.BAD, bad),
        settles(outcome, Access.BAD, optional, Rule.OPTIONAL),
    )


def _over_row(code: str) -> tuple[Cell, ...]:
    over = Redirect(True, code, True)
    return _outcome_row(Rejected(code), over, over, Pass(ANONYMOUS, code))


_NEW = Refreshed(Tokens("new", "next"))

OUTCOMES = Table(
    "What the refresh gave",
    ("outcome",),
    (
        "the token that there is now is good",
        "it says nothing of its end",
        "it is not good: `protected`",
        "it is not good: `optional`",
    ),
    (
        (
            ("`Refreshed`; not good means that the new token fails verification",),
            _outcome_row(
                _NEW,
                LIVE_PASS,
                Refuse(503, "unverified"),
                Pass(UNAVAILABLE, "unverified"),
                Refuse(503, "unverified"),
            ),
        ),
        (("`Refreshed`, but for somebody else (`subject_changed`)",), _over_row("subject_changed")),
        (("`Rejected` with a code of the dialect's `rejected` (`invalid_grant`)",), _over_row("invalid_grant")),
        (
            ("`Rejected` with another code (`invalid_client`)",),
            _outcome_row(
                Rejected("invalid_client", ends_session=False),
                LIVE_PASS,
                Refuse(503, "invalid_client"),
                Pass(UNAVAILABLE, "invalid_client"),
            ),
        ),
        (
            ("`Unreachable`, surely not processed",),
            _outcome_row(Unreachable(False, "429", 7.0), LIVE_PASS, Refuse(503, "429", 7.0), Pass(UNAVAILABLE, "429")),
        ),
        (
            ("`Unreachable`, may have been processed",),
            _outcome_row(Unreachable(True, "timeout"), LIVE_PASS, Refuse(503, "timeout"), Pass(UNAVAILABLE, "timeout")),
        ),
        (("the family has ended (`ended`)",), _over_row("ended")),
        (("the refresh token was replaced long ago (`spent`)",), _over_row("spent")),
        (
            ("nothing newer",),
            tuple(
                settles(None, access, expected, rule)
                for access, expected, rule in (
                    (GOOD, LIVE_PASS, Rule.PROTECTED),
                    (Access.UNSAID, Redirect(True, OVER, True), Rule.PROTECTED),
                    (Access.BAD, Redirect(True, OVER, True), Rule.PROTECTED),
                    (Access.BAD, Pass(ANONYMOUS, OVER), Rule.OPTIONAL),
                )
            ),
        ),
    ),
)

TABLES = (ROUTES, TOKENS, OUTCOMES, REQUESTS)


def in_words(decision: Decision) -> str:
    """Say what a decision means, as a cell of a table."""
    if isinstance(decision, Pass):
        return {LIVE: "pass", ANONYMOUS: "pass as anonymous", UNAVAILABLE: 'pass, `state="unavailable"`'}[
            decision.state
        ]
    if isinstance(decision, Refresh):
        return "hand over, else as it stands" if decision.look_only else "refresh"
    if isinstance(decision, Redirect):
        place = "login" if decision.to_login else "`home_url`"
        return f"303 {place} with `next`" if decision.with_next else f"303 {place}"
    return str(decision.status)


def as_markdown() -> str:
    """Print every table, each cell as the core decides it now."""
    return "\n".join(_printed(table) for table in TABLES)


def _printed(table: Table) -> str:
    lines = [f"### {table.title}", "", _line((*table.left, *table.columns)), _line(("---",) * _width(table))]
    lines += [_line((*left, *(in_words(cell.call()) for cell in cells))) for left, cells in table.rows]
    return "\n".join(lines) + "\n"


def _width(table: Table) -> int:
    return len(table.left) + len(table.columns)


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


def write() -> None:
    """Put the tables where they stand in the page."""
    head, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    PAGE.write_text(f"{head}{BEGIN}\n\n{as_markdown()}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        write()
    else:
        print(as_markdown())
