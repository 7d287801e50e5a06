"""What is said in a mapping and in the environment, and everything that is wrong with it."""

from __future__ import annotations

import difflib
import logging
import re
from collections.abc import Callable, Mapping, Set
from typing import Any, TypeVar

from ..errors import ConfigurationError
from ..secret_files import SecretFile, SecretList
from .values import Reader, as_secret, from_file
from .words import WORDS, Table

PREFIX = "TOKEN_REFRESH_"
"""What a word begins with in the environment and in Flask's config, where it is upper case."""

T = TypeVar("T")

_NOT_OURS = ("here", "__file__")
_NEAR_FOR_SURE = 0.75
# "Routes: protected has ..." and "url: is ...": the argument is named first, after the class at most.
_ARGUMENT = re.compile(r"(?:[A-Z]\w+: )?(\w*)")

log = logging.getLogger("wsgi_token_refresh")


def from_mapping(settings: Mapping[str, object], problems: list[str]) -> dict[str, object]:
    """Give the words that a mapping says."""
    said: dict[str, object] = {}
    for key, value in settings.items():
        word = _word(key)
        if word is None or value is None:
            continue
        if word not in WORDS:
            problems.append(f"{word}: is no setting; {_nearest(word)}")
        elif word in said:
            problems.append(f"{word}: is said twice, as {word} and as {PREFIX}{word.upper()}; leave one out")
        said[word] = value
    return said


def _word(key: object) -> str | None:
    """Give the word of a key; None for what is somebody else's: Flask's, Paste's."""
    name = str(key)
    if name.startswith(PREFIX):
        return name[len(PREFIX) :].lower()
    return None if name.isupper() or name in _NOT_OURS else name


def from_environ(environ: Mapping[str, str], problems: list[str]) -> dict[str, object]:
    """Give the words that the environment says."""
    said: dict[str, object] = {}
    for key, value in environ.items():
        word = key[len(PREFIX) :].lower()
        if not key.startswith(PREFIX) or not value:
            continue
        if word in WORDS:
            said[word] = value
        elif difflib.get_close_matches(word, WORDS, 1, _NEAR_FOR_SURE):
            problems.append(f"{key} in the environment: {word} is no setting; {_nearest(word)}")
        else:
            # Others write there too: Kubernetes does for a service that is named token-refresh.
            log.warning("%s in the environment is no setting of ours, and is ignored", key)
    return said


def _nearest(word: str) -> str:
    part = max((known for known in WORDS if word.endswith(f"_{known}")), key=len, default=None)
    near = [part] if part else difflib.get_close_matches(word, WORDS, 1)
    return f"did you mean {near[0]}?" if near else f"there are: {', '.join(sorted(WORDS))}"


class Reading:
    """What was said, ``around`` in the environment, and all that is wrong with it so far."""

    def __init__(self, said: Mapping[str, object], problems: list[str], around: Set[str]) -> None:
        self._said = said
        self._around = around
        self.problems = problems

    def says(self, *words: str) -> list[str]:
        """Tell which of these words were said."""
        return [word for word in words if word in self._said]

    def text(self, word: str) -> str:
        """Give what was said as it stands; empty where nothing was."""
        return str(self._said.get(word, "")).strip()

    def one(self, word: str, read: Reader) -> Any:
        """Read one word; None where it was not said, or not well."""
        if word not in self._said:
            return None
        try:
            return read(self._said[word])
        except ValueError as error:
            self.problems.append(f"{self._place(word)}: {error}")
            return None

    def take(self, table: Table) -> dict[str, Any]:
        """Read the words of a table that were said, by the arguments that they stand for."""
        read = {argument: self.one(word, reader) for word, (argument, reader) in table.items()}
        return {argument: value for argument, value in read.items() if value is not None}

    def secret(self, word: str, read: Reader = as_secret) -> Any:
        """Read a secret; one in the file that ``<word>_file`` names is a ``SecretFile``, which follows the file."""
        if len(both := self.says(word, f"{word}_file")) == 2:
            self.problems.append(f"{word}: is said in {both[0]} and in {both[1]}; leave one out")
        file: SecretFile | None = self.one(f"{word}_file", from_file)
        return self.one(word, read) if file is None else file

    def secrets(self, word: str, read: Reader, split: Callable[[str], list[str]]) -> Any:
        """Read several secrets; those that ``split`` finds in a file are a ``SecretList``, which follows it."""
        found = self.secret(word, read)
        return SecretList(found, split) if isinstance(found, SecretFile) else found

    def of_secret(self, word: str, argument: str) -> Table:
        """Tell for which argument a secret stands, under the word by which it was said."""
        return {(self.says(f"{word}_file") or [word])[0]: (argument, as_secret)}

    def make(self, make: Callable[..., T], arguments: Mapping[str, Any], table: Table) -> T | None:
        """Make a collaborator; what it finds wrong is told in the words of the settings."""
        words = {argument: self._place(word) for word, (argument, _) in table.items()}
        try:
            return make(**arguments)
        except ConfigurationError as error:
            self.problems += [_in_words(problem, words) for problem in error.problems]
            return None

    def _place(self, word: str) -> str:
        return f"{PREFIX}{word.upper()} in the environment" if word in self._around else word


def _in_words(problem: str, words: Mapping[str, str]) -> str:
    return _ARGUMENT.sub(lambda found: words.get(found[1], found[1]), problem, count=1)
