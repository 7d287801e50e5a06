"""A browser with a jar of cookies, as far as the storm needs one."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection
from urllib.parse import urlsplit

from werkzeug.http import parse_cookie

from wsgi_token_refresh.tokens import token_times


@dataclass(frozen=True)
class Answer:
    """A status, the cookies that came with it, and the seconds that it took."""

    status: int
    cookies: Sequence[str]
    seconds: float


class Browser:
    """Keeps the cookies of one site, and can send several requests with the same ones."""

    def __init__(self, url: str) -> None:
        self._host = urlsplit(url).netloc
        self._jar: dict[str, tuple[str, float]] = {}

    def get(self, path: str) -> Answer:
        """Send one request, and keep the cookies of its answer."""
        return self.get_at_once(path, 1)[0]

    def get_at_once(self, path: str, times: int) -> list[Answer]:
        """Send requests that all start at one moment; their cookies are kept in the order of the answers."""
        header, start, keep = self._header(), threading.Barrier(times), threading.Lock()

        def get(_number: int) -> Answer:
            with closing(HTTPConnection(self._host, timeout=30)) as connection:
                connection.connect()
                start.wait(timeout=30)
                began = time.monotonic()
                connection.request("GET", path, headers={"Cookie": header, "Connection": "close"})
                response = connection.getresponse()
                response.read()
                answer = Answer(response.status, response.headers.get_all("Set-Cookie") or [], time.monotonic() - began)
                with keep:
                    self._keep(answer)
                return answer

        with ThreadPoolExecutor(times) as threads:
            return list(threads.map(get, range(times)))

    def wait_for_expiry(self) -> None:
        """Wait until the access token, as far as there is one, has expired; its cookie is gone by then."""
        value, _ = self._jar.get("access_token", ("", 0.0))
        expires_at, _ = token_times(value)
        time.sleep(max(0.0, (expires_at or 0.0) - time.time()) + 0.01)

    def _header(self) -> str:
        now = time.monotonic()
        return "; ".join(f"{name}={value}" for name, (value, dropped_at) in self._jar.items() if dropped_at > now)

    def _keep(self, answer: Answer) -> None:
        for cookie in answer.cookies:
            name = cookie.partition("=")[0]
            attributes = parse_cookie(cookie)
            self._jar[name] = attributes[name], time.monotonic() + int(attributes.get("Max-Age", 86400))
