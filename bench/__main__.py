"""Measures everything and writes ``bench/RESULTS.md``: about five minutes, or ``--quick`` in half a minute."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path

from . import material, memory, passing, refreshing, report, storm

PARTS = ("passing", "refreshing", "storm", "memory")
RESULTS = Path(__file__).parent / "RESULTS.md"


def main() -> None:
    arguments = _arguments()
    quick, parts = arguments.quick, arguments.parts or PARTS
    paths = {}
    if "passing" in parts:
        for size, length in material.SIZES.items():
            _say(f"passing, {size} token")
            name = f"Access token of {len(material.access_token(length))} bytes"
            paths[name] = passing.measure(length, rounds=5 if quick else 31, count=200 if quick else 1000)
    refreshed = None
    if "refreshing" in parts:
        _say("refreshing")
        refreshed = refreshing.measure(count=30 if quick else 300)
    storms = {}
    for worker_class in storm.WORKERS if "storm" in parts else ():
        _say(f"storm, {worker_class}")
        storms[worker_class] = storm.measure(worker_class, rounds=3 if quick else 20)
    growth = None
    if "memory" in parts:
        _say("memory (a few minutes)")
        growth = memory.measure(2000 if quick else 100_000)
    sections = [*report.machine(), *report.targets(paths, refreshed, storms, growth)]
    sections += report.pass_path(paths) if paths else []
    sections += report.refresh(refreshed) if refreshed else []
    sections += report.storm(storms) if storms else []
    sections += report.memory(growth) if growth else []
    text = report.document(sections)
    arguments.output.write_text(text, "utf-8")
    print(text)


def _arguments():
    parser = ArgumentParser(prog="python -m bench", description="Measures what the middleware costs.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"some of {', '.join(PARTS)}; by default all")
    parser.add_argument("--quick", action="store_true", help="fewer rounds: a look, and no result to rely on")
    parser.add_argument("--output", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are: {', '.join(PARTS)}")
    return arguments


def _say(what: str) -> None:
    print(f"... {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
