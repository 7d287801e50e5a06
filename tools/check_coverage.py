"""Checks branch coverage: all of the core, 95 % of the rest: ``tools/check_coverage.py coverage.json``."""
# ruff: noqa: T201

from __future__ import annotations

import json
import sys
from typing import Any

PACKAGE = "wsgi_token_refresh"
CORE = [
    "holding",
    "ledger/calling",
    "ledger/flight",
    "ledger/looking",
    "ledger/records",
    "ledger/rules",
    "ledger/single_flight",
    "ledger/slots",
    "ledger/standing",
    "middleware",
    "passing",
    "policy/answers",
    "policy/decision",
    "policy/origins",
    "policy/paths",
    "policy/routes",
    "sessions/cookies",
    "token_session",
    "tokens",
    "written",
    "wsgi",
]
REST = 95.0


def main() -> None:
    """Say what is covered, and what is missing; exit 1 if it is too little."""
    with open(sys.argv[1], encoding="utf-8") as file:
        files: dict[str, Any] = json.load(file)["files"]
    core = {name: files.pop(name, None) for name in (f"{PACKAGE}/{module}.py" for module in CORE)}
    problems = [problem for name, file in core.items() for problem in _problems_of_core(name, file)]
    rest = _percent(files)
    if rest < REST:
        problems += [line for name, file in files.items() for line in _missing(name, file)]
        problems.append(f"the rest is covered by {rest:.1f} %, wanted are {REST:.0f} %")
    for problem in problems:
        print(problem)
    if problems:
        sys.exit(1)
    print(f"branch coverage: 100 % of the core, {rest:.1f} % of the rest")


def _problems_of_core(name: str, file: dict[str, Any] | None) -> list[str]:
    return [f"{name} was not measured"] if file is None else _missing(name, file)


def _missing(name: str, file: dict[str, Any]) -> list[str]:
    lines = [str(line) for line in file["missing_lines"]]
    branches = [f"{start}->{'exit' if end < 0 else end}" for start, end in file["missing_branches"]]
    return [f"{name} is not covered at {', '.join(lines + branches)}"] if lines or branches else []


def _percent(files: dict[str, Any]) -> float:
    sums = [file["summary"] for file in files.values()]
    covered = sum(each["covered_lines"] + each["covered_branches"] for each in sums)
    wanted = sum(each["num_statements"] + each["num_branches"] for each in sums)
    return 100.0 * covered / wanted if wanted else 100.0


if __name__ == "__main__":
    main()
