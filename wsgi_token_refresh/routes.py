"""Which rule a path falls under."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum
from urllib.parse import urlsplit

from .errors import ConfigurationError
from .paths import readings, safe_next

_NOT_IN_PREFIXES = "*?#,<>{}"


class Rule(IntEnum):
    """What is asked of a request; the higher, the stricter."""

    PUBLIC = 0
    LOGIN = 1
    GUEST_ONLY = 2
    OPTIONAL = 3
    PROTECTED = 4


class Routes:
    """Tells which rule a path falls under: the longest prefix on whole segments wins, no prefix is ``optional``.

    Paths are matched as the application sees them (``PATH_INFO``, decoded). ``login_url`` and ``home_url`` are
    local paths below the application's root. ``trusted_origins`` may send unsafe requests across sites.
    ``preflight`` is ``"answer"`` (204, without CORS headers) or ``"pass"``. Raises ``ConfigurationError``.
    """

    def __init__(
        self,
        *,
        protected: Sequence[str] = ("/",),
        optional: Sequence[str] = (),
        public: Sequence[str] = (),
        guest_only: Sequence[str] = (),
        login_url: str = "/login",
        home_url: str = "/",
        trusted_origins: Sequence[str] = (),
        preflight: str = "answer",
    ) -> None:
        self.login_url = login_url
        self.home_url = home_url
        self.passes_preflight = preflight == "pass"
        listed = {
            Rule.PROTECTED: protected,
            Rule.OPTIONAL: optional,
            Rule.PUBLIC: public,
            Rule.GUEST_ONLY: guest_only,
        }
        problems = [
            *(problem for rule, prefixes in listed.items() for problem in _problems_of(rule, prefixes)),
            *_problems_of_url("login_url", login_url),
            *_problems_of_url("home_url", home_url),
            *_problems_of_origins(trusted_origins),
        ]
        if preflight not in ("answer", "pass"):
            problems.append(f"Routes: preflight is {preflight!r}; give 'answer' or 'pass'")
        if not problems:
            self._prefixes, problems = _by_prefix(listed)
        if problems:
            raise ConfigurationError(problems)
        self._login = _as_path_info(login_url)
        if self.rule_for(_latin(home_url)) is Rule.GUEST_ONLY:
            raise ConfigurationError(
                f"Routes: home_url is {home_url!r}, which is guest_only, so who is signed in would be sent there for "
                "ever; give another home_url, or leave that path to optional"
            )
        self.trusted_origins = frozenset(_origin(origin) for origin in trusted_origins)
        self._summary = {rule.name.lower(): list(prefixes) for rule, prefixes in listed.items() if prefixes}

    def __repr__(self) -> str:
        return f"Routes({self._summary}, login_url={self.login_url!r})"

    def rule_for(self, path: str) -> Rule:
        """Tell the rule of a ``PATH_INFO``: the strictest of all the ways in which a router may read it."""
        paths = readings(path)
        return Rule.PROTECTED if paths is None else max(self._rule_of(each) for each in paths)

    def is_trusted(self, origin: str) -> bool:
        """Tell whether an ``Origin`` may send unsafe requests across sites (RFC 6454 6.2)."""
        return bool(self.trusted_origins) and _origin(origin) in self.trusted_origins

    def _rule_of(self, path: str) -> Rule:
        prefix = path.rstrip("/")
        if prefix == self._login and self._prefixes.get(prefix) is not Rule.GUEST_ONLY:
            return Rule.LOGIN
        while prefix:
            rule = self._prefixes.get(prefix)
            if rule is not None:
                return rule
            prefix = prefix[: prefix.rfind("/")] if "/" in prefix else ""
        return self._prefixes.get("", Rule.OPTIONAL)


def _by_prefix(listed: dict[Rule, Sequence[str]]) -> tuple[dict[str, Rule], list[str]]:
    prefixes: dict[str, Rule] = {}
    problems = []
    for rule, paths in listed.items():
        for path in paths:
            prefix = _as_path_info(path)
            if prefixes.setdefault(prefix, rule) is not rule:
                other = prefixes[prefix].name.lower()
                problems.append(f"Routes: {path!r} is {other} and {rule.name.lower()}; leave it in one of them")
    return prefixes, problems


def _problems_of(rule: Rule, prefixes: object) -> list[str]:
    name = rule.name.lower()
    if isinstance(prefixes, str) or not isinstance(prefixes, Iterable):
        return [f"Routes: {name} is {prefixes!r}; give a list of path prefixes"]
    return [
        f"Routes: {name} has {path!r}; a prefix begins with '/', has none of {_NOT_IN_PREFIXES}, and reads one way only"
        for path in prefixes
        if not _is_prefix(path)
    ]


def _is_prefix(path: object) -> bool:
    if not isinstance(path, str) or not path.startswith("/") or any(each in path for each in _NOT_IN_PREFIXES):
        return False
    found = readings(_latin(path))
    return found is not None and len({each.rstrip("/") for each in found}) == 1


def _problems_of_url(name: str, url: object) -> list[str]:
    if isinstance(url, str) and safe_next(url, "") == url and url and not any(each in url for each in "?#"):
        return []
    return [f"Routes: {name} is {url!r}; give a local path such as '/login', without '?' and '#'"]


def _problems_of_origins(origins: object) -> list[str]:
    if isinstance(origins, str) or not isinstance(origins, Iterable):
        return [f"Routes: trusted_origins is {origins!r}; give a list such as ['https://app.example.com']"]
    return [
        f"Routes: trusted_origins has {origin!r}; give scheme and host only, such as 'https://app.example.com'"
        for origin in origins
        if not isinstance(origin, str) or not _is_origin(origin)
    ]


def _is_origin(origin: str) -> bool:
    try:
        parts = urlsplit(origin)
        return bool(parts.scheme and parts.hostname) and origin.rstrip("/") == f"{parts.scheme}://{parts.netloc}"
    except ValueError:
        return False


def _origin(origin: str) -> str:
    return origin.rstrip("/").lower()


def _as_path_info(path: str) -> str:
    return _latin(path).rstrip("/")


def _latin(path: str) -> str:
    """Write a path as WSGI has it: UTF-8 bytes read as Latin-1 (PEP 3333, "Unicode Issues")."""
    return path.encode("utf-8").decode("latin-1")
