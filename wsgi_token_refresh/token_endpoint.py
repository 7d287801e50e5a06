"""The token endpoint of an authorization server: the refresh grant (RFC 6749 6) and revocation (RFC 7009)."""

from __future__ import annotations

import base64
import json
import math
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

import requests
from werkzeug.http import parse_date

from .deadline_http import FAILURES, Call, NotSentError, calling, describe, make_session, was_sent
from .dialects import DIALECTS, MAX_BODY, Answer, Dialect, is_token, judged_by_body, read_token_response
from .errors import ConfigurationError
from .per_process import PerProcess
from .tokens import Outcome, Rejected, Tokens, Unreachable
from .urls import url_problems

CLIENT_AUTH = ("client_secret_basic", "client_secret_post", "none")
"""How a client can authenticate here (RFC 6749 2.3.1, by the names of RFC 7591 2)."""

_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_LONGEST_TIMEOUT = 3600
_LONGEST_PAUSE = 3600.0


def _always() -> bool:
    return True


class TokenEndpoint:
    """A token endpoint: ``refresh`` gives an ``Outcome`` and raises nothing, whatever the authorization server does.

    ``dialect`` is a ``Dialect`` or the name of one. ``client_auth`` is one of ``CLIENT_AUTH``; unsaid it is
    ``client_secret_basic`` where there is a secret for a form, else ``none``. ``timeout`` is in seconds and a total:
    DNS, connect, TLS, request, headers and body. ``single_use=False`` says that a refresh token can be presented again,
    ``old_access_token_survives=False`` that a refresh kills the access token before it. ``revocation_endpoint`` is
    where ``revoke`` goes. ``ca_bundle`` is the path of a PEM file or directory to trust instead of the usual ones.
    ``max_calls`` is how many ``slot`` lets out at once from a process.

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
        client_secret: str | None = None,
        client_auth: str | None = None,
        timeout: float = 5,
        single_use: bool = True,
        old_access_token_survives: bool = True,
        revocation_endpoint: str | None = None,
        scope: str | None = None,
        allow_insecure: bool = False,
        ca_bundle: str | None = None,
        max_calls: int = 8,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        known = DIALECTS.get(dialect) if isinstance(dialect, str) else dialect
        spoken = known if isinstance(known, Dialect) else Dialect()
        auth = client_auth or ("client_secret_basic" if client_secret and spoken.send == "form" else "none")
        problems = [
            *([] if spoken is known else [f"dialect: {dialect!r} is unknown; say {', '.join(DIALECTS)}, or a Dialect"]),
            *url_problems("url", url, allow_insecure),
            *(url_problems("revocation_endpoint", revocation_endpoint, allow_insecure) if revocation_endpoint else ()),
            *_client_problems(auth, client_id, client_secret, spoken.send),
            *_number_problems(timeout, max_calls),
        ]
        if scope is not None and spoken.send != "form":
            problems.append(f"scope: has no place where the dialect sends {spoken.send}; leave it out")
        if ca_bundle is not None and not os.path.exists(ca_bundle):
            problems.append(f"ca_bundle: {ca_bundle!r} does not exist; give the path of a PEM file or directory")
        if problems:
            raise ConfigurationError(problems)

        self.timeout = timeout
        self.single_use = single_use
        self.old_access_token_survives = old_access_token_survives
        self.identity = (url, client_id or "")
        self._url = url
        self._dialect = spoken
        self._revocation_endpoint = revocation_endpoint
        self._auth_headers = _basic(client_id, client_secret) if auth == "client_secret_basic" else {}
        self._auth_fields = _auth_fields(auth, client_id, client_secret)
        self._scope = {"scope": scope} if scope else {}
        self._clock = clock
        self._monotonic = monotonic
        self._session = PerProcess(partial(make_session, max_calls, ca_bundle))
        # Looked up when it is made: gevent may have replaced it by then.
        self._slots = PerProcess(lambda: threading.BoundedSemaphore(max_calls))

    def __repr__(self) -> str:
        url = urlsplit(self._url)
        return f"TokenEndpoint('{url.scheme}://{url.netloc}{url.path}', client_id={self.identity[1]!r})"

    def refresh(
        self, refresh_token: str, *, timeout: float | None = None, may_send: Callable[[], bool] = _always
    ) -> Outcome:
        """Ask for new tokens (RFC 6749 6); tokens without a new refresh token keep the old one.

        ``timeout`` replaces the endpoint's. ``may_send`` is asked once, right before the first byte of the request is
        written: at False nothing is. Takes no ``slot``. What cannot be a refresh token is rejected without a call.
        """
        if not is_token(refresh_token):
            return Rejected("malformed_refresh_token")
        call = Call(self.timeout if timeout is None else timeout, may_send, self._monotonic)
        headers, body = self._request(refresh_token)
        try:
            answer = self._post(self._url, headers, body, call)
        except NotSentError:
            return Unreachable(False, "given back before it was sent")
        except FAILURES as failure:
            return Unreachable(was_sent(call, failure), describe(failure, call.timeout))
        return self._dialect.outcome(answer, refresh_token=refresh_token, now=self._clock())

    def revoke(self, refresh_token: str, *, timeout: float = 2.0) -> str | None:
        """Revoke a refresh token (RFC 7009 2.1); a short reason where that failed, None where nothing is to be done."""
        if self._revocation_endpoint is None or not is_token(refresh_token):
            return None
        fields = {"token": refresh_token, "token_type_hint": "refresh_token", **self._auth_fields}
        call = Call(timeout, _always, self._monotonic)
        try:
            headers, body = self._auth_headers | _FORM, urlencode(fields).encode()
            answer = self._post(self._revocation_endpoint, headers, body, call, reads_body=lambda status: False)
        except FAILURES as failure:
            return describe(failure, timeout)
        return None if 200 <= answer.status < 300 else f"HTTP {answer.status}"

    def read(self, mapping: Mapping[str, Any]) -> Tokens:
        """Read a token response just received, in the endpoint's dialect or in the names of RFC 6749 5.1.

        Raises TokenResponseError, which names the keys found, never values.
        """
        return read_token_response(mapping, self._dialect, self._clock())

    @contextmanager
    def slot(self, timeout: float) -> Iterator[bool]:
        """Take one of the ``max_calls`` of this process; False where none was free within ``timeout`` seconds."""
        slots = self._slots.get()
        taken = slots.acquire(timeout=max(0.0, timeout))
        try:
            yield taken
        finally:
            if taken:
                slots.release()

    def _request(self, refresh_token: str) -> tuple[dict[str, str], bytes]:
        fields = self._dialect.fields(refresh_token)
        if self._dialect.send == "form":
            return self._auth_headers | _FORM, urlencode(fields | self._scope | self._auth_fields).encode()
        if self._dialect.send == "json":
            return self._auth_headers | {"Content-Type": "application/json"}, json.dumps(fields).encode()
        return {"Authorization": f"Bearer {refresh_token}"}, b""

    def _post(
        self,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        call: Call,
        reads_body: Callable[[int], bool] = judged_by_body,
    ) -> Answer:
        with (
            calling(call),
            self._session.get().post(
                url, data=body, headers=headers, timeout=max(call.timeout, 0.001), stream=True, allow_redirects=False
            ) as response,
        ):
            return Answer(
                response.status_code,
                _body(response) if reads_body(response.status_code) else b"",
                response.headers.get("Content-Type", ""),
                _retry_after(response.headers.get("Retry-After", ""), self._clock()),
            )


def _body(response: requests.Response) -> bytes:
    """Read a body, and no more than it takes to see that it is too long."""
    body = bytearray()
    for chunk in response.iter_content(8192):
        body += chunk
        if len(body) > MAX_BODY:
            break
    return bytes(body)


def _retry_after(value: str, now: float) -> float | None:
    """Read seconds or a date (RFC 9110 10.2.3) as 0 to 3600 seconds from now."""
    try:
        seconds = float(value) if value.isascii() and value.isdigit() else None
        if seconds is None and (moment := parse_date(value)):
            seconds = moment.timestamp() - now
    except OverflowError:  # a year with more digits than a date has room for
        return None
    return None if seconds is None else min(max(seconds, 0.0), _LONGEST_PAUSE)


def _basic(client_id: str | None, client_secret: str | None) -> dict[str, str]:
    """Make the header of RFC 6749 2.3.1, which encodes as a form what RFC 7617 then joins by a colon."""
    pair = f"{quote_plus(client_id or '')}:{quote_plus(client_secret or '')}"
    return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


def _auth_fields(auth: str, client_id: str | None, client_secret: str | None) -> dict[str, str]:
    if auth == "client_secret_post":
        return {"client_id": client_id or "", "client_secret": client_secret or ""}
    return {"client_id": client_id} if auth == "none" and client_id else {}


def _client_problems(auth: str, client_id: str | None, client_secret: str | None, send: str) -> Iterator[str]:
    if auth not in CLIENT_AUTH:
        yield f"client_auth: {auth!r} is unknown; say {', '.join(CLIENT_AUTH)}"
    elif auth == "none" and client_secret:
        cure = "" if send == "bearer" else ", or say client_auth='client_secret_basic'"
        yield f"client_secret: is sent nowhere with client_auth='none'; leave it out{cure}"
    elif auth != "none" and not (client_id and client_secret):
        yield f"client_auth: {auth!r} needs both client_id and client_secret; give both, or say 'none'"
    if auth == "client_secret_post" and send != "form":
        yield f"client_auth: {auth!r} has no place where the dialect sends {send}; say 'client_secret_basic' or 'none'"
    if auth == "client_secret_basic" and send == "bearer":
        yield f"client_auth: {auth!r} and the dialect both want the Authorization header; say 'none'"


def _number_problems(timeout: float, max_calls: int) -> Iterator[str]:
    fits = isinstance(timeout, int | float) and math.isfinite(timeout) and 0 < timeout <= _LONGEST_TIMEOUT
    if not fits or isinstance(timeout, bool):
        yield f"timeout: {timeout!r} is no number of seconds from above 0 to {_LONGEST_TIMEOUT}; say for example 5"
    if not isinstance(max_calls, int) or isinstance(max_calls, bool) or max_calls < 1:
        yield f"max_calls: {max_calls!r} is no number of calls from 1 up; say for example 8"
