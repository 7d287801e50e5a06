"""The memos of the pass path: many people fit, none is taken for another, and what they say they weigh is true."""

from __future__ import annotations

import gc
import logging
import random
import secrets
import tracemalloc

import jwt
import pytest

from wsgi_token_refresh import JwtVerifier, Routes, SealedCookie, TokenCookies, TokenEndpoint, TokenRefreshMiddleware
from wsgi_token_refresh.holding import Held
from wsgi_token_refresh.passing import Passing
from wsgi_token_refresh.policy.decision import Access
from wsgi_token_refresh.stores.memory import MemoryStore
from wsgi_token_refresh.token_session import Seen
from wsgi_token_refresh.tokens import Tokens, received

NOW = 1_700_000_000.0
SECRET = secrets.token_hex(32)
KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
MOST_BYTES = 32 * 2**20
_READY = 300


def passing():
    return Passing(refresh_before=300, clock=lambda: NOW)


def held(access="access", refresh="refresh"):
    return Held(Tokens(access, refresh, NOW + 3600, 3600), Access.FRESH, authenticated=True)


def crowd_out(memos):
    """Let so many others pass that what is not folded is forgotten."""
    for n in range(_READY):
        other = f"access_token={n:02000}"
        memos.remember(other, held(f"{n:02000}"), Seen(other, f"Bearer {n:02000}"))


LONG = "e" * 30 + "y" * 1000
HEADERS = [
    pytest.param(f"a=1; access_token={LONG}; refresh_token=R", f"a=1; access_token={LONG}", id="the token at its end"),
    pytest.param(f"access_token={LONG}; a=1", f"access_token={LONG}; a=1", id="the token at its start"),
    pytest.param(f"access_token={LONG}", f"access_token={LONG}", id="the token alone"),
    pytest.param("token_session.0=sealed", "", id="no token"),
    pytest.param("token_session.0=sealed; a=1", "a=1", id="no token and others"),
    pytest.param(f"o={LONG[-60:]}; access_token={LONG}", f"access_token={LONG}", id="another that ends like the token"),
    pytest.param(f"o={LONG}; access_token={LONG}", f"o={LONG}; access_token={LONG}", id="the token twice"),
    pytest.param("access_token=%65", "access_token=%65", id="a token that is written otherwise"),
]


@pytest.mark.parametrize("authorization", [f"Bearer {LONG}", ""], ids=["with Authorization", "without"])
@pytest.mark.parametrize(("header", "shown"), HEADERS)
def test_what_was_folded_is_shown_as_it_was(header, shown, authorization):
    memos = passing()
    memos.remember(header, held(LONG), Seen(shown, authorization))
    crowd_out(memos)
    for _ in range(2):
        known = memos.known(header)
        assert known.seen == Seen(shown, authorization)
        assert known.held == held(LONG)


@pytest.mark.parametrize("token", [None, "", "t"], ids=["no token", "an empty one", "a short one"])
def test_any_token_is_remembered(token):
    memos = passing()
    memos.remember("a=1; t=t", held(token), Seen("a=1; t=t"))
    crowd_out(memos)
    assert memos.known("a=1; t=t").seen == Seen("a=1; t=t")


def test_a_header_of_the_same_sample_is_not_known():
    header = f"access_token={LONG}; refresh_token=R"
    other = header[:1] + "X" + header[2:]
    for is_folded in (False, True):
        memos = passing()
        memos.remember(header, held(LONG), Seen(header))
        if is_folded:
            crowd_out(memos)
        assert memos.known(other) is None
        assert memos.known(header) is not None


def test_what_is_distrusted_is_not_known_folded_or_not():
    for is_folded in (False, True):
        memos, mine = passing(), held(LONG)
        memos.remember(f"access_token={LONG}", mine, Seen(""))
        if is_folded:
            crowd_out(memos)
        memos.distrust(mine.tokens)
        assert memos.known(f"access_token={LONG}") is None
        assert not memos.trusts(mine.tokens)


class Counted(MemoryStore):
    """Counts what is read."""

    reads = 0

    def read(self, key):
        self.reads += 1
        return super().read(key)


def application(environ, start_response):
    start_response("200 OK", [])
    return []


def start_response(status, headers, exc_info=None):
    assert status == "200 OK"


def token(size, subject):
    claims = {"sub": subject, "aud": "api", "iat": NOW, "exp": NOW + 7200, "groups": []}
    missing = size - len(jwt.encode(claims, SECRET, "HS256"))
    claims["groups"] = [secrets.token_hex(5) for _ in range(max(0, missing * 3 // 4 // 13))]
    return jwt.encode(claims, SECRET, "HS256")


def environ(cookie):
    return {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "HTTP_COOKIE": cookie, "HTTP_SEC_FETCH_MODE": "navigate"}


def wrapped(store, kind, clock):
    return TokenRefreshMiddleware(
        application,
        token_endpoint=TokenEndpoint("https://auth.example.com/token"),
        routes=Routes(),
        verifier=JwtVerifier(key=SECRET, algorithms=["HS256"], audience="api", clock=clock),
        session=kind,
        store=store,
        clock=clock,
    )


@pytest.mark.parametrize(
    ("kind", "size"),
    [
        pytest.param(TokenCookies(), 1900, id="in cookies, tokens of 1.9 kB"),
        pytest.param(SealedCookie(keys=[KEY]), 1900, id="sealed, tokens of 1.9 kB"),
    ],
)
def test_five_thousand_people_cost_a_look_each_in_half_a_minute_and_32_mb(kind, size, caplog):
    caplog.set_level(logging.WARNING, "wsgi_token_refresh")
    people, now = 5000, [NOW]
    store = Counted(max_bytes=2**30, clock=lambda: now[0])
    middleware, headers = wrapped(store, kind, lambda: now[0]), []
    for n in range(people):
        tokens = received(token(size, str(n)), secrets.token_urlsafe(32), now=NOW)
        middleware._refresher.found(tokens)
        cookies = (each.partition(";")[0] for each in kind.begin(tokens, NOW) if "Max-Age=0" not in each)
        headers.append("; ".join(["_ga=GA1.2.1234567890.1700000000; theme=dark", *cookies]))
    environs = [environ(header) for header in headers]
    asked, store.reads = environs * 3, 0
    random.Random(1).shuffle(asked)
    gc.collect()
    tracemalloc.start()
    for each in asked:
        now[0] += 25.0 / len(asked)
        # Each request brings its own string, as those of a server do.
        middleware({**each, "HTTP_COOKIE": each["HTTP_COOKIE"][:9] + each["HTTP_COOKIE"][9:]}, start_response)
    gc.collect()
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert store.reads <= 2 * people * 1.01
    assert taken <= MOST_BYTES
