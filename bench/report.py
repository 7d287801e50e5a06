"""Writes ``RESULTS.md``."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version

from .kinds import BARE as BARE_OF_KINDS
from .kinds import GET, SEALED, SERVER_SIDE, Scaling
from .memory import Growth
from .passing import BARE, CHANGING, DECODE, DECODE_NEW, EXTENDED, MISS, NOOP, PARSE
from .refreshing import Refreshing
from .storm import DELAY, REQUESTS, Storm

Target = tuple[str, str, str, bool]

_PACKAGES = (
    *("werkzeug", "pyjwt", "cryptography", "requests", "redis", "gunicorn", "gevent"),
    *("flask", "flask-jwt-extended", "flask-session", "beaker"),
)
_ORDER = (BARE, NOOP, "public", "optional", "protected", CHANGING, MISS, PARSE, DECODE, DECODE_NEW, EXTENDED)


@dataclass
class Found:
    """What was measured so far; ``passing`` by the size of the access token."""

    passing: dict[str, dict[str, float]] = field(default_factory=dict)
    refreshing: Refreshing | None = None
    storms: dict[str, Storm] = field(default_factory=dict)
    growth: Growth | None = None
    kinds: dict[str, float] = field(default_factory=dict)
    scaling: Scaling | None = None


def document(found: Found) -> str:
    """Write all that was found."""
    sections = [*machine(), *targets(found)]
    sections += pass_path(found.passing) if found.passing else []
    sections += of_kinds(found.kinds) if found.kinds else []
    sections += scaling(found.scaling) if found.scaling else []
    sections += refresh(found.refreshing) if found.refreshing else []
    sections += storm(found.storms) if found.storms else []
    sections += memory(found.growth) if found.growth else []
    return "\n\n".join(sections) + "\n"


def machine() -> list[str]:
    """Describe what was measured on, by nothing that names it."""
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return [
        "# What the middleware costs",
        "Written by `python -m bench`. Read the figures as ratios: other machines have others, and so has this one "
        "on another day. Subjects take turns within one run; figures are medians of rounds, less the empty loop.",
        f"{platform.python_implementation()} {platform.python_version()} on {platform.system()}, {cores} cores, with "
        f"{packages}.",
    ]


def pass_path(found: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Write what a request pays that is not refreshed; by size of the access token."""
    sections = [
        "## A request that passes",
        "Microseconds for each request. Every request has a `Cookie` header of its own, an object that was never "
        "hashed. *Over* is what is added to the bare application. The rows of *PyJWT decode* and *parse_cookie* "
        "are what one call of each costs on the same token and header; that of flask-jwt-extended is without its "
        "request context.",
    ]
    for size, each in found.items():
        rows = [_pass_row(name, each) for name in _ORDER]
        sections.append(f"### {size}")
        sections.append(_table(("", "µs", "× parse_cookie", "× PyJWT decode"), rows))
    return sections


def _pass_row(name: str, found: Mapping[str, float]) -> tuple[str, ...]:
    alone = name in (BARE, PARSE, DECODE, DECODE_NEW, EXTENDED)
    value = found[name] if alone else found[name] - found[BARE]
    ratios = (f"{value / found[other]:.3f}" for other in (PARSE, DECODE))
    return (name, f"{value:.2f}" if alone else f"{value:.2f} over", *ratios)


def of_kinds(found: Mapping[str, float]) -> list[str]:
    """Write what each kind of session costs a request that passes."""
    rows = [(name, f"{value:.2f}", f"{value - found[BARE_OF_KINDS]:.2f}") for name, value in found.items()]
    return [
        "## Kinds of session",
        "Microseconds for each request, and what is over the bare application; access token of 1.9 kB, Redis on this "
        "machine. `ServerSideSession` reads it once for each request, which is the round trip of the row *one GET*; "
        "the sessions of others hold a token of the same size. Flask's, and Flask-Session on the same Redis, are "
        "opened and not written (Flask-Session writes its own after each request unless it is told not to); "
        "Beaker's is read through its middleware, and not written either.",
        _table(("", "µs", "over"), rows),
    ]


def scaling(found: Scaling) -> list[str]:
    """Write what the ledger is to Redis."""
    commands = ", ".join(f"{calls:g} {name}" for name, calls in sorted(found.commands.items()))
    return [
        "## The ledger on Redis",
        f"{found.sessions:,} sessions, each refreshed twice by one process that calls no authorization server: "
        f"**{found.memory:.0f} bytes** for a session once it was refreshed, {found.generation:.0f} more for the next "
        f"refresh token, whose row lives on; for each refresh {commands}; {found.refreshes:.0f} refreshes a second.",
    ]


def refresh(found: Refreshing) -> list[str]:
    """Write what a refresh costs."""
    rows = [
        ("bare `requests.post`, warm connection", f"{found.bare:.2f}", f"{found.bare_p95:.2f}"),
        ("through the middleware", f"{found.wrapped:.2f}", f"{found.wrapped_p95:.2f}"),
        ("over", f"{found.wrapped - found.bare:.2f}", f"{found.wrapped_p95 - found.bare_p95:.2f}"),
    ]
    return [
        "## A refresh",
        "Milliseconds, against the rotating authorization server in a process of its own on the loopback. Ours "
        "verifies the new token, writes the ledger (SQLite) and makes the cookies.",
        _table(("", "median", "p95"), rows),
    ]


def storm(found: Mapping[str, Storm]) -> list[str]:
    """Write what happens when twenty requests come at once with one expired cookie."""
    rows = [
        (
            name,
            each.rounds,
            each.grants,
            f"{each.good} of {each.rounds * REQUESTS}",
            f"{each.p50:.0f}",
            f"{each.p95:.0f}",
        )
        for name, each in found.items()
    ]
    return [
        "## The storm",
        f"{REQUESTS} requests at once with one expired cookie; gunicorn with 4 workers, the server takes "
        f"{1000 * DELAY:.0f} ms and revokes the family on reuse. Times in milliseconds over the server's.",
        _table(("worker class", "rounds", "grants", "good answers", "p50", "p95"), rows),
    ]


def memory(found: Growth) -> list[str]:
    """Write how much a process grows."""
    return [
        "## Memory",
        f"{found.sessions:,} distinct sessions in one process, each refreshed once and passed once, with the SQLite "
        f"store: resident memory grew from {found.before:.0f} MB to {found.after:.0f} MB, by "
        f"**{found.after - found.before:.1f} MB**. The store's file has {found.store:.0f} MB then.",
    ]


def targets(found: Found) -> list[str]:
    """Write the figures that this package promises beside those that were found."""
    rows = [*_pass_targets(found.passing), *_kind_targets(found.kinds), *_storm_targets(found.storms)]
    if found.refreshing is not None:
        over = found.refreshing.wrapped - found.refreshing.bare
        rows.append(("a refresh over the server's time, median", "2 ms", f"{over:.2f} ms", over <= 2))
    if found.growth is not None:
        grown = found.growth.after - found.growth.before
        rows.append((f"growth over {found.growth.sessions:,} sessions", "20 MB", f"{grown:.1f} MB", grown <= 20))
    shown = [(what, most, had, "yes" if met else "**no**") for what, most, had, met in rows]
    return ["## Targets", _table(("", "at most", "found", "met"), shown)]


def _pass_targets(found: Mapping[str, Mapping[str, float]]) -> Iterator[Target]:
    if not found:
        return
    large = list(found.values())[-1]
    hit, miss = large["protected"] - large[BARE], large[MISS] - large[BARE] - large[DECODE_NEW]
    yield "memo hit over the bare application", "2 µs", f"{hit:.2f} µs", hit <= 2
    yield "memo hit beside `parse_cookie`", "1/3", f"1/{large[PARSE] / hit:.1f}", hit <= large[PARSE] / 3
    yield "memo hit beside PyJWT `decode`", "1/20", f"1/{large[DECODE] / hit:.0f}", hit <= large[DECODE] / 20
    yield "a miss over one PyJWT `decode`", "40 µs", f"{miss:.0f} µs", miss <= 40


def _kind_targets(found: Mapping[str, float]) -> Iterator[Target]:
    if not found:
        return
    sealed = found[SEALED] - found[BARE_OF_KINDS]
    own = found[SERVER_SIDE] - found[BARE_OF_KINDS] - found[GET]
    yield "memo hit with a sealed cookie", "3 µs", f"{sealed:.2f} µs", sealed <= 3
    yield "a session on the server over one GET", "100 µs", f"{own:.0f} µs", own <= 100


def _storm_targets(found: Mapping[str, Storm]) -> Iterator[Target]:
    for name, each in found.items():
        grants = each.grants / each.rounds
        yield f"storm, {name}: grants a round", "1", f"{grants:g}", grants == 1
        yield f"storm, {name}: p95 over the server's time", "60 ms", f"{each.p95:.0f} ms", each.p95 <= 60


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
