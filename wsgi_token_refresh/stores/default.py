"""The store that is taken where none is named."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable

from ..errors import ConfigurationError
from .memory import MemoryStore
from .protocol import Store
from .sqlite import SqliteStore

_SIGNS_OF_MANY_HOSTS = (
    "KUBERNETES_SERVICE_HOST",
    "AWS_LAMBDA_FUNCTION_NAME",
    "ECS_CONTAINER_METADATA_URI_V4",
    "K_SERVICE",
    "FUNCTIONS_WORKER_RUNTIME",
    "WEBSITE_INSTANCE_ID",
    "DYNO",
    "FLY_ALLOC_ID",
)

log = logging.getLogger("wsgi_token_refresh")


def default_store(*, clock: Callable[[], float] = time.time) -> Store:
    """Make a ``SqliteStore`` in this user's own directory, or a ``MemoryStore`` and a warning where that cannot be."""
    sign = next((name for name in _SIGNS_OF_MANY_HOSTS if name in os.environ), None)
    if sign is not None:
        log.warning(
            "%s is set, so there may be several hosts, and the default store is shared by the workers of one only: "
            "two hosts that refresh one session log its user out. Name a store that they share (RedisStore), or keep "
            "each session on one host (sticky sessions) and name the store to end this warning",
            sign,
        )
    try:
        return SqliteStore(clock=clock)
    except ConfigurationError as error:
        log.warning("%s. Until then each worker is on its own: run one worker only", error)
        return MemoryStore(clock=clock)
