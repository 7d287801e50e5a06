"""The whole walk of a request, between two lints, against a real authorization server."""

from __future__ import annotations

import logging
import threading

import pytest

from tests.walk.conftest import EXPIRED, IN_MARGIN, IN_WINDOW, NAVIGATION, PATIENCE, cookies_of, jar, tell
from wsgi_token_refresh import NotWrappedError, StoreError, TokenResponseError, get_session
from wsgi_token_refresh.stores.memory import MemoryStore

# Where werkzeug's lint is stricter than RFC 9110 (10.2.2, 8.6 and 9.3.2), the RFC counts.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Absolute URLs required for location header"),
    pytest.mark.filterwarnings("ignore:204 responses must have an empty content length"),
]

BOTH = {"access_token", "refresh_token"}
UPGRADE = {"Upgrade": "websocket", "Connection": "Upgrade"}
CROSS_SITE = {"Sec-Fetch-Site": "cross-site"}
PREFLIGHT = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}


def is_untouched(response):
    """Tell whether a response went through as the application made it."""
    return not {"Set-Cookie", "Cache-Control", "Vary"} & {name for name, _ in response.headers}


def is_uncached(response):
    return response.headers["Cache-Control"] == "no-store" and response.headers["Vary"] == "Cookie"


# Passing and refreshing.


def test_a_fresh_token_passes_untouched_and_the_application_sees_it(world):
    browser = world.signed_in()
    token = jar(browser)["access_token"]
    for _ in range(3):
        response = browser.get("/dashboard")
        assert is_untouched(response)
        assert response.json == {
            "authorization": f"Bearer {token}",
            "cookie": f"access_token={token}",
            "state": "live",
            "authenticated": True,
            "sub": "ada",
            "access_token": token,
            "expires_at": world.clock.now + 300,
        }
    assert world.server.counts()["requests"] == 0


@pytest.mark.parametrize("seconds", [IN_WINDOW, IN_MARGIN, EXPIRED], ids=["in the window", "in the margin", "expired"])
def test_refreshes_a_token_that_is(world, seconds):
    browser = world.signed_in()
    old = jar(browser)
    world.later(seconds)
    response = browser.get("/dashboard")
    assert set(cookies_of(response)) == BOTH
    assert is_uncached(response)
    new = jar(browser)
    assert new["access_token"] != old["access_token"]
    assert new["refresh_token"] != old["refresh_token"]
    assert response.json["access_token"] == new["access_token"]
    assert response.json["authorization"] == f"Bearer {new['access_token']}"
    assert is_untouched(browser.get("/dashboard"))
    assert world.server.counts()["grants"] == 1


def test_refreshes_when_the_browser_has_dropped_the_access_cookie(world):
    browser = world.signed_in()
    browser.delete_cookie("access_token")
    assert browser.get("/dashboard").json["state"] == "live"
    assert world.server.counts()["grants"] == 1


def test_a_post_is_refreshed_with_its_body_whole(make):
    def echo(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))]

    world = make(app=echo)
    browser = world.signed_in()
    world.later(EXPIRED)
    response = browser.post("/dashboard", data=b"x" * 70_000, headers={"Sec-Fetch-Site": "same-origin"})
    assert response.data == b"x" * 70_000
    assert set(cookies_of(response)) == BOTH


def test_twenty_tabs_are_one_refresh_and_twenty_good_answers(world):
    browser = world.signed_in()
    tabs = [world.copy_of(browser) for _ in range(20)]
    world.later(EXPIRED)
    world.server.set(delay=0.1)
    answers, barrier = [None] * 20, threading.Barrier(20)

    def open_tab(n):
        barrier.wait(PATIENCE)
        answers[n] = tabs[n].get("/dashboard")

    threads = [threading.Thread(target=open_tab, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * PATIENCE)
    assert [answer.status_code for answer in answers] == [200] * 20
    assert len({answer.json["access_token"] for answer in answers}) == 1
    assert len({jar(tab)["refresh_token"] for tab in tabs}) == 1
    counts = world.server.counts()
    assert (counts["requests"], counts["grants"], counts["refused"]) == (1, 1, 0)


def test_nobody_sees_another_s_token(world):
    browsers = {user: world.signed_in(user) for user in ("ada", "bob", "eve")}
    for _ in range(3):
        world.later(EXPIRED)
        assert {user: browser.get("/dashboard").json["sub"] for user, browser in browsers.items()} == {
            user: user for user in browsers
        }


def test_in_the_window_others_pass_with_the_old_token_while_one_refreshes(world):
    browser = world.signed_in()
    other = world.copy_of(browser)
    world.later(IN_WINDOW)
    world.server.set(delay=PATIENCE)
    first = threading.Thread(target=browser.get, args=("/dashboard",))
    first.start()
    world.until(lambda: world.server.counts()["requests"] == 1)
    response = other.get("/dashboard")
    assert is_untouched(response)
    assert response.json["access_token"] == jar(other)["access_token"]
    world.server.release()
    first.join(PATIENCE)


def test_nobody_passes_with_a_token_that_a_refresh_kills(make):
    world = make(old_access_token_survives=False)
    browser = world.signed_in()
    other = world.copy_of(browser)
    world.later(IN_WINDOW)
    world.server.set(delay=PATIENCE)
    answers = []
    threads = [
        threading.Thread(target=lambda each=each: answers.append(each.get("/dashboard"))) for each in (browser, other)
    ]
    threads[0].start()
    world.until(lambda: world.server.counts()["requests"] == 1)
    threads[1].start()
    threads[1].join(0.05)
    assert not answers
    world.server.release()
    for thread in threads:
        thread.join(PATIENCE)
    assert {answer.json["access_token"] for answer in answers} == {jar(browser)["access_token"]}
    assert jar(other) == jar(browser)


# Handing over.


@pytest.mark.parametrize("hours", [0, 1, 23], ids=["at once", "an hour later", "23 hours later"])
def test_a_lost_response_is_made_good(world, hours):
    browser = world.signed_in()
    before = jar(browser)
    for _ in range(3):
        world.later(EXPIRED)
        assert browser.get("/dashboard").status_code == 200
        world.later(hours * 3600)
        browser = world.browser(**before)
    response = browser.get("/dashboard")
    assert response.json["state"] == "live"
    assert set(cookies_of(response)) == BOTH
    assert world.server.counts()["refused"] == 0


def test_an_older_cookie_that_landed_last_is_healed(world):
    browser = world.signed_in()
    before = jar(browser)
    world.later(IN_WINDOW)
    browser.get("/dashboard")
    restored = world.browser(**before)
    assert restored.get("/dashboard").status_code == 200
    assert jar(restored) == jar(browser)
    assert world.server.counts()["requests"] == 1


def test_a_token_that_was_replaced_long_ago_is_refused_here_and_nothing_is_expired(world):
    browser = world.signed_in()
    spent = jar(browser)
    for _ in range(3):
        world.later(700)
        assert browser.get("/dashboard").status_code == 200
    world.later(700)
    late = world.browser(**spent)
    response = late.get("/dashboard", headers=NAVIGATION)
    assert response.status_code == 303
    assert "Set-Cookie" not in response.headers
    assert world.server.counts()["reuse"] == 0
    assert browser.get("/dashboard").status_code == 200


# No session.


def test_a_navigation_without_a_session_goes_to_the_login_page(world):
    response = world.browser().get("/dashboard/a b?c=d&e=f", headers=NAVIGATION)
    assert response.status_code == 303
    assert response.headers["Location"] == "/login?next=/dashboard/a%2520b%3Fc%3Dd%26e%3Df"
    assert is_uncached(response)
    assert "Set-Cookie" not in response.headers


def test_under_a_script_name_everything_stays_below_it(world):
    response = world.browser().get("/dashboard", base_url="http://localhost/app", headers=NAVIGATION)
    assert response.headers["Location"] == "/app/login?next=/app/dashboard"


def test_a_post_never_becomes_a_replayed_get(world):
    headers = {**NAVIGATION, "Sec-Fetch-Site": "same-origin"}
    response = world.browser().post("/dashboard", data=b"a=b", headers=headers)
    assert (response.status_code, response.headers["Location"]) == (303, "/login")


def test_a_fetch_without_a_session_is_unauthorized(world):
    response = world.browser().get("/dashboard")
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert response.mimetype == "application/problem+json"
    assert response.json == {"title": "Unauthorized", "status": 401, "reason": "no_session"}
    assert is_uncached(response)


@pytest.mark.filterwarnings("ignore:Content-Length and the number of bytes")
def test_an_answer_to_head_has_no_body(world):
    response = world.browser().head("/dashboard")
    assert (response.status_code, response.data) == (401, b"")


def test_head_passes(world):
    assert world.signed_in().head("/dashboard").status_code == 200


def test_a_path_with_control_characters_is_a_bad_request(world):
    assert world.signed_in().get("/dashboard/%00").status_code == 400


def test_the_body_of_a_refused_request_is_read(world):
    assert world.browser().post("/dashboard", data=b"x" * 1000).status_code == 401


# The authorization server misbehaves.

FAILING = ["500", "502", "503", "503-retry-after", "429", "html", "broken-json", "reset"]


@pytest.mark.parametrize("fault", FAILING)
def test_while_it_fails_people_wait_and_stay_signed_in(world, fault):
    browser = world.signed_in()
    before = jar(browser)
    world.later(EXPIRED)
    world.server.fault(fault)
    response = browser.get("/dashboard")
    assert response.status_code == 503
    assert 1 <= int(response.headers["Retry-After"]) <= 60
    assert response.mimetype == "application/problem+json"
    assert "Set-Cookie" not in response.headers
    assert browser.get("/dashboard", headers=NAVIGATION).mimetype == "text/html"
    assert browser.get("/").json["state"] == "unavailable"
    assert browser.get("/login").status_code == 200
    assert jar(browser) == before
    assert world.server.counts()["requests"] == 1
    world.later(61)
    assert browser.get("/dashboard").json["state"] == "live"


@pytest.mark.parametrize("fault", FAILING)
def test_while_it_fails_good_tokens_pass(world, fault):
    browser = world.signed_in()
    world.later(IN_WINDOW)
    world.server.fault(fault)
    for _ in range(3):
        assert is_untouched(browser.get("/dashboard"))
    assert world.server.counts()["requests"] == 1


@pytest.mark.parametrize("fault", ["html-after", "reset-after", "drop"])
def test_an_answer_that_was_lost_is_not_repeated_while_the_token_is_good_and_costs_one_login(world, fault, caplog):
    browser = world.signed_in()
    world.later(IN_WINDOW)
    world.server.fault(fault)
    for _ in range(5):
        assert browser.get("/dashboard").status_code == 200
        world.later(10)
    assert world.server.counts()["requests"] == 1
    world.later(EXPIRED)
    response = browser.get("/dashboard", headers=NAVIGATION)
    assert response.status_code == 303
    assert set(cookies_of(response).values()) == {""}
    assert jar(browser) == {}
    assert world.server.counts()["requests"] == 2
    assert "was lost" in caplog.text


def test_a_server_that_is_down_comes_back(world):
    browser = world.signed_in()
    world.later(EXPIRED)
    world.server.set(down=True)
    assert browser.get("/dashboard").status_code == 503
    assert browser.get("/").json["state"] == "unavailable"
    world.server.set(down=False)
    world.later(61)
    assert browser.get("/dashboard").status_code == 200


def test_a_token_that_may_be_used_twice_is_tried_again_at_once(make):
    world = make(single_use=False)
    world.server.set(reuse="allow")
    browser = world.signed_in()
    world.later(EXPIRED)
    world.server.fault("drop")
    assert browser.get("/dashboard").status_code == 503
    assert browser.get("/dashboard").json["state"] == "live"


def test_without_rotation_the_refresh_token_stays(world):
    world.server.set(rotate=False)
    browser = world.signed_in()
    token = jar(browser)["refresh_token"]
    for n in range(1, 4):
        world.later(EXPIRED)
        assert browser.get("/dashboard").status_code == 200
        assert jar(browser)["refresh_token"] == token
        assert world.server.counts()["grants"] == n


def test_a_refused_navigation_goes_to_the_login_page_and_loses_its_cookies(world):
    browser = world.signed_in()
    world.later(IN_WINDOW)
    browser.get("/dashboard")
    world.endpoint.revoke(jar(browser)["refresh_token"])
    world.later(EXPIRED)
    late = world.copy_of(browser)
    fetched = browser.get("/dashboard")
    assert (fetched.status_code, fetched.json["reason"]) == (401, "invalid_grant")
    assert "Set-Cookie" not in fetched.headers
    response = browser.get("/dashboard", headers=NAVIGATION)
    assert (response.status_code, response.headers["Location"]) == (303, "/login?next=/dashboard")
    assert jar(browser) == {}
    assert "Set-Cookie" not in late.get("/dashboard", headers=NAVIGATION).headers
    assert world.server.counts()["refused"] == 1


def test_tokens_of_somebody_else_end_the_session_and_are_revoked(world):
    browser = world.signed_in()
    world.later(IN_WINDOW)
    assert browser.get("/dashboard").status_code == 200, "this refresh says whose session it is"
    world.later(IN_WINDOW)
    world.server.fault("other-subject")
    response = browser.get("/dashboard")
    assert (response.status_code, response.json["reason"]) == (401, "subject_changed")
    assert world.server.counts()["live"] == 0


def test_a_client_that_is_refused_is_our_misconfiguration(world, caplog):
    browser = world.signed_in()
    world.later(EXPIRED)
    world.server.fault("invalid_client")
    for _ in range(3):
        response = browser.get("/dashboard")
        assert (response.status_code, response.json["reason"]) == (503, "invalid_client")
        assert "Set-Cookie" not in response.headers
    assert world.server.counts()["requests"] == 1
    assert [each.levelno for each in caplog.records].count(logging.ERROR) == 1
    world.later(61)
    assert browser.get("/dashboard").status_code == 200


def test_new_tokens_that_fail_verification_are_kept_and_nothing_is_refreshed_for_a_while(make, caplog):
    world = make(audience="somebody-else")
    browser = world.signed_in()
    first = browser.get("/dashboard")
    assert (first.status_code, first.json["reason"]) == (503, "unverified")
    assert set(cookies_of(first)) == BOTH
    for _ in range(3):
        world.later(0.5)
        assert browser.get("/dashboard").status_code == 503
    assert world.server.counts()["requests"] == 1
    errors = [each.getMessage() for each in caplog.records if each.levelno == logging.ERROR]
    assert len(errors) == 1
    assert "aud" in errors[0]
    assert "somebody-else" in errors[0]
    world.later(20)
    browser.get("/dashboard")
    counts = world.server.counts()
    assert (counts["requests"], counts["refused"]) == (2, 0)


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        pytest.param("/dashboard", {**NAVIGATION, "Sec-Purpose": "prefetch"}, 401, id="a prefetch"),
        pytest.param("/dashboard", {}, 401, id="a fetch"),
        pytest.param("/dashboard", UPGRADE, 401, id="a WebSocket"),
        pytest.param("/", NAVIGATION, 200, id="an optional page"),
        pytest.param("/login", NAVIGATION, 200, id="the login page"),
        pytest.param("/static", NAVIGATION, 200, id="a public page"),
    ],
)
def test_a_refused_session_s_cookies_are_not_expired_by(world, path, headers, status):
    browser = world.signed_in()
    before = jar(browser)
    world.endpoint.revoke(before["refresh_token"])
    world.later(EXPIRED)
    browser.get("/dashboard")
    response = browser.get(path, headers=headers)
    assert response.status_code == status
    assert "Set-Cookie" not in response.headers
    assert jar(browser) == before


class Breakable(MemoryStore):
    """A store that can go down."""

    down = False

    def read(self, key):
        if self.down:
            raise StoreError("down")
        return super().read(key)

    def swap(self, key, old, new, lives):
        if self.down:
            raise StoreError("down")
        return super().swap(key, old, new, lives)


def test_a_store_that_is_down_logs_nobody_out(make, clock, caplog):
    store = Breakable(clock=clock)
    world = make(store=store)
    browser = world.signed_in()
    store.down = True
    for seconds, status in ((0, 200), (IN_WINDOW, 200), (EXPIRED, 503)):
        world.later(seconds)
        response = browser.get("/dashboard")
        assert response.status_code == status
        assert "Set-Cookie" not in response.headers
    assert browser.get("/").json["state"] == "unavailable"
    assert world.server.counts()["requests"] == 0
    warnings = [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]
    assert len(warnings) == 1
    assert "the store is down" in warnings[0]
    store.down = False
    assert browser.get("/dashboard").json["state"] == "live"


def test_a_store_that_is_down_leaves_each_process_to_itself_where_a_token_may_be_used_twice(make, clock):
    store = Breakable(clock=clock)
    world = make(store=store, single_use=False)
    browser = world.signed_in()
    store.down = True
    world.later(EXPIRED)
    assert browser.get("/dashboard").json["state"] == "live"


def test_tokens_that_could_not_be_written_are_written_when_the_store_is_back(make, clock):
    store = Breakable(clock=clock)
    world = make(store=store)
    browser = world.signed_in()
    other = world.copy_of(browser)
    world.later(EXPIRED)
    world.server.set(delay=PATIENCE)
    thread = threading.Thread(target=browser.get, args=("/dashboard",))
    thread.start()
    world.until(lambda: world.server.counts()["requests"] == 1)
    store.down = True
    world.server.release()
    thread.join(PATIENCE)
    store.down = False
    assert other.get("/dashboard").json["state"] == "live"
    assert jar(other) == jar(browser)
    assert world.server.counts()["requests"] == 1


# Requests of their own kind.


@pytest.mark.parametrize("seconds", [0, EXPIRED], ids=["fresh", "expired"])
@pytest.mark.parametrize(
    "headers",
    [
        pytest.param(CROSS_SITE, id="cross-site"),
        pytest.param({"Sec-Fetch-Site": "same-site"}, id="same-site"),
        pytest.param({"Origin": "https://evil.example"}, id="another origin"),
        pytest.param({"Origin": "null"}, id="an opaque origin"),
    ],
)
def test_an_unsafe_request_from_another_site_has_no_session(world, seconds, headers):
    browser = world.signed_in()
    before = jar(browser)
    world.later(seconds)
    refused = browser.post("/dashboard", headers=headers)
    assert (refused.status_code, refused.json["reason"]) == (403, "cross_site")
    assert "Set-Cookie" not in refused.headers
    passed = browser.post("/", headers=headers)
    assert is_untouched(passed)
    assert passed.json == {
        "authorization": None,
        "cookie": "",
        "state": "anonymous",
        "authenticated": False,
        "sub": None,
        "access_token": None,
        "expires_at": None,
    }
    assert jar(browser) == before
    assert world.server.counts()["requests"] == 0


def test_a_trusted_origin_is_let_through(make):
    world = make(routes={"trusted_origins": ["https://app.example.com"]})
    headers = {**CROSS_SITE, "Origin": "https://app.example.com"}
    assert world.signed_in().post("/dashboard", headers=headers).json["state"] == "live"


def test_the_host_s_own_origin_is_let_through(world):
    assert world.signed_in().post("/dashboard", headers={"Origin": "http://localhost"}).json["state"] == "live"


@pytest.mark.parametrize("preflight", ["answer", "pass"])
def test_a_preflight(make, preflight):
    world = make(routes={"preflight": preflight})
    browser = world.signed_in()
    world.later(EXPIRED)
    response = browser.options("/dashboard", headers=PREFLIGHT)
    if preflight == "answer":
        assert (response.status_code, response.data) == (204, b"")
    else:
        assert response.json["state"] == "anonymous"
        assert response.json["cookie"] == ""
    assert "Set-Cookie" not in response.headers
    assert not any(name.lower().startswith("access-control") for name, _ in response.headers)
    assert world.server.counts()["requests"] == 0


def test_a_websocket_never_refreshes(world):
    browser = world.signed_in()
    assert browser.get("/dashboard", headers=UPGRADE).json["state"] == "live"
    world.later(IN_WINDOW)
    assert browser.get("/dashboard", headers=UPGRADE).json["state"] == "live"
    world.later(EXPIRED)
    assert browser.get("/dashboard", headers=UPGRADE).status_code == 401
    assert world.server.counts()["requests"] == 0


def test_a_websocket_is_handed_over(world):
    browser = world.signed_in()
    other = world.copy_of(browser)
    world.later(EXPIRED)
    browser.get("/dashboard")
    assert other.get("/dashboard", headers=UPGRADE).json["access_token"] == jar(browser)["access_token"]


def test_a_prefetch_never_starts_a_login(world):
    response = world.browser().get("/dashboard", headers={**NAVIGATION, "Sec-Purpose": "prefetch"})
    assert response.status_code == 401


def test_images_on_optional_paths_start_no_refresh(world):
    browser = world.signed_in()
    world.later(EXPIRED)
    response = browser.get("/logo", headers={"Sec-Fetch-Dest": "image"})
    assert response.json["state"] == "anonymous"
    assert is_untouched(response)
    assert world.server.counts()["requests"] == 0


# Routes.


@pytest.mark.parametrize("seconds", [0, EXPIRED], ids=["fresh", "expired"])
def test_public_paths_are_untouched_but_for_the_refresh_cookie(world, seconds):
    browser = world.signed_in()
    token = jar(browser)["access_token"]
    browser.set_cookie("b", "1")
    world.later(seconds)
    response = browser.get("/static/x", headers={"Authorization": "Bearer own"})
    assert is_untouched(response)
    assert response.json["authorization"] == "Bearer own"
    assert sorted(response.json["cookie"].split("; ")) == [f"access_token={token}", "b=1"]
    assert response.json["state"] == "anonymous"
    assert world.server.counts()["requests"] == 0


def test_optional_paths_take_anybody(world):
    assert world.browser().get("/").json["state"] == "anonymous"
    assert world.signed_in().get("/").json["state"] == "live"


def test_optional_paths_refresh(world):
    browser = world.signed_in()
    world.later(EXPIRED)
    assert browser.get("/").json["state"] == "live"
    assert world.server.counts()["grants"] == 1


def test_guest_only_paths_send_the_signed_in_home(world):
    browser = world.signed_in()
    response = browser.get("/register", headers=NAVIGATION)
    assert (response.status_code, response.headers["Location"]) == (303, "/home")
    assert browser.get("/register?next=/a", headers=NAVIGATION).status_code == 200
    assert browser.post("/register", headers={**NAVIGATION, "Sec-Fetch-Site": "same-origin"}).status_code == 200
    assert world.browser().get("/register", headers=NAVIGATION).status_code == 200


@pytest.mark.parametrize("path", ["/login", "/register"])
def test_login_and_guest_only_paths_never_refresh(world, path):
    browser = world.signed_in()
    world.later(EXPIRED)
    response = browser.get(path, headers=NAVIGATION)
    assert response.json["state"] == "anonymous"
    assert is_untouched(response)
    assert world.server.counts()["requests"] == 0


@pytest.mark.parametrize("path", ["/", "/dashboard"])
def test_a_client_s_own_bearer_token_never_arrives(world, path):
    browser = world.signed_in()
    response = browser.get(path, headers={"Authorization": "Bearer forged"})
    assert response.json["authorization"] == f"Bearer {jar(browser)['access_token']}"
    anonymous = world.browser().get("/", headers={"Authorization": "bearer forged"})
    assert anonymous.json["authorization"] is None


def test_the_authorization_header_can_be_left_alone(make):
    world = make(authorization_header=False)
    response = world.signed_in().get("/dashboard", headers={"Authorization": "Basic eDp5"})
    assert response.json["authorization"] == "Basic eDp5"
    assert response.json["state"] == "live"


# Cookies that came along.


@pytest.mark.parametrize(
    "header",
    [
        pytest.param("access_token=e30.e30; b=1", id="a torn access token"),
        pytest.param("access_token=%%%; access_token_expires=zz", id="an unreadable one"),
        pytest.param("access_token=; refresh_token=", id="empty ones"),
        pytest.param("refresh_token2=x; xaccess_token=y; b=\xe9\xff", id="foreign ones"),
        pytest.param('b="; access_token=x; c="', id="one in quotes"),
        pytest.param(";;;=,=;", id="none at all"),
    ],
)
def test_what_cannot_be_read_is_no_session_and_writes_nothing(world, header):
    response = world.client().get("/dashboard", headers={**NAVIGATION, "Cookie": header})
    assert response.status_code == 303
    assert "Set-Cookie" not in response.headers


def test_a_refresh_token_that_nobody_knows_writes_nothing_on_a_fetch(world):
    response = world.browser(refresh_token="torn").get("/dashboard")
    assert response.status_code == 401
    assert "Set-Cookie" not in response.headers


def test_cookies_joined_by_a_comma_are_read(world):
    cookies = jar(world.signed_in())
    header = f"access_token={cookies['access_token']},b=2,refresh_token={cookies['refresh_token']}"
    response = world.client().get("/dashboard", headers={"Cookie": header})
    assert response.json["state"] == "live"
    assert "refresh_token" not in response.json["cookie"]


def test_the_living_one_of_two_cookies_wins(world):
    cookies = jar(world.signed_in())
    header = f"access_token=dead; access_token={cookies['access_token']}; refresh_token={cookies['refresh_token']}"
    response = world.client().get("/dashboard", headers={"Cookie": header})
    assert response.json["cookie"] == f"access_token={cookies['access_token']}"
    assert is_untouched(response)


# The session in a view.


def view(act):
    """Make an application that acts on its session before it answers."""

    def app(environ, start_response):
        act(get_session(environ))
        return tell(environ, start_response)

    return app


def test_sign_in(make):
    world = make(app=view(lambda session: session.sign_in(world.server.login("bob"))))
    browser = world.browser()
    response = browser.get("/login")
    assert response.json["state"] == "live"
    assert response.json["sub"] == "bob"
    assert response.json["authenticated"] is True
    assert set(cookies_of(response)) == BOTH
    assert is_uncached(response)
    assert jar(browser)["access_token"] == response.json["access_token"]


def test_sign_in_ends_the_session_that_came_along(make):
    world = make(app=view(lambda session: session.state == "live" or session.sign_in(world.server.login("bob"))))
    browser = world.signed_in("ada")
    old = world.copy_of(browser)
    world.later(EXPIRED)
    browser.get("/login")
    assert browser.get("/dashboard").json["sub"] == "bob"
    late = old.get("/dashboard", headers=NAVIGATION)
    assert late.status_code == 303
    assert "Set-Cookie" not in late.headers


def test_sign_in_with_what_is_no_token_response_changes_nothing(make):
    def act(session):
        with pytest.raises(TokenResponseError):
            session.sign_in({"error": "invalid_grant"})

    world = make(app=view(act))
    browser = world.signed_in()
    response = browser.get("/dashboard")
    assert is_untouched(response)
    assert response.json["state"] == "live"


def test_sign_out(make):
    world = make(app=view(lambda session: session.sign_out()))
    browser = world.signed_in()
    late = world.copy_of(browser)
    response = browser.get("/dashboard")
    assert set(cookies_of(response).values()) == {""}
    assert set(cookies_of(response)) >= BOTH
    assert response.json["state"] == "anonymous"
    assert response.json["cookie"] == ""
    assert jar(browser) == {}
    assert world.server.counts()["live"] == 0
    world.later(EXPIRED)
    again = late.get("/dashboard", headers=NAVIGATION)
    assert again.status_code == 303
    assert "Set-Cookie" not in again.headers
    assert world.server.counts()["requests"] == 0


def test_refresh_gets_a_newer_token_for_one_that_an_api_refused(make):
    world = make(app=view(lambda session: session.refresh()))
    browser = world.signed_in()
    old = jar(browser)["access_token"]
    response = browser.get("/dashboard")
    assert response.json["access_token"] not in (old, None)
    assert jar(browser)["access_token"] == response.json["access_token"]
    assert world.server.counts()["grants"] == 1


def test_an_environ_that_did_not_pass_is_an_error_that_says_so():
    with pytest.raises(NotWrappedError, match="did not pass TokenRefreshMiddleware"):
        get_session({})


def test_a_cookie_that_was_replaced_long_ago_stays_spent_however_often_the_browser_comes(make):
    world = make()
    browser = world.signed_in()
    old = world.copy_of(browser)
    answers = []
    for minute in range(1, 121):
        world.later(60)
        assert browser.get("/dashboard").status_code == 200
        if minute % 10 == 0:
            copy = world.copy_of(old)
            answers.append(copy.get("/dashboard").status_code)
    assert answers == [200] + [401] * 11
    assert world.server.counts()["refused"] == 0


def test_a_stream_gets_a_newer_token_though_its_own_was_replaced_long_ago(make):
    opened = []

    def stream(environ, start_response):
        if environ["PATH_INFO"] == "/dashboard/stream":
            opened.append(get_session(environ))
        return tell(environ, start_response)

    world = make(app=stream)
    browser = world.signed_in()
    world.copy_of(browser).get("/dashboard/stream")
    for _ in range(40):
        world.later(60)
        assert browser.get("/dashboard").status_code == 200
    (session,) = opened
    assert session.refresh()
    assert session.state == "live"
    world.later(30)
    assert browser.get("/dashboard").status_code == 200
    assert world.server.counts()["refused"] == 0


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_page_that_cannot_be_had_tries_again_only_what_can_be_repeated(make, method):
    world = make()
    browser = world.signed_in()
    world.later(EXPIRED)
    world.server.fault("500")
    response = browser.open("/dashboard", method=method, headers={**NAVIGATION, "Sec-Fetch-Site": "same-origin"})
    assert response.status_code == 503
    assert ("Refresh" in response.headers) == (method == "GET")
    assert ("What you have sent was not taken" in response.text) == (method == "POST")
