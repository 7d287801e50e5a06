"""Fixtures for pytest, which loads this module in every run: what they need is imported when they are used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .authorization_server import ServedAuthorizationServer


@pytest.fixture
def rotating_authorization_server() -> Iterator[ServedAuthorizationServer]:
    """An authorization server on a free port of 127.0.0.1, served by threads of this process."""
    from .authorization_server import RotatingAuthorizationServer  # noqa: PLC0415

    with RotatingAuthorizationServer().serve() as served:
        yield served
