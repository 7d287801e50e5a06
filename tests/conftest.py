"""``--many``: a hundred thousand generated examples for each property instead of three hundred."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    # The same examples in every run, so that a run that passes here passes everywhere.
    "few",
    max_examples=300,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("many", settings.get_profile("few"), max_examples=100_000, derandomize=False)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--many", action="store_true", help="try 100,000 generated examples of each property, not 300")


def pytest_configure(config: pytest.Config) -> None:
    settings.load_profile("many" if config.getoption("--many") else "few")
