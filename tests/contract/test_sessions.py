"""Every kind of session keeps the contract."""

from __future__ import annotations

import pytest

from tests.contract.sessions import NOW, SessionContract
from wsgi_token_refresh import TokenCookies
from wsgi_token_refresh.sessions.sealed_cookie import SealedCookie
from wsgi_token_refresh.sessions.server_side import ServerSideSession
from wsgi_token_refresh.stores.memory import MemoryStore

KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


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


class TestSealedCookie(SessionContract):
    @pytest.fixture(
        params=[
            pytest.param({}, id="as it is"),
            pytest.param({"name": "s", "prefix": "__Host-"}, id="under another name"),
            pytest.param({"max_bytes": 16_384, "samesite": "Strict"}, id="in many parts"),
        ]
    )
    def kind(self, request):
        return SealedCookie(keys=[KEY], **request.param)


class TestServerSideSession(SessionContract):
    @pytest.fixture(
        params=[
            pytest.param({}, id="as it is"),
            pytest.param({"name": "s", "prefix": "__Host-"}, id="under another name"),
            pytest.param({"index_key": KEY}, id="with an index"),
        ]
    )
    def kind(self, request):
        return ServerSideSession(MemoryStore(clock=lambda: NOW), **request.param)
