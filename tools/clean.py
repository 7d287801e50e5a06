"""Removes all that the other commands have made in this tree: ``python3 tools/clean.py``."""

import os
import shutil
from glob import glob

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MADE = [
    ".venv",
    ".venv-*",
    ".coverage*",
    ".hypothesis",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
    "build",
    "dist",
    "*.egg-info",
]


def main() -> None:
    """Remove environments, caches and what was built."""
    for pattern in MADE:
        for path in glob(os.path.join(ROOT, pattern)):
            _remove(path)
    for folder, names, _ in os.walk(ROOT):
        if "__pycache__" in names:
            names.remove("__pycache__")
            _remove(os.path.join(folder, "__pycache__"))


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        os.remove(path)


if __name__ == "__main__":
    main()
