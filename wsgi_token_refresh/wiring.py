"""What the middleware is made of, and whether it is wired up rightly."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from types import FrameType

from .arguments import callable_problems, span_problems, truth_problems
from .errors import ConfigurationError

LONGEST = 10 * 366 * 86_400.0
"""Seconds below which every stretch of time is."""
_MOST_WITHIN_ITSELF = 8

_MAY_BE_NONE = ("verifier", "session", "store")
_KINDS = {
    "app": ("__call__", "a WSGI application, such as app.wsgi_app of Flask"),
    "token_endpoint": ("refresh", "TokenEndpoint('https://...')"),
    "routes": ("rule_for", "Routes(protected=[...])"),
    "verifier": ("verify", "JwtVerifier(...), or None where nobody here is to trust the tokens"),
    "session": ("for_application", "TokenCookies(...), or leave it out"),
    "store": ("swap", "a store such as SqliteStore('/var/lib/app/sessions.sqlite'), or leave it out"),
}


def check_arguments(
    collaborators: Mapping[str, object],
    seconds: Mapping[str, object],
    *,
    authorization_header: object,
    clock: object,
    monotonic: object,
) -> None:
    """Raise ``ConfigurationError`` that names all that is wrong with what the middleware is made of."""
    problems = [
        *_problems_of_collaborators(collaborators),
        *span_problems(LONGEST, **seconds),
        *truth_problems("authorization_header", authorization_header),
        *callable_problems("clock", clock),
        *callable_problems("monotonic", monotonic),
    ]
    if problems:
        raise ConfigurationError([f"TokenRefreshMiddleware: {problem}" for problem in problems])


def _problems_of_collaborators(collaborators: Mapping[str, object]) -> Iterator[str]:
    """Find what is no collaborator by what it lacks; what it holds is not shown, for it may be a secret."""
    for name, value in collaborators.items():
        if not (_is_kind(name, value) or (value is None and name in _MAY_BE_NONE)):
            yield f"{name} is of type {type(value).__name__}; give {_KINDS[name][1]}"


def _is_kind(name: str, value: object) -> bool:
    """Tell whether it has what one does; a class itself is none, but may be an application (PEP 3333)."""
    return hasattr(value, _KINDS[name][0]) and (name == "app" or not isinstance(value, type))


def refuse_to_wrap_itself(middleware: object, walk: Callable[..., object]) -> None:
    """Raise ``ConfigurationError`` where the application which is wrapped leads back here.

    Looked at when it is too late only: after a ``RecursionError``. ``walk`` is what the middleware begins with.
    """
    within, code = 0, walk.__code__
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        within += frame.f_code is code and frame.f_locals.get("self") is middleware
        frame = frame.f_back
    if within > _MOST_WITHIN_ITSELF:
        raise ConfigurationError(
            "TokenRefreshMiddleware wraps an application that calls this very middleware, without an end: give it what "
            "stood there before, as in app.wsgi_app = TokenRefreshMiddleware(app.wsgi_app, ...), and not app itself"
        )
