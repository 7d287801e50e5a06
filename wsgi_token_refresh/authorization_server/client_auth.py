"""How a client says who it is to an authorization server (RFC 6749 2.3.1), by the names of RFC 7591 2."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from urllib.parse import quote_plus

from ..arguments import is_unicode

CLIENT_AUTH = ("client_secret_basic", "client_secret_post", "none")

Secret = str | bytes | Callable[[], str | bytes]
"""A client secret, or what gives it for each request."""


class ClientSecretError(Exception):
    """The client secret could not be had just now; the message says why, and shows nothing of it."""


class ClientAuth:
    """What a client adds to a request.

    ``secret`` may be a function: what it gives counts for one request.
    """

    def __init__(self, method: str, client_id: str | None, secret: Secret | None) -> None:
        self._method = method
        self._client_id = client_id or ""
        self._secret = secret

    def headers(self) -> dict[str, str]:
        """Make the header that RFC 6749 2.3.1 encodes as a form, and RFC 7617 joins by a colon.

        Raises ClientSecretError.
        """
        if self._method != "client_secret_basic":
            return {}
        pair = f"{quote_plus(self._client_id)}:{quote_plus(self._now())}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}

    def fields(self) -> dict[str, str]:
        """Make the fields of the form; raises ClientSecretError."""
        if self._method == "client_secret_post":
            return {"client_id": self._client_id, "client_secret": self._now()}
        return {"client_id": self._client_id} if self._method == "none" and self._client_id else {}

    def _now(self) -> str:
        try:
            secret = self._secret() if callable(self._secret) else self._secret
            text = secret.decode() if isinstance(secret, bytes) else secret
        except Exception as error:  # whatever a function of somebody else's raises; its message may hold anything
            raise ClientSecretError(f"client_secret: failed by {type(error).__name__}") from None
        if not isinstance(text, str) or not text or not is_unicode(text):
            raise ClientSecretError("client_secret: its function gave no text")
        return text


def client_problems(auth: object, client_id: object, client_secret: object, send: str) -> Iterator[str]:
    """Say what is wrong with the way in which a client says who it is."""
    yield from _problems_of_values(client_id, client_secret)
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


def _problems_of_values(client_id: object, client_secret: object) -> Iterator[str]:
    if client_id is not None and not (isinstance(client_id, str) and is_unicode(client_id)):
        yield f"client_id: is no text but of type {type(client_id).__name__}; give it as registered"
    if client_secret in ("", b""):
        yield "client_secret: is empty; give the secret, or leave it out"
    elif client_secret is not None and not _is_secret(client_secret):
        yield (
            f"client_secret: is neither text nor a function that gives it but of type {type(client_secret).__name__}; "
            "give the secret"
        )


def _is_secret(value: object) -> bool:
    return callable(value) or (isinstance(value, str | bytes) and is_unicode(value))
