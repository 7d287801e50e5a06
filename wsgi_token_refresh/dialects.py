"""How authorization servers spell a refresh: what is sent, what a token response holds, what a refusal says.

An answer becomes an outcome by its status, then by its JSON:

===================================  ==================================================================
answer                               outcome
===================================  ==================================================================
429; 503 with ``Retry-After``        ``Unreachable(sent=False)``
any other 1xx, 3xx or 5xx            ``Unreachable(sent=True)``
2xx with a token response            ``Refreshed``
2xx or 4xx that ``rejected`` names   ``Rejected(code, ends_session=True)``
4xx with any other JSON object       ``Rejected(code, ends_session=False)``
anything else                        ``Unreachable(sent=True)``
===================================  ==================================================================
"""

# ruff: noqa: S105, S106 (names of fields, not passwords)

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal, get_args

from .errors import ConfigurationError, TokenResponseError
from .tokens import Outcome, Refreshed, Rejected, Tokens, Unreachable, received

MAX_BODY = 65_536
"""Bytes of an answer that are read."""

Send = Literal["form", "json", "bearer"]

_LONGEST_LIFE = 100 * 365 * 86_400
_MOST_KEYS = 20
_PATHS = ("refresh_token", "access_token", "new_refresh_token", "expires_in", "refresh_expires_in")
_CODE_PATHS = ("error", "error.code", "error_code", "code")

# VSCHAR, as RFC 6749 A.12 and A.17 have it, and no longer than any header that could carry it.
_TOKEN = re.compile(r"[\x20-\x7e]{1,16384}")
_PATH = re.compile(r"[^.\s]+(\.[^.\s]+)*")
_SECONDS = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?")
_NO_SUCH_PLACE = (404, 405, 410)
_MEDIA_TYPE = re.compile(r"[a-z0-9.+-]{1,40}/[a-z0-9.+-]{1,60}")
# What is shown of an answer looks like a name: a sentence may quote the token that it is about.
_CODE = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,31}")
_RULE = re.compile(r"4[0-9]{2}|[24][0-9]{2}:[A-Za-z0-9_.:-]{1,64}|[A-Za-z_][A-Za-z0-9_.:-]{0,63}")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back over HTTP: ``retry_after`` in seconds, ``body`` as far as it was read."""

    status: int
    body: bytes = field(default=b"", repr=False)
    content_type: str = ""
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one kind of authorization server wants to be asked, and how it answers.

    ``send`` is where the refresh token goes: into a ``form`` (RFC 6749 6), into ``json``, or as ``bearer`` into the
    ``Authorization`` header of a POST without a body. ``refresh_token`` is its name there; the other names are those
    of the answer. In JSON a dot descends: ``data.accessToken``.

    ``rejected`` lists the answers that say that the refresh token is good no more; only these end a session. It is a
    sequence, or one text with spaces, of: ``invalid_grant``, a 4xx with this code; ``401``, a 401 with any JSON
    object; ``401:token_not_valid``, a 401 with this code. For a server that refuses with success,
    ``200:bad_refresh_token``. A code is looked for in ``error``, ``error.code``, ``error_code`` and ``code``.

    Raises ConfigurationError, which names all that is wrong.
    """

    send: Send = "form"
    refresh_token: str = "refresh_token"
    access_token: str = "access_token"
    new_refresh_token: str = "refresh_token"
    expires_in: str = "expires_in"
    refresh_expires_in: str = "refresh_expires_in"
    rejected: Sequence[str] = ("invalid_grant",)

    def __post_init__(self) -> None:
        rules = self.rejected.split() if isinstance(self.rejected, str) else self.rejected
        object.__setattr__(self, "rejected", tuple(rules) if isinstance(rules, Sequence) else (rules,))
        if problems := _problems(self):
            raise ConfigurationError(problems)

    def fields(self, refresh_token: str) -> dict[str, Any]:
        """Give what the body of a refresh holds; empty where the token goes into a header."""
        if self.send == "form":
            return {"grant_type": "refresh_token", self.refresh_token: refresh_token}
        if self.send == "bearer":
            return {}
        *parents, name = self.refresh_token.split(".")
        nested: dict[str, Any] = {name: refresh_token}
        for parent in reversed(parents):
            nested = {parent: nested}
        return nested

    def read(self, mapping: Mapping[str, Any], now: float) -> Tokens:
        """Read a token response (RFC 6749 5.1) that was received at ``now``; unknown keys are ignored.

        Raises TokenResponseError, which names what is missing and the keys found, never values.
        """
        if not isinstance(mapping, Mapping):
            raise TokenResponseError(f"a token response is a mapping, not {type(mapping).__name__}")
        if faults := self._faults(mapping):
            raise TokenResponseError(f"not a token response: {faults}; keys found: {_keys(mapping)}")
        return received(
            _at(mapping, self.access_token),
            _at(mapping, self.new_refresh_token) or None,
            now=now,
            expires_in=_seconds(_at(mapping, self.expires_in)),
            refresh_expires_in=_seconds(_at(mapping, self.refresh_expires_in)),
        )

    def outcome(self, answer: Answer, *, refresh_token: str, now: float) -> Outcome:
        """Say what an answer means for the refresh token that was sent; never raises."""
        if not judged_by_body(answer.status):
            return _by_status(answer)
        if len(answer.body) > MAX_BODY:
            return Unreachable(True, f"HTTP {answer.status} with more than {MAX_BODY // 1024} KiB")
        content = _json(answer.body)
        if not isinstance(content, dict):
            return _unreadable(answer)
        if answer.status >= 400:
            return self._refusal(answer.status, content)
        return self._success(answer, content, refresh_token, now)

    def _success(self, answer: Answer, content: Mapping[str, Any], refresh_token: str, now: float) -> Outcome:
        if not (faults := self._faults(content)):
            tokens = self.read(content, now)
            return Refreshed(replace(tokens, refresh_token=tokens.refresh_token or refresh_token))
        refusal = self._refusal(answer.status, content)
        return refusal if refusal.ends_session else _unreadable(answer, f": {faults}")

    def _refusal(self, status: int, content: Mapping[str, Any]) -> Rejected:
        codes = [code for path in _CODE_PATHS if _is(_CODE, code := _at(content, path))] or [f"http_{status}"]
        for code in codes:
            if any(_refuses(rule, status, code) for rule in self.rejected):
                return Rejected(code, ends_session=True)
        return Rejected(codes[0], ends_session=False)

    def _faults(self, mapping: Mapping[str, Any]) -> str:
        faults = [_fault(self.access_token, _at(mapping, self.access_token))]
        # Some servers say null or "" for "keep the one that you have".
        if (new_refresh_token := _at(mapping, self.new_refresh_token)) not in (None, ""):
            faults.append(_fault(self.new_refresh_token, new_refresh_token))
        return ", ".join(filter(None, faults))


def read_token_response(mapping: Mapping[str, Any], dialect: Dialect, now: float) -> Tokens:
    """Read a token response in a dialect, else in the names of RFC 6749 5.1; as ``Dialect.read`` otherwise."""
    try:
        return dialect.read(mapping, now)
    except TokenResponseError:
        try:
            return DIALECTS["oauth2"].read(mapping, now)
        except TokenResponseError:
            pass
        raise


def is_token(value: object) -> bool:
    """Tell whether a value can be a token: 1 to 16384 printable ASCII characters (RFC 6749 A.12, A.17)."""
    return _is(_TOKEN, value)


def judged_by_body(status: int) -> bool:
    """Tell whether the body of an answer matters, or its status says all."""
    return 200 <= status < 300 or (400 <= status < 500 and status != 429)


def _problems(dialect: Dialect) -> list[str]:
    problems = []
    if dialect.send not in get_args(Send):
        problems.append(f"send: {dialect.send!r} is unknown; say form, json or bearer")
    for name in _PATHS:
        if not _is(_PATH, path := getattr(dialect, name)):
            problems.append(f"{name}: {path!r} is no name; say one such as 'token', or a path such as 'data.token'")
    if not dialect.rejected:
        problems.append("rejected: empty, so that nothing could end a session; say for example 'invalid_grant'")
    for rule in dialect.rejected:
        if not _is(_RULE, rule) or rule[:3] == "429":
            problems.append(
                f"rejected: {rule!r} is no rule; say a code such as 'invalid_grant', a status such as '401', "
                "or both as in '401:token_not_valid'; 429 never ends a session"
            )
    return problems


def _is(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _at(mapping: Mapping[str, Any], path: str) -> Any:
    found: Any = mapping
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _fault(name: str, value: object) -> str | None:
    if value is None:
        return f"{name} is missing"
    if not isinstance(value, str):
        return f"{name} is no text"
    return None if is_token(value) else f"{name} is empty, over 16 KiB, or not printable ASCII"


def _keys(mapping: Mapping[str, Any]) -> str:
    keys = list(_dotted(mapping))
    return ", ".join(keys[:_MOST_KEYS] + ["..."] * (len(keys) > _MOST_KEYS)) or "none"


def _dotted(mapping: Mapping[str, Any]) -> Sequence[str]:
    names: list[str] = []
    for key, value in mapping.items():
        name = key if _is(_KEY, key) else "(not shown)"
        names.append(name)
        if isinstance(value, Mapping):
            names.extend(f"{name}.{inner if _is(_KEY, inner) else '(not shown)'}" for inner in value)
    return names


def _seconds(value: object) -> float | None:
    if _is(_SECONDS, value):
        value = float(str(value))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # Compared before it is converted: JSON may hold integers that are no float.
    return float(value) if 0 < value <= _LONGEST_LIFE else None


def _json(body: bytes) -> object:
    try:
        try:
            return json.loads(body)
        except UnicodeDecodeError:
            # Tokens and codes are ASCII, whatever a name or a sentence beside them is written in.
            return json.loads(body.decode("ascii", "replace"))
    except (ValueError, RecursionError):
        return None


def _by_status(answer: Answer) -> Unreachable:
    status = answer.status
    unprocessed = status == 429 or (status == 503 and answer.retry_after is not None)
    redirect = ": redirects are not followed" if 300 <= status < 400 else ""
    return Unreachable(not unprocessed, f"HTTP {status}{redirect}", answer.retry_after)


def _unreadable(answer: Answer, why: str = "") -> Unreachable:
    if answer.status in _NO_SUCH_PLACE:
        return Unreachable(True, f"HTTP {answer.status}; is the URL right?")
    media_type = answer.content_type.partition(";")[0].strip().lower()
    shown = media_type if _is(_MEDIA_TYPE, media_type) else "no media type"
    return Unreachable(True, f"HTTP {answer.status} with {shown}, not a token response{why}")


def _refuses(rule: str, status: int, code: str) -> bool:
    wanted_status, _, wanted_code = rule.partition(":") if rule[0].isdigit() else ("", "", rule)
    right_status = str(status) == wanted_status if wanted_status else 400 <= status < 500
    return right_status and wanted_code in ("", code)


DIALECTS: Mapping[str, Dialect] = MappingProxyType(
    {
        "oauth2": Dialect(),
        "simplejwt": Dialect(
            send="json",
            refresh_token="refresh",
            access_token="access",
            new_refresh_token="refresh",
            rejected=("401:token_not_valid", "401:no_active_account"),
        ),
        "camel": Dialect(
            send="json",
            refresh_token="refreshToken",
            access_token="accessToken",
            new_refresh_token="refreshToken",
            expires_in="expiresIn",
            refresh_expires_in="refreshExpiresIn",
            rejected=("400", "401"),
        ),
        # Flask-JWT-Extended says 422 for a token with a bad signature: the keys changed.
        "bearer": Dialect(send="bearer", rejected=("400", "401", "422")),
    }
)
"""The dialects that have a name: RFC 6749, Simple JWT for Django, camel case JSON, Flask-JWT-Extended."""
