"""How authorization servers spell a refresh: what is sent, what a token response holds, what a refusal says.

What answers with a whole pair of new tokens has rotated, whatever its status. Else an answer becomes an outcome by its
status, then by its body:

=====================================================  =====================================================
answer                                                 outcome
=====================================================  =====================================================
any from 200 on with a new pair, and no ``error``      ``Refreshed``
429                                                    ``Unreachable(sent=False)``
any other 1xx, 3xx or 5xx                              ``Unreachable(sent=True)``
2xx with a token response                              ``Refreshed``
2xx or 4xx that ``rejected`` names                     ``Rejected(code, ends_session=True)``
2xx with a new refresh token and no usable access one  ``Refreshed``, without an access token
4xx with any other JSON object                         ``Rejected(code, ends_session=False)``
anything else                                          ``Unreachable(sent=True)``
=====================================================  =====================================================

Every outcome of a 2xx or 4xx that ends no session says which rule would name it.
"""

# ruff: noqa: S105, S106 (names of fields, not passwords)

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from itertools import chain
from types import MappingProxyType
from typing import Any, Literal, get_args

from ..errors import ConfigurationError, TokenResponseError
from ..tokens import ASSUMED_LIFETIME, Outcome, Refreshed, Rejected, Tokens, Unreachable, received
from .calls import MAX_BODY
from .json_text import broken_objects, find, inner_objects, is_path, objects, read_json
from .refusals import CODE_PATHS, Said, ends_session, naming_rule, rule_problems, shown_code, what_is_said

Send = Literal["form", "json", "bearer"]

_Found = tuple["Dialect", Mapping[str, Any]]
_SPELLINGS = (
    ("access_token", "refresh_token", "expires_in"),
    ("accessToken", "refreshToken", "expiresIn"),
    ("access", "refresh", "expires_in"),
)
_ALSO = ("refresh_token", "refreshToken")
_LONGEST_LIFE = 100 * 365 * 86_400
_MOST_KEYS = 20
_PATHS = ("access_token", "new_refresh_token", "expires_in", "refresh_expires_in")

# VSCHAR, as RFC 6749 A.12 and A.17 have it.
_VSCHAR = re.compile(r"[\x20-\x7e]+")
_NAME = re.compile(r"[^.\s\ud800-\udfff]+(\.[^.\s\ud800-\udfff]+)*")
_SECONDS = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?")
_PAUSE = 2.0
_NO_SUCH_PLACE = (404, 405, 410)
_MEDIA_TYPE = re.compile(r"[a-z0-9.+-]{1,40}/[a-z0-9.+-]{1,60}")
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,31}")


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
    of the answer. In JSON a dot descends, ``data.accessToken``, and brackets pick from a list, ``tokens[0].value``.

    ``rejected`` lists the answers that say that the refresh token is good no more; only these end a session. It is a
    sequence, or one text with spaces, of rules: ``invalid_grant``, a 4xx with this code; ``401``, a 401 with any JSON
    object, or with no body; ``400:``, a 400 with no body; ``401:token_not_valid``, a 401 with this code;
    ``400:Refresh%20token*``, a 400 with a code, a sentence or a text that begins so. For a server that refuses with
    success, ``200:bad_refresh_token``. ``error`` is where codes are looked for, one path or several.

    Raises ConfigurationError, which names all that is wrong.
    """

    send: Send = "form"
    refresh_token: str = "refresh_token"
    access_token: str = "access_token"
    new_refresh_token: str = "refresh_token"
    expires_in: str = "expires_in"
    refresh_expires_in: str = "refresh_expires_in"
    rejected: Sequence[str] = ("invalid_grant",)
    error: str | Sequence[str] = CODE_PATHS

    def __post_init__(self) -> None:
        for name in ("rejected", "error"):
            object.__setattr__(self, name, _several(getattr(self, name)))
        if problems := list(_problems(self)):
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

    def can_send(self, refresh_token: object) -> bool:
        """Tell whether a value can be sent as a refresh token: into a form or JSON goes any text."""
        return is_token(refresh_token) if self.send == "bearer" else is_text(refresh_token)

    def read(self, credentials: Mapping[str, Any], now: float, default_expires_in: float = ASSUMED_LIFETIME) -> Tokens:
        """Read a token response (RFC 6749 5.1) that was received at ``now``; unknown keys are ignored.

        ``default_expires_in`` is how long an access token lives where nothing says it, in seconds. Raises
        TokenResponseError, which names what is missing and the keys found, never values.
        """
        if not isinstance(credentials, Mapping):
            raise TokenResponseError(f"a token response is a mapping, not {type(credentials).__name__}")
        if faults := ", ".join(filter(None, (self._access_fault(credentials), self._refresh_fault(credentials)))):
            raise TokenResponseError(f"not a token response: {faults}; keys found: {_keys(credentials)}")
        return self._received(credentials, now, default_expires_in)

    def outcome(
        self, answer: Answer, *, refresh_token: str, now: float, default_expires_in: float = ASSUMED_LIFETIME
    ) -> Outcome:
        """Say what an answer means for the refresh token that was sent; never raises."""
        success = 200 <= answer.status < 300
        found = self._of_success if success else self._whole_ones
        names, content = next(found(answer.body, refresh_token), (self, None))
        if content is not None and names._access_fault(content) is None:
            return names._refreshed(content, now, default_expires_in, refresh_token)
        if not judged_by_body(answer.status):
            return _by_status(answer)
        said = what_is_said(answer.status, answer.body, self.error)
        if (code := ends_session(said, self.rejected)) is not None and len(answer.body) <= MAX_BODY:
            return Rejected(code, rule=naming_rule(said))
        if content is not None:
            # Kept whatever came with it: the one before it is spent.
            return names._refreshed(content, now, ASSUMED_LIFETIME, refresh_token)
        return self._without_tokens(answer, said)

    def _without_tokens(self, answer: Answer, said: Said) -> Rejected | Unreachable:
        if len(answer.body) > MAX_BODY:
            return Unreachable(True, f"HTTP {answer.status} with more than {MAX_BODY // 1_048_576} MiB")
        if said.is_object and answer.status >= 400:
            return Rejected(shown_code(said), ends_session=False, rule=naming_rule(said))
        content = read_json(answer.body)
        fault = f": {self._access_fault(content)}" if isinstance(content, Mapping) else ""
        return _unreadable(answer, said, fault)

    def _of_success(self, body: bytes, sent: str) -> Iterator[_Found]:
        """Find what holds tokens, whatever is around it; what is only like it, by whether its refresh token is new."""
        inner = [] if _is_refusal(read_json(body)) else list(inner_objects(body))
        yield from ((self, each) for each in chain(objects(body), inner) if self._has_tokens(each, sent))
        for each in chain(objects(body), inner, broken_objects(body)):
            if self._is_new(each, sent):
                yield self, each
            yield from ((names, each) for names in self._spellings() if names._is_whole(each, sent))

    def _whole_ones(self, body: bytes, sent: str) -> Iterator[_Found]:
        """Find both tokens, and new, where the status says that there are none."""
        if not _is_refusal(read_json(body)):
            for each in chain(objects(body), inner_objects(body), broken_objects(body)):
                yield from ((names, each) for names in self._spellings() if names._is_whole(each, sent))

    def _spellings(self) -> Iterator[Dialect]:
        """Give the names of this dialect, and then those that others have, in which both tokens can be nothing else."""
        yield self
        for access_token, new_refresh_token, expires_in in _SPELLINGS:
            yield replace(self, access_token=access_token, new_refresh_token=new_refresh_token, expires_in=expires_in)

    def _has_tokens(self, mapping: Mapping[str, Any], sent: str) -> bool:
        return self._access_fault(mapping) is None or self._is_new(mapping, sent)

    def _is_new(self, mapping: Mapping[str, Any], sent: str) -> bool:
        new_refresh_token = _as_text(_at(mapping, self.new_refresh_token))
        return self.can_send(new_refresh_token) and new_refresh_token != sent

    def _is_whole(self, mapping: Mapping[str, Any], sent: str) -> bool:
        """Tell whether both tokens are there; a sentence about a token is none."""
        if _is_refusal(mapping) or self._access_fault(mapping) or not self._is_new(mapping, sent):
            return False
        paths = self.access_token, self.new_refresh_token
        access_token, new_refresh_token = (str(_at(mapping, path)) for path in paths)
        return access_token != new_refresh_token and " " not in access_token + new_refresh_token

    def _refreshed(self, content: Mapping[str, Any], now: float, default: float, refresh_token: str) -> Refreshed:
        tokens = self._received(content, now, default)
        return Refreshed(replace(tokens, refresh_token=tokens.refresh_token or refresh_token))

    def _received(self, mapping: Mapping[str, Any], now: float, default_expires_in: float) -> Tokens:
        """Read what can be used; a refresh token under a name that is not the dialect's is better than none."""
        named: Any = (_as_text(_at(mapping, path)) for path in (self.new_refresh_token, *_ALSO))
        return received(
            None if self._access_fault(mapping) else _at(mapping, self.access_token),
            next(filter(self.can_send, named), None),
            now=now,
            expires_in=_seconds(_at(mapping, self.expires_in)),
            refresh_expires_in=_seconds(_at(mapping, self.refresh_expires_in)),
            default_expires_in=default_expires_in,
        )

    def _access_fault(self, mapping: Mapping[str, Any]) -> str | None:
        value = _at(mapping, self.access_token)
        if value is None:
            return f"{self.access_token} is missing"
        if not isinstance(value, str):
            return f"{self.access_token} is no text"
        return None if is_token(value) else f"{self.access_token} is empty, over 4 MiB, or not printable ASCII"

    def _refresh_fault(self, mapping: Mapping[str, Any]) -> str | None:
        value = _at(mapping, self.new_refresh_token)
        # Some servers say null or "" for "keep the one that you have".
        if value in (None, "") or self.can_send(value):
            return None
        return f"{self.new_refresh_token} is {'no text that could be sent' if isinstance(value, str) else 'no text'}"


def read_token_response(
    credentials: Mapping[str, Any], dialect: Dialect, now: float, default_expires_in: float = ASSUMED_LIFETIME
) -> Tokens:
    """Read a token response in a dialect, else in the names of RFC 6749 5.1; as ``Dialect.read`` otherwise."""
    try:
        return dialect.read(credentials, now, default_expires_in)
    except TokenResponseError:
        try:
            return DIALECTS["oauth2"].read(credentials, now, default_expires_in)
        except TokenResponseError:
            pass
        raise


def is_token(value: object) -> bool:
    """Tell whether a value can go into a header as a token: printable ASCII (RFC 6749 A.12, A.17), up to 4 MiB."""
    return _is(_VSCHAR, value) and is_text(value)


def is_text(value: object) -> bool:
    """Tell whether a value can go into a form or JSON: any text with an encoding, up to 4 MiB."""
    try:
        return isinstance(value, str) and 0 < len(value.encode()) <= MAX_BODY
    except UnicodeEncodeError:
        return False


def may_hold_tokens(status: int) -> bool:
    """Tell whether an answer may have a body with tokens."""
    return status >= 200


def judged_by_body(status: int) -> bool:
    """Tell whether an answer without tokens is judged by its body, or its status says all."""
    return 200 <= status < 300 or (400 <= status < 500 and status != 429)


def _is_refusal(content: object) -> bool:
    """Tell whether an object says that something went wrong; null, false and an empty text say that nothing did."""
    return isinstance(content, Mapping) and bool(content.get("error"))


def _problems(dialect: Dialect) -> Iterator[str]:
    if dialect.send not in get_args(Send):
        yield f"send: {dialect.send!r} is unknown; say form, json or bearer"
    if not _is(_NAME, dialect.refresh_token):
        yield _no_name("refresh_token", dialect.refresh_token)
    for name in _PATHS:
        if not is_path(path := getattr(dialect, name)):
            yield _no_name(name, path)
    if not dialect.error or not all(map(is_path, dialect.error)):
        yield f"error: {dialect.error!r} names no place; say one such as 'status', or several"
    yield from rule_problems(dialect.rejected)


def _no_name(argument: str, value: object) -> str:
    return f"{argument}: {value!r} is no name; say one such as 'token', or a path such as 'data.token'"


def _several(value: object) -> tuple[Any, ...]:
    if isinstance(value, str):
        return tuple(value.split())
    return tuple(value) if isinstance(value, Sequence | Set) and not isinstance(value, bytes) else (value,)


def _is(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _at(mapping: Mapping[str, Any], path: str) -> Any:
    return next(find(mapping, path), None)


def _as_text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


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
    if isinstance(value, str) and _is(_SECONDS, value.strip(" \t")):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # Compared before it is converted: JSON may hold integers that are no float.
    return float(value) if 0 < value <= _LONGEST_LIFE else None


def _by_status(answer: Answer) -> Unreachable:
    status = answer.status
    # A 503 says nothing of what happened behind the cache or gateway that answers it, whatever else it says.
    if status == 429:
        return Unreachable(False, "HTTP 429", _PAUSE if answer.retry_after is None else answer.retry_after)
    redirect = ": redirects are not followed" if 300 <= status < 400 else ""
    return Unreachable(True, f"HTTP {status}{redirect}", answer.retry_after)


def _media_type(answer: Answer) -> str:
    return answer.content_type.partition(";")[0].strip(" \t").lower()


def _unreadable(answer: Answer, said: Said, why: str = "") -> Unreachable:
    rule = naming_rule(said)
    if answer.status in _NO_SUCH_PLACE:
        return Unreachable(True, f"HTTP {answer.status}; is the URL right?", rule=rule)
    if said.is_empty:
        return Unreachable(True, f"HTTP {answer.status} with no body", rule=rule)
    media_type = _media_type(answer)
    shown = media_type if _is(_MEDIA_TYPE, media_type) else "no media type"
    shape = f"{answer.status} {shown}" if answer.status < HTTPStatus.INTERNAL_SERVER_ERROR else ""
    return Unreachable(True, f"HTTP {answer.status} with {shown}, not a token response{why}", rule=rule, shape=shape)


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
