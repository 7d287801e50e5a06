"""Imports point down the layers, never sideways, never lazily."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import wsgi_token_refresh

PACKAGE = "wsgi_token_refresh"
ROOT = Path(wsgi_token_refresh.__file__).parent
STORES = ("stores", *(f"stores.{each}" for each in ("memory", "sqlite", "redis", "default")))
SESSIONS = ("sessions", *(f"sessions.{each}" for each in ("token_cookies", "sealed_cookie", "server_side", "several")))
LAYERS = (
    {"errors", "per_process", "store"},
    {"tokens", "cookies", "paths", "sealing", "ears", "memo", "urls", "redis_clients", "setting_values"},
    {"ledger", "routes", "dialects", "deadline_http", "person_index", "session_kind", *STORES},
    {"decision", "records", "jwks"},
    {"verifier", "token_endpoint", "refresher", "wsgi", "holding", *SESSIONS},
    {"journal", "settings"},
    {"token_session"},
    {"middleware"},
)
LAYER = {module: number for number, modules in enumerate(LAYERS) for module in modules}
WITHIN = {("stores.default", "stores.memory"), ("stores.default", "stores.sqlite")}
TOP = ("", "__main__", "contrib", "testing")


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
def test_has_a_layer(module):
    assert module in LAYER


@pytest.mark.parametrize("module", BELOW)
def test_imports_from_lower_layers_only(module):
    wrong = [
        f"line {line}: {other or PACKAGE}"
        for other, line in own(module)
        if (module, other) not in WITHIN and LAYER.get(other, len(LAYERS)) >= LAYER[module]
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


@pytest.mark.parametrize("module", ["decision", "routes", "tokens", "cookies", "ledger", "paths"])
def test_the_core_knows_no_clock_log_network_or_store(module):
    names = {name.partition(".")[0] for name, _ in imported(module)}
    assert not names & {"time", "datetime", "logging", "socket", "requests", "sqlite3", "threading", "os"}


@pytest.mark.parametrize("module", BELOW)
def test_imports_nothing_of_the_top(module):
    assert not [other for other, _ in own(module) if is_top(other)]
