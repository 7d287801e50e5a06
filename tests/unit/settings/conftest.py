"""Settings as tests of each room of theirs say them."""

from __future__ import annotations

import pytest

from wsgi_token_refresh import ConfigurationError
from wsgi_token_refresh.settings import collaborators, read_settings

URL = "https://auth.example.com/token"
KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
LEAST = {"token_endpoint": URL, "verifier": "none"}
SECRET = "hunter2-hunter2-hunter2-hunter2-"
PEM = """\
-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
"""


class Recorder:
    """Stands for a collaborator, and keeps what it was given."""

    def __init__(self, **arguments):
        self.arguments = arguments


@pytest.fixture
def given(monkeypatch):
    """Read settings, and give what each collaborator was given."""

    def read(settings, environ=None):
        with monkeypatch.context() as patched:
            for name in ("TokenEndpoint", "Routes", "JwtVerifier", "TokenCookies", "SealedCookie", "ServerSideSession"):
                patched.setattr(collaborators, name, Recorder)
            return read_settings(settings, environ or {})

    return read


def problems_of(settings, environ=None):
    with pytest.raises(ConfigurationError) as caught:
        read_settings(settings, environ or {})
    return caught.value.problems
