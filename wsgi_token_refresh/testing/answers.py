"""JSON answers, which nobody may keep (RFC 6749 5.1, 5.2)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from werkzeug.wrappers import Response

_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


def json_answer(body: Mapping[str, Any], status: int = 200) -> Response:
    """Answer with a JSON object."""
    return Response(json.dumps(body), status, _NO_STORE, mimetype="application/json")


def error(status: int, code: str, description: str | None = None) -> Response:
    """Answer with an error (RFC 6749 5.2)."""
    described = {} if description is None else {"error_description": description}
    return json_answer({"error": code, **described}, status)


def invalid_client() -> Response:
    """Answer to a client that did not authenticate, or not well (RFC 6749 5.2)."""
    response = error(401, "invalid_client")
    response.headers["WWW-Authenticate"] = 'Basic realm="token endpoint"'
    return response
