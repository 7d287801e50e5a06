"""URLs of the authorization server: what keeps one from being used."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

_URL = re.compile(r"[\x21-\x5b\x5d-\x7e]+")


def url_problems(name: str, url: object, allow_insecure: bool) -> Iterator[str]:
    """Say what is wrong with a URL, without what may be a secret in it."""
    try:
        parts = urlsplit(url if isinstance(url, str) and _URL.fullmatch(url) else "")
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https"):
        yield f"{name}: is no URL; give all of it, as in 'https://auth.example.com/path', in printable ASCII"
        return
    if "@" in parts.netloc:
        yield f"{name}: holds credentials; give them as client_id and client_secret"
    if parts.fragment:
        yield f"{name}: holds a fragment, which is never sent; leave out what follows '#'"
    if parts.scheme == "http" and not allow_insecure and not _is_loopback(host):
        yield f"{name}: http:// sends tokens in the clear to {host}; say https://, or allow_insecure=True"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
