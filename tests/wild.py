"""Access tokens and token responses as real authorization servers issue them: data for tests of several modules.

Every token is issued at ``NOW``. ``sign`` makes the access token of a server, ``token_response`` what its token
endpoint answers to a refresh with that token.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

NOW = 1_790_000_000
SECRET = "wild-secret-of-more-than-thirty-two-bytes"
KID = "wild-1"

_JANE = "5f0c1b1e-4c1f-4f5e-9b37-1d9d4e6b7a10"
_SID = "0b1ce1c5-2a3a-4a3b-8c3d-9e6f4a5b6c7d"
_TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"
_APP = "6731de76-14a6-49ae-97bc-6eba6914391e"


@dataclass(frozen=True)
class Wild:
    """One server: what it issues, how we are to be set up for it, and what then must come out.

    ``claims`` is None where access tokens are opaque (``opaque`` is one); ``response`` lacks the access token, which
    stands under ``access_name``. ``wrong_audience`` is the reason of ``Failed`` when ``audience="web"`` is configured,
    the client's id, as everybody does in the first hour. ``window`` is that of ``refresh_before=300``, without jitter.
    """

    name: str
    dialect: str
    claims: Mapping[str, Any] | None
    response: Mapping[str, Any]
    wrong_audience: str
    expires_at: float
    lifetime: float
    window: float
    algorithm: str = "RS256"
    audience: str | None = None
    issuer: str | None = None
    opaque: str = ""
    access_name: str = "access_token"
    refresh_name: str = "refresh_token"
    expires_in: float | None = None
    refresh_expires_in: float | None = None
    subject: tuple[str, ...] = field(default=("sub",))
    """The claims by which ``same_subject`` can tell two people or sessions apart."""

    @property
    def refresh_token(self) -> str | None:
        """The new refresh token of the response, if there is one."""
        return self.response.get(self.refresh_name)

    def verifier_settings(self) -> dict[str, Any]:
        """The keyword arguments of ``JwtVerifier`` for this server, with a fixed key."""
        key = SECRET if self.algorithm == "HS256" else signing_key().public_key()
        return {
            "key": key,
            "algorithms": [self.algorithm],
            "audience": self.audience,
            "issuer": self.issuer,
            "clock": lambda: NOW,
        }


@cache
def signing_key() -> rsa.RSAPrivateKey:
    """The key of every server that signs with RS256."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def sign(server: Wild, **changes: Any) -> str:
    """Issue an access token of a server, with some claims changed."""
    if server.claims is None:
        return server.opaque
    if server.algorithm == "HS256":
        return jwt.encode({**server.claims, **changes}, SECRET, "HS256")
    return jwt.encode({**server.claims, **changes}, signing_key(), server.algorithm, {"kid": KID})


def token_response(server: Wild, access_token: str) -> dict[str, Any]:
    """Make the answer of a server's token endpoint to a refresh."""
    return {server.access_name: access_token, **server.response}


_KEYCLOAK = {
    "exp": NOW + 300,
    "iat": NOW,
    "jti": "onrtrt:4c5d0e7f-7a0b-4d6e-8d3c-1f2e3d4c5b6a",
    "iss": "https://sso.example.com/realms/shop",
    "aud": "account",
    "sub": _JANE,
    "typ": "Bearer",
    "azp": "web",
    "sid": _SID,
    "acr": "1",
    "allowed-origins": ["https://shop.example.com"],
    "realm_access": {"roles": ["default-roles-shop", "offline_access", "uma_authorization"]},
    "resource_access": {"account": {"roles": ["manage-account", "manage-account-links", "view-profile"]}},
    "scope": "openid profile email",
    "email_verified": True,
    "name": "Jane Döe",
    "preferred_username": "jane",
    "email": "jane@example.com",
}
_KEYCLOAK_RESPONSE = {
    "expires_in": 300,
    "refresh_expires_in": 1800,
    "refresh_token": "eyJhbGciOiJIUzUxMiJ9.eyJ0eXAiOiJSZWZyZXNoIn0.c2lnbmF0dXJl",
    "token_type": "Bearer",
    "id_token": "eyJhbGciOiJSUzI1NiJ9.eyJ0eXAiOiJJRCJ9.c2lnbmF0dXJl",
    "not-before-policy": 0,
    "session_state": _SID,
    "scope": "openid profile email",
}

KEYCLOAK = Wild(
    name="Keycloak",
    dialect="oauth2",
    claims=_KEYCLOAK,
    response=_KEYCLOAK_RESPONSE,
    audience="account",
    issuer="https://sso.example.com/realms/shop",
    wrong_audience="aud: holds 'account', wanted 'web'",
    expires_at=NOW + 300,
    lifetime=300,
    window=100,
    expires_in=300,
    refresh_expires_in=1800,
    subject=("sub", "sid"),
)

KEYCLOAK_OFFLINE = Wild(
    name="Keycloak with offline_access, whose refresh token never ends",
    dialect="oauth2",
    claims={**_KEYCLOAK, "scope": "openid offline_access"},
    response={**_KEYCLOAK_RESPONSE, "refresh_expires_in": 0, "scope": "openid offline_access"},
    audience="account",
    wrong_audience="aud: holds 'account', wanted 'web'",
    expires_at=NOW + 300,
    lifetime=300,
    window=100,
    expires_in=300,
    subject=("sub", "sid"),
)

KEYCLOAK_OLD = Wild(
    name="Keycloak 4, nbf 0",
    dialect="oauth2",
    claims={
        "jti": "9f3d2c1b-0a1b-4c2d-8e3f-4a5b6c7d8e9f",
        "exp": NOW + 60,
        "nbf": 0,
        "iat": NOW,
        "iss": "https://sso.example.com/auth/realms/shop",
        "aud": ["web", "account"],
        "sub": _JANE,
        "typ": "Bearer",
        "azp": "web",
        "auth_time": 0,
        "session_state": _SID,
        "acr": "1",
    },
    response={**_KEYCLOAK_RESPONSE, "expires_in": 60},
    audience="account",
    wrong_audience="",
    expires_at=NOW + 60,
    lifetime=60,
    window=20,
    expires_in=60,
    refresh_expires_in=1800,
)

AUTH0 = Wild(
    name="Auth0 with an API audience",
    dialect="oauth2",
    claims={
        "iss": "https://example.eu.auth0.com/",
        "sub": "auth0|65f1c0ffee",
        "aud": ["https://api.example.com", "https://example.eu.auth0.com/userinfo"],
        "iat": NOW,
        "exp": NOW + 86400,
        "scope": "openid profile email offline_access",
        "azp": "AbCdEfGhIjKlMnOpQrStUvWxYz012345",
    },
    response={
        "refresh_token": "v1.MRjZ0nF1cTqg2aC3bD4eF5gH6iJ7kL8mN9oP0qR1sT2uV3wX4yZ5",
        "id_token": "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhdXRoMHwifQ.c2lnbmF0dXJl",
        "scope": "openid profile email offline_access",
        "expires_in": 86400,
        "token_type": "Bearer",
    },
    audience="https://api.example.com",
    issuer="https://example.eu.auth0.com/",
    wrong_audience="aud: holds ['https://api.example.com', 'https://example.eu.auth0.com/userinfo'], wanted 'web'",
    expires_at=NOW + 86400,
    lifetime=86400,
    window=300,
    expires_in=86400,
)

AUTH0_OPAQUE = Wild(
    name="Auth0 without an API audience: encrypted",
    dialect="oauth2",
    claims=None,
    opaque="eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIiwiaXNzIjoiaHR0cHM6Ly9leGFtcGxlLmV1LmF1dGgwLmNvbS8ifQ"
    "..MDEyMzQ1Njc4OWFi.Y2lwaGVydGV4dA.dGFn",
    response={
        "id_token": "eyJhbGciOiJSUzI1NiJ9.e30.c2ln",
        "scope": "openid",
        "expires_in": 86400,
        "token_type": "Bearer",
    },
    wrong_audience="no JWT: wanted 3 parts, found 5 (opaque or encrypted)",
    expires_at=NOW + 86400,
    lifetime=86400,
    window=300,
    expires_in=86400,
    subject=(),
)

OKTA = Wild(
    name="Okta",
    dialect="oauth2",
    claims={
        "ver": 1,
        "jti": "AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE.oarob4a0tckCkGcyo1d6",
        "iss": "https://example.okta.com/oauth2/default",
        "aud": "api://default",
        "iat": NOW,
        "exp": NOW + 3600,
        "cid": "0oa1bcd2efGHIJkl3m4n",
        "uid": "00u1bcd2efGHIJkl3m4n",
        "scp": ["openid", "offline_access"],
        "auth_time": NOW - 7200,
        "sub": "jane@example.com",
    },
    response={
        "token_type": "Bearer",
        "expires_in": 3600,
        "scope": "offline_access openid",
        "refresh_token": "MpUFFRfL0bFZbQ2wJ3d4e5f6g7h8i9j0kL1mN2oP3q4",
        "id_token": "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIwMHUifQ.c2lnbmF0dXJl",
    },
    audience="api://default",
    issuer="https://example.okta.com/oauth2/default",
    wrong_audience="aud: holds 'api://default', wanted 'web'",
    expires_at=NOW + 3600,
    lifetime=3600,
    window=300,
    expires_in=3600,
)

ENTRA_V1 = Wild(
    name="Entra ID v1: numbers as strings",
    dialect="oauth2",
    claims={
        "aud": f"api://{_APP}",
        "iss": f"https://sts.windows.net/{_TENANT}/",
        "iat": NOW - 300,
        "nbf": NOW - 300,
        "exp": NOW + 4222,
        "acr": "1",
        "amr": ["pwd", "mfa"],
        "appid": _APP,
        "appidacr": "1",
        "ipaddr": "192.0.2.7",
        "name": "Jane Doe",
        "oid": _JANE,
        "scp": "access_as_user",
        "sub": "kOq3Zr5t8wUxYz0AbCdEfGhIjKlMnOpQrStUvWxYz01",
        "tid": _TENANT,
        "unique_name": "jane@example.com",
        "upn": "jane@example.com",
        "ver": "1.0",
    },
    response={
        "token_type": "Bearer",
        "expires_in": "4222",
        "ext_expires_in": "4222",
        "expires_on": str(NOW + 4222),
        "not_before": str(NOW - 300),
        "resource": f"api://{_APP}",
        "scope": "access_as_user",
        "refresh_token": "0.AXoAv4j5cvGGr0GRqy180BHbR3beMWemFK5Jl7xuumkUOR4",
    },
    audience=f"api://{_APP}",
    issuer=f"https://sts.windows.net/{_TENANT}/",
    wrong_audience=f"aud: holds 'api://{_APP}', wanted 'web'",
    expires_at=NOW + 4222,
    lifetime=4522,
    window=300,
    expires_in=4222,
)

ENTRA_V2 = Wild(
    name="Entra ID v2",
    dialect="oauth2",
    claims={
        "aud": _APP,
        "iss": f"https://login.microsoftonline.com/{_TENANT}/v2.0",
        "iat": NOW - 300,
        "nbf": NOW - 300,
        "exp": NOW + 4222,
        "azp": _APP,
        "azpacr": "1",
        "name": "Jane Doe",
        "oid": _JANE,
        "preferred_username": "jane@example.com",
        "scp": "access_as_user",
        "sid": _SID,
        "sub": "kOq3Zr5t8wUxYz0AbCdEfGhIjKlMnOpQrStUvWxYz01",
        "tid": _TENANT,
        "uti": "TyhHvdQ5aUq8RjlkdkZ3AQ",
        "ver": "2.0",
    },
    response={
        "token_type": "Bearer",
        "scope": "openid access_as_user",
        "expires_in": 4222,
        "ext_expires_in": 4222,
        "refresh_token": "1.AXoAv4j5cvGGr0GRqy180BHbR3beMWemFK5Jl7xuumkUOR4",
        "id_token": "eyJhbGciOiJSUzI1NiJ9.eyJ2ZXIiOiIyLjAifQ.c2lnbmF0dXJl",
    },
    audience=_APP,
    issuer=f"https://login.microsoftonline.com/{_TENANT}/v2.0",
    wrong_audience=f"aud: holds '{_APP}', wanted 'web'",
    expires_at=NOW + 4222,
    lifetime=4522,
    window=300,
    expires_in=4222,
    subject=("sub", "sid"),
)

COGNITO = Wild(
    name="Cognito without rotation: no new refresh token",
    dialect="oauth2",
    claims={
        "sub": _JANE,
        "cognito:groups": ["customers"],
        "iss": "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEf123",
        "version": 2,
        "client_id": "1example23456789",
        "origin_jti": _SID,
        "event_id": "4e3d2c1b-0a1b-4c2d-8e3f-4a5b6c7d8e9f",
        "token_use": "access",
        "scope": "openid email",
        "auth_time": NOW - 7200,
        "exp": NOW + 3600,
        "iat": NOW,
        "jti": "7a0b4d6e-8d3c-4f2e-9d4c-5b6a7c8d9e0f",
        "username": "jane",
    },
    response={"id_token": "eyJhbGciOiJSUzI1NiJ9.e30.c2ln", "token_type": "Bearer", "expires_in": 3600},
    issuer="https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEf123",
    wrong_audience="aud: missing, wanted 'web'",
    expires_at=NOW + 3600,
    lifetime=3600,
    window=300,
    expires_in=3600,
)

DJANGO_OAUTH_TOOLKIT = Wild(
    name="django-oauth-toolkit: opaque",
    dialect="oauth2",
    claims=None,
    opaque="jQ3Xr5t8wUxYz0AbCdEfGhIjKlMnOp",
    response={
        "expires_in": 36000,
        "token_type": "Bearer",
        "scope": "read write",
        "refresh_token": "fMsCYWvZ1b2n3m4k5l6j7h8g9f0d1s",
    },
    wrong_audience="no JWT: wanted 3 parts, found 1 (opaque or encrypted)",
    expires_at=NOW + 36000,
    lifetime=36000,
    window=300,
    expires_in=36000,
    subject=(),
)

SIMPLEJWT = Wild(
    name="djangorestframework-simplejwt",
    dialect="simplejwt",
    claims={
        "token_type": "access",
        "exp": NOW + 300,
        "iat": NOW,
        "jti": "e8b1c2d3e4f5061728394a5b6c7d8e9f",
        "user_id": 7,
    },
    response={"refresh": "eyJhbGciOiJIUzI1NiJ9.eyJ0b2tlbl90eXBlIjoicmVmcmVzaCJ9.c2lnbmF0dXJl"},
    access_name="access",
    refresh_name="refresh",
    algorithm="HS256",
    wrong_audience="aud: missing, wanted 'web'",
    expires_at=NOW + 300,
    lifetime=300,
    window=100,
    subject=(),
)

FLASK_JWT_EXTENDED = Wild(
    name="Flask-JWT-Extended: an access token and nothing else",
    dialect="bearer",
    claims={
        "fresh": False,
        "iat": NOW,
        "jti": "7a0b4d6e-8d3c-4f2e-9d4c-5b6a7c8d9e0f",
        "type": "access",
        "sub": "7",
        "nbf": NOW,
        "csrf": "4e3d2c1b-0a1b-4c2d-8e3f-4a5b6c7d8e9f",
        "exp": NOW + 900,
    },
    response={},
    algorithm="HS256",
    wrong_audience="aud: missing, wanted 'web'",
    expires_at=NOW + 900,
    lifetime=900,
    window=300,
)

HOME_GROWN = Wild(
    name="home-grown: integer sub, no iat",
    dialect="camel",
    claims={"sub": 7, "role": "customer", "exp": NOW + 1200},
    response={"refreshToken": "Zm9ydHktdHdvIGJ5dGVzIG9mIHJhbmRvbW5lc3M"},
    access_name="accessToken",
    refresh_name="refreshToken",
    algorithm="HS256",
    wrong_audience="aud: missing, wanted 'web'",
    expires_at=NOW + 1200,
    lifetime=1200,
    window=300,
)

HOME_GROWN_OPAQUE = Wild(
    name="home-grown: opaque, and nobody says for how long",
    dialect="oauth2",
    claims=None,
    opaque="b3BhcXVl",
    response={"token_type": "bearer"},
    wrong_audience="no JWT: wanted 3 parts, found 1 (opaque or encrypted)",
    expires_at=NOW + 300,
    lifetime=300,
    window=100,
    subject=(),
)

SERVERS = (
    KEYCLOAK,
    KEYCLOAK_OFFLINE,
    KEYCLOAK_OLD,
    AUTH0,
    AUTH0_OPAQUE,
    OKTA,
    ENTRA_V1,
    ENTRA_V2,
    COGNITO,
    DJANGO_OAUTH_TOOLKIT,
    SIMPLEJWT,
    FLASK_JWT_EXTENDED,
    HOME_GROWN,
    HOME_GROWN_OPAQUE,
)
