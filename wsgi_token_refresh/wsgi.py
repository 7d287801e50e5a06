"""The PEP 3333 edge: reading requests, wrapping ``start_response``, and the answers that are ours."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote, urlsplit

from .cookies import cookie_name
from .decision import Redirect, Refuse, Request
from .paths import has_control_characters, safe_next

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

Headers = list[tuple[str, str]]

SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS"))
_SUBRESOURCES = frozenset(("image", "style", "script", "font"))
_MOST_DRAINED = 65_536
_CODE = re.compile(r"[A-Za-z_]+\Z")
_NEXT = re.compile(r"(?:^|&)next=")
_QUERY = "/?:@!$&'()*+,;=~-._%"
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>One moment</title>
<h1>One moment, please</h1>
<p>We cannot renew your session just now. Nobody has signed you out.</p>
<p>{next}</p>
</html>
"""
_AGAIN = 'This page tries again in {seconds} seconds, or <a href="">try now</a>.'
_BACK = "What you have sent was not taken. Go back in {seconds} seconds, and send it again."


def read_request(environ: WSGIEnvironment, is_trusted: Callable[[str], bool]) -> Request:
    """Read what a decision depends on (Fetch Metadata; RFC 6454 for ``Origin``)."""
    method = environ.get("REQUEST_METHOD", "GET")
    navigation = is_navigation(environ)
    websocket = environ.get("HTTP_UPGRADE", "").lower() == "websocket"
    return Request(
        method=method,
        navigation=navigation,
        prefetch="prefetch" in f"{environ.get('HTTP_SEC_PURPOSE')} {environ.get('HTTP_PURPOSE')}",
        cross_site=(method not in SAFE_METHODS or websocket) and is_cross_site(environ, is_trusted),
        preflight=method == "OPTIONS" and "HTTP_ORIGIN" in environ and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ,
        websocket=websocket,
        subresource=environ.get("HTTP_SEC_FETCH_DEST", "") in _SUBRESOURCES,
        has_next=_NEXT.search(environ.get("QUERY_STRING", "")) is not None,
        malformed=has_control_characters(environ.get("PATH_INFO", "")),
    )


def is_navigation(environ: WSGIEnvironment) -> bool:
    """Tell a page load from a fetch: ``Sec-Fetch-Mode`` decides where it is sent."""
    mode = environ.get("HTTP_SEC_FETCH_MODE")
    if mode is not None:
        return bool(mode == "navigate")
    if environ.get("HTTP_X_REQUESTED_WITH", "").lower() == "xmlhttprequest":
        return False
    return "text/html" in environ.get("HTTP_ACCEPT", "")


def is_cross_site(environ: WSGIEnvironment, is_trusted: Callable[[str], bool]) -> bool:
    """Tell whether another site sent this request, by ``Sec-Fetch-Site``, else by ``Origin`` and ``Host``."""
    origin, site = environ.get("HTTP_ORIGIN"), environ.get("HTTP_SEC_FETCH_SITE")
    if origin is not None and is_trusted(origin):
        return False
    if site is not None:
        return site in ("cross-site", "same-site")
    return origin is not None and _host_of(origin) != _host(environ)


class Carried(Protocol):
    """What a response may have to carry."""

    has_changed: bool

    def cookies(self) -> Sequence[str]:
        """Decide the ``Set-Cookie`` values."""


def with_cookies(start_response: StartResponse, carried: Carried) -> StartResponse:
    """Append cookies as they are at the moment when the response is decided, on each call."""
    return partial(_start, start_response, carried)


def _start(
    start_response: StartResponse, carried: Carried, status: str, headers: Headers, exc_info: Any = None
) -> Callable[[bytes], object]:
    if carried.has_changed and (added := carried.cookies()):
        headers = with_set_cookie(headers, added)
    return start_response(status, headers) if exc_info is None else start_response(status, headers, exc_info)


def with_set_cookie(headers: Headers, cookies: Sequence[str]) -> Headers:
    """Make new headers with these cookies, less the ones that the application sets itself; never cached."""
    own = {cookie_name(value) for name, value in headers if name.lower() == "set-cookie"}
    added = [("Set-Cookie", value) for value in cookies if cookie_name(value) not in own]
    if not added:
        return headers
    vary = ", ".join(value for name, value in headers if name.lower() == "vary")
    listed = {each.strip().lower() for each in vary.split(",")}
    if "cookie" not in listed and "*" not in listed:
        vary = f"{vary}, Cookie" if vary else "Cookie"
    kept = [(name, value) for name, value in headers if not _is_about_caching(name.lower())]
    return [*kept, ("Cache-Control", "no-store"), ("Vary", vary), *added]


def _is_about_caching(name: str) -> bool:
    # Caches of a kind obey their own header before Cache-Control (RFC 9213).
    return name in ("vary", "surrogate-control") or name.endswith("cache-control")


def redirect(
    environ: WSGIEnvironment, start_response: StartResponse, decision: Redirect, url: str, cookies: Sequence[str]
) -> Iterable[bytes]:
    """Answer 303 to a local path, with ``next`` where the request can be repeated."""
    root = quote(environ.get("SCRIPT_NAME", "").encode("latin-1", "replace"))
    location = root + quote(url, safe="/%:@!$&'()*+,;=~-._")
    if decision.with_next:
        back = return_path(environ)
        location += "" if back is None else "?next=" + quote(back, safe="/")
    headers = [("Location", location), ("Content-Type", "text/plain; charset=utf-8")]
    return _answer(environ, start_response, 303, headers, cookies=cookies)


def refuse(
    environ: WSGIEnvironment,
    start_response: StartResponse,
    decision: Refuse,
    *,
    navigation: bool,
    cookies: Sequence[str] = (),
) -> Iterable[bytes]:
    """Answer with a problem (RFC 9457), or with a page where a person waits for one."""
    if decision.status == HTTPStatus.NO_CONTENT:
        return _answer(environ, start_response, decision.status, [], cookies=cookies)
    headers: Headers = []
    if decision.status == HTTPStatus.UNAUTHORIZED:
        headers.append(("WWW-Authenticate", "Bearer"))
    seconds = max(1, math.ceil(decision.retry_after or 2.0))
    if decision.status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers.append(("Retry-After", str(seconds)))
        if navigation:
            headers.append(("Content-Type", "text/html; charset=utf-8"))
            safe = environ.get("REQUEST_METHOD") in SAFE_METHODS
            # A browser repeats any request as a GET here, and what was sent by a form would be lost.
            headers += [("Refresh", str(seconds))] if safe else []
            page = _PAGE.format(next=(_AGAIN if safe else _BACK).format(seconds=seconds)).encode()
            return _answer(environ, start_response, 503, headers, body=page, cookies=cookies)
    # Codes are for clients; what is said in a sentence may speak of our configuration, and is for the log.
    reason = decision.reason if _CODE.match(decision.reason) else "unavailable"
    problem = {"title": HTTPStatus(decision.status).phrase, "status": decision.status, "reason": reason}
    headers.append(("Content-Type", "application/problem+json"))
    body = json.dumps(problem).encode()
    return _answer(environ, start_response, decision.status, headers, body=body, cookies=cookies)


def return_path(environ: WSGIEnvironment) -> str | None:
    """Write down the path that a request asked for, quoted; None where it is no safe place to return to."""
    path = (environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")).encode("latin-1", "replace")
    query = environ.get("QUERY_STRING", "").encode("latin-1", "replace")
    back = quote(path, safe="/:@!$&'()*+,=~-._") + (f"?{quote(query, safe=_QUERY)}" if query else "")
    return safe_next(back, "") or None


def _answer(
    environ: WSGIEnvironment,
    start_response: StartResponse,
    status: int,
    headers: Headers,
    *,
    body: bytes = b"",
    cookies: Sequence[str] = (),
) -> Iterable[bytes]:
    _drain(environ)
    if status != HTTPStatus.NO_CONTENT:
        headers = [*headers, ("Content-Length", str(len(body)))]
    headers = [*headers, ("Cache-Control", "no-store"), ("Vary", "Cookie")]
    headers += [("Set-Cookie", cookie) for cookie in cookies]
    start_response(f"{status} {HTTPStatus(status).phrase}", headers)
    return [body] if body and environ.get("REQUEST_METHOD") != "HEAD" else []


def _drain(environ: WSGIEnvironment) -> None:
    """Read a small declared body to its end: some servers reset the connection over what is left unread."""
    try:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        if 0 < length <= _MOST_DRAINED:
            environ["wsgi.input"].read(length)
    except (ValueError, OSError):
        return


def _host_of(origin: str) -> str | None:
    try:
        return _without_default_port(urlsplit(origin).netloc)
    except ValueError:
        return None


def _host(environ: WSGIEnvironment) -> str:
    host = environ.get("HTTP_HOST") or f"{environ.get('SERVER_NAME', '')}:{environ.get('SERVER_PORT', '')}"
    return _without_default_port(host)


def _without_default_port(host: str) -> str:
    # Behind a proxy the scheme of the request is not known, so neither default port tells two hosts apart.
    return host.lower().removesuffix(":80").removesuffix(":443")
