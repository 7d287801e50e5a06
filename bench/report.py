"""Writes ``RESULTS.md``."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version

from .crowded import DELAY as SLOW
from .crowded import PASSING, SESSIONS, THREADS, Crowded
from .full_store import Full
from .kinds import BARE as BARE_OF_KINDS
from .kinds import GET, SEALED, SERVER_SIDE
from .many_people import REQUESTS as VISITS
from .many_people import SECONDS, Crowd
from .memory import Growth
from .passing import BARE, CHANGING, DECODE, DECODE_NEW, EXTENDED, MISS, NOOP, PARSE
from .refreshing import Refreshing
from .scaling import A_DAY, LOOKED_UP_EVERY, REFRESHED_EVERY, Scaling
from .storm import DELAY, REQUESTS, Storm
from .waiting import CALL, PROCESSES, Waiting

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
    waiting: dict[tuple[str, int], Waiting] = field(default_factory=dict)
    full: list[Full] = field(default_factory=list)
    crowds: list[Crowd] = field(default_factory=list)
    crowded: Crowded | None = None


def document(found: Found) -> str:
    """Write all that was found."""
    sections = [*machine(), *targets(found)]
    sections += pass_path(found.passing) if found.passing else []
    sections += of_kinds(found.kinds) if found.kinds else []
    sections += refresh(found.refreshing) if found.refreshing else []
    sections += storm(found.storms) if found.storms else []
    sections += memory(found.growth) if found.growth else []
    sections += waiting(found.waiting) if found.waiting else []
    sections += scaling(found.scaling) if found.scaling else []
    sections += full_store(found.full) if found.full else []
    sections += many_people(found.crowds) if found.crowds else []
    sections += crowded(found.crowded) if found.crowded else []
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


def waiting(found: Mapping[tuple[str, int], Waiting]) -> list[str]:
    """Write how soon those who wait have the outcome."""
    rows = [
        (store, waiters, each.rounds, f"{each.p50:.1f}", f"{each.p95:.1f}", f"{each.longest:.1f}")
        for (store, waiters), each in found.items()
    ]
    return [
        "## Waiting for a refresh",
        f"Milliseconds from the answer of an authorization server, which takes {1000 * CALL:.0f} ms, until those who "
        f"wait in {PROCESSES} other processes have the new tokens: what the caller writes is in it.",
        _table(("store", "waiters", "rounds", "p50", "p95", "longest"), rows),
    ]


def scaling(found: Scaling) -> list[str]:
    """Write how many sessions a store carries."""
    commands = ", ".join(f"{calls} {name}" for name, calls in found.commands.items())
    sizes = [
        (name, *(f"{each / 1000:.1f}" for each in (size.once, size.next, size.day)))
        for name, size in found.sizes.items()
    ]
    rates = {**found.rates, "a mixture": found.mixed, "the mixture, half as often": found.calm}
    driven = [
        (name, f"{each.tasks:,.0f}", f"{each.commands:,.0f}", f"{each.core:.2f}", f"{each.p50:.1f}", f"{each.p99:.1f}")
        for name, each in rates.items()
    ]
    counts = list(next(iter(found.processes.values())))
    processes = [(name, *(f"{each[count]:,.0f}" for count in counts)) for name, each in found.processes.items()]
    return [
        "## How many sessions a store carries",
        f"{found.sessions:,} sessions with access tokens of 0.6 kB. A refresh takes {commands}, a look at the ledger 2 "
        "EVAL. What a session takes of the store, in kB: once it was refreshed, what each refresh adds (the row of a "
        f"replaced refresh token lives for a day), and in all after {A_DAY} refreshes within a day.",
        _table(("", "refreshed once", "each refresh more", f"a day of {A_DAY}"), sizes),
        "What one Redis does. The commands of real refreshes and looks were recorded, and are sent again for other "
        "keys by a process that does nothing else, over 64 connections, each of which waits for every answer; every "
        "answer is compared with the recorded one. *Core* is what the main thread of Redis used, the driver has the "
        f"other core. The mixture is what sessions in constant use need: a refresh each {REFRESHED_EVERY:.0f} s, and a "
        f"look each {LOOKED_UP_EVERY:.0f} s by one process. Times in milliseconds, until all of a refresh or a look "
        "is answered.",
        _table(("", "a second", "commands a second", "core", "p50", "p99"), driven),
        f"At the highest rate of the mixture one Redis carries **{found.in_use:,.0f} sessions in constant use**.",
        "What processes do in a second that do nothing else and call no authorization server, on both cores with "
        "their store:",
        _table(("processes", *map(str, counts)), processes),
    ]


def full_store(found: Sequence[Full]) -> list[str]:
    """Write what a SQLite file does that is full."""
    rows = [
        (
            *(f"{each.records:,}", each.processes, f"{each.rate:,.0f}", each.failed),
            *(f"{value:.2f}" for value in (each.p50, each.p99, each.longest, each.write_p99, each.longest_write)),
        )
        for each in found
    ]
    return [
        "## A SQLite file that is full",
        "Refreshes, as many as go, by processes that do nothing else and call no authorization server, beside so many "
        "records that live. Milliseconds of a refresh, and of the writes in it, checkpoints and waiting for one "
        "another included.",
        _table(
            ("records", "processes", "a second", "failed", "p50", "p99", "longest", "write p99", "longest write"), rows
        ),
    ]


def many_people(found: Sequence[Crowd]) -> list[str]:
    """Write what a process does that meets many people."""
    rows = [
        (f"{each.size / 1000:.1f} kB", f"{each.people:,}", f"{each.looks:.2f}", f"{each.took:.0f}", f"{each.memos:.1f}")
        for each in found
    ]
    return [
        "## Many people in one process",
        f"Each makes {VISITS} requests within {SECONDS:.0f} seconds, in no order. *Looks* are those of one person at "
        "the ledger (in memory here). The first request of each is in the time: its token was never seen.",
        _table(("access token", "people", "looks each", "µs a request", "memos, MB"), rows),
    ]


def crowded(found: Crowded) -> list[str]:
    """Write how long requests that pass take while others refresh."""
    rows = [
        ("passing", *(f"{value:.1f}" for value in (found.p50, found.p95, found.p99))),
        ("in the window", f"{found.window_p50:.1f}", f"{found.window_p95:.1f}", ""),
    ]
    return [
        "## Passing while others refresh",
        f"Gunicorn with one worker (gthread, {THREADS} threads) and a server that takes {1000 * SLOW:.0f} ms. Each "
        f"second {SESSIONS} sessions come at once whose tokens are good and in their window, while {PASSING} requests "
        f"a second pass. Milliseconds; {found.good} of {found.requests} answers were good.",
        _table(("", "p50", "p95", "p99"), rows),
    ]


def targets(found: Found) -> list[str]:
    """Write the figures that this package promises beside those that were found."""
    rows = [*_pass_targets(found.passing), *_kind_targets(found.kinds), *_storm_targets(found.storms)]
    for (store, waiters), each in found.waiting.items():
        name = f"{waiters} who wait over {store}: answered after the outcome, p95"
        rows.append((name, "10 ms", f"{each.p95:.1f} ms", each.p95 <= 10))
    if found.refreshing is not None:
        over = found.refreshing.wrapped - found.refreshing.bare
        rows.append(("a refresh over the server's time, median", "2 ms", f"{over:.2f} ms", over <= 2))
    if found.growth is not None:
        grown = found.growth.after - found.growth.before
        rows.append((f"growth over {found.growth.sessions:,} sessions", "32 MB", f"{grown:.1f} MB", grown <= 32))
    rows += [*_full_targets(found.full), *_crowd_targets(found.crowds), *_crowded_targets(found.crowded)]
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


def _full_targets(found: Sequence[Full]) -> Iterator[Target]:
    for each in found:
        place = f"SQLite with {each.records:,} records"
        if each.processes == 1:
            longest = f"{each.longest_write:.1f} ms"
            yield f"{place}: longest write of a process", "20 ms", longest, each.longest_write <= 20
        elif each.records <= 1_000_000:
            rate = f"{each.rate:,.0f} a second"
            yield f"{place}, {each.processes} processes: refreshes", "at least 2,000", rate, each.rate >= 2000


def _crowd_targets(found: Sequence[Crowd]) -> Iterator[Target]:
    for each in found:
        place = f"{each.people:,} people with tokens of {each.size / 1000:.1f} kB"
        yield f"{place}: looks each", "1", f"{each.looks:.2f}", each.looks <= 1.005
        yield f"{place}: memos", "32 MB", f"{each.memos:.1f} MB", each.memos <= 32


def _crowded_targets(found: Crowded | None) -> Iterator[Target]:
    if found is not None:
        place = f"passing while {SESSIONS} sessions in their window refresh, {THREADS} threads: p99"
        yield place, "10 ms", f"{found.p99:.1f} ms", found.p99 <= 10


def _storm_targets(found: Mapping[str, Storm]) -> Iterator[Target]:
    for name, each in found.items():
        grants = each.grants / each.rounds
        yield f"storm, {name}: grants a round", "1", f"{grants:g}", grants == 1
        yield f"storm, {name}: p95 over the server's time", "60 ms", f"{each.p95:.0f} ms", each.p95 <= 60


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
