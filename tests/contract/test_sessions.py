"""Every kind of session keeps the contract."""

from __future__ import annotations

import pytest

from tests.contract.sessions import SessionContract
from wsgi_token_refresh import TokenCookies


class TestTokenCookies(SessionContract):
    @pytest.fixture(
        params=[
            pytest.param({}, id="as they are"),
            pytest.param({"access_name": "at", "refresh_name": "rt", "prefix": "__Host-"}, id="under other names"),
            pytest.param({"access_name": "token", "refresh_name": "token_refresh"}, id="one name begins another"),
            pytest.param({"secure": False, "samesite": "Strict", "path": "/app"}, id="with other attributes"),
        ]
    )
    def kind(self, request):
        return TokenCookies(**request.param)
