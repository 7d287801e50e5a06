"""What is wrong with the arguments of a collaborator, whatever they are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TypeGuard

_LONGEST_TIMEOUT = 3600


def text_problems(name: str, value: object) -> Iterator[str]:
    """Say what is wrong with a text that may be left out."""
    if value is not None and not (isinstance(value, str) and is_unicode(value)):
        yield f"{name}: is no text but {kind_of(value)}; give text, or leave it out"


def needed_text_problems(name: str, value: object) -> Iterator[str]:
    """Say what is wrong with a text that there must be."""
    if not (isinstance(value, str) and is_unicode(value)):
        yield f"{name}: is no text but {kind_of(value)}; give text"


def is_unicode(value: str | bytes) -> bool:
    """Tell whether a text, or the bytes of one, can be sent: half a character cannot."""
    try:
        value.decode() if isinstance(value, bytes) else value.encode()
    except UnicodeError:
        return False
    return True


def truth_problems(name: str, value: object) -> Iterator[str]:
    """Say what is wrong with a truth value."""
    if not isinstance(value, bool):
        yield f"{name}: is neither True nor False but {kind_of(value)}; say one of them"


def callable_problems(name: str, value: object) -> Iterator[str]:
    """Say what is wrong with something that is called."""
    if not callable(value):
        yield f"{name}: is no function but {kind_of(value)}; leave it out"


def whole_problems(name: str, value: object) -> Iterator[str]:
    """Say what is wrong with a whole number."""
    if isinstance(value, bool) or not isinstance(value, int):
        yield f"{name}: is no whole number but {kind_of(value)}; give one"


def seconds_problems(name: str, value: object, example: str) -> Iterator[str]:
    """Say what is wrong with a stretch of time that somebody waits."""
    if not is_seconds(value, _LONGEST_TIMEOUT):
        yield f"{name}: {value!r} is no number of seconds from above 0 to {_LONGEST_TIMEOUT}; say for example {example}"


def span_problems(most: float, **seconds: object) -> Iterator[str]:
    """Say what is wrong with stretches of time below ``most`` seconds."""
    for name, value in seconds.items():
        if not is_seconds(value, most) or value == most:
            yield f"{name} is {value!r}; give seconds, more than 0"


def is_seconds(value: object, most: float) -> bool:
    """Tell whether a value is a number above 0 and up to a bound; an integer may be larger than any float."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= most


def bundle_problems(name: str, value: object) -> Iterator[str]:
    """Say what is wrong with a path of certificates that may be left out."""
    if value is None:
        return
    if not _is_path(value):
        yield f"{name}: is no path but {kind_of(value)}; give the path of a PEM file or directory"
    elif not os.path.exists(value):
        yield f"{name}: {os.fspath(value)!r} does not exist; give the path of a PEM file or directory"


def path_problems(name: str, value: object) -> Iterator[str]:
    """Say what is wrong with the path of a file that may be left out, be there such a file or not."""
    if value is not None and not _is_path(value):
        yield f"{name}: is no path but {kind_of(value)}; give the path of a file, or leave it out"


def _is_path(value: object) -> TypeGuard[str | os.PathLike[str]]:
    if not isinstance(value, str | os.PathLike):
        return False
    try:
        path = os.fspath(value)
        return isinstance(path, str) and b"\0" not in os.fsencode(path)
    except (TypeError, UnicodeError):
        return False


def kind_of(value: object) -> str:
    """Say what a value is, which is not shown: it may be a secret."""
    return "None" if value is None else f"of type {type(value).__name__}"
