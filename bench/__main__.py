"""Measures everything and writes ``bench/RESULTS.md``: about twelve minutes, or ``--quick`` in half a minute."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from . import (
    crowded,
    full_store,
    kinds,
    many_people,
    material,
    memory,
    passing,
    refreshing,
    report,
    scaling,
    storm,
    waiting,
)

PARTS = (
    "passing",
    "kinds",
    "refreshing",
    "storm",
    "memory",
    "waiting",
    "scaling",
    "full_store",
    "many_people",
    "crowded",
)
RESULTS = Path(__file__).parent / "RESULTS.md"


def main() -> None:
    """Measure part by part; what was found is written after each, so that an interrupted run leaves something."""
    arguments = _arguments()
    found = report.Found()
    for part in arguments.parts or PARTS:
        _say(f"{part} ...")
        _MEASURE[part](found, arguments.quick)
        arguments.output.write_text(report.document(found), "utf-8")
    print(report.document(found))


def _passing(found: report.Found, quick: bool) -> None:
    for length in material.SIZES:
        name = f"Access token of {len(material.access_token(length))} bytes"
        found.passing[name] = passing.measure(length, rounds=5 if quick else 21, count=200 if quick else 600)


def _kinds(found: report.Found, quick: bool) -> None:
    found.kinds = kinds.measure(1900, rounds=5 if quick else 21, count=200 if quick else 600)


def _refreshing(found: report.Found, quick: bool) -> None:
    found.refreshing = refreshing.measure(count=30 if quick else 300)


def _storm(found: report.Found, quick: bool) -> None:
    for worker_class in storm.WORKERS:
        found.storms[worker_class] = storm.measure(worker_class, rounds=3 if quick else 20)


def _memory(found: report.Found, quick: bool) -> None:
    found.growth = memory.measure(2000 if quick else 100_000)


def _waiting(found: report.Found, quick: bool) -> None:
    for store in (waiting.SQLITE, waiting.REDIS):
        for waiters in (2, 20):
            found.waiting[store, waiters] = waiting.measure(store, waiters=waiters, rounds=5 if quick else 50)


def _scaling(found: report.Found, quick: bool) -> None:
    found.scaling = scaling.measure(300 if quick else 5000)


def _full_store(found: report.Found, quick: bool) -> None:
    found.full = full_store.measure((0, 10_000), seconds=1) if quick else full_store.measure(seconds=8)


def _many_people(found: report.Found, quick: bool) -> None:
    crowds = (1, 100) if quick else many_people.PEOPLE
    found.crowds = [many_people.measure(size, people) for size in material.SIZES for people in crowds]


def _crowded(found: report.Found, quick: bool) -> None:
    found.crowded = crowded.measure(waves=1 if quick else 6)


_MEASURE = {
    "passing": _passing,
    "kinds": _kinds,
    "refreshing": _refreshing,
    "storm": _storm,
    "memory": _memory,
    "waiting": _waiting,
    "scaling": _scaling,
    "full_store": _full_store,
    "many_people": _many_people,
    "crowded": _crowded,
}


def _arguments() -> Namespace:
    parser = ArgumentParser(prog="python -m bench", description="Measures what the middleware costs.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"some of {', '.join(PARTS)}; by default all")
    parser.add_argument("--quick", action="store_true", help="fewer rounds: a look, and no result to rely on")
    parser.add_argument("--output", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are: {', '.join(PARTS)}")
    return arguments


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
