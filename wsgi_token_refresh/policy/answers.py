"""What people come back with from a sign-in at a provider: it is for one path, once, and for nobody else to see."""

from __future__ import annotations

import re
from urllib.parse import unquote

LONGEST_QUERY = 8192
"""Characters of a query at most that are looked at, so that what one request costs is bounded."""
_MOST_DECODINGS = 4
_PARTS = re.compile(r"[&;?#]+")
_AROUND_NAMES = " +\t\r\n"
_ANSWERS = frozenset(("code", "error", "id_token", "access_token"))
_ECHOES = frozenset(("state", "session_state", "iss"))
# SAML, also by an artifact, OAuth 1.0, OpenID 2.0.
_WHOLE_ANSWERS = frozenset(("samlresponse", "samlart", "oauth_verifier", "openid.sig"))
# One of these stands in each answer, unless it is encoded.
_HINTS = re.compile("state|iss|saml|oauth_verifier|openid|response", re.IGNORECASE)
_JARM = re.compile(r"[\w\-]+\.[\w\-]*\.")
_SECRETS = frozenset(("id_token", "access_token", "refresh_token"))
# A service ticket or a proxy ticket (CAS Protocol 3.1.1, 3.2.2); other tickets are of support or of the cinema.
_CAS = re.compile(r"(?:ST|PT)-")
_WITHOUT_ECHOES = frozenset(("code", "error", "ticket", "oauth_token"))
_SIGN_IN_PATH = re.compile(
    r"[/_.\-](?:callback|cb|oauth2?|oidc|openid|saml2?|acs|sso|cas|auth|authorized?|log-?in|sign-?in)(?=[/_.\-]|\Z)",
    re.IGNORECASE,
)

_Pairs = list[tuple[str, str]]


def is_answer_of_a_provider(query: str) -> bool:
    """Tell whether a query string is what a sign-in at a provider comes back with: once only, and nobody else's.

    ``code``, ``error`` or a token with ``state`` (RFC 6749 4.1.2), or with ``iss`` (RFC 9207) or ``session_state``;
    ``response`` (JARM 2.3.1); the answers of SAML, OAuth 1.0 and OpenID 2.0; also where they stand in another one's
    value, up to three times encoded.
    """
    if len(query) > LONGEST_QUERY or ("%" not in query and _HINTS.search(query) is None):
        return False
    return any(_is_answer(_pairs(text)) for text in _readings(query)[0])


def query_to_return_with(path: str, query: str) -> str | None:
    """Give what may be kept of a query that is to be asked for again later: all of it, or nothing.

    None where there is an answer of a provider, so that nothing is to be asked for again. ``code`` alone is one where
    the path is that of a sign-in, and of anything elsewhere. A query that is too long to be looked at is not kept.
    """
    if len(query) > LONGEST_QUERY:
        return ""
    texts, is_all = _readings(f"{path}?{query}")
    readings = [(text, _pairs(text)) for text in texts]
    if any(_is_answer(pairs) or _is_answer_here(text, pairs) for text, pairs in readings):
        return None
    return query if is_all and not any(_is_secret(pairs) for _, pairs in readings) else ""


def _readings(text: str) -> tuple[list[str], bool]:
    """Give a query, and each part of it as who decodes it reads it, and decodes it again; and whether that is all."""
    found, todo = [], [text]
    for _ in range(_MOST_DECODINGS):
        found += todo
        parts = (part for each in todo for part in _PARTS.split(each) if "%" in part)
        todo = [inner for part in parts if (inner := unquote(part)) != part]
    return found, not todo


def _pairs(text: str) -> _Pairs:
    parts = (part.partition("=") for part in _PARTS.split(text))
    return [(_name(name), value) for name, _, value in parts]


def _name(name: str) -> str:
    """Read a name as the most generous framework does: ``code[]`` and ``Code`` are ``code``."""
    return unquote(name).partition("[")[0].strip(_AROUND_NAMES).lower()


def _is_answer(pairs: _Pairs) -> bool:
    names = {name for name, _ in pairs}
    if not (names.isdisjoint(_ANSWERS) or names.isdisjoint(_ECHOES)) or not names.isdisjoint(_WHOLE_ANSWERS):
        return True
    return any(name == "response" and _JARM.match(value) for name, value in pairs)


def _is_answer_here(text: str, pairs: _Pairs) -> bool:
    """Tell whether a URL leads to a sign-in with an answer that nothing else makes one."""
    path, mark, _ = text.rpartition("?")
    if not mark or _SIGN_IN_PATH.search(path) is None:
        return False
    return any(name in _WITHOUT_ECHOES for name, _ in pairs)


def _is_secret(pairs: _Pairs) -> bool:
    return any(name in _SECRETS or (name == "ticket" and _CAS.match(value)) for name, value in pairs)
