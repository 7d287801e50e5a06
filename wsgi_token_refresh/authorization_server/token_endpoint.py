"""The token endpoint of an authorization server: the refresh grant (RFC 6749 6) and revocation (RFC 7009)."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any
from urllib.parse import urlencode, urlsplit

import requests
from werkzeug.http import parse_date

from ..arguments import bundle_problems, callable_problems, seconds_problems, text_problems, truth_problems
from ..errors import ConfigurationError
from ..per_process import PerProcess
from ..tokens import ASSUMED_LIFETIME, Outcome, Refreshed, Rejected, Tokens, Unreachable
from .calls import MAX_BODY, Call, LateAnswer, NotSentError
from .client_auth import ClientAuth, ClientSecretError, Secret, client_problems
from .deadline_http import FAILURES, calling, describe, forget, make_session, was_sent
from .dialects import DIALECTS, Answer, Dialect, is_text, judged_by_body, may_hold_tokens, read_token_response
from .http_answer import Reply
from .json_text import without_the_last
from .urls import url_problems

_Credentials = tuple[dict[str, str], bytes]
"""The headers and the body of a request."""
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_FOR_EVER = 100 * 365 * 86_400.0
_LONGEST_PAUSE = 3600.0


def _always() -> bool:
    return True


class LateOutcome:
    """The outcome of a refresh whose answer is late (``Pending``): ``meaning`` makes it from answer and moment,
    and None from one that was cut short before its new refresh token.
    """

    def __init__(
        self, answer: LateAnswer, meaning: Callable[[Reply, float], Outcome | None], clock: Callable[[], float]
    ) -> None:
        self._answer = answer
        self._meaning = meaning
        self._clock = clock
        self._looked = clock()
        self._outcome: Outcome | None = None

    def outcome(self, seconds: float) -> Outcome | None:
        """Wait up to so many seconds, with 0 only look; None where nothing is known yet."""
        if self._outcome is None:
            self._outcome = self._read(seconds)
        return self._outcome

    def close(self) -> None:
        """Wait no more."""
        self._answer.close()

    def _read(self, seconds: float) -> Outcome | None:
        # What came since the last look may have come right after it: its life is counted from there.
        looked = self._looked
        try:
            reply = self._answer.read(seconds)
        except FAILURES as failure:
            self.close()
            cut = self._answer.cut
            kept = None if cut is None else self._meaning(cut, looked)
            return kept or Unreachable(True, describe(failure))
        self._looked = self._clock()
        if reply is None:
            return None
        self.close()
        return self._meaning(reply, looked)


class TokenEndpoint:
    """A token endpoint: ``refresh`` gives an ``Outcome`` and raises nothing, whatever the authorization server does.

    ``dialect`` is a ``Dialect`` or the name of one. ``client_secret`` may be a function, called
    for each request. ``client_auth`` is one of ``CLIENT_AUTH``; unsaid it is
    ``client_secret_basic`` where there is a secret for a form, else ``none``. ``timeout`` is in seconds and a total
    until the request is sent: DNS, connect, TLS, writing. ``answer_timeout`` is how long its answer is waited for then,
    headers and body. ``default_expires_in`` is how many seconds an access token lives where neither it nor the token
    response says so, or ``"never"`` for one that does not end. ``single_use=False`` says that a refresh token can be
    presented again, ``old_access_token_survives=False`` that a refresh kills the access token before it.
    ``revocation_endpoint`` is where ``revoke`` goes. ``ca_bundle`` is the path of a PEM file or directory to trust
    instead of the usual ones. ``max_calls`` is how many may go out at once from a process, whoever asks.

    Nothing of the environment counts, neither ``.netrc`` nor a proxy nor ``REQUESTS_CA_BUNDLE``. Cookies are not kept,
    redirects not followed, failed calls not repeated. Connections are made, and kept, for each process by itself.

    Raises ConfigurationError, which names all that is wrong.
    """

    def __init__(
        self,
        url: str,
        *,
        dialect: str | Dialect = "oauth2",
        client_id: str | None = None,
        client_secret: Secret | None = None,
        client_auth: str | None = None,
        timeout: float = 5,
        answer_timeout: float = 20,
        default_expires_in: float | str = ASSUMED_LIFETIME,
        single_use: bool = True,
        old_access_token_survives: bool = True,
        revocation_endpoint: str | None = None,
        scope: str | None = None,
        allow_insecure: bool = False,
        ca_bundle: str | os.PathLike[str] | None = None,
        max_calls: int = 8,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        known = DIALECTS.get(dialect) if isinstance(dialect, str) else dialect
        spoken = known if isinstance(known, Dialect) else Dialect()
        unsaid = "client_secret_basic" if client_secret and spoken.send == "form" else "none"
        auth = unsaid if client_auth in (None, "") else client_auth
        problems = [
            *([] if spoken is known else [f"dialect: {dialect!r} is unknown; say {', '.join(DIALECTS)}, or a Dialect"]),
            *url_problems("url", url, allow_insecure is True),
            *_revocation_problems(revocation_endpoint, allow_insecure is True),
            *client_problems(auth, client_id, client_secret, spoken.send),
            *seconds_problems("timeout", timeout, "5"),
            *seconds_problems("answer_timeout", answer_timeout, "20"),
            *_life_problems(default_expires_in),
            *_calls_problems(max_calls),
            *_scope_problems(scope, spoken.send),
            *bundle_problems("ca_bundle", ca_bundle),
            *truth_problems("single_use", single_use),
            *truth_problems("old_access_token_survives", old_access_token_survives),
            *truth_problems("allow_insecure", allow_insecure),
            *callable_problems("clock", clock),
            *callable_problems("monotonic", monotonic),
        ]
        if problems:
            raise ConfigurationError(problems)

        self.timeout = timeout
        self.answer_timeout = answer_timeout
        self.max_calls = max_calls
        self.single_use = single_use
        self.old_access_token_survives = old_access_token_survives
        self.identity = (url, client_id or "")
        self._url = url
        self._dialect = spoken
        self._revocation_endpoint = revocation_endpoint
        self._client = ClientAuth(auth, client_id, client_secret)
        self._default_expires_in = _FOR_EVER
        if not isinstance(default_expires_in, str):
            self._default_expires_in = min(default_expires_in, _FOR_EVER)
        self._scope = {"scope": scope} if scope else {}
        self._clock = clock
        self._monotonic = monotonic
        self._session = PerProcess(
            partial(make_session, max_calls, None if ca_bundle is None else os.fspath(ca_bundle))
        )

    def __repr__(self) -> str:
        url = urlsplit(self._url)
        return f"TokenEndpoint('{url.scheme}://{url.netloc}{url.path}', client_id={self.identity[1]!r})"

    def refresh(
        self,
        token: str,
        *,
        timeout: float | None = None,
        patience: float | None = None,
        may_send: Callable[[], bool] = _always,
    ) -> Outcome:
        """Ask for new tokens (RFC 6749 6) by a refresh token; where none comes with them, the old one is kept.

        ``timeout`` replaces the endpoint's, ``patience`` its ``answer_timeout``. ``may_send`` is asked once, right
        before the first byte of the request is written: at False nothing is. What cannot be a
        refresh token is rejected without a call. An answer that is late can be waited for by ``pending``.
        """
        if not self._dialect.can_send(token):
            return Rejected("malformed_refresh_token")
        try:
            credentials = self._request(token)
        except ClientSecretError as error:
            return Unreachable(False, str(error))
        call = Call(
            self.timeout if timeout is None else timeout,
            may_send,
            self._monotonic,
            patience=self.answer_timeout if patience is None else patience,
            wants_body=may_hold_tokens,
            says_all=lambda status: not judged_by_body(status),
        )
        try:
            answer = self._post(self._url, credentials, call)
        except NotSentError:
            return Unreachable(False, "given back before it was sent")
        except FAILURES as failure:
            return self._failed(call, failure, token)
        return self._outcome(answer, token, self._clock())

    def _outcome(self, answer: Answer, token: str, now: float) -> Outcome:
        return self._dialect.outcome(answer, refresh_token=token, now=now, default_expires_in=self._default_expires_in)

    def _failed(self, call: Call, failure: Exception, token: str) -> Outcome:
        def meaning(reply: Reply, then: float) -> Outcome | None:
            body = without_the_last(reply.body) if reply.cut else reply.body
            outcome = self._outcome(_answer(reply.status, reply.fields, body, then), token, then)
            return None if reply.cut and not _has_rotated(outcome, token) else outcome

        sent, reason = was_sent(call, failure), describe(failure, call)
        forget(failure)
        if call.late is None:
            kept = None if call.cut is None else meaning(call.cut, self._clock())
            return kept or Unreachable(sent, reason)
        late, call.late = LateAnswer(call.late, self._monotonic), None
        return Unreachable(sent, reason, pending=LateOutcome(late, meaning, self._clock))

    def revoke(self, token: str, *, timeout: float = 2.0) -> str | None:
        """Revoke a refresh token (RFC 7009 2.1); a short reason where that failed, None where nothing is to be done."""
        if self._revocation_endpoint is None or not is_text(token):
            return None
        call = Call(timeout, _always, self._monotonic, wants_body=lambda status: False)
        try:
            credentials = self._form({"token": token, "token_type_hint": "refresh_token"})
            answer = self._post(self._revocation_endpoint, credentials, call)
        except ClientSecretError as error:
            return str(error)
        except FAILURES as failure:
            return describe(failure, call)
        return None if 200 <= answer.status < 300 else f"HTTP {answer.status}"

    def read(self, credentials: Mapping[str, Any]) -> Tokens:
        """Read a token response just received, in the endpoint's dialect or in the names of RFC 6749 5.1.

        Raises TokenResponseError, which names the keys found, never values.
        """
        return read_token_response(credentials, self._dialect, self._clock(), self._default_expires_in)

    # What holds a token or a secret is named as reporters of errors expect it, who hide variables by their names.

    def _request(self, token: str) -> _Credentials:
        credentials = self._dialect.fields(token)
        if self._dialect.send == "form":
            return self._form(credentials | self._scope)
        if self._dialect.send == "json":
            return self._client.headers() | {"Content-Type": "application/json"}, json.dumps(credentials).encode()
        return {"Authorization": f"Bearer {token}"}, b""

    def _form(self, credentials: dict[str, str]) -> _Credentials:
        return self._client.headers() | _FORM, urlencode(credentials | self._client.fields()).encode()

    def _post(self, url: str, credentials: _Credentials, call: Call) -> Answer:
        with (
            calling(call),
            self._session.get().post(
                url,
                data=credentials[1],
                headers=credentials[0],
                timeout=max(call.timeout, 0.001),
                stream=True,
                allow_redirects=False,
            ) as response,
        ):
            wanted = call.wants_body(response.status_code)
            return _answer(response.status_code, response.headers, _body(response) if wanted else b"", self._clock())


def _has_rotated(outcome: Outcome, token: str) -> bool:
    return isinstance(outcome, Refreshed) and outcome.tokens.refresh_token != token


def _body(response: requests.Response) -> bytes:
    """Read a body, and no more than it takes to see that it is too long."""
    body = bytearray()
    for chunk in response.iter_content(8192):
        body += chunk
        if len(body) > MAX_BODY:
            break
    return bytes(body)


def _answer(status: int, fields: Mapping[str, str], body: bytes, now: float) -> Answer:
    return Answer(status, body, fields.get("content-type", ""), _retry_after(fields.get("retry-after", ""), now))


def _retry_after(value: str, now: float) -> float | None:
    """Read seconds or a date (RFC 9110 10.2.3) as 0 to 3600 seconds from now."""
    try:
        seconds = float(value) if value.isascii() and value.isdigit() else None
        if seconds is None and (moment := parse_date(value)):
            seconds = moment.timestamp() - now
    except OverflowError:  # a year with more digits than a date has room for
        return None
    return None if seconds is None else min(max(seconds, 0.0), _LONGEST_PAUSE)


def _revocation_problems(url: object, allow_insecure: bool) -> Iterator[str]:
    if url is not None and url != "":
        yield from url_problems("revocation_endpoint", url, allow_insecure)


def _scope_problems(scope: object, send: str) -> Iterator[str]:
    yield from text_problems("scope", scope)
    if isinstance(scope, str) and send != "form":
        yield f"scope: has no place where the dialect sends {send}; leave it out"


def _life_problems(value: object) -> Iterator[str]:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and value > 0
    if not is_number and value != "never":
        yield f"default_expires_in: {value!r} is no number of seconds above 0; say for example 3600, or 'never'"


def _calls_problems(max_calls: int) -> Iterator[str]:
    if not isinstance(max_calls, int) or isinstance(max_calls, bool) or max_calls < 1:
        yield f"max_calls: {max_calls!r} is no number of calls from 1 up; say for example 8"
