"""Which rule a path falls under."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum
from typing import TypeGuard

from ..errors import ConfigurationError
from .origins import Origin, read_origin
from .paths import is_malformed, is_too_long, readings, safe_next

_NOT_IN_PREFIXES = "*?#,<>{}"
_MOST_KNOWN = 4096
_LONGEST_KNOWN = 512
# Where providers are commonly told to send people back to.
_CALLBACK = "/callback"


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
    local paths below the application's root. What lies below ``login_url``, and the prefixes of ``sign_in``, are part
    of the way in: they pass, as ``login_url`` does, unless a rule names the same prefix or a longer one; ``warnings``
    say where that seems to open more. None for ``sign_in`` is ``/callback``, unless a rule names that.
    ``trusted_origins`` may send unsafe requests across sites, and to the prefixes of ``form_post`` a provider may post
    its answer (OAuth 2.0 Form Post Response Mode).
    ``preflight`` is ``"answer"`` (204, without CORS headers) or ``"pass"``. Raises ``ConfigurationError``.
    """

    def __init__(
        self,
        *,
        protected: Sequence[str] = ("/",),
        optional: Sequence[str] = (),
        public: Sequence[str] = (),
        guest_only: Sequence[str] = (),
        sign_in: Sequence[str] | None = None,
        form_post: Sequence[str] = (),
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
            Rule.LOGIN: () if sign_in is None else sign_in,
        }
        problems = [
            *(problem for rule, prefixes in listed.items() for problem in _problems_of(_argument(rule), prefixes)),
            *_problems_of("form_post", form_post),
            *_problems_of_url("login_url", login_url),
            *_problems_of_url("home_url", home_url),
            *_problems_of_origins(trusted_origins),
        ]
        if preflight not in ("answer", "pass"):
            problems.append(f"Routes: preflight is {preflight!r}; give 'answer' or 'pass'")
        if not problems:
            self._prefixes, problems = _by_prefix(listed)
            is_said = _as_path_info(login_url) in self._prefixes
            problems += self._let_in(form_post, login_url, (_CALLBACK,) if sign_in is None else ())
        if problems:
            raise ConfigurationError(problems)
        self._longest = max(map(len, self._prefixes), default=0)
        if self._strictest(_latin(home_url)) is Rule.GUEST_ONLY:
            raise ConfigurationError(
                f"Routes: home_url is {home_url!r}, which is guest_only, so who is signed in would be sent there for "
                "ever; give another home_url, or leave that path to optional"
            )
        self.warnings = () if is_said else self._too_wide(protected)
        self.trusted_origins = frozenset(_origin(origin) for origin in trusted_origins)
        self._summary = {_argument(rule): list(prefixes) for rule, prefixes in listed.items() if prefixes}
        # Single operations of a dict are whole between threads; what two of them work out is the same.
        self._known: dict[str, Rule] = {}

    def __repr__(self) -> str:
        return f"Routes({self._summary}, login_url={self.login_url!r})"

    def rule_for(self, path: str) -> Rule:
        """Tell the rule of a ``PATH_INFO``: the strictest of all the ways in which a router may read it."""
        rule = self._known.get(path)
        return self._remembered(path, self._strictest(path)) if rule is None else rule

    def known(self, path: str) -> Rule | None:
        """Tell the rule of a ``PATH_INFO`` that is well-formed and was asked for lately; else None."""
        return self._known.get(path)

    def is_trusted(self, origin: str) -> bool:
        """Tell whether an ``Origin`` may send unsafe requests across sites (RFC 6454 6.2)."""
        return bool(self.trusted_origins) and read_origin(origin) in self.trusted_origins

    def takes_posts(self, path: str) -> bool:
        """Tell whether a provider may post its answer to a ``PATH_INFO``, however it is read."""
        found = readings(path) if self._form_post and not is_too_long(path) and not is_malformed(path) else None
        return found is not None and all(_is_below(each.rstrip("/"), self._form_post) for each in found)

    def _let_in(self, form_post: Sequence[str], login_url: str, callbacks: Sequence[str]) -> list[str]:
        """Let pass what lies below ``login_url`` and what providers lead back to, where no rule names them."""
        self._form_post = frozenset(_as_path_info(path) for path in form_post)
        self._login = _as_path_info(login_url)
        # A page at the root has everything below it, which is not part of the way in.
        for prefix in (self._login, *self._form_post, *callbacks):
            if prefix:
                self._prefixes.setdefault(prefix, Rule.LOGIN)
        return [
            f"Routes: {path!r} is form_post and protected, so what a provider posts there would be refused; leave it "
            "in form_post alone"
            for path in form_post
            if self._prefixes.get(_as_path_info(path)) is Rule.PROTECTED
        ]

    def _too_wide(self, protected: Sequence[str]) -> tuple[str, ...]:
        """Say where more than the way in seems to lie below ``login_url``, and was protected but for that."""
        if not self._login or self._rule_of(self._login[: self._login.rfind("/")]) is not Rule.PROTECTED:
            return ()
        found = [f"protected has {path!r}" for path in protected if _as_path_info(path).startswith(f"{self._login}/")]
        if self._login != _as_path_info(self.home_url) and self._rule_of(_as_path_info(self.home_url)) is Rule.LOGIN:
            found.append(f"home_url is {self.home_url!r}")
        if not found:
            return ()
        return (
            f"login_url is {self.login_url!r}, and what lies below it passes without a session, unless a rule names "
            f"it; but {' and '.join(found)}, so there is more than the way in: name in protected whatever is to be "
            "protected there, or give the login page a path of its own",
        )

    def _remembered(self, path: str, rule: Rule) -> Rule:
        # What is known is not looked at again, so a malformed path never is.
        if len(path) <= _LONGEST_KNOWN and not is_malformed(path):
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[path] = rule
        return rule

    def _strictest(self, path: str) -> Rule:
        paths = None if is_too_long(path) or is_malformed(path) else readings(path)
        return Rule.PROTECTED if paths is None else max(self._rule_of(each) for each in paths)

    def _rule_of(self, path: str) -> Rule:
        prefix = path.rstrip("/")
        if prefix == self._login and self._prefixes.get(prefix) is not Rule.GUEST_ONLY:
            return Rule.LOGIN
        if len(prefix) > self._longest:
            prefix = prefix[: max(0, prefix.rfind("/", 0, self._longest + 1))]
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
                both = f"{_argument(prefixes[prefix])} and {_argument(rule)}"
                problems.append(f"Routes: {path!r} is {both}; leave it in one of them")
    return prefixes, problems


def _argument(rule: Rule) -> str:
    return "sign_in" if rule is Rule.LOGIN else rule.name.lower()


def _is_below(path: str, prefixes: frozenset[str]) -> bool:
    return any(path == prefix or path.startswith(f"{prefix}/") for prefix in prefixes)


def _problems_of(name: str, prefixes: object) -> list[str]:
    if not _is_list(prefixes):
        return [f"Routes: {name} is {prefixes!r}; give a list of path prefixes"]
    return [
        f"Routes: {name} has {path!r}; a prefix begins with '/', has none of {_NOT_IN_PREFIXES}, and reads one way only"
        for path in prefixes
        if not _is_prefix(path)
    ]


def _is_list(value: object) -> TypeGuard[Iterable[object]]:
    """Tell whether a value is several; what gives them once only would be empty when it is read again."""
    return isinstance(value, Iterable) and not isinstance(value, str | bytes | Iterator)


def _is_prefix(path: object) -> bool:
    if not isinstance(path, str) or not path.startswith("/") or any(each in path for each in _NOT_IN_PREFIXES):
        return False
    if is_malformed(_latin(path)) or is_too_long(path):
        return False
    found = readings(_latin(path))
    return found is not None and len({each.rstrip("/") for each in found}) == 1


def _problems_of_url(name: str, url: object) -> list[str]:
    if isinstance(url, str) and safe_next(url, "") == url and url and not any(each in url for each in "?#"):
        return []
    return [f"Routes: {name} is {url!r}; give a local path such as '/login', without '?' and '#'"]


def _problems_of_origins(origins: object) -> list[str]:
    if not _is_list(origins):
        return [f"Routes: trusted_origins is {origins!r}; give a list such as ['https://app.example.com']"]
    return [
        f"Routes: trusted_origins has {origin!r}; give scheme and host only, such as 'https://app.example.com'"
        for origin in origins
        if not isinstance(origin, str) or _origin(origin) is None
    ]


def _origin(origin: str) -> Origin | None:
    """Read an origin as a person writes it: with a slash behind it, or in letters of any language (RFC 3490)."""
    scheme, _, host = origin.removesuffix("/").partition("://")
    try:
        return read_origin(f"{scheme}://{host if host.isascii() else host.encode('idna').decode('ascii')}")
    except UnicodeError:
        return None


def _as_path_info(path: str) -> str:
    return _latin(path).rstrip("/")


def _latin(path: str) -> str:
    """Write a path as WSGI has it: UTF-8 bytes read as Latin-1 (PEP 3333, "Unicode Issues")."""
    return path.encode("utf-8").decode("latin-1")
