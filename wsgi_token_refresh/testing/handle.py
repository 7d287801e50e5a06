"""A handle on an authorization server that is being served, in this process or in another."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import closing
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit


class AuthorizationServerHandle:
    """The URLs of a rotating authorization server, and its methods over HTTP; what they refuse is a ValueError.

    It goes through no HTTP library that a test may have patched.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.token_endpoint = f"{url}/token"
        self.jwks_url = f"{url}/jwks.json"
        self.revocation_endpoint = f"{url}/revoke"

    def login(self, username: str = "ada", password: str = "lovelace") -> dict[str, Any]:  # noqa: S107
        """Sign in and get the token response; wrong names and passwords are a ValueError."""
        return self._ask("POST", "/login", {"username": username, "password": password})

    def fault(self, name: str, times: int = 1, *, seconds: float | None = None) -> None:
        """Order a fault (see :mod:`wsgi_token_refresh.testing.faults`) for the next refresh requests that have none."""
        self._ask("POST", "/fault", {"name": name, "times": times, "seconds": seconds})

    def set(self, **changes: Any) -> None:
        """Change ``delay``, ``access_lifetime``, ``rotate``, ``reuse``, or be ``down``."""
        self._ask("POST", "/set", changes)

    def counts(self) -> dict[str, Any]:
        """Count what happened: see :meth:`RotatingAuthorizationServer.counts`."""
        return self._ask("GET", "/counts")

    def reset(self) -> None:
        """Forget sign-ins, counts, faults and changed settings; the keys stay."""
        self._ask("POST", "/reset")

    def release(self) -> None:
        """Let everything that waits at this moment go on at once."""
        self._ask("POST", "/release")

    def rotate_keys(self) -> None:
        """Sign with a new key under a new ``kid``; the old keys stay published."""
        self._ask("POST", "/rotate-keys")

    def _ask(self, method: str, path: str, arguments: Mapping[str, Any] | None = None) -> dict[str, Any]:
        with closing(HTTPConnection(urlsplit(self.url).netloc, timeout=10)) as connection:
            connection.request(method, path, json.dumps(arguments or {}))
            response = connection.getresponse()
            answer: dict[str, Any] = json.loads(response.read())
        if response.status != 200:
            raise ValueError(answer.get("error_description", answer))
        return answer
