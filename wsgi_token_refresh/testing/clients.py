"""Client authentication at the token and the revocation endpoint (RFC 6749 2.3.1)."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import unquote_plus

from werkzeug.wrappers import Request, Response

from .answers import error, invalid_client

Clients = Mapping[str, str | None]
"""Client ids and their secrets; None for a public client, which names itself only."""


def refusal_of_client(request: Request, clients: Clients | None) -> Response | None:
    """Refuse a client that does not authenticate, or in two ways at once; None where all is well.

    Without ``clients`` any client is taken, and so is none at all.
    """
    if "Authorization" in request.headers and "client_secret" in request.form:
        return error(400, "invalid_request", "A client authenticates in one way.")
    if clients is None:
        return None
    client_id, secret = _credentials(request)
    known = client_id in clients and (clients[client_id] or "") == secret
    return None if known else invalid_client()


def _credentials(request: Request) -> tuple[str, str]:
    basic = request.authorization
    if basic is not None and basic.type == "basic":
        return unquote_plus(basic.username or ""), unquote_plus(basic.password or "")
    return request.form.get("client_id", ""), request.form.get("client_secret", "")
