"""The rules of ``rejected``: which answers say that a refresh token is good no more.

==========================  ================================================================================
rule                        names
==========================  ================================================================================
``invalid_grant``           a 4xx with this code
``invalid_*``               a 4xx with a code, or a sentence, that begins so
``401``                     a 401 with a JSON object, whatever is in it, or with no body at all
``400:``                    a 400 with no body at all
``401:token_not_valid``     a 401 with this code, or whose body is this text
``400:Refresh%20token*``    a 400 with a code, a sentence or a text as its body that begins so
``200:bad_refresh_token``   a refusal that comes with success; any 2xx, by a code, a sentence or a text
==========================  ================================================================================

In a rule ``%20`` is a blank, and ``%25`` a percent sign.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from urllib.parse import quote, unquote

from .json_text import find, read_json, read_text

CODE_PATHS = ("error", "error.code", "error_code", "code")
"""Where codes are looked for unless a dialect says it."""

_SENTENCE_PATHS = ("error_description", "error.message", "message", "msg", "detail")
_STATUS = re.compile(r"2[0-9]{2}|4(?!29)[0-9]{2}")
_LONGEST = 256
# What is shown of an answer looks like a name: a sentence may quote the token that it is about.
_CODE = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_WORD = re.compile(r"[A-Za-z][A-Za-z_'-]{0,23}")
_MOST_WORDS = 2


@dataclass(frozen=True, slots=True)
class Said:
    """What an answer without tokens says: ``codes`` and ``sentences`` as they stand in it, in order."""

    status: int
    is_object: bool = False
    is_empty: bool = False
    codes: tuple[str, ...] = field(default=(), repr=False)
    sentences: tuple[str, ...] = field(default=(), repr=False)


def what_is_said(status: int, body: bytes, paths: Sequence[str] = CODE_PATHS) -> Said:
    """Read what an answer says; codes are looked for at ``paths``."""
    content = read_json(body)
    if isinstance(content, dict | list):
        more = _SENTENCE_PATHS if tuple(paths) == CODE_PATHS else ()
        return Said(status, isinstance(content, dict), False, _texts(content, paths), _texts(content, more))
    text = content if isinstance(content, str) else read_text(body)
    return Said(status, is_empty=not text, codes=(text[: 2 * _LONGEST],) if text else ())


def ends_session(said: Said, rules: Iterable[str]) -> str | None:
    """Give what is to be shown of an answer that one of the rules names; None where none does."""
    for rule in rules:
        named = _named(rule, said)
        if named is not None:
            return named if _CODE.fullmatch(named) else shown_code(said)
    return None


def shown_code(said: Said) -> str:
    """Give the first code that can be shown, else the status as one."""
    return next(filter(_CODE.fullmatch, said.codes), f"http_{said.status}")


def naming_rule(said: Said) -> str:
    """Give the rule that would name this very answer; empty where none could without showing too much."""
    if said.is_empty:
        return f"{said.status}:" if said.status >= 400 else ""
    for code in filter(_CODE.fullmatch, said.codes):
        return f"{said.status}:{code}"
    for text in (*said.codes, *said.sentences):
        if words := list(takewhile(_WORD.fullmatch, text.split(" ")[:_MOST_WORDS])):
            return f"{said.status}:{quote(' '.join(words), safe='')}*"
    return str(said.status) if said.is_object and said.status >= 400 else ""


def rule_problems(rules: Sequence[object]) -> Iterator[str]:
    """Say which rules are none."""
    if not rules:
        yield "rejected: empty, so that nothing could end a session; say for example 'invalid_grant'"
    for rule in rules:
        if not isinstance(rule, str) or not _is_rule(rule):
            yield (
                f"rejected: {rule!r} is no rule; say a code such as 'invalid_grant', a status such as '401', "
                "or both as in '401:token_not_valid'; 429 never ends a session"
            )


def _is_rule(rule: str) -> bool:
    status, text = _parts(rule)
    if not text:
        return status is not None and status >= 400
    begins_well = status is not None or text[0].isalpha() or text[0] == "_"
    return begins_well and text.isprintable() and text.rstrip("*") != "" and len(text) <= _LONGEST


def _parts(rule: str) -> tuple[int | None, str | None]:
    """Take a rule apart: its status, None for any 4xx, and what is behind it, None where nothing is said of that."""
    status, colon, text = rule.partition(":")
    if not _STATUS.fullmatch(status):
        return None, unquote(rule)
    return int(status), unquote(text) if colon else None


def _named(rule: str, said: Said) -> str | None:
    """Give the code or sentence by which a rule names an answer, empty where it needs none; None where it does not."""
    status, text = _parts(rule)
    if not (said.status == status if status else 400 <= said.status < 500):
        return None
    if not text:
        return "" if said.is_empty or (text is None and said.is_object) else None
    begins = text[:-1] if text.endswith("*") else None
    wide = said.sentences if begins is not None or " " in text else ()
    for one in (*said.codes, *wide):
        if one == text or (begins is not None and one.startswith(begins)):
            return one
    return None


def _texts(content: object, paths: Iterable[str]) -> tuple[str, ...]:
    found = [one for path in paths for one in find(content, path)]
    inner = [each for one in found for each in (one if isinstance(one, list) else [one])]
    return tuple(filter(None, map(_text, inner)))


def _text(value: object) -> str:
    """Read a code: a text, or a number, which is the same in digits."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return str(value).strip(" \t\r\n")[: 2 * _LONGEST]
