"""How much work something is, where a clock would tell a slow day instead."""

from __future__ import annotations

import sys
from collections.abc import Callable


def calls_of(act: Callable[[], object]) -> int:
    """Count the calls that something takes, of Python and of C."""
    seen: list[str] = []
    sys.setprofile(lambda frame, event, called: seen.append(event) if event.endswith("call") else None)
    try:
        act()
    finally:
        sys.setprofile(None)
    return len(seen)
