"""Only access tokens are access tokens: what else one key signs is told by its own marks (RFC 8725 3.11, 3.12).

*Words* are meant as marks: the type in the header (RFC 9068 2.1), claims that name a kind. They settle it,
and another kind is believed before an access token. Without a word there are *shapes*: claims that the standard of
another kind asks for. What was granted outweighs the shapes that anybody's claims may happen to have.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from .jws import shown

_OTHER_KINDS = frozenset(
    {
        *("refresh", "offlinetoken", "idtoken", "identitytoken", "logout", "backchannellogout", "serializedid"),
        *("initialaccess", "registrationaccess", "clientassertion", "clientauthentication", "dpopproof", "secevent"),
        *("introspection", "tokenintrospection", "authorizationcode", "authcode", "devicecode", "orgivt"),
        *("verifyemail", "emailverification", "confirmemail", "emailconfirmation", "updateemail", "magiclink"),
        *("resetpassword", "passwordreset", "resetcredentials", "executeactions", "idpverifyaccountviaemail"),
    }
)
_SHORT = ("id", "offline")
_KIND_CLAIMS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        **dict.fromkeys(("typ", "tokentype", "tokenuse", "tokenusage", "tokenkind", "tokenname", "jwttype"), _SHORT),
        **{"purpose": ("id",), "tty": ("id",), "toktype": ("it", "rt"), "drn": ("dsr",)},
        # These may speak of a person, too: there only long words count.
        **dict.fromkeys(("type", "use", "usage", "kind"), ()),
    }
)
"""Claims that name a kind, as plain letters, and the short words for another kind that each of them knows."""
_ANY_REFRESH = re.compile("refresh(?!able|ed|ing)")
_REFRESH_OF_UAA = re.compile("[0-9a-f]{32}-r")
_LOGOUT = "http://schemas.openid.net/event/backchannel-logout"
_HASHES = ("at_hash", "c_hash", "s_hash")
_GRANTS = frozenset(
    {
        *("scope", "scp", "scopes", "permissions", "authorities", "authorization_details"),
        *("realm_access", "resource_access"),
    }
)
_ROLES = frozenset({"roles", "groups", "entitlements"})
"""What somebody is, which ID tokens say as well."""


def wrong_kind(typ: str, claims: Mapping[str, Any], *, id_tokens: bool = False) -> str | None:
    """Refuse what is signed by the same key and is no access token.

    ``typ`` is that of the header, in lower case. ID tokens often have no mark that is meant as one: their shape counts
    unless ``id_tokens``, where an audience tells them apart.
    """
    name = typ.partition(";")[0].strip(" \t").removeprefix("application/")
    words = list(_words(claims))
    reason = _other_type(typ, name) or _other_word(words) or _logout(claims.get("events"))
    if reason is not None or _is_access_type(name) or any(_is_access(kind) for _, kind, _ in words):
        return reason
    held = {claim for claim, value in claims.items() if value is not None}
    return _other_shape(claims, held) or (None if id_tokens else _id_token(claims, held))


def _other_type(typ: str, name: str) -> str | None:
    """Refuse another explicit type: ``logout+jwt``, ``dpop+jws``, ``secevent+jwt`` and all that are like them."""
    explicit = "+" in name and name.endswith(("jwt", "jws", "jose")) and not _is_access_type(name)
    other = explicit or _is_other(name, _SHORT)
    return f"typ: the header holds {shown(typ)}, wanted an access token" if other else None


def _is_access_type(name: str) -> bool:
    return name.startswith("at+") or "access" in name


def _words(claims: Mapping[str, Any]) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    for claim, value in claims.items():
        short = _KIND_CLAIMS.get(claim.replace("_", "").replace("-", "").lower())
        if short is not None:
            kinds = value if isinstance(value, list) else [value]
            yield from ((claim, kind, short) for kind in kinds if isinstance(kind, str))


def _other_word(words: list[tuple[str, str, tuple[str, ...]]]) -> str | None:
    other = next(((claim, kind) for claim, kind, short in words if _is_other(kind, short)), None)
    return None if other is None else f"{other[0][:20]}: holds {shown(other[1])}, wanted an access token"


def _is_other(kind: str, short: tuple[str, ...]) -> bool:
    plain = _plain(kind)
    bare = plain.removesuffix("token")
    named = plain in _OTHER_KINDS or bare in _OTHER_KINDS or bare in short
    return named or ("access" not in plain and _ANY_REFRESH.search(plain) is not None)


def _is_access(kind: str) -> bool:
    """Tell whether a claim's word is one for access tokens; Keycloak's ``typ`` is ``Bearer`` or ``DPoP`` there."""
    plain = _plain(kind)
    return plain in ("at", "bearer", "dpop") or "access" in plain


def _plain(kind: str) -> str:
    """Compare what words mean: ``refresh-token``, ``RefreshToken`` and the URI of RFC 8693 3 are one."""
    name = kind.rpartition(":")[2].lower()
    return "".join(filter(str.isalpha, name)).removeprefix("jwt").removesuffix("jwt")


def _logout(events: object) -> str | None:
    told = isinstance(events, Mapping) and _LOGOUT in events
    return "events: it is a logout token, wanted an access token" if told else None


def _other_shape(claims: Mapping[str, Any], held: set[str]) -> str | None:
    reason = _request_or_refresh(claims, held)
    if reason is None and held.isdisjoint(_GRANTS | _ROLES) and not _names_a_client(claims):
        reason = _without_grants(claims, held) or (None if "sub" in held else _without_subject(held))
    return None if reason is None else f"{reason}, wanted an access token"


def _request_or_refresh(claims: Mapping[str, Any], held: set[str]) -> str | None:
    """Name the shapes of those who say what was granted or is to be granted, as access tokens do."""
    # Spring Security OAuth tells its refresh tokens by ``ati`` itself; it writes scopes as a list.
    if {"ati", "client_id"} <= held and not isinstance(claims.get("scope"), str):
        return "ati: it is the refresh token beside that access token"
    if isinstance(jti := claims.get("jti"), str) and _REFRESH_OF_UAA.fullmatch(jti):
        return "jti: ends as those of refresh tokens of UAA do"
    # RFC 9101 4: a request has no ``sub`` of its client.
    if "response_type" in held and ("redirect_uri" in held or ("client_id" in held and "sub" not in held)):
        return "response_type: it is the request of an authorization"
    return None


def _without_grants(claims: Mapping[str, Any], held: set[str]) -> str | None:
    if isinstance(events := claims.get("events"), Mapping) and any(":" in name for name in events):
        return "events: it is a security event (RFC 8417)"
    if "token_introspection" in held:
        return "token_introspection: it is the answer of an introspection"
    if isinstance(issuer := claims.get("iss"), str) and issuer == claims.get("sub"):
        return "iss and sub: are the same, it is a client's assertion"
    return None


def _without_subject(held: set[str]) -> str | None:
    if {"htm", "htu"} <= held:
        return "htm and htu: it is a DPoP proof"
    # JARM 2.1: all of them are there.
    if {"iss", "aud", "state"} <= held and ("code" in held or "error" in held):
        return f"{'code' if 'code' in held else 'error'} and state: it is the answer of an authorization"
    return None


def _id_token(claims: Mapping[str, Any], held: set[str]) -> str | None:
    if not held.isdisjoint(_GRANTS) or _names_a_client(claims):
        return None
    mark = next((name for name in _HASHES if isinstance(claims.get(name), str)), None)
    if mark is not None:
        return f"{mark}: only ID tokens hold it, wanted an access token"
    # authentik's access tokens are its ID tokens with ``azp`` and ``uid``.
    if isinstance(claims.get("nonce"), str) and {"iss", "sub", "aud"} <= held and not {"azp", "uid"} <= held:
        return "nonce: beside iss, sub and aud only ID tokens hold it, wanted an access token"
    return None


def _names_a_client(claims: Mapping[str, Any]) -> bool:
    """Tell whether a token names a client that it was granted to: that of an ID token is its audience, too."""
    client, aud = claims.get("client_id"), claims.get("aud")
    others = [claims.get("iss"), *(aud if isinstance(aud, list) else [aud])]
    return client is not None and client not in others
