"""How a refresh is asked for and answered: RFC 6749 6, and what is found in its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from werkzeug.wrappers import Request, Response

from .answers import json_answer

_Answer = tuple[int, Mapping[str, Any]]


def json_object(request: Request) -> dict[str, Any]:
    """Read the JSON object of a request; an empty one where there is none."""
    body = request.get_json(force=True, silent=True)
    return body if isinstance(body, dict) else {}


@dataclass(frozen=True, slots=True)
class Dialect:
    """The words of one kind of authorization server; ``presented`` reads the refresh token of a request."""

    presented: Callable[[Request], str | None]
    access_token: str = "access_token"  # noqa: S105
    refresh_token: str = "refresh_token"  # noqa: S105
    expires_in: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    refused: _Answer = (400, {"error": "invalid_grant", "error_description": "The refresh token is not valid."})
    missing: _Answer = (400, {"error": "invalid_request", "error_description": "There is no refresh token."})

    def token_response(self, access_token: str, refresh_token: str | None, expires_in: float) -> dict[str, Any]:
        """Write a token response (RFC 6749 5.1); ``expires_in`` in seconds."""
        answer = {self.access_token: access_token, **self.extra}
        if self.expires_in is not None:
            answer[self.expires_in] = expires_in
        if refresh_token is not None:
            answer[self.refresh_token] = refresh_token
        return answer

    def invalid_grant(self) -> Response:
        """Refuse a refresh token (RFC 6749 5.2)."""
        status, body = self.refused
        return json_answer(body, status)

    def invalid_request(self) -> Response:
        """Refuse a request without a refresh token (RFC 6749 5.2)."""
        status, body = self.missing
        return json_answer(body, status)


def _member(name: str) -> Callable[[Request], str | None]:
    def presented(request: Request) -> str | None:
        value = json_object(request).get(name)
        return value if isinstance(value, str) and value else None

    return presented


def _form(request: Request) -> str | None:
    return request.form.get("refresh_token") or None


def _bearer(request: Request) -> str | None:
    authorization = request.authorization
    return authorization.token if authorization is not None and authorization.type == "bearer" else None


DIALECTS: Mapping[str, Dialect] = {
    "oauth2": Dialect(_form, expires_in="expires_in", extra={"token_type": "Bearer"}),
    "simplejwt": Dialect(
        _member("refresh"),
        access_token="access",  # noqa: S106
        refresh_token="refresh",  # noqa: S106
        refused=(401, {"detail": "Token is blacklisted", "code": "token_not_valid"}),
        missing=(400, {"refresh": ["This field is required."]}),
    ),
    "camel": Dialect(
        _member("refreshToken"),
        access_token="accessToken",  # noqa: S106
        refresh_token="refreshToken",  # noqa: S106
        expires_in="expiresIn",
        refused=(401, {"error": "invalid_grant", "message": "The refresh token is not valid."}),
    ),
    "bearer": Dialect(
        _bearer,
        refused=(401, {"msg": "Token has been revoked"}),
        missing=(401, {"msg": "Missing Authorization Header"}),
    ),
}
"""RFC 6749, djangorestframework-simplejwt, home-grown JSON in camelCase, and flask-jwt-extended."""
