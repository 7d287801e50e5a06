"""Runs all checks: ``.venv/bin/python tools/test.py``.

ruff and mypy; then the whole suite here, with its branch coverage, and meanwhile the unit and contract tests on every
other Python of this machine, one after the other. What passes takes a line; what fails is shown.
"""
# ruff: noqa: S603, T201

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

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
    failed = list(_failed_checks())
    with ThreadPoolExecutor(1) as meanwhile:
        elsewhere = meanwhile.submit(lambda: list(_elsewhere()))
        failed += _failed_here()
    for name, passed, said in elsewhere.result():
        print(f"{name}: {said}")
        failed += [] if passed else [name]
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


def _elsewhere() -> Iterator[tuple[str, bool, str]]:
    """Run what needs no servers on every other Python from 3.10 on, each in an environment of its own.

    Gives what has run, whether it passed, and what there is to say.
    """
    for version, python in env.pythons():
        folder = os.path.join(env.ROOT, ".venv-{}.{}".format(*version))
        if version != sys.version_info[:2]:
            yield ("Python {}.{}".format(*version), *_run_elsewhere(folder, version, python))


def _run_elsewhere(folder: str, version: tuple[int, int], python: str) -> tuple[bool, str]:
    try:
        if not env.is_ready(folder):
            env.make(folder, version, python)
        env.add_redis(folder)
    except env.MissingError as missing:
        return False, str(missing)
    passed, said = _run([env.python_of(folder), *PYTEST, "-p", "no:cacheprovider", *FAST])
    return passed, said.splitlines()[-1] if passed else f"failed\n{said}"


def _failed_here() -> Iterator[str]:
    print("Python {}.{}, everything:".format(*sys.version_info))
    if subprocess.call([sys.executable, "-m", "coverage", "run", *PYTEST]) != 0:
        yield "pytest"
    subprocess.check_call([sys.executable, "-m", "coverage", "json", "--quiet", "-o", COVERAGE])
    if subprocess.call([sys.executable, "tools/check_coverage.py", COVERAGE]) != 0:
        yield "coverage"


def _passes(name: str, command: list[str]) -> bool:
    """Run a check; show all that it says if it fails, else a line."""
    began = time.monotonic()
    passed, said = _run(command)
    print(f"{name}: well, in {time.monotonic() - began:.1f}s" if passed else f"{name}: failed\n{said}")
    return passed


def _run(command: list[str]) -> tuple[bool, str]:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode == 0, done.stdout.strip()


if __name__ == "__main__":
    main()
