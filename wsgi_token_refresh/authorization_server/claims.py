"""What is wrong with the claims of a token that is signed: each check says what was held and what was wanted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..tokens import numeric_date
from .jws import shown

_KIND_CLAIMS = ("token_type", "token_use", "typ", "type")
_OTHER_KINDS = ("refresh", "offline", "id", "logout", "serializedid", "initialaccess", "registrationaccess")
_HASHES = ("at_hash", "c_hash", "s_hash")
_GRANTS = ("scope", "scp", "client_id")


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


def wrong_kind(typ: str, claims: Mapping[str, Any], *, id_tokens: bool = False) -> str | None:
    """Refuse what is signed by the same key and is no access token, by its own marks (RFC 8725 3.11, 3.12).

    ``typ`` is that of the header, in lower case (RFC 9068 2.1). ID tokens often have no mark that is meant as one: what
    only they hold counts unless ``id_tokens``, where an audience tells them apart.
    """
    return _other_type(typ) or _other_word(claims) or _other_shape(claims) or (None if id_tokens else _hashes(claims))


def _other_type(typ: str) -> str | None:
    """Refuse another explicit type: ``logout+jwt``, ``dpop+jwt``, ``secevent+jwt`` and all that are like them."""
    name = typ.removeprefix("application/")
    explicit = name.endswith("jwt") and "+" in name and not name.startswith("at+") and "access" not in name
    return f"typ: the header holds {shown(typ)}, wanted an access token" if explicit or _is_other(name) else None


def _other_word(claims: Mapping[str, Any]) -> str | None:
    for name in _KIND_CLAIMS:
        kind = claims.get(name)
        if isinstance(kind, str) and _is_other(kind) and not (name == "type" and kind.lower() in ("id", "offline")):
            return f"{name}: holds {shown(kind)}, wanted an access token"
    return None


def _is_other(kind: str) -> bool:
    plain = "".join(filter(str.isalpha, kind.lower()))
    return plain.removesuffix("token") in _OTHER_KINDS


def _other_shape(claims: Mapping[str, Any]) -> str | None:
    """Refuse what only one kind of token holds, as far as its own standard says so."""
    held = {name for name, value in claims.items() if value is not None}
    shapes = {
        "events: there is one": _are_events(claims.get("events")),
        "htm and htu: it is a DPoP proof": {"htm", "htu"} <= held,
        "token_introspection: it is the answer of an introspection": "token_introspection" in held,
        "code and state: it is the answer of an authorization": {"code", "state"} <= held,
        "error and state: it is the answer of an authorization": {"error", "state"} <= held and "sub" not in held,
        "response_type: it is the request of an authorization": "response_type" in held
        and bool({"redirect_uri", "client_id"} & held),
        "iss and sub: are the same, it is a client's assertion": _is_of_the_issuer(claims),
        "ati: it is the refresh token beside that access token": "ati" in held,
    }
    return next((f"{shape}, wanted an access token" for shape, found in shapes.items() if found), None)


def _are_events(value: object) -> bool:
    """Tell whether a claim holds events as logout tokens and security event tokens do (RFC 8417 2.2)."""
    return isinstance(value, Mapping) and any(":" in name for name in value)


def _is_of_the_issuer(claims: Mapping[str, Any]) -> bool:
    """Tell whether a client speaks of itself (RFC 7523 3)."""
    issuer = claims.get("iss")
    return isinstance(issuer, str) and issuer == claims.get("sub")


def _hashes(claims: Mapping[str, Any]) -> str | None:
    named = [name for name in _HASHES if isinstance(claims.get(name), str)]
    if not named or any(claims.get(name) is not None for name in _GRANTS):
        return None
    return f"{named[0]}: only ID tokens hold it, wanted an access token"
