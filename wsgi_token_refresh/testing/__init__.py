"""A signed-in user for test clients, and an authorization server that rotates, with faults to order from it.

What is named here is loaded on first use: signed_in() wants no server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .authorization_server import RotatingAuthorizationServer
    from .sessions import signed_in

__all__ = ["RotatingAuthorizationServer", "signed_in"]

_HOMES = {"RotatingAuthorizationServer": "authorization_server", "signed_in": "sessions"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
