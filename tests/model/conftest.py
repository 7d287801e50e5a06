"""The model runs the middleware some hundred thousand times: what it would log is of no use here."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.getLogger("wsgi_token_refresh").setLevel(logging.CRITICAL)
    yield
    logging.getLogger("wsgi_token_refresh").setLevel(logging.NOTSET)
