"""Imports point down the layers, never sideways, never lazily."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import wsgi_token_refresh

PACKAGE = "wsgi_token_refresh"
ROOT = Path(wsgi_token_refresh.__file__).parent
HOUSE = {
    "middleware": (),
    "passing": (),
    "wiring": (),
    "settings": ("collaborators", "said", "words", "values"),
    "token_session": (),
    "wsgi": (),
    "draining": (),
    "sessions": ("several", "token_cookies", "sealed_cookie", "server_side", "kind", "person_index", "keys", "cookies"),
    "observing": ("journal", "worker"),
    "ledger": ("single_flight", "calling", "looking", "standing", "flight", "slots", "records", "rules", "sealing"),
    "holding": (),
    "stores": ("default", "sqlite", "redis", "memory", "redis_clients", "upkeep", "waiting", "protocol"),
    "authorization_server": (
        "verifier",
        "token_endpoint",
        "client_auth",
        "fixed_keys",
        "jwks",
        "claims",
        "kinds",
        "jws",
        "dialects",
        "refusals",
        "deadline_http",
        "calls",
        "http_answer",
        "json_text",
        "urls",
    ),
    "policy": ("decision", "routes", "paths", "origins", "answers"),
    "written": (),
    "tokens": (),
    "memo": (),
    "secret_files": (),
    "per_process": (),
    "arguments": (),
    "errors": (),
    "interpreter": (),
}
"""The rooms from top to bottom, and the modules of each, so too: arrows only point down."""
ORDER = [f"{room}.{module}" if module else room for room, inside in HOUSE.items() for module in (*inside, "")]
PLACE = {module: place for place, module in enumerate(ORDER)}
TOP = ("", "__main__", "contrib", "testing")
PURE = [
    "policy.decision",
    "policy.routes",
    "policy.paths",
    "policy.origins",
    "policy.answers",
    "tokens",
    "sessions.cookies",
    "ledger.rules",
]


def modules():
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def is_top(module):
    return module == "" or module.partition(".")[0] in TOP[1:]


MODULES = dict(modules())
BELOW = [module for module in MODULES if not is_top(module)]


def imported(module):
    """Give what a module imports of its own package, wherever the statement stands, with its line."""
    path = MODULES[module]
    package = (PACKAGE, *module.split(".")) if module else (PACKAGE,)
    if path.name != "__init__.py":
        package = package[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) + 1 - node.level]) if node.level else ""
            whole = ".".join(filter(None, (base, node.module)))
            for alias in node.names:
                name = f"{whole}.{alias.name}"
                yield (name if name.removeprefix(f"{PACKAGE}.") in MODULES else whole), node.lineno


def own(module):
    for name, line in imported(module):
        if name == PACKAGE or name.startswith(f"{PACKAGE}."):
            yield name.removeprefix(PACKAGE).removeprefix("."), line


@pytest.mark.parametrize("module", BELOW)
def test_has_a_place_in_the_house(module):
    assert module in PLACE


def test_the_house_has_no_empty_places():
    assert sorted(ORDER) == sorted(BELOW)


@pytest.mark.parametrize("module", BELOW)
def test_imports_only_what_lies_below(module):
    is_folder = MODULES[module].name == "__init__.py"
    wrong = [
        f"line {line}: {other or PACKAGE}"
        for other, line in own(module)
        if PLACE.get(other, -1) <= PLACE[module] and not (is_folder and other.startswith(f"{module}."))
    ]
    assert not wrong


@pytest.mark.parametrize("module", BELOW)
def test_imports_nothing_lazily(module):
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    lazy = [
        node.lineno
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert not lazy


@pytest.mark.parametrize("module", PURE)
def test_the_core_knows_no_clock_log_network_or_store(module):
    names = {name.partition(".")[0] for name, _ in imported(module)}
    assert not names & {"time", "datetime", "logging", "socket", "requests", "sqlite3", "threading", "os"}


@pytest.mark.parametrize("module", BELOW)
def test_imports_nothing_of_the_top(module):
    assert not [other for other, _ in own(module) if is_top(other)]
