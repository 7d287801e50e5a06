"""The kinds of session of the live tests, as the application and the tests make them."""

from __future__ import annotations

import time

from wsgi_token_refresh import SealedCookie, ServerSideSession, TokenCookies
from wsgi_token_refresh.sessions.kind import SessionKind
from wsgi_token_refresh.stores.protocol import Store
from wsgi_token_refresh.stores.redis import RedisStore
from wsgi_token_refresh.stores.sqlite import SqliteStore
from wsgi_token_refresh.testing.process import AuthorizationServerProcess
from wsgi_token_refresh.tokens import Tokens

from .servers import Browser

KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
INDEX_KEY = "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA="
TOKEN_COOKIES, SEALED, SERVER_SIDE = "token_cookies", "sealed", "server_side"


def make_store(place: str) -> Store:
    """Make the store on a URL, or in a file."""
    return RedisStore.from_url(place) if "://" in place else SqliteStore(place)


def make_kind(name: str, store: Store) -> SessionKind:
    """Make a kind of session by the word of the settings."""
    if name == SEALED:
        return SealedCookie(keys=[KEY], secure=False)
    if name == SERVER_SIDE:
        return ServerSideSession(store, secure=False, index_key=INDEX_KEY)
    return TokenCookies(secure=False)


def signed_in(server: AuthorizationServerProcess, port: int, name: str, place: str, *, good: bool = False) -> Browser:
    """Give a browser with a session of a kind; without ``good`` it has no access token."""
    response, now = server.login(), time.time()
    access = {"access_token": response["access_token"], "expires_at": now + 300, "lifetime": 300.0} if good else {}
    tokens = Tokens(refresh_token=response["refresh_token"], genuine=True, **access)
    store = make_store(place)
    pairs = [cookie.partition(";")[0].partition("=") for cookie in make_kind(name, store).begin(tokens, now)]
    store.close()  # type: ignore[attr-defined]
    return Browser(port, {name: value for name, _, value in pairs if value})
