"""What can be changed while the authorization server runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from .families import REUSE


@dataclass(frozen=True, slots=True)
class Settings:
    """How refreshes are answered; times are in seconds, values that cannot be are a ValueError."""

    access_lifetime: float = 300
    rotate: bool = True
    reuse: str = "revoke"
    delay: float = 0.0
    down: bool = False

    def __post_init__(self) -> None:
        problems = [
            f"{name} is {wanted}, not {getattr(self, name)!r}"
            for name, (wanted, fits) in _CHECKS.items()
            if not fits(getattr(self, name))
        ]
        if problems:
            raise ValueError("; ".join(problems))

    def changed(self, changes: Mapping[str, Any]) -> Settings:
        """Change some of them; an unknown name is a ValueError that lists the names."""
        names = [field.name for field in fields(self)]
        if unknown := [name for name in changes if name not in names]:
            raise ValueError(f"there is no setting {', '.join(unknown)}; there are: {', '.join(names)}")
        return replace(self, **changes)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


_TRUTH: tuple[str, Callable[[Any], bool]] = ("true or false", lambda value: isinstance(value, bool))

_CHECKS: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "access_lifetime": ("a number above 0", lambda value: _is_number(value) and value > 0),
    "rotate": _TRUTH,
    "reuse": (f"one of {', '.join(REUSE)}", lambda value: value in REUSE),
    "delay": ("a number from 0", lambda value: _is_number(value) and value >= 0),
    "down": _TRUTH,
}
