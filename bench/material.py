"""Keys, tokens, cookie headers and environs to measure with."""

from __future__ import annotations

import secrets
import time
from functools import cache

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

SIZES = (600, 1900)
"""Bytes of an access token, about; the targets are for the last."""
FOREIGN = "_ga=GA1.2.1234567890.1700000000; theme=dark; locale=en-GB; consent=1.0.1.1"
PLACES = {"public": "/static/app.css", "optional": "/blog", "protected": "/dashboard"}


@cache
def private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def access_token(size: int, subject: str = "ada") -> str:
    """Make an RS256 token of about ``size`` bytes, its payload as random as a real one."""
    now = int(time.time())
    claims = {"iss": "https://auth.example.com/", "aud": "api", "sub": subject, "iat": now, "exp": now + 7200}
    bare = len(jwt.encode(claims, private_key(), algorithm="RS256", headers={"kid": "one"}))
    groups = max(0, (size - bare) * 3 // 4 // 13)
    claims["groups"] = [secrets.token_hex(5) for _ in range(groups)]
    return jwt.encode(claims, private_key(), algorithm="RS256", headers={"kid": "one"})


def cookie_header(token: str, refresh_token: str) -> str:
    return f"{FOREIGN}; access_token={token}; refresh_token={refresh_token}"


def copies(header: str, count: int) -> list[str]:
    """Make equal strings that are different objects, none of which has been hashed."""
    half = len(header) // 2
    first, second = header[:half], header[half:]
    return [first + second for _ in range(count)]


def changing(header: str, count: int) -> list[str]:
    """Make headers in which one foreign cookie differs every time."""
    return [f"_last={secrets.token_hex(8)}; {header}" for _ in range(count)]


def environ(header: str, path: str) -> dict[str, object]:
    return {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "app.example.com",
        "SERVER_PORT": "443",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "https",
        "HTTP_HOST": "app.example.com",
        "HTTP_ACCEPT": "text/html,application/xhtml+xml",
        "HTTP_ACCEPT_LANGUAGE": "en-GB,en;q=0.8",
        "HTTP_SEC_FETCH_MODE": "navigate",
        "HTTP_SEC_FETCH_DEST": "document",
        "HTTP_SEC_FETCH_SITE": "same-origin",
        "HTTP_USER_AGENT": "Mozilla/5.0",
        "HTTP_COOKIE": header,
    }


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return [b"ok"]


def start_response(status, headers, exc_info=None):
    return None
