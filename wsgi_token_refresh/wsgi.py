"""The PEP 3333 edge: reading requests, wrapping ``start_response``, and the answers that are ours."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from html import escape
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from werkzeug.wsgi import ClosingIterator

from .draining import drain
from .policy.answers import is_answer_of_a_provider, query_to_return_with
from .policy.decision import Redirect, Refuse, Request
from .policy.origins import is_other_site
from .policy.paths import LONGEST_NEXT, is_malformed, is_too_long, safe_next
from .sessions.cookies import cookie_name

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

Headers = list[tuple[str, str]]

SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS"))
_SUBRESOURCES = frozenset(("image", "style", "script", "font"))
_CODE = re.compile(r"[A-Za-z_]+\Z")
_NEXT = re.compile(r"(?:^|&)next=")
# The path at which Pyramid's traversal begins, and any client can send it.
VIRTUAL_ROOT = "HTTP_X_VHM_ROOT"
_QUERY = "/?:@!$&'()*+,;=~-._%"
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>One moment</title>
<h1>One moment, please</h1>
<p>We cannot renew your session just now. Nobody has signed you out.</p>
<p>{next}</p>{way_out}
</html>
"""
_AGAIN = 'This page tries again in {seconds} seconds, or <a href="">try now</a>.'
_WAY_OUT = """
<p>This has been so for a while. You can also <a href="{url}">sign in again</a>.</p>"""
_BACK = "What you have sent was not taken. Go back in {seconds} seconds, and send it again."


def read_request(environ: WSGIEnvironment, is_trusted: Callable[[str], bool]) -> Request:
    """Read what a decision depends on (Fetch Metadata; RFC 6454 for ``Origin``)."""
    method = environ.get("REQUEST_METHOD", "GET")
    navigation = is_navigation(environ)
    websocket = "websocket" in environ.get("HTTP_UPGRADE", "").lower()
    query, paths = environ.get("QUERY_STRING", ""), paths_of(environ)
    whole = environ.get("SCRIPT_NAME", "") + paths[0]
    return Request(
        method=method,
        navigation=navigation,
        prefetch="prefetch" in f"{environ.get('HTTP_SEC_PURPOSE')} {environ.get('HTTP_PURPOSE')}",
        cross_site=(method not in SAFE_METHODS or websocket) and is_cross_site(environ, is_trusted),
        preflight=method == "OPTIONS" and "HTTP_ORIGIN" in environ and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ,
        websocket=websocket,
        subresource=environ.get("HTTP_SEC_FETCH_DEST", "") in _SUBRESOURCES,
        has_next=_NEXT.search(query) is not None,
        malformed=any(map(is_malformed, (*paths, whole))),
        too_long=any(map(is_too_long, (*paths, whole))),
        callback=method == "GET" and is_answer_of_a_provider(query),
    )


def paths_of(environ: WSGIEnvironment) -> tuple[str, ...]:
    """Give the ``PATH_INFO``, and that below the root that Pyramid's traversal takes where a request names one."""
    path, root = environ.get("PATH_INFO", ""), environ.get(VIRTUAL_ROOT)
    return (path,) if root is None else (path, f"{root}/{path}")


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
    return is_other_site(site, origin, _host(environ))


class Carried(Protocol):
    """What a response may have to carry; ``ends_by_length`` is what the response said of its end."""

    has_changed: bool
    ends_by_length: bool

    def cookies(self) -> Sequence[str]:
        """Decide the ``Set-Cookie`` values."""


def with_cookies(start_response: StartResponse, carried: Carried) -> StartResponse:
    """Append cookies as they are at the moment when the response is decided, on each call."""
    return partial(_start, start_response, carried)


def _start(
    start_response: StartResponse, carried: Carried, status: str, headers: Headers, exc_info: Any = None
) -> Callable[[bytes], object]:
    set_cookie: Sequence[str] = ()
    if carried.has_changed:
        set_cookie = carried.cookies()
        carried.ends_by_length = any(name.lower() == "content-length" for name, _ in headers)
    more = () if exc_info is None else (exc_info,)
    return start_response(status, with_set_cookie(headers, set_cookie) if set_cookie else headers, *more)


def closing(answer: Iterable[bytes], finish: Callable[[], None], between: Callable[[], None]) -> Iterable[bytes]:
    """Let ``between`` be called before each block, and ``finish`` once all has gone out (PEP 3333, ``close``)."""

    def blocks() -> Iterator[bytes]:
        for block in answer:
            between()
            yield block

    return ClosingIterator(blocks(), [*([answer.close] if hasattr(answer, "close") else []), finish])


def with_set_cookie(headers: Headers, set_cookie: Sequence[str]) -> Headers:
    """Make new headers with these cookies, less the ones that the application sets itself; never cached."""
    own = {cookie_name(value) for name, value in headers if name.lower() == "set-cookie"}
    added = [("Set-Cookie", value) for value in set_cookie if cookie_name(value) not in own]
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
    environ: WSGIEnvironment, start_response: StartResponse, decision: Redirect, url: str, set_cookie: Sequence[str]
) -> Iterable[bytes]:
    """Answer 303 to a local path, with ``next`` where the request can be repeated."""
    headers = [
        ("Location", _location(environ, url, with_next=decision.with_next)),
        ("Content-Type", "text/plain; charset=utf-8"),
    ]
    return _answer(environ, start_response, 303, headers, set_cookie=set_cookie)


def _location(environ: WSGIEnvironment, url: str, *, with_next: bool) -> str:
    root = quote(_root(environ).encode("latin-1", "replace"))
    back = return_path(environ) if with_next else None
    location = root + quote(url, safe="/%:@!$&'()*+,;=~-._")
    return location if back is None else location + "?next=" + quote(back, safe="/")


def refuse(
    environ: WSGIEnvironment,
    start_response: StartResponse,
    decision: Refuse,
    *,
    navigation: bool,
    login_url: str | None = None,
    set_cookie: Sequence[str] = (),
) -> Iterable[bytes]:
    """Answer with a problem (RFC 9457), or with a page where a person waits for one.

    The page links to ``login_url`` where one is given; nothing leads there by itself.
    """
    if decision.status == HTTPStatus.NO_CONTENT:
        return _answer(environ, start_response, decision.status, [], set_cookie=set_cookie)
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
            way_out = login_url and _WAY_OUT.format(url=escape(_location(environ, login_url, with_next=safe)))
            again = (_AGAIN if safe else _BACK).format(seconds=seconds)
            page = _PAGE.format(next=again, way_out=way_out or "").encode()
            return _answer(environ, start_response, 503, headers, body=page, set_cookie=set_cookie)
    # Codes are for clients; what is said in a sentence may speak of our configuration, and is for the log.
    reason = decision.reason if _CODE.match(decision.reason) else "unavailable"
    problem = {"title": HTTPStatus(decision.status).phrase, "status": decision.status, "reason": reason}
    headers.append(("Content-Type", "application/problem+json"))
    body = json.dumps(problem).encode()
    return _answer(environ, start_response, decision.status, headers, body=body, set_cookie=set_cookie)


def return_path(environ: WSGIEnvironment) -> str | None:
    """Write down the path that a request asked for, quoted; None where it is no safe place to return to.

    A query that is too long for ``next``, or has what no ``next`` may have, is left out.
    """
    path, query = _root(environ) + environ.get("PATH_INFO", ""), environ.get("QUERY_STRING", "")
    kept = query_to_return_with(path, query) if len(query) < LONGEST_NEXT else ""
    if kept is None:
        return None
    back = quote(path.encode("latin-1", "replace"), safe="/:@!$&'()*+,=~-._")
    query = quote(kept.encode("latin-1", "replace"), safe=_QUERY)
    return safe_next(f"{back}?{query}" if query else back, "") or safe_next(back, "") or None


def _root(environ: WSGIEnvironment) -> str:
    """Give the ``SCRIPT_NAME`` as a local path: some proxies name ``/`` there, and some let clients name ``//host``."""
    inner = environ.get("SCRIPT_NAME", "").strip("/\\")
    return f"/{inner}" if inner else ""


def _answer(
    environ: WSGIEnvironment,
    start_response: StartResponse,
    status: int,
    headers: Headers,
    *,
    body: bytes = b"",
    set_cookie: Sequence[str] = (),
) -> Iterable[bytes]:
    drain(environ)
    if status != HTTPStatus.NO_CONTENT:
        headers = [*headers, ("Content-Length", str(len(body)))]
    headers = [*headers, ("Cache-Control", "no-store"), ("Vary", "Cookie")]
    start_response(f"{status} {HTTPStatus(status).phrase}", [*headers, *(("Set-Cookie", each) for each in set_cookie)])
    # One empty block and not none: there are servers that begin a response with its first block.
    return [b"" if environ.get("REQUEST_METHOD") == "HEAD" else body]


def _host(environ: WSGIEnvironment) -> str:
    return environ.get("HTTP_HOST") or f"{environ.get('SERVER_NAME', '')}:{environ.get('SERVER_PORT', '')}"
