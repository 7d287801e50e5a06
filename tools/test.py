"""Runs all checks: ``.venv/bin/python tools/test.py``.

ruff, mypy, the unit and contract tests on every other Python of this machine, then the whole suite here, with its
branch coverage. What passes takes a line; what fails is shown.
"""
# ruff: noqa: S603, T201

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import env

FAST = ["tests/unit", "tests/contract"]
COVERAGE = os.path.join(env.ROOT, ".coverage.json")
PYTEST = ["-m", "pytest", "-q", "--no-header"]


def main() -> None:
    """Run every check, also after one has failed; exit 1 if any has."""
    os.chdir(env.ROOT)
    try:
        env.add_redis(os.path.join(env.ROOT, ".venv"))
    except env.MissingError as missing:
        sys.exit(str(missing))
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    failed = [*_failed_checks(), *_failed_elsewhere(), *_failed_here()]
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def _failed_checks() -> Iterator[str]:
    for name, command in {
        "ruff check": ["ruff", "check", "--quiet", "."],
        "ruff format": ["ruff", "format", "--quiet", "--diff", "."],
        "mypy": ["mypy", "--no-error-summary"],
        "mypy of tools": ["mypy", "--no-error-summary", "tools", "demo", "examples/flask_app/app.py"],
    }.items():
        if not _passes(name, [sys.executable, "-m", *command]):
            yield name


def _failed_elsewhere() -> Iterator[str]:
    """Run what needs no servers on every other Python from 3.10 on, each in an environment of its own."""
    for version, python in env.pythons():
        name = "Python {}.{}".format(*version)
        folder = os.path.join(env.ROOT, ".venv-{}.{}".format(*version))
        if version == sys.version_info[:2]:
            continue
        try:
            if not env.is_ready(folder):
                env.make(folder, version, python)
            env.add_redis(folder)
        except env.MissingError as missing:
            print(missing)
            yield name
            continue
        if not _passes(name, [env.python_of(folder), *PYTEST, "-p", "no:cacheprovider", *FAST], last_line=True):
            yield name


def _failed_here() -> Iterator[str]:
    print("Python {}.{}, everything:".format(*sys.version_info))
    if subprocess.call([sys.executable, "-m", "coverage", "run", *PYTEST]) != 0:
        yield "pytest"
    subprocess.check_call([sys.executable, "-m", "coverage", "json", "--quiet", "-o", COVERAGE])
    if subprocess.call([sys.executable, "tools/check_coverage.py", COVERAGE]) != 0:
        yield "coverage"


def _passes(name: str, command: list[str], *, last_line: bool = False) -> bool:
    """Run a check; show all that it says if it fails, else a line."""
    began = time.monotonic()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    said = done.stdout.strip()
    if done.returncode != 0:
        print(f"{name}: failed\n{said}")
        return False
    print(f"{name}: {said.splitlines()[-1] if last_line else f'well, in {time.monotonic() - began:.1f}s'}")
    return True


if __name__ == "__main__":
    main()
