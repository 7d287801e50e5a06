"""What is wrong with the claims of a token that is signed: each check says what was held and what was wanted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..tokens import numeric_date
from .jws import shown


def wrong_expiry(claims: Mapping[str, Any]) -> str | None:
    """Say what is wrong with ``exp``, which must be there; whether it has passed is for others to judge."""
    exp = claims.get("exp")
    if numeric_date(exp) is not None:
        return None
    return "exp: missing" if exp is None else f"exp: holds {shown(exp)}, wanted seconds since 1970"


def wrong_start(claims: Mapping[str, Any], latest: float) -> str | None:
    """Say what is wrong with ``nbf``."""
    nbf = claims.get("nbf")
    # 0 is no plausible moment, but what old Keycloaks write.
    if nbf is None or (isinstance(nbf, int | float) and nbf <= latest):
        return None
    return f"nbf: holds {shown(nbf)}, wanted at most {latest:.0f} (now and leeway)"


def wrong_audience(claims: Mapping[str, Any], wanted: tuple[str, ...] | None) -> str | None:
    """Say what is wrong with ``aud``, where somebody asks."""
    if wanted is None:
        return None
    aud = claims.get("aud")
    if any(isinstance(one, str) and one in wanted for one in (aud if isinstance(aud, list) else [aud])):
        return None
    return _unwanted("aud", aud, wanted)


def wrong_issuer(claims: Mapping[str, Any], wanted: tuple[str, ...] | None) -> str | None:
    """Say what is wrong with ``iss``, where somebody asks."""
    iss = claims.get("iss")
    if wanted is None or (isinstance(iss, str) and iss in wanted):
        return None
    return _unwanted("iss", iss, wanted)


def _unwanted(claim: str, held: object, wanted: Sequence[str]) -> str:
    holds = "missing" if held is None else f"holds {shown(held)}"
    return f"{claim}: {holds}, wanted {shown(wanted[0]) if len(wanted) == 1 else 'one of ' + shown(wanted)}"
