"""JwtVerifier: what verifies, what fails and why, where keys come from and what happens while they cannot be had."""

from __future__ import annotations

import base64
import datetime
import inspect
import itertools
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from wsgi_token_refresh.authorization_server.jwks import (
    COLD_PAUSE,
    STALE_PAUSE,
    UNKNOWN_PAUSE,
    CacheState,
    FetchError,
    Found,
    Key,
    after_fetch,
    answer,
    fetch_url,
    needs_fetch,
    read_jwks,
)
from wsgi_token_refresh.authorization_server.jws import shown
from wsgi_token_refresh.authorization_server.verifier import JwtVerifier
from wsgi_token_refresh.errors import ConfigurationError
from wsgi_token_refresh.secret_files import SecretFile
from wsgi_token_refresh.tokens import Failed, KeysUnavailable, Verified

NOW = 1_790_000_000
URL = "https://auth.example.com/jwks.json"
SECRET = "0123456789abcdef" * 4
CLAIMS = {"sub": "jane", "exp": NOW + 300}
RSA_1024 = "rsa-1024"
IN_TIME = 10  # seconds after which a test that hangs is a test that fails


# Keys, tokens and servers


@cache
def private_key(name: str):
    """One key for each name; the first word is its kind."""
    makers = {
        "ec": lambda: ec.generate_private_key(ec.SECP256R1()),
        "ec384": lambda: ec.generate_private_key(ec.SECP384R1()),
        "ec521": lambda: ec.generate_private_key(ec.SECP521R1()),
        "ed": ed25519.Ed25519PrivateKey.generate,
        "ed448": ed448.Ed448PrivateKey.generate,
        "dsa": lambda: dsa.generate_private_key(2048),
        RSA_1024: lambda: rsa.generate_private_key(65537, 1024),
    }
    return makers.get(name, lambda: rsa.generate_private_key(65537, 2048))()


def public_pem(name: str = "a") -> bytes:
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    return private_key(name).public_key().public_bytes(serialization.Encoding.PEM, spki)


def private_pem(name: str = "a", form=serialization.PrivateFormat.PKCS8) -> bytes:
    return private_key(name).private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


@cache
def certificate() -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "auth.example.com")])
    began = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
    builder = x509.CertificateBuilder(name, name, private_key("a").public_key(), 1, began, began.replace(year=2040))
    return builder.sign(private_key("a"), hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def signed(claims=CLAIMS, key: str = "a", alg: str = "RS256", **headers) -> str:
    return jwt.encode(claims, SECRET if alg.startswith("HS") else private_key(key), alg, headers)


def jwk(name: str = "a", kid: object = "a", alg: str = "RS256", **members) -> dict:
    public = jwt.get_algorithm_by_name(alg).to_jwk(private_key(name).public_key(), as_dict=True)
    return {**public, **({} if kid is None else {"kid": kid}), **members}


def jwks(*keys: dict) -> bytes:
    return json.dumps({"keys": list(keys)}).encode()


def encoded(part: object) -> str:
    text = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def fixed(**changes) -> JwtVerifier:
    return JwtVerifier(**{"key": public_pem(), "algorithms": ["RS256"], "clock": lambda: NOW, **changes})


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class KeyServer:
    """A fetch to order: answers with ``keys``, or raises what it is told to; ``fetches`` are counted."""

    def __init__(self, *keys: dict) -> None:
        self.clock = Clock()
        self.fetches = 0
        self.keys = keys
        self.down: BaseException | None = None
        self.body: bytes | None = None
        self.timeout = 5.0

    def __call__(self, url: str, timeout: float) -> bytes:
        assert (url, timeout) == (URL, self.timeout)
        self.fetches += 1
        if self.down is not None:
            raise self.down
        return jwks(*self.keys) if self.body is None else self.body

    def verifier(self, **changes) -> JwtVerifier:
        wanted = {"jwks_url": URL, "algorithms": ["RS256"], "fetch": self, "monotonic": self.clock}
        wanted["timeout"] = self.timeout
        return JwtVerifier(**{**wanted, "clock": lambda: NOW, **changes})


# Signatures

_KEY_FORMS = {
    "RS256 by a PEM key as bytes": ("RS256", "a", public_pem),
    "RS256 by a PEM key as text": ("RS256", "a", lambda: public_pem().decode()),
    "RS256 by a certificate": ("RS256", "a", certificate),
    "RS256 by a key of cryptography": ("RS256", "a", lambda: private_key("a").public_key()),
    "RS384": ("RS384", "a", public_pem),
    "RS512": ("RS512", "a", public_pem),
    "PS256": ("PS256", "a", public_pem),
    "PS512": ("PS512", "a", public_pem),
    "ES256": ("ES256", "ec", lambda: public_pem("ec")),
    "ES384": ("ES384", "ec384", lambda: public_pem("ec384")),
    "ES512": ("ES512", "ec521", lambda: public_pem("ec521")),
    "EdDSA by Ed25519": ("EdDSA", "ed", lambda: public_pem("ed")),
    "EdDSA by Ed448": ("EdDSA", "ed448", lambda: public_pem("ed448")),
    "HS256 by a secret as text": ("HS256", "", lambda: SECRET),
    "HS256 by a secret as bytes": ("HS256", "", SECRET.encode),
    "HS384": ("HS384", "", lambda: SECRET),
    "HS512": ("HS512", "", lambda: SECRET),
}


@pytest.mark.parametrize(("alg", "name", "key"), _KEY_FORMS.values(), ids=_KEY_FORMS)
def test_a_signature_is_verified(alg: str, name: str, key: Callable[[], object]):
    assert fixed(key=key(), algorithms=[alg]).verify(signed(key=name, alg=alg)) == Verified(CLAIMS)


def test_one_algorithm_may_be_given_as_text():
    assert fixed(algorithms="RS256").verify(signed()) == Verified(CLAIMS)


def test_a_fixed_key_is_used_whatever_kid_a_token_names():
    assert fixed().verify(signed(kid="unheard of")) == Verified(CLAIMS)


def test_the_leeway_can_be_read_by_who_judges_the_expiry():
    assert fixed(leeway=5).leeway == 5


def test_a_fixed_key_has_one_version():
    verifier = fixed()
    verifier.verify(signed())
    assert verifier.keys_version == 0


_NO_JWT = {
    "nothing": ("", "no JWT: wanted 3 parts, found 1 (opaque or encrypted)"),
    "opaque": ("jQ3Xr5t8wUxYz0", "no JWT: wanted 3 parts, found 1 (opaque or encrypted)"),
    "encrypted": ("e30.e30.e30.e30.e30", "no JWT: wanted 3 parts, found 5 (opaque or encrypted)"),
    "dots only": ("..", "no JWT: its header is no JSON object"),
    "over 4 MiB": ("a" * 4_194_305, "no JWT: 4194305 characters, wanted up to 4194304 of ASCII"),
    "not ASCII": ("ä.b.c", "no JWT: 5 characters, wanted up to 4194304 of ASCII"),
    "half a character": ("e30.\ud800.c", "no JWT: 7 characters, wanted up to 4194304 of ASCII"),
    "a header that is not base64": ("e3!.e30.e30", "no JWT: its header is not base64url"),
    "a header of odd length": ("e.e30.e30", "no JWT: its header is not base64url"),
    "a header that is no JSON": (f"{encoded(b'{')}.e30.e30", "no JWT: its header is no JSON object"),
    "a header that is not UTF-8": (f"{encoded(bytes([0xFF]))}.e30.e30", "no JWT: its header is no JSON object"),
    "a header that is a list": (f"{encoded([])}.e30.e30", "no JWT: its header is no JSON object"),
    "a header nested without end": (f"{encoded(b'[' * 9000)}.e30.e30", "no JWT: its header is no JSON object"),
    "no alg": (f"{encoded({})}.e30.e30", "alg and kid: hold None and None, wanted strings"),
    "alg a list": (f"{encoded({'alg': ['RS256']})}.e30.e30", "alg and kid: hold ['RS256'] and None, wanted strings"),
    "kid a number": (
        f"{encoded({'alg': 'RS256', 'kid': 5})}.e30.e30",
        "alg and kid: hold 'RS256' and 5, wanted strings",
    ),
    "alg none": (f"{encoded({'alg': 'none'})}.{encoded(CLAIMS)}.", "alg: holds 'none', allowed are RS256"),
    "alg none, spelt otherwise": (
        f"{encoded({'alg': 'nOnE'})}.{encoded(CLAIMS)}.",
        "alg: holds 'nOnE', allowed are RS256",
    ),
    "a signature of nothing": (f"{encoded({'alg': 'RS256'})}.{encoded(CLAIMS)}.", "signature does not match the key"),
}


@pytest.mark.parametrize(("token", "reason"), _NO_JWT.values(), ids=_NO_JWT)
def test_what_is_no_jwt_fails_and_says_why(token: str, reason: str):
    assert fixed().verify(token) == Failed(reason)


_NO_JWS = {
    "a payload that is not base64": (f"{encoded({'alg': 'RS256'})}.!.e30", "its payload is not base64url"),
    "a signature that is not base64": (f"{encoded({'alg': 'RS256'})}.e30.!", "its signature is not base64url"),
    "a signature with bits left over": (f"{encoded({'alg': 'RS256'})}.e30.e31", "its signature is not base64url"),
    "a payload with bits left over": (f"{encoded({'alg': 'RS256'})}.e31.e30", "its payload is not base64url"),
    "base64 of another alphabet": (f"{encoded({'alg': 'RS256'})}.e30.++//", "its signature is not base64url"),
    "too much padding": (f"{encoded({'alg': 'RS256'})}.e30=====.e30", "its payload is not base64url"),
    "padding in the middle": (f"{encoded({'alg': 'RS256'})}.e30=e30.e30", "its payload is not base64url"),
    "crit that nobody knows": (
        f"{encoded({'alg': 'RS256', 'crit': ['exp']})}.e30.e30",
        "crit holds ['exp'], and none of it is understood",
    ),
    "an empty crit": (
        f"{encoded({'alg': 'RS256', 'crit': []})}.e30.e30",
        "crit holds [], and none of it is understood",
    ),
    "a detached payload": (
        f"{encoded({'alg': 'RS256', 'b64': False, 'crit': ['b64']})}..e30",
        "crit holds ['b64'], and none of it is understood",
    ),
    "a payload as it is": (
        f"{encoded({'alg': 'RS256', 'b64': False})}.e30.e30",
        "its payload is not base64url (RFC 7797)",
    ),
}


@pytest.mark.parametrize(("token", "reason"), _NO_JWS.values(), ids=_NO_JWS)
def test_what_cannot_be_read_fails_and_says_why(token: str, reason: str):
    assert fixed().verify(token) == Failed(f"no JWT: {reason}")


def padded(part: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode()


def test_padding_is_let_through_as_load_balancers_write_it():
    head, payload = padded({"alg": "RS256", "typ": "JWT"}), padded({**CLAIMS, "x": "four"})
    signature = jwt.get_algorithm_by_name("RS256").sign(f"{head}.{payload}".encode(), private_key("a"))
    assert "=" in head + payload
    token = f"{head}.{payload}.{base64.urlsafe_b64encode(signature).decode()}"
    assert fixed().verify(token) == Verified({**CLAIMS, "x": "four"})


def test_null_members_of_a_header_are_absent():
    head = {"alg": "RS256", "kid": None, "typ": None, "crit": None, "b64": None, "x5c": None}
    signed_part = f"{encoded(head)}.{encoded(CLAIMS)}"
    signature = jwt.get_algorithm_by_name("RS256").sign(signed_part.encode(), private_key("a"))
    assert fixed().verify(f"{signed_part}.{encoded(signature)}") == Verified(CLAIMS)


@pytest.mark.parametrize(
    "payload", [b"", b"{", b"[]", b'"jane"', b"\xff", b"[" * 9000], ids=lambda payload: repr(payload[:8])
)
def test_a_signed_payload_that_is_no_object_fails(payload: bytes):
    token = jwt.PyJWS().encode(payload, private_key("a"), "RS256")
    assert fixed().verify(token) == Failed("no JWT: its payload is no JSON object")


def test_an_algorithm_that_is_not_listed_fails_even_with_the_right_key():
    assert fixed().verify(signed(alg="RS512")) == Failed("alg: holds 'RS512', allowed are RS256")


def test_a_public_key_is_never_taken_for_a_secret():
    header, payload = encoded({"alg": "HS256"}), encoded(CLAIMS)
    mac = jwt.get_algorithm_by_name("HS256").sign(f"{header}.{payload}".encode(), public_pem())
    assert fixed().verify(f"{header}.{payload}.{encoded(mac)}") == Failed("alg: holds 'HS256', allowed are RS256")


def test_another_s_signature_fails():
    assert fixed().verify(signed(key="b")) == Failed("signature does not match the key")


def test_the_kid_of_a_wrong_signature_is_named():
    assert fixed().verify(signed(key="b", kid="k1")) == Failed("signature does not match the key 'k1'")


# Claims

_CLAIMS: dict[str, tuple[dict, dict, str | None]] = {
    "expired long ago: for the caller to judge": ({"exp": 1}, {}, None),
    "exp with a fraction": ({"exp": NOW + 0.5}, {}, None),
    "exp missing": ({"exp": None}, {}, "exp: missing"),
    "exp is text": ({"exp": "1790000300"}, {}, "exp: holds '1790000300', wanted seconds since 1970"),
    "exp is true": ({"exp": True}, {}, "exp: holds True, wanted seconds since 1970"),
    "exp is zero": ({"exp": 0}, {}, "exp: holds 0, wanted seconds since 1970"),
    "exp is endless": ({"exp": float("inf")}, {}, "exp: holds inf, wanted seconds since 1970"),
    "exp is no float": ({"exp": 10**400}, {}, "exp: holds a huge number, wanted seconds since 1970"),
    "exp is an object": ({"exp": {"in": 5}}, {}, "exp: holds a dict, wanted seconds since 1970"),
    "nbf now": ({"nbf": NOW}, {}, None),
    "nbf 0, as old Keycloaks have it": ({"nbf": 0}, {}, None),
    "nbf null": ({"nbf": None}, {}, None),
    "nbf ahead by the leeway": ({"nbf": NOW + 60}, {}, None),
    "nbf ahead by more": ({"nbf": NOW + 61}, {}, f"nbf: holds {NOW + 61}, wanted at most {NOW + 60} (now and leeway)"),
    "nbf ahead, no leeway": (
        {"nbf": NOW + 1},
        {"leeway": 0},
        f"nbf: holds {NOW + 1}, wanted at most {NOW} (now and leeway)",
    ),
    "nbf no number": ({"nbf": float("nan")}, {}, f"nbf: holds nan, wanted at most {NOW + 60} (now and leeway)"),
    "nbf is text": ({"nbf": "now"}, {}, f"nbf: holds 'now', wanted at most {NOW + 60} (now and leeway)"),
    "iat ahead": ({"iat": NOW + 9000}, {}, None),
    "iat is text": ({"iat": "today"}, {}, None),
    "sub an integer": ({"sub": 7}, {}, None),
    "sub an object": ({"sub": {"id": 7}}, {}, None),
    "no sub": ({"sub": None}, {}, None),
    "jti an integer": ({"jti": 7}, {}, None),
    "aud, and nobody asked": ({"aud": "account"}, {}, None),
    "aud as wanted": ({"aud": "web"}, {"audience": "web"}, None),
    "aud a list with the wanted one": ({"aud": ["account", "web"]}, {"audience": "web"}, None),
    "aud one of the wanted": ({"aud": "api"}, {"audience": ["web", "api"]}, None),
    "aud another": ({"aud": "account"}, {"audience": "web"}, "aud: holds 'account', wanted 'web'"),
    "aud another of several": (
        {"aud": ["x", "y"]},
        {"audience": ("web", "api")},
        "aud: holds ['x', 'y'], wanted one of ['web', 'api']",
    ),
    "aud missing": ({}, {"audience": "web"}, "aud: missing, wanted 'web'"),
    "aud an empty list": ({"aud": []}, {"audience": "web"}, "aud: holds [], wanted 'web'"),
    "aud a part of the wanted": ({"aud": "we"}, {"audience": "web"}, "aud: holds 'we', wanted 'web'"),
    "aud an object": ({"aud": {"web": 1}}, {"audience": "web"}, "aud: holds a dict, wanted 'web'"),
    "aud a list in a list": ({"aud": [["web"]]}, {"audience": "web"}, "aud: holds a list, wanted 'web'"),
    "iss as wanted": ({"iss": "https://a"}, {"issuer": "https://a"}, None),
    "iss one of the wanted": ({"iss": "https://b"}, {"issuer": ["https://a", "https://b"]}, None),
    "iss another": ({"iss": "https://a/"}, {"issuer": "https://a"}, "iss: holds 'https://a/', wanted 'https://a'"),
    "iss missing": ({}, {"issuer": "https://a"}, "iss: missing, wanted 'https://a'"),
    "iss a list": ({"iss": ["https://a"]}, {"issuer": "https://a"}, "iss: holds ['https://a'], wanted 'https://a'"),
    "an access token by its own word": ({"typ": "Bearer", "type": "access", "token_use": "access"}, {}, None),
    "a refresh token by its own word": ({"typ": "Refresh"}, {}, "typ: holds 'Refresh', wanted an access token"),
    "token_use refresh": ({"token_use": "refresh"}, {}, "token_use: holds 'refresh', wanted an access token"),
    "typ a list": ({"typ": ["refresh"]}, {}, "typ: holds 'refresh', wanted an access token"),
    "typ no text": ({"typ": {"refresh": 1}, "token_use": 5, "type": [["id_token"], 7]}, {}, None),
    "claims of null are absent": (dict.fromkeys(["nbf", "aud", "iss", "typ", "events", "at_hash", "htm"]), {}, None),
    "aud null, and wanted": ({"aud": None}, {"audience": "web"}, "aud: missing, wanted 'web'"),
    "iss null, and wanted": ({"iss": None}, {"issuer": "https://a"}, "iss: missing, wanted 'https://a'"),
}


@pytest.mark.parametrize(("claims", "wanted", "reason"), _CLAIMS.values(), ids=_CLAIMS)
def test_claims(claims: dict, wanted: dict, reason: str | None):
    claims = {**CLAIMS, **claims}
    payload = json.dumps(claims).encode()
    verdict = fixed(key=SECRET, algorithms=["HS256"], **wanted).verify(jwt.PyJWS().encode(payload, SECRET, "HS256"))
    assert verdict == (Verified(claims) if reason is None else Failed(reason))


@pytest.mark.parametrize(
    "typ",
    [
        *("logout+jwt", "dpop+jwt", "secevent+jwt", "client-authentication+jwt", "oauth-authz-req+jwt"),
        *("token-introspection+jwt", "application/logout+jwt", "Logout+JWT", "kb+jwt", "dc+sd-jwt"),
        *("logout+jwt;x=1", "application/logout+jwt; charset=utf-8", "kb+jwt ; x=1", "dpop+jws", "secevent+jws"),
        *("id_token", "Refresh", "JWT-logout", "logout-token"),
    ],
)
@pytest.mark.parametrize("wanted", [{}, {"audience": "web"}], ids=["no audience", "an audience"])
def test_another_type_in_the_header_is_no_access_token(typ: str, wanted: dict):
    verdict = fixed(**wanted).verify(signed({**CLAIMS, "aud": "web"}, typ=typ))
    assert verdict == Failed(f"typ: the header holds '{typ.lower()}', wanted an access token")


@pytest.mark.parametrize(
    "typ",
    [
        *("JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt", "application/jwt", "JOSE", "Bearer", "access+jwt"),
        *("JWT;charset=utf-8", "application/at+jwt; x=1", "at+jws"),
    ],
)
def test_an_access_token_by_the_type_in_its_header(typ: str):
    assert fixed().verify(signed(typ=typ)) == Verified(CLAIMS)


@pytest.mark.parametrize("typ", [["logout+jwt"], 7, {"logout": 1}, False], ids=str)
def test_a_type_in_the_header_that_is_no_text_fails(typ: object):
    payload = json.dumps(CLAIMS).encode()
    token = jwt.PyJWS().encode(payload, SECRET, "HS256", {"typ": "x"})
    head = encoded({"alg": "HS256", "typ": typ})
    signature = jwt.get_algorithm_by_name("HS256").sign(f"{head}.{token.split('.')[1]}".encode(), SECRET.encode())
    verdict = fixed(key=SECRET, algorithms=["HS256"]).verify(f"{head}.{token.split('.')[1]}.{encoded(signature)}")
    assert verdict == Failed(f"typ: the header holds {shown(typ)}, wanted a string")


_OTHER_KINDS = {
    "an ID token of Keycloak": {"typ": "ID", "azp": "web"},
    "an ID token of Cognito": {"token_use": "id"},
    "an ID token in words": {"token_type": "id_token"},
    "a refresh token of Keycloak": {"typ": "Refresh"},
    "an offline token of Keycloak": {"typ": "Offline"},
    "a refresh token of Simple JWT": {"token_type": "refresh"},
    "a refresh token of Flask-JWT-Extended": {"type": "refresh"},
    "a refresh token in words": {"token_use": "refresh_token"},
    "a logout token of Keycloak": {"typ": "Logout"},
    "a logout token": {"events": {"http://schemas.openid.net/event/backchannel-logout": {}}},
    "a security event": {"events": {"https://schemas.openid.net/secevent/caep/event-type/session-revoked": {"x": 1}}},
    "a DPoP proof": {"sub": None, "htm": "POST", "htu": "https://api.example.com", "jti": "1"},
    "the answer of an introspection": {"token_introspection": {"active": True}},
    "the answer of an authorization": {"sub": None, "code": "c", "state": "s", "iss": "https://a"},
    "the answer of an authorization that failed": {"sub": None, "error": "no", "state": "s", "iss": "https://a"},
    "the request of an authorization": {"response_type": "code", "redirect_uri": "https://a/cb"},
    "the request of an authorization, sent without where to": {
        "sub": None,
        "response_type": "code",
        "client_id": "web",
    },
    "a client's assertion": {"iss": "web", "sub": "web", "jti": "1"},
    "a refresh token of Spring Security OAuth": {"ati": "1a2b", "scope": ["read"], "client_id": "web"},
}


@pytest.mark.parametrize("claims", _OTHER_KINDS.values(), ids=_OTHER_KINDS)
@pytest.mark.parametrize("wanted", [{}, {"audience": "web"}], ids=["no audience", "an audience"])
def test_what_is_no_access_token_by_its_own_marks(claims: dict, wanted: dict):
    verdict = fixed(**wanted).verify(signed({**CLAIMS, "aud": "web", **claims}))
    assert isinstance(verdict, Failed)
    assert verdict.reason.endswith(", wanted an access token")


@pytest.mark.parametrize("mark", ["at_hash", "c_hash", "s_hash"])
def test_an_id_token_without_a_mark_is_told_by_what_only_it_holds_or_by_an_audience(mark: str):
    token = signed({**CLAIMS, "aud": "web", "nonce": "n", mark: "h"})
    assert fixed().verify(token) == Failed(f"{mark}: only ID tokens hold it, wanted an access token")
    assert isinstance(fixed(audience="web").verify(token), Verified)
    assert fixed(audience="api").verify(token) == Failed("aud: holds 'web', wanted 'api'")


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({"typ": "Bearer"}, id="Keycloak"),
        pytest.param({"token_use": "access"}, id="Cognito"),
        pytest.param({"token_type": "access"}, id="Simple JWT"),
        pytest.param({"type": "access", "fresh": False}, id="Flask-JWT-Extended"),
        pytest.param({"type": "id"}, id="a type of somebody's own"),
        pytest.param({"type": "offline"}, id="another type of somebody's own"),
        pytest.param({"nonce": "n", "sid": "s", "auth_time": 1}, id="a nonce alone"),
        pytest.param({"events": ["login"]}, id="events that are none"),
        pytest.param({"events": {"login": 1}}, id="events of somebody's own"),
        pytest.param({"event_id": "e", "code": "DE"}, id="a code alone"),
        pytest.param({"state": "Bavaria", "htm": "x"}, id="a state alone"),
        pytest.param({"state": "Bavaria", "error": 0}, id="a state and an error of somebody's own"),
        pytest.param({"iss": "https://a", "sub": "https://a/users/7"}, id="an issuer in front of the subject"),
        pytest.param({"at_hash": "h", "scope": "openid"}, id="a hash beside what was granted"),
        pytest.param({"token_type": "Bearer", "token_use": "grid"}, id="words that begin or end alike"),
        pytest.param({"cnf": {"jkt": "k"}, "client_id": "web", "scope": "openid"}, id="bound by DPoP"),
    ],
)
def test_an_access_token_is_not_taken_for_anything_else(claims: dict):
    assert fixed().verify(signed({**CLAIMS, **claims})) == Verified({**CLAIMS, **claims})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a\nb\x00ü\u202e", r"'a\nb\x00\xfc\u202e'"),
        ("x" * 101, "'" + "x" * 100 + "'..."),
        (["a", "b", "c", "d", "e"], "['a', 'b', 'c', 'd', ...]"),
        ([1], "a list"),
        ({"a": 1}, "a dict"),
        (None, "None"),
        (1.5, "1.5"),
        (-(10**5000), "a huge number"),
    ],
    ids=["controls", "long", "many", "numbers in a list", "object", "nothing", "fraction", "huge"],
)
def test_what_a_claim_holds_is_shown_printable_and_short(value: object, text: str):
    assert shown(value) == text


def test_the_longest_reason_is_short():
    audiences = ["\n" * 100] * 100
    verdict = fixed(audience=audiences).verify(signed({**CLAIMS, "aud": ["\0" * 50] * 80}, kid="x" * 100))
    assert len(verdict.reason) < 4000
    assert verdict.reason.isprintable()


# Configuration

_CURE = {
    "neither key nor URL": ({"key": None}, ["key and jwks_url are both missing: give the one"]),
    "key and URL": ({"jwks_url": URL}, ["key and jwks_url are both given: leave one out"]),
    "no algorithm": ({"algorithms": []}, ["algorithms is empty: list those"]),
    "algorithms None": ({"algorithms": None}, ["algorithms is empty: list those"]),
    "unknown algorithm": ({"algorithms": ["RS265"]}, ["algorithms: 'RS265' cannot verify a signature: choose from"]),
    "algorithm no text": ({"algorithms": [256]}, ["algorithms: 256 cannot verify a signature: choose from"]),
    "none": ({"algorithms": ["none", "RS256"]}, ["algorithms: 'none' cannot verify a signature: choose from"]),
    "secret and public key mixed": (
        {"algorithms": ["RS256", "HS256"]},
        ["algorithms mixes shared secrets (HS*) with public keys", "key is no shared secret"],
    ),
    "a PEM key for HS256": ({"algorithms": ["HS256"]}, ["key is no shared secret, which HS* wants"]),
    "a key object for HS256": (
        {"algorithms": ["HS256"], "key": private_key("a").public_key()},
        ["key is no shared secret, which HS* wants"],
    ),
    "a JWK for HS256": (
        {"algorithms": ["HS256"], "key": json.dumps(jwk())},
        ["key is no shared secret, which HS* wants"],
    ),
    "an empty secret": ({"algorithms": ["HS256"], "key": ""}, ["key is no shared secret"]),
    "a short secret for HS256": (
        {"algorithms": ["HS256"], "key": "x" * 31},
        ["key is shorter than the 32 bytes that HS256 wants (RFC 7518 3.2)"],
    ),
    "a short secret for HS512": (
        {"algorithms": ["HS256", "HS512"], "key": "x" * 63},
        ["key is shorter than the 64 bytes that HS256, HS512 wants (RFC 7518 3.2)"],
    ),
    "HS256 from a URL": (
        {"algorithms": ["HS256"], "key": None, "jwks_url": URL},
        ["algorithms: HS256 wants a shared secret: give it as key= and leave out jwks_url"],
    ),
    "a private key in PEM": ({"key": private_pem()}, ["key is a private key, and a verifier must not have it"]),
    "a private key in old PEM": (
        {"key": private_pem(form=serialization.PrivateFormat.TraditionalOpenSSL).decode()},
        ["key is a private key, and a verifier must not have it"],
    ),
    "a private key object": ({"key": private_key("a")}, ["key is a private key, and a verifier must not have it"]),
    "a path": ({"key": "/etc/keys/public.pem"}, ["key is no public key or certificate in PEM: give the contents"]),
    "broken PEM": ({"key": public_pem()[:200]}, ["key is no public key or certificate in PEM: give the contents"]),
    "PEM on one line": (
        {"key": public_pem().replace(b"\n", b"\\n")},
        ["key is no public key or certificate in PEM: give the contents"],
    ),
    "a broken certificate": ({"key": certificate()[:200]}, ["key is no public key or certificate in PEM"]),
    "a key of another kind": (
        {"key": public_pem("ec")},
        ["key is a ECPublicKey secp256r1 that RS256 cannot use: list from ES256"],
    ),
    "another curve": (
        {"key": public_pem("ec384"), "algorithms": ["ES256"]},
        ["key is a ECPublicKey secp384r1 that ES256 cannot use: list from ES384"],
    ),
    "a key that only some can use": (
        {"algorithms": ["RS256", "ES256"]},
        ["key is a RSAPublicKey 2048 that ES256 cannot use: list from PS256"],
    ),
    "an Ed25519 key for RS256": (
        {"key": public_pem("ed")},
        ["key is a Ed25519PublicKey that RS256 cannot use: list from EdDSA"],
    ),
    "an RSA key of 1024 bits": (
        {"key": public_pem(RSA_1024)},
        ["key is a RSAPublicKey 1024 that RS256 cannot use: give an RSA key of 2048 bits or more"],
    ),
    "a key for no JWT": ({"key": public_pem("dsa")}, ["cannot use: give an RSA key of 2048 bits or more"]),
    "something else as the key": ({"key": {"kty": "RSA"}}, ["key is a dict that RS256 cannot use: give an RSA key"]),
    "plain http": (
        {"key": None, "jwks_url": "http://auth.example.com/jwks"},
        ["jwks_url: http:// sends tokens in the clear to auth.example.com"],
    ),
    "no web address": ({"key": None, "jwks_url": "ftp://a/b"}, ["jwks_url: is no URL"]),
    "no host": ({"key": None, "jwks_url": "https:///jwks"}, ["jwks_url: is no URL"]),
    "a broken address": ({"key": None, "jwks_url": "https://[::1/jwks"}, ["jwks_url: is no URL"]),
    "empty audience": ({"audience": ""}, ["audience is empty or not text: give one or several strings"]),
    "no audience in a list": ({"audience": []}, ["audience is empty or not text"]),
    "audience a number": ({"audience": 5}, ["audience is empty or not text"]),
    "an issuer that is no text": ({"issuer": [None]}, ["issuer is empty or not text: give one or several strings"]),
    "leeway negative": ({"leeway": -1}, ["leeway is -1: give 0 or more seconds"]),
    "leeway as text": ({"leeway": "60"}, ["leeway is '60': give 0 or more seconds"]),
    "leeway endless": ({"leeway": float("inf")}, ["leeway is inf: give 0 or more seconds"]),
    "no timeout": ({"timeout": 0}, ["timeout is 0: give more than 0 seconds"]),
    "no age": ({"keys_max_age": None}, ["keys_max_age is None: give more than 0 seconds"]),
    "all at once": (
        {"key": None, "algorithms": [], "audience": "", "issuer": "", "leeway": -1, "timeout": -1},
        ["algorithms is empty", "key and jwks_url are both", "audience is", "issuer is", "leeway is", "timeout is"],
    ),
}


@pytest.mark.parametrize(("wrong", "problems"), _CURE.values(), ids=_CURE)
def test_what_cannot_work_is_refused_with_a_cure(wrong: dict, problems: list[str]):
    with pytest.raises(ConfigurationError) as caught:
        fixed(**wrong)
    found = caught.value.problems
    assert [problem for problem, start in zip(found, problems, strict=True) if start not in problem] == []


_TYPES = {
    "key": (),
    "jwks_url": (),
    "algorithms": (),
    "audience": (None,),
    "issuer": (None,),
    "leeway": (5, 1.5),
    "timeout": (5, 1.5),
    "keys_max_age": (5, 1.5),
    "allow_insecure": (),
    "ca_bundle": (None,),
    "fetch": (None,),
    "clock": (),
    "monotonic": (),
}


@pytest.mark.parametrize(
    "value", [None, 5, 1.5, b"x", [5], {5: 1}, True, object()], ids=lambda value: type(value).__name__
)
@pytest.mark.parametrize("argument", _TYPES)
def test_every_argument_of_a_wrong_type_is_said(argument: str, value: object):
    source = {} if argument in ("key", "jwks_url") else {"jwks_url": URL}
    arguments = {"algorithms": ["RS256"], **source, argument: value}
    if any(value is good or (value == good and type(value) is type(good)) for good in _TYPES[argument]) or (
        argument == "allow_insecure" and value is True
    ):
        assert JwtVerifier(**arguments)
        return
    with pytest.raises(ConfigurationError, match=argument):
        JwtVerifier(**arguments)


def test_every_argument_is_in_that_table():
    assert set(_TYPES) == set(inspect.signature(JwtVerifier).parameters)


def test_no_problem_shows_the_key():
    with pytest.raises(ConfigurationError) as caught:
        fixed(key="hunter2", algorithms=["HS256"])
    assert "hunter2" not in str(caught.value)


_PLAIN = {
    "loopback by name": {"jwks_url": "http://localhost:8080/jwks"},
    "loopback by a name below": {"jwks_url": "http://auth.localhost/jwks"},
    "loopback by number": {"jwks_url": "http://127.0.0.2:8080/jwks"},
    "loopback of IPv6": {"jwks_url": "http://[::1]:8080/jwks"},
    "as allowed": {"jwks_url": "http://auth.internal/jwks", "allow_insecure": True},
}


@pytest.mark.parametrize("source", _PLAIN.values(), ids=_PLAIN)
def test_plain_http_is_for_loopback_or_by_order(source: dict):
    JwtVerifier(algorithms=["RS256"], **source)


def test_nothing_is_fetched_at_construction():
    server = KeyServer(jwk())
    assert server.verifier().keys_version == 0
    assert server.fetches == 0


# The table of jwks.py

_A = Key("a", b"", ("RS256",), "a")
_B = Key("b", b"", ("RS256",), "b")
_FRESH = CacheState((_A,), 3, due=2000, unknown_due=500)
_STALE = CacheState((_A,), 3, due=900, unknown_due=500)
_LIMITED = CacheState((_A,), 3, due=2000, unknown_due=1005, missing=("gone", None))
_DOWN = CacheState((_A,), 3, due=1060, unknown_due=1010, missing=("gone",), failure="auth: status 500")
_COLD = CacheState()
_COLD_DOWN = CacheState(due=1002, failure="auth: status 500")
_COLD_DOWN_AGAIN = CacheState(due=1000, failure="auth: status 500")
_KNOWN = Found((_A,), 3)
_NEW = KeysUnavailable("kid: holds 'new', the keys are ['a']: asked too recently to ask again")
_NEW_DOWN = KeysUnavailable("kid: holds 'new', the keys are ['a']: auth: status 500")
_NEVER = KeysUnavailable("keys never fetched: auth: status 500")
_NONE_MATCHED = "signature matches none of 1 keys, and the token names no kid"

_TABLE = {
    "cold: fetch": (_COLD, "a", None, True, KeysUnavailable("keys never fetched: the first fetch is under way")),
    "cold, failed just now: unavailable": (_COLD_DOWN, "a", None, False, _NEVER),
    "cold, failed 2 s ago: fetch": (_COLD_DOWN_AGAIN, "a", None, True, _NEVER),
    "fresh, known: at once": (_FRESH, "a", None, False, _KNOWN),
    "fresh, no kid: all keys at once": (_FRESH, None, None, False, _KNOWN),
    "stale, known: fetch, then old or new": (_STALE, "a", None, True, _KNOWN),
    "stale, failed just now, known: at once": (_DOWN, "a", None, False, _KNOWN),
    "unknown, due: fetch": (_FRESH, "new", None, True, _NEW),
    "unknown, stale: fetch": (_STALE, "new", None, True, _NEW),
    "unknown, asked just now for another: unavailable": (_LIMITED, "new", None, False, _NEW),
    "missing: failed": (_LIMITED, "gone", None, False, Failed("kid: holds 'gone', the keys are ['a']")),
    "unknown, failed just now: unavailable": (_DOWN, "new", None, False, _NEW_DOWN),
    "missing, but failed since: unavailable": (
        _DOWN,
        "gone",
        None,
        False,
        KeysUnavailable("kid: holds 'gone', the keys are ['a']: auth: status 500"),
    ),
    "no kid and no key matched, due: fetch": (
        _FRESH,
        None,
        3,
        True,
        KeysUnavailable(f"{_NONE_MATCHED}: asked too recently to ask again"),
    ),
    "no kid and no key matched, asked just now: failed": (_LIMITED, None, 3, False, Failed(_NONE_MATCHED)),
    "no kid and newer keys: those": (_LIMITED, None, 2, False, _KNOWN),
}


@pytest.mark.parametrize(("state", "kid", "after", "fetches", "said"), _TABLE.values(), ids=_TABLE)
def test_the_table(state: CacheState, kid: str | None, after: int | None, fetches: bool, said: object):
    assert needs_fetch(state, kid, after, 1000) is fetches
    assert answer(state, kid, after) == said


def _follow(state: CacheState, outcome: object, *, asked: object = (), for_unknown: bool = False) -> CacheState:
    return after_fetch(state, outcome, asked=asked, for_unknown=for_unknown, now=1000, max_age=600)


_FOLLOWS = {
    "keys come": (_follow(_COLD, (_A,)), CacheState((_A,), 1, due=1600)),
    "none come, cold": (_follow(_COLD, "down"), CacheState(due=1000 + COLD_PAUSE, failure="down")),
    "the same keys come: the same version": (_follow(_STALE, (_A,)).version, 3),
    "in another order: the same version": (_follow(CacheState((_A, _B), 3), (_B, _A)).version, 3),
    "other keys come: another version": (_follow(_STALE, (_A, _B)).version, 4),
    "none come: the old stay": (_follow(_STALE, "down").keys, (_A,)),
    "none come: a pause": (_follow(_STALE, "down").due, 1000 + STALE_PAUSE),
    "none come, but ours are fresh: no sooner": (_follow(_FRESH, "down").due, 2000),
    "for an unknown kid: a pause": (_follow(_FRESH, (_A,), for_unknown=True).unknown_due, 1000 + UNKNOWN_PAUSE),
    "for one, in vain: a pause": (_follow(_FRESH, "down", for_unknown=True).unknown_due, 1000 + UNKNOWN_PAUSE),
    "for a known kid: no pause for unknown ones": (_follow(_STALE, (_A,)).unknown_due, 500),
    "asked for and not there: missing": (_follow(_FRESH, (_A,), asked=["x", None, "a"]).missing, ("x", None)),
    "taken out by the server: missing": (_follow(_FRESH, (_B,)).missing, ("a",)),
    "missing until it comes": (_follow(_LIMITED, (_A,)).missing, ("gone", None)),
    "missing and come": (_follow(CacheState((_A,), missing=("b",)), (_A, _B)).missing, ()),
    "the missing are few": (len(_follow(_FRESH, (_A,), asked=map(str, range(99))).missing), 16),
}


@pytest.mark.parametrize(("found", "wanted"), _FOLLOWS.values(), ids=_FOLLOWS)
def test_what_a_fetch_changes(found: object, wanted: object):
    assert found == wanted


# Keys from a URL


def test_keys_are_fetched_once_and_kept():
    server = KeyServer(jwk("b", "b"), jwk())
    verifier = server.verifier()
    assert [verifier.verify(signed(kid="a")) for _ in range(3)] == [Verified(CLAIMS)] * 3
    assert server.fetches == 1
    assert verifier.keys_version == 1


def test_old_keys_are_fetched_anew():
    server = KeyServer(jwk())
    verifier = server.verifier(keys_max_age=100)
    verifier.verify(signed(kid="a"))
    server.clock.now += 100
    assert verifier.verify(signed(kid="a")) == Verified(CLAIMS)
    assert (server.fetches, verifier.keys_version) == (2, 1)


def test_a_key_that_the_server_took_out_fails_without_another_fetch():
    server = KeyServer(jwk(), jwk("b", "b"))
    verifier = server.verifier()
    verifier.verify(signed(kid="a"))
    server.keys = (jwk("b", "b"),)
    server.clock.now += 600
    verifier.verify(signed(key="b", kid="b"))
    assert verifier.keys_version == 2
    assert verifier.verify(signed(kid="a")) == Failed("kid: holds 'a', the keys are ['b']")


_OUTAGES = {
    "connection refused": {"down": ConnectionRefusedError("no")},
    "an error of fetch": {"down": FetchError("status 500")},
    "no JSON": {"body": b"<html>"},
    "not UTF-8": {"body": b"\xff"},
    "nested without end": {"body": b"[" * 100_000},
    "a list": {"body": b"[]"},
    "no keys": {"body": b"{}"},
    "keys an object": {"body": b'{"keys": {}}'},
    "no key": {"body": b'{"keys": []}'},
    "no usable key": {"body": b'{"keys": [5, {"kty": "oct", "k": "c2VjcmV0"}]}'},
}


@pytest.mark.parametrize("outage", _OUTAGES.values(), ids=_OUTAGES)
def test_an_outage_takes_no_key_away(outage: dict):
    server = KeyServer(jwk())
    verifier = server.verifier()
    verifier.verify(signed(kid="a"))
    vars(server).update(outage)
    server.clock.now += 10_000
    assert [verifier.verify(signed(kid="a")) for _ in range(3)] == [Verified(CLAIMS)] * 3
    assert (server.fetches, verifier.keys_version) == (2, 1)
    server.clock.now += STALE_PAUSE
    verifier.verify(signed(kid="a"))
    assert server.fetches == 3


@pytest.mark.parametrize("outage", _OUTAGES.values(), ids=_OUTAGES)
def test_without_keys_nobody_can_say_and_the_server_is_asked_after_a_pause(outage: dict):
    server = KeyServer(jwk())
    vars(server).update(outage)
    verifier = server.verifier()
    verdicts = [verifier.verify(signed(kid="a")) for _ in range(3)]
    assert all(isinstance(verdict, KeysUnavailable) for verdict in verdicts)
    assert (server.fetches, verifier.keys_version) == (1, 0)
    server.down = server.body = None
    server.clock.now += COLD_PAUSE
    assert verifier.verify(signed(kid="a")) == Verified(CLAIMS)


def test_a_failed_fetch_says_why_in_the_log(caplog: pytest.LogCaptureFixture):
    server = KeyServer()
    server.down = OSError("https://user:secret@auth.example.com")
    assert server.verifier().verify(signed(kid="a")) == KeysUnavailable(
        "keys never fetched: https://auth.example.com/jwks.json: OSError"
    )
    assert caplog.messages == ["keys not fetched from https://auth.example.com/jwks.json: OSError"]


def test_unknown_kids_cause_one_fetch_in_ten_seconds():
    server = KeyServer(jwk())
    verifier = server.verifier()
    verifier.verify(signed(kid="a"))
    verdicts = [verifier.verify(signed(kid=f"x{number}")) for number in range(20)]
    assert server.fetches == 2
    assert verdicts[0] == Failed("kid: holds 'x0', the keys are ['a']")
    assert isinstance(verdicts[1], KeysUnavailable)
    server.clock.now += UNKNOWN_PAUSE
    verifier.verify(signed(kid="x1"))
    assert server.fetches == 3


def test_a_rotated_key_is_found():
    server = KeyServer(jwk())
    verifier = server.verifier()
    verifier.verify(signed(kid="a"))
    server.keys = (jwk(), jwk("b", "b"))
    assert verifier.verify(signed(key="b", kid="b")) == Verified(CLAIMS)
    assert (server.fetches, verifier.keys_version) == (2, 2)


def test_a_rotation_while_the_key_server_is_down_fails_nobody():
    server = KeyServer(jwk())
    verifier = server.verifier()
    verifier.verify(signed(kid="a"))
    server.down = OSError()
    assert all(isinstance(verifier.verify(signed(key="b", kid="b")), KeysUnavailable) for _ in range(3))
    assert server.fetches == 2
    assert verifier.verify(signed(kid="a")) == Verified(CLAIMS)
    server.down, server.keys = None, (jwk("b", "b"),)
    server.clock.now += UNKNOWN_PAUSE
    assert verifier.verify(signed(key="b", kid="b")) == Verified(CLAIMS)


def test_a_rotation_just_after_a_fetch_for_another_fails_nobody():
    server = KeyServer(jwk())
    verifier = server.verifier()
    verifier.verify(signed(kid="a"))
    verifier.verify(signed(kid="garbage"))
    server.keys = (jwk(), jwk("b", "b"))
    assert isinstance(verifier.verify(signed(key="b", kid="b")), KeysUnavailable)
    server.clock.now += UNKNOWN_PAUSE
    assert verifier.verify(signed(key="b", kid="b")) == Verified(CLAIMS)


def test_without_kid_every_key_that_fits_is_tried():
    server = KeyServer(jwk("ec", "e", "ES256"), jwk("b", None), jwk("a", None))
    assert server.verifier(algorithms=["RS256", "ES256"]).verify(signed()) == Verified(CLAIMS)
    assert server.fetches == 1


def test_without_kid_sixteen_keys_are_tried_at_most():
    others = [jwk("b", str(number)) for number in range(16)]
    server = KeyServer(*others, jwk())
    assert isinstance(server.verifier().verify(signed()), Failed)
    assert KeyServer(*others[1:], jwk()).verifier().verify(signed()) == Verified(CLAIMS)


def test_without_kid_a_rotated_key_is_found():
    server = KeyServer(jwk("a", None))
    verifier = server.verifier()
    verifier.verify(signed())
    server.keys = (jwk("b", None),)
    assert verifier.verify(signed(key="b")) == Verified(CLAIMS)
    assert (server.fetches, verifier.keys_version) == (2, 2)


def test_without_kid_a_signature_of_nobody_fails():
    server = KeyServer(jwk("a", None))
    verifier = server.verifier()
    assert verifier.verify(signed(key="b")) == Failed(_NONE_MATCHED)
    assert verifier.verify(signed(key="b")) == Failed(_NONE_MATCHED)
    assert server.fetches == 2


def test_without_kid_newer_keys_of_somebody_else_fail():
    server = KeyServer(jwk("a", None))
    verifier = server.verifier()
    verifier.verify(signed())
    server.keys = (jwk("ec", "e", "ES256"), jwk("a", "a2"))
    assert verifier.verify(signed(key="b")) == Failed("signature does not match the key")


def test_a_wrong_signature_under_a_known_kid_fails_without_a_fetch():
    server = KeyServer(jwk())
    verifier = server.verifier()
    assert verifier.verify(signed(key="b", kid="a")) == Failed("signature does not match the key 'a'")
    assert server.fetches == 1


def test_an_algorithm_that_is_not_the_key_s_fails():
    verifier = KeyServer({**jwk(use="sig"), "alg": "RS256"}).verifier(algorithms=["RS256", "PS256"])
    verdict = verifier.verify(signed(alg="PS256", kid="a"))
    assert verdict == Failed("alg: holds 'PS256', the key 'a' is for RS256")


def test_an_algorithm_that_is_not_listed_fetches_nothing():
    server = KeyServer(jwk())
    assert isinstance(server.verifier().verify(signed(alg="RS512", kid="a")), Failed)
    assert server.fetches == 0


_SKIPPED = {
    "for encryption": jwk("b", "b", use="enc"),
    "of an unknown kind": {"kty": "AKP", "kid": "b"},
    "without a kind": {"kid": "b"},
    "a shared secret": {"kty": "oct", "kid": "b", "k": "c2VjcmV0"},
    "not an object": 5,
    "for another algorithm": jwk("b", "b") | {"alg": "RSA-OAEP"},
    "with a kid that is no text": jwk("b", 5),
    "with a kid that is a list": jwk("b", ["b"]),
    "with a kind that is a list": {"kty": ["RSA"], "kid": "b"},
    "without members": {"kty": "RSA", "kid": "b"},
    "with numbers as members": {"kty": "RSA", "kid": "b", "n": 5, "e": 3},
    "with members that are no base64": {"kty": "RSA", "kid": "b", "n": "ä", "e": "!"},
    "of a curve that nobody knows": {"kty": "EC", "kid": "b", "crv": "P-1", "x": "AA", "y": "AA"},
    "off its curve": {"kty": "EC", "kid": "b", "crv": "P-256", "x": "A" * 43, "y": "A" * 43},
    "of half a point": {"kty": "OKP", "kid": "b", "crv": "Ed25519", "x": "AA"},
    "too short": jwk(RSA_1024, "b"),
    "private": jwt.get_algorithm_by_name("RS256").to_jwk(private_key("b"), as_dict=True) | {"kid": "b"},
}


@pytest.mark.parametrize("bad", _SKIPPED.values(), ids=_SKIPPED)
def test_a_bad_key_does_not_spoil_the_set(bad: object):
    keys = read_jwks(jwks(bad, jwk()), ("RS256", "ES256", "EdDSA")).keys
    assert [(key.id, key.algorithms) for key in keys] == [("a", ("RS256",))]


def test_a_key_is_for_the_algorithms_that_its_kind_and_curve_allow():
    body = jwks(jwk("a", "r"), jwk("ec384", "e", "ES384"), jwk("ed", "d", "EdDSA"), jwk("ed448", "g", "EdDSA"))
    keys = read_jwks(body, ("RS256", "PS256", "ES256", "ES384", "EdDSA")).keys
    assert [key.algorithms for key in keys] == [("RS256", "PS256"), ("ES384",), ("EdDSA",), ("EdDSA",)]


_NOTHING = dict.fromkeys(["alg", "crv", "d", "dp", "dq", "k", "key_ops", "oth", "p", "q", "qi", "use", "x", "x5t", "y"])


@pytest.mark.parametrize(
    "members",
    [
        pytest.param(_NOTHING, id="all that is not said"),
        pytest.param({**_NOTHING, "x5c": [], "key_ops": [], "use": "", "alg": ""}, id="empty ones"),
        *(pytest.param({name: None}, id=f"{name} null") for name in _NOTHING),
        pytest.param({"key_ops": ["verify"]}, id="key_ops verify"),
        pytest.param({"key_ops": ["encrypt", "verify"]}, id="key_ops of several"),
    ],
)
def test_null_members_of_a_key_are_absent(members: dict):
    server = KeyServer({**members, **jwk(), **{name: value for name, value in members.items() if name == "key_ops"}})
    assert server.verifier().verify(signed(kid="a")) == Verified(CLAIMS)


def test_a_kid_of_null_is_absent_in_a_key_and_in_a_token():
    server = KeyServer({**jwk(kid=None), "kid": None})
    assert server.verifier().verify(signed()) == Verified(CLAIMS)


_WHY = {
    "for encryption": (jwk("b", "b", use="enc"), "kid 'b': it is for use 'enc', not for signatures"),
    "for other operations": (
        jwk("b", "b", key_ops=["encrypt"]),
        "kid 'b': its key_ops are ['encrypt'], without verify",
    ),
    "with operations that are one text": (
        jwk("b", "b", key_ops="verify"),
        "kid 'b': its key_ops hold 'verify', wanted a list of texts",
    ),
    "with operations of two kinds": (
        jwk("b", "b", key_ops=["verify", None]),
        "kid 'b': its key_ops hold a list, wanted a list of texts",
    ),
    "with operations that are an object": (
        jwk("b", "b", key_ops={"verify": 1}),
        "kid 'b': its key_ops hold a dict, wanted a list of texts",
    ),
    "with operations that are false": (
        jwk("b", "b", key_ops=False),
        "kid 'b': its key_ops hold False, wanted a list of texts",
    ),
    "of an unknown kind": ({"kty": "AKP", "kid": "b"}, "kid 'b': kty 'AKP' is not known here"),
    "without a kind": ({"kid": "b"}, "kid 'b': it has no kty"),
    "a shared secret": ({"kty": "oct", "kid": "b", "k": "x"}, "kid 'b': kty oct is a shared secret"),
    "not an object": (5, "a key without kid: it has no kty"),
    "too short": (jwk(RSA_1024, "b"), "kid 'b': 1024 bits are too short"),
    "private": (_SKIPPED["private"], "kid 'b': it is a private key (d)"),
    "of a certificate alone": (
        {"kty": "RSA", "kid": "b", "x5c": ["M"]},
        "kid 'b': n and e are missing, x5c is not read",
    ),
    "of half a point": (_SKIPPED["of half a point"], "kid 'b': its members make no OKP key"),
    "for another algorithm": (jwk("b", "b") | {"alg": "RSA-OAEP"}, "kid 'b': it is for alg 'RSA-OAEP'"),
    "for another algorithm that is known": (jwk("b", "b") | {"alg": "PS512"}, "kid 'b': it is for alg 'PS512'"),
    "of another kind": (jwk("ec", "b", "ES256"), "kid 'b': it can verify ES256"),
    "with a kid that is no text": (jwk("b", 5), "a key without kid: kid holds 5, wanted text"),
}


@pytest.mark.parametrize(("bad", "why"), _WHY.values(), ids=_WHY)
def test_a_key_that_cannot_be_used_says_why(bad: object, why: str):
    with pytest.raises(FetchError) as caught:
        read_jwks(json.dumps({"keys": [bad]}).encode(), ("RS256",))
    assert str(caught.value).startswith(f"none of 1 keys is for RS256: {why}")


def test_an_empty_set_says_so():
    with pytest.raises(FetchError, match="none of 0 keys is for RS256: the set is empty"):
        read_jwks(jwks(), ("RS256",))


def test_a_token_whose_key_cannot_be_used_says_why():
    server = KeyServer(jwk(), jwk(RSA_1024, "b"))
    verdict = server.verifier().verify(signed(key="b", kid="b"))
    assert verdict == Failed("kid: holds 'b', the keys are ['a']; kid 'b': 1024 bits are too short")


@pytest.mark.parametrize("listed", ["EdDSA", "Ed25519"])
@pytest.mark.parametrize("said", [None, "EdDSA", "Ed25519"], ids=lambda name: f"the key says {name}")
@pytest.mark.parametrize("alg", ["EdDSA", "Ed25519"])
def test_ed25519_and_eddsa_are_one_algorithm(listed: str, said: str | None, alg: str):
    token = ed_signed("ed", alg)
    key = jwk("ed", "a", "EdDSA") | {"alg": said}
    assert KeyServer(key).verifier(algorithms=[listed]).verify(token) == Verified(CLAIMS)
    assert fixed(key=public_pem("ed"), algorithms=[listed]).verify(token) == Verified(CLAIMS)


@pytest.mark.parametrize("alg", ["EdDSA", "Ed448"])
def test_ed448_too_and_never_one_for_the_other(alg: str):
    token = ed_signed("ed448", alg)
    assert fixed(key=public_pem("ed448"), algorithms=["Ed448"]).verify(token) == Verified(CLAIMS)
    assert isinstance(fixed(key=public_pem("ed"), algorithms=["EdDSA"]).verify(token), Failed)
    with pytest.raises(ConfigurationError, match="key is a Ed448PublicKey that Ed25519 cannot use"):
        fixed(key=public_pem("ed448"), algorithms=["Ed25519"])


@pytest.mark.parametrize(
    ("key", "said", "listed"),
    [
        ("ed448", "Ed25519", ["EdDSA"]),
        ("ed448", "Ed25519", ["Ed448"]),
        ("ed448", "Ed25519", ["EdDSA", "Ed25519"]),
        ("ed", "Ed448", ["EdDSA"]),
        ("ed", "Ed448", ["Ed25519", "Ed448"]),
    ],
)
def test_a_key_that_says_the_name_of_another_curve_cannot_be_used(key: str, said: str, listed: list[str]):
    server = KeyServer(jwk(key, "a", "EdDSA") | {"alg": said})
    verdict = server.verifier(algorithms=listed).verify(ed_signed(key, "EdDSA"))
    assert isinstance(verdict, KeysUnavailable)
    with pytest.raises(FetchError, match=f"kid 'a': it is for alg '{said}'"):
        read_jwks(jwks(*server.keys), tuple(listed))


@pytest.mark.parametrize("said", [None, "EdDSA", "Ed448"], ids=lambda name: f"the key says {name}")
@pytest.mark.parametrize("listed", ["EdDSA", "Ed448"])
def test_a_token_that_says_the_name_of_another_curve_fails(said: str | None, listed: str):
    key = jwk("ed448", "a", "EdDSA") | {"alg": said}
    token = ed_signed("ed448", "Ed25519")
    for verifier in (
        KeyServer(key).verifier(algorithms=[listed]),
        fixed(key=public_pem("ed448"), algorithms=[listed]),
        fixed(key=lambda: public_pem("ed448"), algorithms=[listed]),
    ):
        verdict = verifier.verify(token)
        assert isinstance(verdict, Failed)
        assert verdict.reason.startswith("alg: holds 'Ed25519', ")


def test_a_curve_that_is_not_listed_fetches_nothing():
    server = KeyServer(jwk("ed", "a", "EdDSA"))
    verdict = server.verifier(algorithms=["Ed25519"]).verify(ed_signed("ed448", "Ed448"))
    assert verdict == Failed("alg: holds 'Ed448', allowed are Ed25519")
    assert server.fetches == 0


def test_a_name_of_another_curve_is_no_name_of_the_key():
    verdict = fixed(key=public_pem("ed"), algorithms=["EdDSA"]).verify(ed_signed("ed", "Ed448"))
    assert verdict == Failed("alg: holds 'Ed448', the key 'a' is for EdDSA")


def ed_signed(key: str, alg: str) -> str:
    text = f"{encoded({'alg': alg, 'kid': 'a'})}.{encoded(CLAIMS)}"
    return f"{text}.{encoded(private_key(key).sign(text.encode()))}"


# A key that changes


class TestAKeyThatChanges:
    def test_a_function_gives_the_key_of_the_moment(self):
        now = ["a"]
        verifier = fixed(key=lambda: public_pem(now[0]))
        assert verifier.keys_version == 0
        assert verifier.verify(signed()) == Verified(CLAIMS)
        assert verifier.keys_version == 1
        now[0] = "b"
        assert verifier.verify(signed()) == Failed("signature does not match the key")
        assert verifier.verify(signed(key="b")) == Verified(CLAIMS)
        assert verifier.keys_version == 2

    def test_the_same_key_again_is_no_change(self):
        verifier = fixed(key=lambda: SECRET, algorithms=["HS256"])
        for _ in range(3):
            verifier.verify(signed(alg="HS256"))
        assert verifier.keys_version == 1

    @pytest.mark.parametrize(
        ("then", "says"),
        [
            pytest.param(ZeroDivisionError("s3cret"), "key: its function failed by ZeroDivisionError", id="an error"),
            pytest.param(None, "key: its function gave none", id="nothing"),
            pytest.param("s3cret", "key is no public key or certificate in PEM", id="no key"),
            pytest.param(public_pem("ec"), "key is a ECPublicKey secp256r1 that RS256 cannot use", id="another kind"),
        ],
    )
    def test_while_it_gives_none_the_last_one_counts(self, caplog, then, says):
        given = iter([public_pem(), then, then, then])

        def source():
            value = next(given)
            if isinstance(value, Exception):
                raise value
            return value

        verifier = fixed(key=source)
        assert [verifier.verify(signed()) for _ in range(4)] == [Verified(CLAIMS)] * 4
        (line,) = caplog.messages
        assert line.startswith(says)
        assert "s3cret" not in caplog.text

    def test_without_any_nobody_can_say(self):
        assert fixed(key=lambda: 1 / 0).verify(signed()) == KeysUnavailable(
            "key: its function failed by ZeroDivisionError"
        )

    def test_a_file(self, tmp_path):
        (tmp_path / "key.pem").write_bytes(public_pem())
        verifier = fixed(key=SecretFile(tmp_path / "key.pem"))
        assert verifier.verify(signed()) == Verified(CLAIMS)
        (tmp_path / "key.pem").write_bytes(public_pem("b"))
        assert verifier.verify(signed(key="b")) == Verified(CLAIMS)

    def test_a_file_with_another_kind_of_key_cannot_be_used(self, tmp_path):
        (tmp_path / "key.pem").write_bytes(public_pem("ec"))
        with pytest.raises(ConfigurationError, match="key is a ECPublicKey secp256r1 that RS256 cannot use"):
            fixed(key=SecretFile(tmp_path / "key.pem"))


def test_no_key_shows_in_a_repr():
    (key,) = read_jwks(jwks(jwk()), ("RS256",)).keys
    assert repr(key) == "Key(id='a', algorithms=('RS256',))"


# Many at once: each test makes its race certain, none waits for luck


class Gate(KeyServer):
    """A fetch that stays under way until it is told to end."""

    def __init__(self, *keys: dict) -> None:
        super().__init__(*keys)
        self.timeout = 3.0 * IN_TIME  # who waits for nothing is found out
        self.entered, self.opened = threading.Event(), threading.Event()
        self.opened.set()

    def __call__(self, url: str, timeout: float) -> bytes:
        self.entered.set()
        assert self.opened.wait(IN_TIME)
        return super().__call__(url, timeout)


class Asking(threading.Thread):
    """A request of its own thread; ``verdict`` is there after ``join``."""

    def __init__(self, verifier: JwtVerifier, token: str) -> None:
        super().__init__(daemon=True)
        self.verifier, self.token, self.verdict = verifier, token, None
        self.start()

    def run(self) -> None:
        self.verdict = self.verifier.verify(self.token)

    def result(self) -> object:
        self.join(IN_TIME)
        assert not self.is_alive()
        return self.verdict


class TellingClock(Clock):
    """Says when a thread has read it twice: the second time under the lock, which it gives up by waiting only."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: dict[int, int] = {}
        self.waiting = threading.Semaphore(0)

    def __call__(self) -> float:
        me = threading.get_ident()
        self.reads[me] = self.reads.get(me, 0) + 1
        if self.reads[me] == 2:
            self.waiting.release()
        return self.now


def _a_fetch_and_its_waiters(server: Gate, tokens: list[str]) -> list[object]:
    """Verify all tokens at once: the first fetches, and its fetch ends when all others wait for it."""
    server.clock = TellingClock()
    verifier = server.verifier()
    server.opened.clear()
    first = Asking(verifier, tokens[0])
    assert server.entered.wait(IN_TIME)
    others = [Asking(verifier, token) for token in tokens[1:]]
    for _ in tokens:
        assert server.clock.waiting.acquire(timeout=IN_TIME)
    server.opened.set()
    return [asking.result() for asking in (first, *others)]


def test_at_the_start_all_wait_for_one_fetch():
    server = Gate(jwk())
    assert _a_fetch_and_its_waiters(server, [signed(kid="a")] * 6) == [Verified(CLAIMS)] * 6
    assert server.fetches == 1


def test_at_the_start_all_hear_that_the_one_fetch_failed():
    server = Gate(jwk())
    server.down = OSError()
    verdicts = _a_fetch_and_its_waiters(server, [signed(kid="a")] * 6)
    assert verdicts == [KeysUnavailable("keys never fetched: https://auth.example.com/jwks.json: OSError")] * 6
    assert server.fetches == 1


def test_kids_that_were_waited_for_in_vain_are_missing():
    server = Gate(jwk())
    verdicts = _a_fetch_and_its_waiters(server, [signed(kid="a"), *(signed(kid=f"x{n}") for n in range(20))])
    assert verdicts[0] == Verified(CLAIMS)
    assert sum(isinstance(verdict, Failed) for verdict in verdicts) == 15
    assert sum(isinstance(verdict, KeysUnavailable) for verdict in verdicts) == 5


def test_nobody_waits_longer_than_the_timeout():
    server = Gate(jwk())
    server.opened.clear()
    server.timeout = 0.01
    verifier = server.verifier()
    first = Asking(verifier, signed(kid="a"))
    assert server.entered.wait(IN_TIME)
    verdict = verifier.verify(signed(kid="a"))
    assert verdict == KeysUnavailable("keys never fetched: the first fetch is under way")
    server.opened.set()
    assert first.result() == Verified(CLAIMS)


@pytest.mark.parametrize("kid", ["unknown", "a"], ids=["for an unknown kid", "for keys grown old"])
def test_a_known_kid_never_waits_for_the_fetch_of_another(kid: str):
    server = Gate(jwk())
    verifier = server.verifier()
    verifier.verify(signed(kid="a"))
    server.clock.now += 600
    server.entered.clear()
    server.opened.clear()
    other = Asking(verifier, signed(kid=kid))
    assert server.entered.wait(IN_TIME)
    assert Asking(verifier, signed(kid="a")).result() == Verified(CLAIMS)
    server.opened.set()
    other.result()
    assert server.fetches == 2


def test_who_comes_second_to_the_lock_finds_the_keys_fetched():
    server = KeyServer(jwk())
    verifier = server.verifier(monotonic=lambda: clock())  # noqa: PLW0108 (defined below)
    calls = itertools.count()

    def clock() -> float:
        if next(calls) == 0:  # between the look without the lock and the look under it
            verifier.verify(signed(kid="a"))
        return server.clock.now

    assert verifier.verify(signed(kid="a")) == Verified(CLAIMS)
    assert server.fetches == 1


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit], ids=lambda stop: stop.__name__)
def test_a_fetch_that_was_stopped_holds_nobody_up(stop: type[BaseException]):
    server = KeyServer(jwk())
    server.down = stop()
    verifier = server.verifier()
    with pytest.raises(stop):
        verifier.verify(signed(kid="a"))
    assert verifier.verify(signed(kid="a")) == KeysUnavailable("keys never fetched: the fetch was stopped")
    server.down = None
    server.clock.now += COLD_PAUSE
    assert verifier.verify(signed(kid="a")) == Verified(CLAIMS)


def test_a_child_fetches_for_itself_and_its_version_moves_on():
    server = KeyServer(jwk())
    verifier = server.verifier()
    verifier.verify(signed(kid="a"))
    child = os.fork()
    if child == 0:
        try:
            good = verifier.verify(signed(kid="a")) == Verified(CLAIMS)
            os._exit(0 if good and (server.fetches, verifier.keys_version) == (2, 2) else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert (server.fetches, verifier.keys_version) == (1, 1)


_GEVENT = """
import json, sys, time
from wsgi_token_refresh.authorization_server.verifier import JwtVerifier

def fetch(url, timeout):
    fetches.append(url)
    entered.set()
    assert opened.wait(10)
    return sys.argv[1].encode()

# Made before gevent has patched anything, as under --preload.
verifier = JwtVerifier(jwks_url="https://auth.example.com/jwks", algorithms=["RS256"], fetch=fetch)

from gevent import monkey
monkey.patch_thread()
import gevent, gevent.event

fetches, entered, opened = [], gevent.event.Event(), gevent.event.Event()
requests = [gevent.spawn(verifier.verify, sys.argv[2]) for _ in range(5)]
assert entered.wait(10)
gevent.idle()  # the hub turns, so that nobody holds it up
opened.set()
gevent.joinall(requests, timeout=10)
assert [type(request.value).__name__ for request in requests] == ["Verified"] * 5, [r.value for r in requests]
assert len(fetches) == 1
"""


def test_waiting_does_not_stall_a_hub_that_was_patched_later():
    pytest.importorskip("gevent")
    arguments = [jwks(jwk()).decode(), signed(kid="a")]
    done = subprocess.run(
        [sys.executable, "-c", _GEVENT, *arguments], check=False, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")


# The fetch itself


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        getattr(self, "answer_" + self.path.strip("/"))()

    def answer_jwks(self) -> None:
        self._send(200, jwks(jwk()))

    def answer_error(self) -> None:
        self._send(500, jwks(jwk()))

    def answer_redirect(self) -> None:
        self._send(302, b"", Location="/jwks")

    def answer_large(self) -> None:
        self._send(200, b" " * 262_145)

    def answer_largest(self) -> None:
        self._send(200, b" " * 262_144)

    def answer_broken(self) -> None:
        self._send(200, b"\x1f\x8b", **{"Content-Encoding": "gzip"})

    def answer_trickle(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "100000")
        self.end_headers()
        try:
            while not self.server.closing.wait(0.01):
                self.wfile.write(b" ")
        except OSError:
            self.close_connection = True

    def _send(self, status: int, body: bytes, **headers: str) -> None:
        self.server.seen.append(dict(self.headers))
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def web():
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.closing, server.seen = threading.Event(), []
        server.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.closing.set()
        server.shutdown()
        thread.join()


def test_keys_are_fetched_over_http(web):
    verifier = JwtVerifier(jwks_url=f"{web.url}/jwks", algorithms=["RS256"], clock=lambda: NOW)
    assert verifier.verify(signed(kid="a")) == Verified(CLAIMS)


def test_a_body_of_256_kib_is_read(web):
    assert len(fetch_url(f"{web.url}/largest", 5)) == 262_144


_BAD_ANSWERS = {
    "another status": ("/error", 5, "status 500"),
    "a redirect": ("/redirect", 5, "status 302"),
    "over 256 KiB": ("/large", 5, "the answer is larger than 256 KiB"),
    "drop by drop": ("/trickle", 0.1, "timed out after 0.1 s"),
}


@pytest.mark.parametrize(("path", "timeout", "reason"), _BAD_ANSWERS.values(), ids=_BAD_ANSWERS)
def test_a_bad_answer_gives_no_keys(web, path: str, timeout: float, reason: str):
    with pytest.raises(FetchError, match=f"^{reason}$"):
        fetch_url(web.url + path, timeout)


def test_an_encoding_that_cannot_be_unpacked_gives_no_keys(web):
    verifier = JwtVerifier(jwks_url=web.url + "/broken", algorithms=["RS256"])
    assert verifier.verify(_GOOD) == KeysUnavailable(f"keys never fetched: {web.url}/broken: the answer is no JSON")


def test_a_server_that_is_not_there_gives_no_keys(web):
    url = web.url
    web.socket.close()
    with pytest.raises(FetchError, match=r"^connection (refused|lost)$"):
        fetch_url(url, 5)


def test_no_password_of_netrc_is_sent(web, tmp_path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login jane password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    fetch_url(f"{web.url}/jwks", 5)
    assert "Authorization" not in web.seen[0]


# Whatever comes in

_PARTS = st.one_of(
    st.text(max_size=40),
    st.binary(max_size=60).map(encoded),
    st.dictionaries(st.text(max_size=5) | st.sampled_from(["alg", "kid", "crit", "b64"]), st.text(max_size=9)).map(
        encoded
    ),
    st.sampled_from([{"alg": "RS256"}, {"alg": "RS256", "kid": "a"}, {"alg": "none"}, {"alg": "HS256"}, CLAIMS]).map(
        encoded
    ),
)
_ANYTHING = st.one_of(st.text(), st.lists(_PARTS, min_size=1, max_size=6).map(".".join))
_GOOD = signed(kid="a")
_VERIFIERS = [fixed(), KeyServer(jwk(), jwk("ec", "e", "ES256")).verifier(algorithms=["RS256", "ES256"])]


@settings(max_examples=300, deadline=None)
@given(_ANYTHING)
def test_no_text_is_verified_and_none_raises(token: str):
    for verifier in _VERIFIERS:
        verdict = verifier.verify(token)
        assert isinstance(verdict, Failed | KeysUnavailable)
        assert verdict.reason.isprintable()
        assert len(verdict.reason) < 400


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(_GOOD) - 1), st.characters() | st.sampled_from([".", "=", ""]))
def test_no_mutation_of_a_good_token_is_verified(place: int, character: str):
    mutated = _GOOD[:place] + character + _GOOD[place + 1 :]
    for verifier in _VERIFIERS:
        assert mutated == _GOOD or not isinstance(verifier.verify(mutated), Verified)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)
_MEMBERS = st.sampled_from(["kty", "kid", "use", "alg", "n", "e", "crv", "x", "y", "key_ops"])
_VALUES = _JSON | st.sampled_from(["RSA", "EC", "OKP", "P-256", "Ed25519", "sig", "AQAB", "A" * 43])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.dictionaries(_MEMBERS, _VALUES), max_size=4))
def test_no_key_spoils_a_set(bad: list):
    keys = read_jwks(jwks(*bad, jwk()), ("RS256", "ES256", "EdDSA")).keys
    assert keys[-1].id == "a"
