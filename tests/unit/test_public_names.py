"""Public names, and what importing them costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import wsgi_token_refresh

EXTRAS = ("flask", "pyramid", "redis", "gevent", "pytest", "paste", "webob", "hypothesis", "gunicorn")


def test_all_is_complete_and_sorted():
    tree = ast.parse(Path(wsgi_token_refresh.__file__).read_text(encoding="utf-8"))
    named = [
        alias.asname or alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names
    ]
    public = sorted(name for name in named if name != "annotations" and not name.startswith("_"))
    assert sorted(wsgi_token_refresh.__all__) == public
    assert len(set(public)) == len(public)


@pytest.mark.parametrize("name", wsgi_token_refresh.__all__)
def test_every_name_is_there_and_documented(name):
    assert getattr(wsgi_token_refresh, name).__doc__


def test_every_error_has_one_root():
    errors = [
        each
        for each in (getattr(wsgi_token_refresh, name) for name in wsgi_token_refresh.__all__)
        if isinstance(each, type) and issubclass(each, Exception)
    ]
    assert len(errors) >= 6
    assert all(issubclass(error, wsgi_token_refresh.TokenRefreshError) for error in errors)


def loaded_by(statement):
    code = f"import sys; {statement}; print(*sorted(sys.modules))"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_importing_it_loads_no_extra():
    assert not (loaded_by("import wsgi_token_refresh") - loaded_by("pass")) & set(EXTRAS)


def test_importing_the_testing_package_loads_nothing_of_it():
    loaded = {name for name in loaded_by("import wsgi_token_refresh.testing") if ".testing." in name}
    assert not {name for name in loaded if name.startswith("wsgi_token_refresh")}


def test_the_package_is_typed():
    assert (Path(wsgi_token_refresh.__file__).parent / "py.typed").exists()
