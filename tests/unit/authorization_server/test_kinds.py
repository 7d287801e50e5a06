"""Only access tokens are access tokens: those of well-known providers, and what else the same key signs there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wild import NOW, SECRET, SERVERS, Wild
from wsgi_token_refresh.authorization_server.kinds import wrong_kind
from wsgi_token_refresh.authorization_server.verifier import JwtVerifier
from wsgi_token_refresh.tokens import Failed, Verified

_OP = {"iss": "https://sso.example.com", "sub": "5f0c1b1e", "iat": NOW, "exp": NOW + 300}
"""What every token of a provider holds."""
_FOR_WEB = {**_OP, "aud": "web"}
"""What every ID token holds (OpenID Connect Core 2)."""
_HOME = {"sub": 7, "exp": NOW + 300}
"""What the token of a home-grown server holds."""
_BOTH = pytest.mark.parametrize("audience", [None, "an audience"], ids=["no audience", "an audience"])


def _verify(claims: Mapping[str, Any], typ: str = "JWT", audience: str | None = None) -> object:
    aud = claims.get("aud") or "api"
    held = claims if audience is None else {**claims, "aud": aud}
    wanted = None if audience is None else aud
    verifier = JwtVerifier(key=SECRET, algorithms=["HS256"], clock=lambda: NOW, audience=wanted)
    return verifier.verify(jwt.encode(dict(held), SECRET, "HS256", {"typ": typ}))


@dataclass(frozen=True)
class Token:
    """A token, the type in its header, and how the reason begins for which it is none for access."""

    claims: Mapping[str, Any]
    typ: str = "JWT"
    reason: str = ""


_ACCESS = {
    "Keycloak, bound by DPoP": Token({**_FOR_WEB, "typ": "DPoP", "azp": "web", "nonce": "n", "cnf": {"jkt": "k"}}),
    "Keycloak 3: a nonce": Token(
        {**_FOR_WEB, "typ": "Bearer", "nonce": "n", "azp": "web", "realm_access": {"roles": []}}
    ),
    "Keycloak as at+jwt, with a hash mapped into it": Token({**_FOR_WEB, "typ": "Bearer", "at_hash": "h"}, "at+jwt"),
    "Keycloak, lightweight": Token({**_OP, "typ": "Bearer", "azp": "web", "sid": "s"}),
    "Keycloak, of a service account": Token({**_OP, "typ": "Bearer", "clientHost": "192.0.2.1", "client_id": "web"}),
    "Auth0 with permissions": Token(
        {**_OP, "aud": ["https://api"], "azp": "A", "permissions": ["read:a"], "at_hash": "h"}
    ),
    "Auth0, RFC 9068 profile": Token({**_OP, "aud": "https://api", "client_id": "A", "jti": "j"}, "at+jwt"),
    "Auth0 for a machine": Token({**_OP, "aud": "https://api", "azp": "A", "gty": "client-credentials", "scope": "a"}),
    "Okta for a machine": Token(
        {**_OP, "aud": "api://default", "jti": "AT.0mP4", "cid": "0oa", "scp": ["a"], "sub": "0oa"}
    ),
    "Entra ID for a machine": Token(
        {**_OP, "aud": "api://x", "appid": "6", "appidacr": "1", "idtyp": "app", "roles": ["A"]}
    ),
    "Entra ID B2C": Token({**_FOR_WEB, "scp": "read", "azp": "6", "tfp": "B2C_1_in", "nonce": "n", "ver": "1.0"}),
    "AD FS: no subject": Token(
        {**_OP, "sub": None, "aud": "microsoft:identityserver:x", "apptype": "Public", "appid": "6"}
    ),
    "Cognito for a machine": Token({**_OP, "sub": "1ex", "client_id": "1ex", "token_use": "access", "scope": "a/b"}),
    "PingOne": Token(
        {**_OP, "client_id": "6", "aud": ["https://api"], "scope": "openid", "env": "e", "org": "o", "sid": "s"}
    ),
    "PingFederate": Token({"exp": NOW + 300, "client_id": "web", "scope": ["openid"], "Username": "jane"}),
    "ForgeRock: a nonce": Token(
        {
            **_FOR_WEB,
            "tokenName": "access_token",
            "token_type": "Bearer",
            "nonce": "n",
            "scope": ["openid"],
            "client_id": "web",
        }
    ),
    "WSO2": Token(
        {**_FOR_WEB, "aut": "APPLICATION_USER", "azp": "web", "scope": "openid", "client_id": "web"}, "at+jwt"
    ),
    "WSO2 of old": Token({**_FOR_WEB, "aut": "APPLICATION_USER", "azp": "web", "scope": "openid", "jti": "j"}),
    "Spring Authorization Server": Token({**_FOR_WEB, "nbf": NOW, "scope": ["openid"], "jti": "j"}),
    "Spring Security OAuth": Token(
        {
            "user_name": "jane",
            "scope": ["read"],
            "authorities": ["A"],
            "jti": "1a2b",
            "client_id": "web",
            "exp": NOW + 300,
        }
    ),
    "UAA": Token(
        {
            **_OP,
            "jti": "0" * 32,
            "scope": ["openid"],
            "client_id": "cf",
            "cid": "cf",
            "azp": "cf",
            "rev_sig": "r",
            "zid": "uaa",
        }
    ),
    "Okta whose jti ends by chance as those of UAA": Token(
        {**_OP, "jti": "AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX3-r"}
    ),
    "djangorestframework-simplejwt, sliding": Token(
        {"token_type": "sliding", "user_id": 7, "refresh_exp": 9, "exp": NOW + 300}
    ),
    "django-ninja-jwt": Token({"token_type": "access", "user_id": 7, "jti": "j", "exp": NOW + 300}),
    "FusionAuth": Token({**_FOR_WEB, "tty": "at", "scope": "openid", "roles": ["a"], "authenticationType": "PASSWORD"}),
    "FusionAuth of old": Token({**_FOR_WEB, "roles": ["a"], "authenticationType": "PASSWORD", "applicationId": "web"}),
    "Zitadel": Token({**_OP, "aud": ["web", "project"], "client_id": "web", "nbf": NOW, "jti": "j"}),
    "authentik: its ID token with two more": Token(
        {
            **_FOR_WEB,
            "nonce": "n",
            "auth_time": NOW,
            "acr": "goauthentik.io/default",
            "azp": "web",
            "uid": "u",
            "groups": ["a"],
        }
    ),
    "Ory Hydra": Token({**_OP, "aud": [], "client_id": "web", "ext": {}, "scp": ["openid"], "nbf": NOW, "jti": "j"}),
    "IdentityServer 4": Token(
        {**_OP, "client_id": "web", "auth_time": NOW, "idp": "local", "scope": ["openid"], "amr": ["pwd"]}
    ),
    "Duende": Token({**_OP, "client_id": "web", "sid": "s", "idp": "local", "scope": ["openid"]}, "at+jwt"),
    "OpenIddict": Token({**_OP, "client_id": "web", "oi_prst": "web", "oi_tkn_id": "t", "scope": "openid"}, "at+jwt"),
    "Curity": Token({**_OP, "aud": "api", "purpose": "access_token", "delegationId": "d", "scope": "openid"}),
    "Casdoor: its ID token is the same": Token(
        {**_FOR_WEB, "tokenType": "access-token", "nonce": "n", "type": "normal-user"}
    ),
    "Oracle IDCS": Token({**_OP, "tok_type": "AT", "client_id": "web", "scope": "", "sub_type": "user", "gtp": "jwt"}),
    "Descope": Token({**_OP, "drn": "DS", "amr": ["email"], "permissions": [], "roles": []}),
    "Gluu: a code": Token({**_FOR_WEB, "code": "c", "token_type": "bearer", "client_id": "web", "scope": ["openid"]}),
    "Salesforce": Token(
        {**_OP, "mty": "oauth", "client_id": "3MV", "scp": "api", "sub": "uid:005", "roles": [], "sfi": "f"}
    ),
    "Cloudflare Access": Token({**_OP, "aud": ["6f"], "type": "app", "identity_nonce": "n", "country": "US"}),
    "AWS ALB": Token({"sub": "5f", "email": "j@example.com", "iss": "https://sso.example.com", "exp": NOW + 120}),
    "Firebase: an ID token for back ends": Token(
        {**_FOR_WEB, "auth_time": NOW, "user_id": "5f", "firebase": {"identities": {}, "sign_in_provider": "password"}}
    ),
    "Google for a service": Token({**_OP, "aud": "https://run", "azp": "1", "email": "s@x.iam.gserviceaccount.com"}),
    "Supabase": Token({**_OP, "aud": "authenticated", "role": "authenticated", "session_id": "s", "aal": "aal1"}),
    "Clerk": Token({**_OP, "azp": "https://app", "sid": "sess", "nbf": NOW, "fva": [0, -1], "sts": "active", "v": 2}),
    "Kubernetes": Token({**_OP, "aud": ["https://k8s"], "kubernetes.io": {"namespace": "a"}, "nbf": NOW}),
    "Laravel Passport": Token(
        {"aud": "1", "jti": "0" * 80, "iat": NOW, "nbf": NOW, "exp": NOW + 300, "sub": "7", "scopes": []}
    ),
    "tymon/jwt-auth": Token({**_OP, "nbf": NOW, "jti": "j", "prv": "p"}),
    "SuperTokens": Token(
        {**_OP, "tId": "public", "rsub": "5f", "refreshTokenHash1": "h", "parentRefreshTokenHash1": None}
    ),
    "Frontegg": Token({**_OP, "aud": "6", "type": "userToken", "tenantId": "t", "roles": [], "permissions": []}),
    "home-grown with an address": Token(
        {**_HOME, "iss": "shop", "aud": "web", "state": "CA", "code": "94110", "scope": "shop"}
    ),
    "home-grown with an address, without scope": Token(
        {**_HOME, "iss": "shop", "aud": "web", "state": "CA", "code": "94110"}
    ),
    "home-grown with an address, without subject": Token(
        {"user_id": 7, "state": "CA", "code": "94110", "exp": NOW + 300}
    ),
    "home-grown without subject, with an address and roles": Token(
        {"iss": "shop", "user_id": 7, "state": "CA", "code": "94110", "roles": ["a"], "exp": NOW + 300}
    ),
    "home-grown with a nonce, so that no two are alike": Token({**_HOME, "iss": "shop", "nonce": "n"}),
    "home-grown with a claim ati": Token({**_HOME, "ati": "x", "scope": "read", "client_id": "web"}),
    "home-grown with a claim ati and roles": Token({**_HOME, "ati": "x", "roles": ["a"]}),
    "RFC 9068 with a claim ati": Token({**_OP, "ati": "x", "client_id": "web", "scope": ["read"]}, "at+jwt"),
    "a client of itself, with a scope": Token({**_OP, "iss": "web", "sub": "web", "client_id": "web", "scope": "a"}),
    "a client of itself, with roles": Token({**_OP, "iss": "web", "sub": "web", "roles": ["a"]}),
    "a client of itself, RFC 9068": Token({**_OP, "iss": "web", "sub": "web", "client_id": "web"}, "at+jwt"),
    "a client of itself, by a word": Token({**_OP, "iss": "web", "sub": "web", "token_use": "access"}),
    "a response type that was asked for": Token({**_OP, "response_type": "code", "client_id": "web"}),
    "a method and a URL beside a scope": Token({**_OP, "sub": None, "htm": "GET", "htu": "https://a", "scope": "a"}),
    "a method and a URL beside a client": Token(
        {**_OP, "sub": None, "htm": "GET", "htu": "https://a", "client_id": "web"}
    ),
    "a method and a URL beside a subject": Token({**_OP, "htm": "GET", "htu": "https://a"}),
    "events with a colon beside a scope": Token({**_OP, "events": {"urn:shop:sale": {}}, "scope": "a"}),
    "events with a colon beside groups": Token({**_OP, "events": {"urn:shop:sale": {}}, "groups": ["a"]}),
    "a hash beside Keycloak's roles": Token({**_FOR_WEB, "at_hash": "h", "realm_access": {"roles": ["a"]}}),
    "a hash beside permissions": Token({**_FOR_WEB, "at_hash": "h", "permissions": ["a"]}),
    "a hash beside a client who is not its audience": Token({**_OP, "aud": "api", "at_hash": "h", "client_id": "web"}),
    "a hash that is none": Token({**_FOR_WEB, "at_hash": 7}),
    "words that only begin alike": Token(
        {**_HOME, "type": "refreshable", "kind": "id", "use": "offline", "usage": "code"}
    ),
    "a type of RFC 8693": Token({**_HOME, "token_type": "urn:ietf:params:oauth:token-type:access_token"}),
    "what was refreshed": Token({**_HOME, "token_type": "refreshed"}),
    "the access token of a refresh": Token({**_HOME, "token_use": "access_after_refresh"}),
    "words that are of a person": Token({**_HOME, "type": ["customer", "id"], "kind": "admin", "purpose": "sales"}),
}
_WORDS = {
    "Keycloak's ID token": Token(
        {**_FOR_WEB, "typ": "ID", "azp": "web", "at_hash": "h", "realm_access": {}}, "JWT", "typ: "
    ),
    "Keycloak's refresh token": Token({**_OP, "aud": _OP["iss"], "typ": "Refresh", "scope": "openid"}, "JWT", "typ: "),
    "Keycloak's offline token": Token({**_OP, "typ": "Offline", "scope": "openid"}, "JWT", "typ: "),
    "Keycloak's logout token": Token({**_FOR_WEB, "typ": "Logout", "sid": "s"}, "JWT", "typ: "),
    "Keycloak's ID token of a session": Token({**_OP, "typ": "Serialized-ID"}, "JWT", "typ: "),
    **{
        f"Keycloak's action token {typ}": Token(
            {**_OP, "aud": _OP["iss"], "typ": typ, "nonce": "n", "eml": "e"}, "JWT", "typ: "
        )
        for typ in (
            *("verify-email", "reset-credentials", "execute-actions", "idp-verify-account-via-email"),
            *("update-email", "ORGIVT", "RegistrationAccessToken", "InitialAccessToken"),
        )
    },
    "Cognito's ID token": Token({**_FOR_WEB, "token_use": "id", "cognito:groups": ["a"]}, "JWT", "token_use: "),
    "ForgeRock's ID token": Token({**_FOR_WEB, "tokenName": "id_token", "tokenType": "JWTToken"}, "JWT", "tokenName: "),
    "ForgeRock's refresh token": Token(
        {**_FOR_WEB, "tokenName": "refresh_token", "token_type": "Bearer", "scope": ["a"]}, "JWT", "tokenName: "
    ),
    "djangorestframework-simplejwt's refresh token": Token(
        {**_HOME, "token_type": "refresh", "user_id": 7}, "JWT", "token_type: "
    ),
    "Flask-JWT-Extended's refresh token": Token({**_HOME, "type": "refresh", "csrf": "c"}, "JWT", "type: "),
    "FusionAuth's ID token": Token({**_FOR_WEB, "tty": "id", "scope": "openid", "roles": []}, "JWT", "tty: "),
    "OpenIddict's refresh token": Token({**_OP, "scope": "openid"}, "oi_reft+jwt", "typ: the header"),
    "OpenIddict's authorization code": Token({**_OP, "client_id": "web"}, "oi_auc+jwt", "typ: the header"),
    "the refresh token of OpenIddict's forerunner": Token(
        {**_OP, "token_usage": "refresh_token"}, "JWT", "token_usage: "
    ),
    "Curity's ID token": Token({**_OP, "aud": ["api", "web"], "purpose": "id", "azp": "web"}, "JWT", "purpose: "),
    "Casdoor's refresh token": Token({**_FOR_WEB, "tokenType": "refresh-token", "scope": "a"}, "JWT", "tokenType: "),
    "Oracle IDCS's ID token": Token(
        {**_OP, "tok_type": "IT", "client_id": "web", "aud": ["x", "web"]}, "JWT", "tok_type: "
    ),
    "Descope's refresh token": Token({**_OP, "drn": "DSR", "amr": ["email"]}, "JWT", "drn: "),
    "Pocket ID's ID token": Token({**_FOR_WEB, "type": "id-token"}, "JWT", "type: "),
    "a logout token beside a scope": Token(
        {**_FOR_WEB, "scope": "a", "events": {"http://schemas.openid.net/event/backchannel-logout": {}}},
        "at+jwt",
        "events: ",
    ),
    "a logout token": Token({**_FOR_WEB, "jti": "j", "sid": "s"}, "logout+jwt", "typ: the header"),
    "a DPoP proof": Token(
        {"htm": "GET", "htu": "https://a", "jti": "j", "exp": NOW + 300}, "dpop+jwt", "typ: the header"
    ),
    "a type of RFC 8693": Token(
        {**_HOME, "token_type": "urn:ietf:params:oauth:token-type:id_token", "scope": "a"}, "JWT", "token_type: "
    ),
    "a word in a list": Token({**_HOME, "typ": ["Refresh"]}, "JWT", "typ: "),
    "a word among others": Token({**_HOME, "typ": ["JWT", "Refresh"], "scope": "a"}, "JWT", "typ: "),
    "a word against the header": Token({**_HOME, "token_use": "refresh", "scope": "a"}, "at+jwt", "token_use: "),
    "a word against another word": Token({**_HOME, "typ": "Bearer", "token_use": "id_token"}, "JWT", "token_use: "),
    **{
        f"{claim}: {kind}": Token(
            {**_HOME, claim: kind, "scope": "a", "roles": ["a"]}, "JWT", f"{claim}: holds '{kind}'"
        )
        for claim in (
            "use",
            "tokenType",
            "kind",
            "purpose",
            "token_kind",
            "token-use",
            "TYP",
            "usage",
            "type",
            "jwt_type",
        )
        for kind in (
            "refresh",
            "REFRESH_TOKEN",
            "RefreshToken",
            "jwt-refresh",
            "user_refresh",
            "password-reset",
            "id_token",
        )
    },
}
_NAMED = (
    *(
        "offline_token",
        "IdentityToken",
        "backchannel-logout",
        "client_assertion",
        "client-authentication+jwt",
        "DPoPProof",
    ),
    *("secevent+jwt", "introspection", "token-introspection+jwt", "authorization_code", "auth-code", "DeviceCode"),
    *("email-verification", "confirm_email", "emailConfirmation", "magic-link", "reset-password"),
)
"""Words that mean one thing wherever they stand."""
_SHAPES = {
    "Spring Security OAuth's refresh token": Token(
        {**_HOME, "user_name": "jane", "scope": ["read"], "ati": "1a2b", "jti": "3c4d", "client_id": "web"},
        "JWT",
        "ati: ",
    ),
    "the same without a scope": Token(
        {**_HOME, "authorities": ["A"], "ati": "1a2b", "jti": "3c", "client_id": "web"}, "JWT", "ati: "
    ),
    "UAA's refresh token": Token(
        {**_OP, "jti": "0" * 32 + "-r", "cid": "cf", "client_id": "cf", "granted_scopes": ["openid"], "rev_sig": "r"},
        "JWT",
        "jti: ",
    ),
    "UAA's refresh token of old": Token(
        {**_OP, "jti": "9" * 32 + "-r", "cid": "cf", "scope": ["openid"]}, "JWT", "jti: "
    ),
    "a security event": Token({**_FOR_WEB, "events": {"https://schemas.openid.net/secevent/x": {}}}, "JWT", "events: "),
    "the answer of an introspection": Token(
        {**_FOR_WEB, "token_introspection": {"active": True}}, "JWT", "token_introspection: "
    ),
    "a client's assertion": Token(
        {**_OP, "iss": "web", "sub": "web", "aud": _OP["iss"], "jti": "j"}, "JWT", "iss and sub: "
    ),
    "a client's assertion that names the client": Token(
        {**_OP, "iss": "web", "sub": "web", "client_id": "web"}, "JWT", "iss and sub: "
    ),
    "Firebase's custom token": Token(
        {**_OP, "iss": "s@x", "sub": "s@x", "uid": "u", "aud": "toolkit"}, "JWT", "iss and sub: "
    ),
    "an untyped DPoP proof": Token(
        {"htm": "GET", "htu": "https://a", "jti": "j", "exp": NOW + 300}, "JWT", "htm and htu: "
    ),
    "the answer of an authorization": Token(
        {"iss": "https://a", "aud": "web", "code": "c", "state": "s", "exp": NOW + 300}, "JWT", "code and state: "
    ),
    "the answer of an authorization that failed": Token(
        {"iss": "https://a", "aud": "web", "error": "access_denied", "state": "s", "exp": NOW + 300},
        "JWT",
        "error and state: ",
    ),
    "the request of an authorization": Token(
        {
            "iss": "web",
            "aud": "https://a",
            "response_type": "code",
            "client_id": "web",
            "scope": "openid",
            "exp": NOW + 300,
        },
        "JWT",
        "response_type: ",
    ),
}
_ID_SHAPES = {
    "Auth0's": Token({**_FOR_WEB, "nonce": "n", "sid": "s", "nickname": "jane"}, "JWT", "nonce: "),
    "Okta's with groups": Token({**_FOR_WEB, "jti": "ID.1", "at_hash": "h", "groups": ["a"]}, "JWT", "at_hash: "),
    "Entra ID's with roles": Token(
        {**_FOR_WEB, "nonce": "n", "oid": "o", "roles": ["A"], "ver": "2.0"}, "JWT", "nonce: "
    ),
    "Entra ID's of the hybrid flow": Token(
        {**_FOR_WEB, "c_hash": "h", "nonce": "n", "groups": ["a"]}, "JWT", "c_hash: "
    ),
    "AD FS's": Token({**_FOR_WEB, "nonce": "n", "upn": "jane", "sid": "s"}, "JWT", "nonce: "),
    "Google's": Token({**_FOR_WEB, "azp": "web", "at_hash": "h", "hd": "example.com"}, "JWT", "at_hash: "),
    "Apple's": Token({**_FOR_WEB, "c_hash": "h", "nonce_supported": True, "auth_time": NOW}, "JWT", "c_hash: "),
    "PingOne's": Token({**_FOR_WEB, "nonce": "n", "acr": "a", "env": "e", "org": "o"}, "JWT", "nonce: "),
    "WSO2's": Token(
        {**_FOR_WEB, "isk": "i", "at_hash": "h", "c_hash": "h", "azp": "web", "amr": ["x"]}, "JWT", "at_hash: "
    ),
    "Spring Authorization Server's": Token({**_FOR_WEB, "azp": "web", "nonce": "n", "sid": "s"}, "JWT", "nonce: "),
    "Zitadel's, which names the client": Token(
        {**_OP, "aud": ["web", "project"], "azp": "web", "client_id": "web", "at_hash": "h", "amr": ["pwd"]},
        "JWT",
        "at_hash: ",
    ),
    "CAS's, which names the client": Token(
        {**_FOR_WEB, "client_id": "web", "state": "s", "nonce": "n", "at_hash": "h", "txn": "t"}, "JWT", "at_hash: "
    ),
    "authentik's": Token(
        {**_FOR_WEB, "nonce": "n", "acr": "goauthentik.io/default", "groups": ["a"]}, "JWT", "nonce: "
    ),
    "Ory Hydra's": Token({**_OP, "aud": ["web"], "at_hash": "h", "rat": NOW, "auth_time": NOW}, "JWT", "at_hash: "),
    "Duende's": Token({**_FOR_WEB, "nonce": "n", "at_hash": "h", "idp": "local"}, "JWT", "at_hash: "),
    "Dex's, and its access tokens, which are the same": Token(
        {**_FOR_WEB, "nonce": "n", "at_hash": "h"}, "JWT", "at_hash: "
    ),
}


@_BOTH
@pytest.mark.parametrize("token", _ACCESS.values(), ids=_ACCESS)
def test_an_access_token_passes(token: Token, audience: str | None):
    assert isinstance(_verify(token.claims, token.typ, audience), Verified)


@_BOTH
@pytest.mark.parametrize("server", [server for server in SERVERS if server.claims], ids=lambda server: server.name)
def test_so_does_that_of_a_server_in_the_wild(server: Wild, audience: str | None):
    assert isinstance(_verify(server.claims or {}, "at+jwt", audience), Verified)
    assert isinstance(_verify(server.claims or {}, "JWT", audience), Verified)


@_BOTH
@pytest.mark.parametrize("token", {**_WORDS, **_SHAPES}.values(), ids={**_WORDS, **_SHAPES})
def test_what_is_none_by_its_own_marks_fails_whatever_its_audience(token: Token, audience: str | None):
    _assert_failed(token, _verify(token.claims, token.typ, audience))


@pytest.mark.parametrize("claim", ["typ", "type", "purpose", "token_use"])
@pytest.mark.parametrize("kind", _NAMED)
def test_words_that_mean_one_thing_count_in_every_claim_that_names_a_kind(claim: str, kind: str):
    verdict = _verify({**_HOME, claim: kind, "scope": "a"})
    assert verdict == Failed(f"{claim}: holds '{kind}', wanted an access token")


@pytest.mark.parametrize("token", _ID_SHAPES.values(), ids=_ID_SHAPES)
def test_an_id_token_fails_where_no_audience_tells_it_apart(token: Token):
    _assert_failed(token, _verify(token.claims, token.typ))


@pytest.mark.parametrize("token", _ID_SHAPES.values(), ids=_ID_SHAPES)
def test_with_an_audience_it_is_for_the_audience_to_tell(token: Token):
    assert isinstance(_verify(token.claims, token.typ, "an audience"), Verified)
    strict = JwtVerifier(key=SECRET, algorithms=["HS256"], audience="https://api.example.com")
    assert str(strict.verify(jwt.encode(dict(token.claims), SECRET, "HS256"))).startswith('Failed(reason="aud: holds ')


@pytest.mark.parametrize("token", {**_SHAPES, **_ID_SHAPES}.values(), ids={**_SHAPES, **_ID_SHAPES})
@pytest.mark.parametrize("typ", ["at+jwt", "application/at+jwt", "AT+JWT;x=1"])
def test_an_explicit_type_outweighs_every_shape(token: Token, typ: str):
    assert isinstance(_verify(token.claims, typ), Verified)


@pytest.mark.parametrize("token", {**_SHAPES, **_ID_SHAPES}.values(), ids={**_SHAPES, **_ID_SHAPES})
@pytest.mark.parametrize(
    "word", [{"token_use": "access"}, {"typ": "Bearer"}, {"type": "access_token"}, {"typ": ["at+jwt"]}], ids=str
)
def test_so_does_the_word_of_a_claim(token: Token, word: dict[str, Any]):
    assert isinstance(_verify({**token.claims, **word}), Verified)


@pytest.mark.parametrize("token", {**_WORDS, **_SHAPES, **_ID_SHAPES}.values(), ids={**_WORDS, **_SHAPES, **_ID_SHAPES})
def test_claims_of_null_are_absent(token: Token):
    only = dict.fromkeys(token.claims)
    assert wrong_kind("", only) is None


_MARKS = sorted(
    {name for token in (*_WORDS.values(), *_SHAPES.values(), *_ID_SHAPES.values()) for name in token.claims}
)
_TEXTS = st.text(max_size=8) | st.sampled_from(
    ["refresh", "id", "access", "web", "JWT", "a:b", "at+jwt", "logout+jwt; x=1"]
)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=6,
)


@given(_TEXTS, st.dictionaries(_TEXTS | st.sampled_from(_MARKS), _VALUES, max_size=8), st.booleans())
def test_nothing_raises_and_each_reason_is_printable_and_short(typ: str, claims: dict[str, Any], id_tokens: bool):
    reason = wrong_kind(typ.lower(), claims, id_tokens=id_tokens) or ""
    assert reason.isprintable()
    assert len(reason) < 300


def _assert_failed(token: Token, verdict: object) -> None:
    assert isinstance(verdict, Failed)
    assert verdict.reason.startswith(token.reason)
    assert verdict.reason.endswith(", wanted an access token")
