"""Signed tokens in their compact form (RFC 7515 7.1), taken apart and verified one signature at a time.

PyJWT knows the algorithms. Which forms of a token it takes differs between its versions, and nobody is to be logged out
by an upgrade: padding, which some load balancers write, is let through here, and null members are absent.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from jwt.algorithms import AllowedPublicKeys

from ..tokens import LONGEST_JWT

_ED: Mapping[str, Any] = MappingProxyType({"Ed25519": Ed25519PublicKey, "Ed448": Ed448PublicKey})
_EDDSA = ("EdDSA", *_ED)
_KNOWN = sorted(name for name in jwt.PyJWS().get_algorithms() if name.startswith(("HS", "RS", "PS", "ES", "Ed")))

ALGORITHMS = (*(name for name in _KNOWN if name not in _ED), *_ED)
"""Every algorithm that can verify; ``none`` cannot. ``Ed25519`` and ``Ed448`` are names of RFC 9864 for ``EdDSA``."""

PublicKey = AllowedPublicKeys | bytes


class TokenError(Exception):
    """A token that is not what is wanted; the message says why, printable and short whatever the token holds."""


@dataclass(frozen=True, slots=True)
class Jws:
    """A token taken apart, with nothing of it verified; ``typ`` is its type in lower case (RFC 7515 4.1.9)."""

    alg: str
    kid: str | None
    typ: str
    signed: bytes = field(repr=False)
    payload: bytes = field(repr=False)
    signature: bytes = field(repr=False)

    def is_signed_by(self, key: PublicKey) -> bool:
        """Tell whether a key made the signature; the key must fit the algorithm."""
        return bool(_algorithm(self.alg).verify(self.signed, key, self.signature))


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a token; ``parts`` are the three of its text."""

    alg: str
    kid: str | None
    typ: str
    parts: tuple[str, str, str] = field(repr=False)


def read_header(token: str) -> Header:
    """Read the header, by which the key is chosen (RFC 7515 4); raises TokenError, which says what it lacks."""
    parts = token.split(".", 3)
    if len(token) > LONGEST_JWT or not token.isascii():
        raise TokenError(f"no JWT: {len(token)} characters, wanted up to {LONGEST_JWT} of ASCII")
    if len(parts) != 3:
        raise TokenError(f"no JWT: wanted 3 parts, found {token.count('.') + 1} (opaque or encrypted)")
    header = json_object(_decoded(parts[0], "header"), "header")
    alg, kid, typ = header.get("alg"), header.get("kid"), header.get("typ")
    if not isinstance(alg, str) or not isinstance(kid, str | None):
        raise TokenError(f"alg and kid: hold {shown(alg)} and {shown(kid)}, wanted strings")
    if not isinstance(typ, str | None):
        raise TokenError(f"typ: the header holds {shown(typ)}, wanted a string")
    if header.get("crit") is not None:
        raise TokenError(f"no JWT: crit holds {shown(header['crit'])}, and none of it is understood")
    if header.get("b64") not in (None, True):
        raise TokenError("no JWT: its payload is not base64url (RFC 7797)")
    return Header(alg, kid, (typ or "").lower(), (parts[0], parts[1], parts[2]))


def read_jws(header: Header) -> Jws:
    """Read the rest of a token; raises TokenError."""
    head, payload, signature = header.parts
    return Jws(
        header.alg,
        header.kid,
        header.typ,
        f"{head}.{payload}".encode("ascii"),
        _decoded(payload, "payload"),
        _decoded(signature, "signature"),
    )


def json_object(text: bytes, part: str) -> dict[str, Any]:
    """Read a JSON object; raises TokenError, which names the part of the token that is none."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise TokenError(f"no JWT: its {part} is no JSON object")
    return value


def _decoded(part: str, name: str) -> bytes:
    """Decode base64url, padded or not (RFC 7515 2), where no two texts mean the same bytes."""
    try:
        found = base64.b64decode(part + "=" * (-len(part) % 4), b"-_", validate=True)
    except ValueError:
        found = None
    if found is None or base64.urlsafe_b64encode(found).rstrip(b"=").decode() != part.rstrip("="):
        raise TokenError(f"no JWT: its {name} is not base64url")
    return found


def fitting(key: PublicKey, algorithms: Iterable[str]) -> tuple[str, ...]:
    """Name the algorithms that a key can verify: its kind, curve and size are theirs (RFC 7518 3, RFC 9864)."""
    return tuple(name for name in algorithms if fits(key, name))


def fits(key: PublicKey, alg: str) -> bool:
    """Tell whether a key can verify an algorithm."""
    algorithm = _algorithm(alg)
    try:
        return isinstance(key, _ED.get(alg, object)) and algorithm.check_key_length(algorithm.prepare_key(key)) is None
    except (jwt.InvalidKeyError, TypeError):
        return False


def same_algorithm(one: object, other: str) -> bool:
    """Tell whether two names may mean one algorithm: ``EdDSA`` is that of its key's curve (RFC 9864 2.2)."""
    return one == other or ("EdDSA" in (one, other) and one in _EDDSA and other in _EDDSA)


def is_named(key: PublicKey, said: object, alg: str) -> bool:
    """Tell whether a name means this algorithm of a key that can verify it; the other curve's name does not."""
    return said == alg or (isinstance(said, str) and same_algorithm(said, alg) and fits(key, said))


def to_jwk(key: PublicKey, alg: str) -> str:
    """Write a key in canonical form."""
    return str(_algorithm(alg).to_jwk(key))


def _algorithm(alg: str) -> jwt.algorithms.Algorithm:
    return jwt.get_algorithm_by_name("EdDSA" if alg in _ED else alg)


_LONGEST_SHOWN = 100
_MOST_SHOWN = 4


def shown(value: object) -> str:
    """Show what a claim holds, printable and short whatever it is."""
    if isinstance(value, str):
        return ascii(value[:_LONGEST_SHOWN]) + ("..." if len(value) > _LONGEST_SHOWN else "")
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        more = ", ..." if len(value) > _MOST_SHOWN else ""
        return "[" + ", ".join(shown(item) for item in value[:_MOST_SHOWN]) + more + "]"
    if isinstance(value, bool | float | None):
        return str(value)
    if isinstance(value, int):
        return str(value) if abs(value) < 10**_LONGEST_SHOWN else "a huge number"
    return f"a {type(value).__name__}"
