"""Reading the values of settings: a ValueError says what was wanted, and shows nothing that may be a secret."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any

from ..arguments import path_problems
from ..secret_files import SecretFile

Reader = Callable[[object], Any]

_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


def as_text(value: object) -> str:
    """Read a text, less the white space around it."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError("is empty or no text; give text, or leave it out")
    return value.strip()


def as_path(value: object) -> str:
    """Read a path."""
    path = value if isinstance(value, os.PathLike) else as_text(value)
    if any(path_problems("", path)):
        raise ValueError("is no path; give the path of a file")
    return str(os.fspath(path))


def as_it_is(value: object) -> str:
    """Read a text as it is, also an empty one."""
    if not isinstance(value, str):
        raise ValueError("is no text; give text, or leave it out")
    return value


def as_secret(value: object) -> object:
    """Read a secret: a text or bytes, or a function that gives it."""
    if not callable(value) and not isinstance(value, str | bytes):
        raise ValueError("is no text; give the secret, or leave it out")
    return as_key(value)


def as_key(value: object) -> object:
    """Read a key: a secret, a text in PEM, or an object that is one."""
    if isinstance(value, str) and "-----BEGIN" in value:
        # What has one line only, as environment variables often do, has its line breaks written out.
        return value.replace("\\n", "\n")
    if isinstance(value, str | bytes) and not value:
        raise ValueError("is empty; give the secret, or leave it out")
    return value


def as_keys(value: object) -> object:
    """Read a list of secrets, of which the first writes; or a function that gives it."""
    if callable(value):
        return value
    text = value.decode("ascii", "replace") if isinstance(value, bytes) else value
    if not isinstance(text, str | list | tuple):
        raise ValueError("is no list of keys; give them with white space in between, the one that comes first first")
    keys = text.split() if isinstance(text, str) else list(text)
    if not keys:
        raise ValueError("is empty; give what `wsgi-token-refresh keygen` prints, or leave it out")
    return keys


def as_lines(value: object) -> object:
    """Read a secret, or several with a line each; or a function that gives it."""
    if isinstance(value, str) and len(several := lines(value)) > 1:
        return several
    return list(value) if isinstance(value, list | tuple) and value else as_secret(value)


def lines(text: str) -> list[str]:
    """Divide a text into lines that hold something."""
    return [line for line in text.replace("\r\n", "\n").split("\n") if line.strip()]


def from_file(value: object) -> SecretFile:
    """Read the secret that a file holds, now and whenever the file changes."""
    return SecretFile(as_path(value))


def as_list(value: object) -> list[str]:
    """Read a list of texts."""
    if isinstance(value, str) and "," in value:
        raise ValueError("has a comma; separate several by white space only")
    if isinstance(value, str):
        return value.split()
    if isinstance(value, list | tuple | set | frozenset) and all(isinstance(each, str) for each in value):
        return list(value)
    raise ValueError("is no list of texts; give them with white space in between")


def as_truth(value: object) -> bool:
    """Read a truth value."""
    said = str(value).strip().lower()
    if said not in _TRUE + _FALSE:
        raise ValueError(f"is neither true nor false; give one of {', '.join(_TRUE + _FALSE)}")
    return said in _TRUE


def as_number(value: object) -> float:
    """Read a number."""
    try:
        number = math.nan if isinstance(value, bool) or not isinstance(value, str | int | float) else float(value)
    except (ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError("is no number; give one, without a unit")
    return number


def as_seconds(value: object) -> float:
    """Read seconds, more than 0."""
    if (number := as_number(value)) <= 0:
        raise ValueError("is not more than 0; give seconds")
    return number


def as_life(value: object) -> float | str:
    """Read seconds, or never."""
    return "never" if isinstance(value, str) and value.strip().lower() == "never" else as_seconds(value)


def as_whole(value: object) -> int:
    """Read a whole number."""
    number = as_number(value)
    if number != int(number):
        raise ValueError("is no whole number; give one")
    return int(number)


def as_samesite(value: object) -> str:
    """Read a SameSite attribute."""
    return as_text(value).capitalize()


def one_of(*choices: str) -> Reader:
    """Give a reader of one of these words."""

    def read(value: object) -> str:
        choice = as_text(value).lower()
        if choice not in choices:
            raise ValueError(f"is unknown; give {' or '.join(choices)}")
        return choice

    return read


def several_of(*choices: str) -> Reader:
    """Give a reader of a list of these words."""

    def read(value: object) -> list[str]:
        return [one_of(*choices)(each) for each in as_list(value)]

    return read
