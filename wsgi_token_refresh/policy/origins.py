"""Which site sent a request, by ``Sec-Fetch-Site``, ``Origin`` and ``Host``: what is not known is another one."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ORIGIN = re.compile(r"([a-z][a-z0-9+.\-]*)://(\[[0-9a-f:.]+\]|[a-z0-9._~\-]+)(?::([0-9]{1,5}))?", re.IGNORECASE)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_OURS = frozenset(("same-origin", "none"))
"""What browsers say of requests that are ours or a person's own (Fetch Metadata 2.3)."""


@dataclass(frozen=True, slots=True)
class Origin:
    """An origin (RFC 6454 4); ``port`` is None where it is the default one of the scheme, or where none is known."""

    scheme: str
    host: str
    port: int | None


def read_origin(text: str) -> Origin | None:
    """Read one origin as browsers write it (RFC 6454 6.2); None for ``null``, for lists and for anything else."""
    found = _ORIGIN.fullmatch(text)
    if found is None:
        return None
    scheme, host, digits = found[1].lower(), found[2].lower(), found[3]
    port = int(digits) if digits else None
    return Origin(scheme, host, None if port == _DEFAULT_PORTS.get(scheme) else port)


def is_other_site(site: str | None, origin: str | None, host: str) -> bool:
    """Tell whether another site sent a request; ``site`` and ``origin`` are None where there is no such header.

    ``Sec-Fetch-Site`` decides where it is sent: no page can set it, and behind a proxy ``Host`` may be another one.
    Without either header it was no browser, or a very old one.
    """
    if site is not None:
        return site not in _OURS
    return origin is not None and not _is_at(origin, host)


def _is_at(origin: str, host: str) -> bool:
    # Behind a proxy the scheme of a request is not known: each default port in Host may be that of the origin.
    theirs, here = read_origin(origin), read_origin(f"http://{host}")
    if theirs is None or here is None or theirs.scheme not in _DEFAULT_PORTS:
        return False
    return (theirs.host, theirs.port) == (here.host, None if here.port == 443 else here.port)
