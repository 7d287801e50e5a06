"""Whatever an argument is, what comes of it is a ConfigurationError that names it, or an object that works."""

from __future__ import annotations

import inspect

import pytest

from wsgi_token_refresh import Dialect, JwtVerifier, TokenEndpoint
from wsgi_token_refresh.errors import ConfigurationError

URL = "https://auth.example.com/token"
GOOD = {
    TokenEndpoint: {"url": URL, "client_id": "web", "client_secret": "s3cret"},
    JwtVerifier: {"jwks_url": URL, "algorithms": ["RS256"]},
    Dialect: {},
}
WRONG = {
    "None": None,
    "a number": 7,
    "a huge number": 10**400,
    "a fraction": 0.5,
    "a truth": True,
    "text": "\ud800",
    "bytes": b"\xff",
    "a list": [None],
    "an empty list": [],
    "a mapping": {"a": 1},
    "a set": {1},
    "an object": object(),
    "a type": int,
}
RIGHT = {
    "url": [],
    "dialect": [],
    "client_id": ["None"],
    "client_secret": ["None", "a type"],
    "client_auth": ["None"],
    "timeout": ["a number", "a fraction"],
    "answer_timeout": ["a number", "a fraction"],
    "default_expires_in": ["a number", "a huge number", "a fraction"],
    "single_use": ["a truth"],
    "old_access_token_survives": ["a truth"],
    "allow_insecure": ["a truth"],
    "revocation_endpoint": ["None"],
    "scope": ["None"],
    "ca_bundle": ["None"],
    "max_calls": ["a number", "a huge number"],
    "clock": ["a type"],
    "monotonic": ["a type"],
    "fetch": ["None", "a type"],
    "key": ["a type"],
    "jwks_url": [],
    "algorithms": [],
    "audience": ["None", "text"],
    "issuer": ["None", "text"],
    "leeway": ["a number", "a fraction"],
    "keys_max_age": ["a number", "a fraction"],
}
"""The arguments, and what of the above is right for them."""


def cases():
    for made, good in GOOD.items():
        for name in inspect.signature(made).parameters:
            for kind, value in WRONG.items():
                yield pytest.param(made, good, name, kind, value, id=f"{made.__name__}: {name} is {kind}")


@pytest.mark.parametrize(("made", "good", "name", "kind", "value"), list(cases()))
def test_a_wrong_type_is_a_configuration_error(made, good, name, kind, value):
    needless = {"key": "jwks_url", "client_id": "client_secret"}.get(name)
    arguments = {**{each: right for each, right in good.items() if each != needless}, name: value}
    if kind in RIGHT.get(name, []):
        made(**arguments)
        return
    with pytest.raises(ConfigurationError) as caught:
        made(**arguments)
    assert all(isinstance(problem, str) and problem.isascii() for problem in caught.value.problems)
    assert any(name in problem for problem in caught.value.problems)
    assert "s3cret" not in str(caught.value)
