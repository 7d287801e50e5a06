"""Every kind of session, and the way from one to another, through the whole middleware."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from itertools import pairwise

import pytest

from tests.unit.ledger.test_single_flight import Disturbed
from tests.walk.conftest import IN_WINDOW, LIFETIME, PATIENCE, Browser, World, tell
from wsgi_token_refresh import TokenCookies, get_session
from wsgi_token_refresh.errors import StoreError
from wsgi_token_refresh.sessions.sealed_cookie import SealedCookie
from wsgi_token_refresh.sessions.server_side import ServerSideSession
from wsgi_token_refresh.stores.memory import MemoryStore

KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
OTHER_KEY = "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA="
PAGE = {"Accept": "text/html"}


pytestmark = pytest.mark.filterwarnings("ignore:Absolute URLs required for location header")


class Kinds:
    """Worlds on one store and one authorization server, a kind of session each."""

    def __init__(self, lint, served, clock):
        self.lint, self.served, self.clock = lint, served, clock
        self.store = Disturbed(clock)
        self.user = "lovelace"

    def kind(self, name, **options):
        if name == "token_cookies":
            return TokenCookies(**options)
        if name == "sealed":
            return SealedCookie(**{"keys": [KEY], **options})
        return ServerSideSession(self.store, **{"index_key": KEY, **options})

    def world(self, kind, reads=(), **options):
        session = self.kind(kind) if isinstance(kind, str) else kind
        others = [self.kind(each) if isinstance(each, str) else each for each in reads]
        return World(
            self.lint,
            self.served,
            self.clock,
            app=self.enter,
            routes={"optional": ["/optional", "/enter", "/leave"]},
            session=session,
            session_reads=others,
            store=self.store,
            **options,
        )

    def enter(self, environ, start_response):
        """Sign in and out where the path says so."""
        session = get_session(environ)
        if environ["PATH_INFO"] == "/enter":
            session.sign_in(self.served.server.login(self.user))
        if environ["PATH_INFO"] == "/leave" or environ["QUERY_STRING"] == "leave":
            session.sign_out()
        if environ["QUERY_STRING"] == "refresh":
            session.refresh()
        self.handle = session.handle
        return tell(environ, start_response)

    def signed_in(self, world):
        browser = Browser(world.app)
        assert browser.get("/enter").status_code == 200
        return browser


@pytest.fixture
def kinds(lint, served, clock):
    return Kinds(lint, served, clock)


def copy_of(world, browser):
    """Open another browser with the same jar."""
    copy = Browser(world.app)
    for cookie in list(browser._cookies.values()):
        copy.set_cookie(cookie.key, cookie.value)
    return copy


def names(browser):
    return {cookie.decoded_key for cookie in browser._cookies.values()}


EVERY = pytest.mark.parametrize("kind", ["token_cookies", "sealed", "server_side"])
SEALED = pytest.mark.parametrize("kind", ["sealed", "server_side"])


@EVERY
def test_who_signs_in_is_refreshed_and_stays_signed_in(kinds, kind):
    world = kinds.world(kind)
    browser = kinds.signed_in(world)
    for grants in range(1, 4):
        assert browser.get("/dashboard").json["authenticated"]
        world.later(LIFETIME + 1)
        assert browser.get("/dashboard").json["state"] == "live"
        assert world.server.counts()["grants"] == grants
    assert world.server.counts()["refused"] == 0


@EVERY
def test_a_response_that_is_lost_three_times_logs_nobody_out(kinds, kind):
    world = kinds.world(kind)
    browser = kinds.signed_in(world)
    for _ in range(3):
        world.later(LIFETIME + 1)
        assert copy_of(world, browser).get("/dashboard").status_code == 200
    assert browser.get("/dashboard").status_code == 200
    assert (world.server.counts()["grants"], world.server.counts()["refused"]) == (3, 0)


@EVERY
def test_a_sign_out_is_the_end_for_every_copy(kinds, kind):
    world, other = kinds.world(kind), kinds.world(kind)
    browser = kinds.signed_in(world)
    assert browser.get("/dashboard").status_code == 200
    copy = copy_of(other, browser)
    browser.get("/leave", headers=PAGE)
    assert names(browser) == set()
    assert copy.get("/dashboard", headers=PAGE).status_code == 303
    assert world.server.counts()["live"] == 0


@SEALED
def test_the_application_sees_a_bearer_token_and_no_cookie_of_ours(kinds, kind):
    browser = kinds.signed_in(kinds.world(kind))
    browser.set_cookie("theme", "dark")
    seen = browser.get("/dashboard").json
    assert seen["cookie"] == "theme=dark"
    assert seen["authorization"].startswith("Bearer ey")


@SEALED
def test_without_a_verifier_our_own_seal_says_who_it_is(kinds, kind):
    world = kinds.world(kind)
    world.middleware._assessor._verifier = None
    browser = kinds.signed_in(world)
    assert browser.get("/dashboard").json["authenticated"]


# Keys that change while workers run.


class Rotation:
    """Keys that functions give to the workers, which look again when a second has gone by on the clock of the test."""

    def __init__(self, kinds):
        self.kinds, self.given = kinds, [KEY]

    def worker(self):
        kind = SealedCookie(keys=lambda: self.given, monotonic=self.kinds.clock)
        return self.kinds.world(kind)

    def become(self, *keys):
        self.given = list(keys)
        self.kinds.clock.now += 1


def test_keys_change_over_in_three_steps_while_workers_run(kinds):
    keys = Rotation(kinds)
    one, other = keys.worker(), keys.worker()
    browser, idle = kinds.signed_in(one), kinds.signed_in(one)
    for given in ([KEY, OTHER_KEY], [OTHER_KEY, KEY]):
        keys.become(*given)
        for world in (one, other):
            assert copy_of(world, browser).get("/dashboard").json["state"] == "live"
    one.later(IN_WINDOW)
    assert browser.get("/dashboard").json["state"] == "live"
    keys.become(OTHER_KEY)
    one.later(31)
    for world in (one, other):
        answers = [copy_of(world, each).get("/dashboard", headers=PAGE).status_code for each in (browser, idle)]
        assert answers == [200, 303], "who was sealed anew, and who was not"
    assert one.server.counts()["refused"] == 0


def test_who_was_sealed_under_a_key_that_was_taken_out_passes_for_half_a_minute_at_most(kinds):
    keys = Rotation(kinds)
    one, other = keys.worker(), keys.worker()
    browser = kinds.signed_in(one)
    assert browser.get("/dashboard").status_code == 200
    keys.become(OTHER_KEY)
    assert copy_of(other, browser).get("/dashboard", headers=PAGE).status_code == 303, "who has not passed it before"
    for _ in range(14):
        one.later(2)
        assert browser.get("/dashboard").status_code == 200
    one.later(2)
    assert browser.get("/dashboard", headers=PAGE).status_code == 303
    assert names(browser), "and its cookies are not expired: the key may come back"
    keys.become(OTHER_KEY, KEY)
    assert browser.get("/dashboard").status_code == 200


@pytest.mark.parametrize("given", [None, [], "s3cret", ["s3cret"]], ids=repr)
def test_no_request_fails_and_no_session_ends_while_there_are_no_keys(kinds, given):
    keys = Rotation(kinds)
    world = keys.worker()
    browser = kinds.signed_in(world)
    keys.given = given
    for _ in range(3):
        world.later(IN_WINDOW)
        assert browser.get("/dashboard", headers=PAGE).status_code == 200
    assert world.server.counts()["grants"] == 3


@EVERY
@pytest.mark.parametrize("kind_of_request", ["pass", "refresh"])
def test_a_pass_writes_no_cookie(kinds, kind, kind_of_request):
    world = kinds.world(kind)
    browser = kinds.signed_in(world)
    if kind_of_request == "refresh":
        world.later(LIFETIME + 1)
    response = browser.get("/dashboard")
    writes = kind_of_request == "refresh" and kind != "server_side"
    assert ("Set-Cookie" in response.headers) == writes


# Keys.


def test_a_changed_list_of_keys_logs_nobody_out_while_a_host_is_a_step_behind(kinds):
    steps = [[KEY], [KEY, OTHER_KEY], [OTHER_KEY, KEY], [OTHER_KEY]]
    worlds = [kinds.world(kinds.kind("sealed", keys=keys)) for keys in steps]
    browser = kinds.signed_in(worlds[0])
    for behind, ahead in pairwise(worlds):
        for world in (ahead, behind, ahead):
            world.later(LIFETIME + 1)
            copy = copy_of(world, browser)
            assert copy.get("/dashboard").status_code == 200
            browser = copy
    assert worlds[0].server.counts()["refused"] == 0


def test_an_unknown_key_is_no_session_and_expires_nothing(kinds):
    browser = kinds.signed_in(kinds.world("sealed"))
    stranger = kinds.world(kinds.kind("sealed", keys=[OTHER_KEY]))
    response = copy_of(stranger, browser).get("/dashboard", headers=PAGE)
    assert (response.status_code, response.headers.getlist("Set-Cookie")) == (303, [])


# From one kind to another.


WAYS = pytest.mark.parametrize(
    ("old", "new"),
    [
        ("token_cookies", "sealed"),
        ("sealed", "server_side"),
        ("token_cookies", "server_side"),
        ("sealed", "token_cookies"),
    ],
)


@WAYS
def test_a_deployment_changes_over_in_two_steps_and_logs_nobody_out(kinds, old, new):
    first = kinds.world(old)
    reads = kinds.world(old, reads=[new])
    writes = kinds.world(new, reads=[old])
    last = kinds.world(new)
    browser = kinds.signed_in(first)
    for behind, ahead in ((first, reads), (reads, writes), (writes, last)):
        for world in (ahead, behind, ahead):
            world.later(1)
            if world is not last or behind is not writes:
                copy = copy_of(world, browser)
                before = names(copy)
                assert copy.get("/dashboard").json["state"] == "live"
                assert names(copy) == before, "a pass writes nothing"
            world.later(LIFETIME + 1)
            copy = copy_of(world, browser)
            assert copy.get("/dashboard").json["state"] == "live"
            browser = copy
    assert names(browser) == names(kinds.signed_in(last))
    assert first.server.counts()["refused"] == 0


@WAYS
def test_who_signs_out_is_signed_out_of_both_kinds(kinds, old, new):
    browser = kinds.signed_in(kinds.world(old))
    world = kinds.world(new, reads=[old])
    changed = copy_of(world, browser)
    world.later(LIFETIME + 1)
    assert changed.get("/dashboard").status_code == 200
    changed.get("/leave")
    assert names(changed) == set()
    assert copy_of(world, browser).get("/dashboard", headers=PAGE).status_code == 303


def test_tabs_that_change_over_together_get_one_session(kinds):
    browser = kinds.signed_in(kinds.world("token_cookies"))
    # Threads wait for each other here, which the other store does by letting time pass.
    kinds.store = kinds.store.inner
    world = kinds.world("server_side", reads=["token_cookies"])
    world.later(LIFETIME + 1)
    tabs = [copy_of(world, browser) for _ in range(5)]
    barrier = threading.Barrier(5)

    def load(tab):
        barrier.wait(PATIENCE)
        assert tab.get("/dashboard").status_code == 200

    threads = [threading.Thread(target=load, args=(tab,)) for tab in tabs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert len({tab.get_cookie("token_session_id").value for tab in tabs}) == 1
    assert len(world.middleware._kind._writes.sessions("lovelace")) == 1
    assert world.server.counts()["grants"] == 1


def both(*browsers):
    """Give the header of a jar that has the cookies of all of them."""
    return "; ".join(f"{cookie.key}={cookie.value}" for browser in browsers for cookie in browser._cookies.values())


def ask(world, header):
    return Browser(world.app, use_cookies=False).get("/dashboard", headers={"Cookie": header})


def test_an_id_that_was_planted_gets_nobody_s_tokens(kinds):
    behind, ahead = (
        kinds.world("token_cookies", reads=["server_side"]),
        kinds.world("server_side", reads=["token_cookies"]),
    )
    attacker = kinds.signed_in(ahead)
    ahead.later(LIFETIME + 1)
    victim = behind.signed_in("victim")
    ahead.later(IN_WINDOW)
    for each in (ahead, behind):
        ask(each, both(attacker, victim))
        assert ask(ahead, both(attacker)).json["sub"] == "lovelace"


PLANTED = pytest.mark.parametrize(
    ("writes", "reads"),
    [("sealed", "token_cookies"), ("server_side", "token_cookies"), ("server_side", "sealed")],
)


def planted(kinds, writes, reads, victim_of="writes"):
    """Give the world that changes over, and the jars of a victim and of an attacker who can write the old kind only."""
    kind = kinds.kind(writes, prefix="__Host-")
    old = kinds.world(reads)
    attacker = kinds.signed_in(old)
    kinds.user = "ada"
    victim = kinds.signed_in(kinds.world(kind) if victim_of == "writes" else old)
    return kinds.world(kind, reads=[reads]), victim, attacker


def take(browser, answer):
    """Keep what an answer sets."""
    for each in answer.headers.getlist("Set-Cookie"):
        cookie, _, value = each.partition(";")[0].partition("=")
        browser.set_cookie(cookie, value) if value else browser.delete_cookie(cookie)
    return answer


@PLANTED
def test_a_cookie_that_was_planted_takes_no_session_over_whose_access_token_has_run_out(kinds, writes, reads):
    world, victim, attacker = planted(kinds, writes, reads)
    for _ in range(3):
        world.later(LIFETIME + 1)
        # The attacker keeps the own token good all the time, and plants it anew.
        assert take(attacker, ask(kinds.world(reads), both(attacker))).json["sub"] == "lovelace"
        for order in ((victim, attacker), (attacker, victim)):
            answer = ask(world, both(*order))
            assert (answer.status_code, answer.json["sub"]) == (200, "ada")
            assert all(f"{name}=;" in "".join(answer.headers.getlist("Set-Cookie")) for name in names(attacker))
        take(victim, answer)
        assert names(victim) == names_of(writes)
        assert ask(world, both(victim)).json["sub"] == "ada"
    assert world.server.counts()["refused"] == 0


def names_of(kind):
    return {"__Host-token_session.0"} if kind == "sealed" else {"__Host-token_session_id"}


@PLANTED
def test_who_has_only_the_old_kind_is_moved_over_and_its_cookies_are_expired(kinds, writes, reads):
    world, victim, _ = planted(kinds, writes, reads, victim_of="reads")
    world.later(LIFETIME + 1)
    assert take(victim, ask(world, both(victim))).json["sub"] == "ada"
    assert names(victim) == names_of(writes)
    assert ask(world, both(victim)).json["sub"] == "ada"


@PLANTED
def test_what_cannot_be_read_of_the_kind_that_writes_keeps_nobody_from_moving_over(kinds, writes, reads):
    world, victim, _ = planted(kinds, writes, reads, victim_of="reads")
    lost = SealedCookie(keys=[OTHER_KEY], prefix="__Host-")
    sealed = both(kinds.signed_in(kinds.world(lost)))
    unreadable = sealed if writes == "sealed" else f"__Host-token_session_id={'x' * 43}"
    for torn in (unreadable, unreadable[:-9], unreadable.partition("=")[0] + "=", f"{unreadable}; {unreadable}"):
        header = f"{torn}; {both(victim)}"
        assert ask(world, header).json["sub"] == "ada"
    world.later(LIFETIME + 1)
    answer = ask(world, f"{unreadable}; {both(victim)}")
    assert answer.json["sub"] == "ada"
    take(victim, answer)
    assert names(victim) == names_of(writes)
    assert ask(world, both(victim)).json["sub"] == "ada"


@PLANTED
def test_a_session_that_is_over_keeps_nobody_from_moving_over(kinds, writes, reads):
    world, dead, living = planted(kinds, writes, reads)
    (tokens,) = kinds.kind(writes, prefix="__Host-").load(both(dead))
    assert world.endpoint.revoke(tokens.refresh_token) is None
    world.later(LIFETIME + 1)
    assert ask(world, both(dead, living)).json["sub"] == "lovelace"


@PLANTED
def test_who_signs_out_is_signed_out_of_what_every_kind_has(kinds, writes, reads):
    world, victim, other = planted(kinds, writes, reads)
    header = both(victim, other)
    answer = Browser(world.app, use_cookies=False).get("/leave", headers={"Cookie": header})
    assert answer.json["state"] == "anonymous"
    assert world.server.counts()["live"] == 0
    assert ask(world, header).status_code == 401


def test_the_other_kinds_are_tried_in_the_order_in_which_they_are_named(kinds):
    old = {kind: kinds.signed_in(kinds.world(kind)) for kind in ("token_cookies", "sealed")}
    kinds.user = "ada"
    old["sealed"] = kinds.signed_in(kinds.world("sealed"))
    for reads, sub in ((["sealed", "token_cookies"], "ada"), (["token_cookies", "sealed"], "lovelace")):
        assert ask(kinds.world("server_side", reads=reads), both(*old.values())).json["sub"] == sub


def test_refreshed_tokens_that_do_not_fit_go_into_no_cookie_of_another_kind(kinds):
    world, victim, attacker = planted(kinds, "sealed", "token_cookies")
    world.later(LIFETIME + 1)
    kind = world.middleware._kind._writes
    kind._max_bytes = 1
    answer = ask(world, both(victim, attacker))
    assert (answer.status_code, answer.json["sub"]) == (200, "ada")
    assert answer.headers.getlist("Set-Cookie") == []
    kind._max_bytes = 7 * 1024
    assert ask(world, both(victim)).json["sub"] == "ada"
    assert world.server.counts()["refused"] == 0


@pytest.mark.parametrize("first", ["behind", "ahead"])
@pytest.mark.parametrize("then", ["behind", "ahead"])
def test_answers_of_hosts_that_are_a_step_apart_leave_a_session_in_whatever_order_they_come(kinds, first, then):
    worlds = {
        "behind": kinds.world("token_cookies", reads=["server_side"]),
        "ahead": kinds.world("server_side", reads=["token_cookies"]),
    }
    browser = kinds.signed_in(worlds["behind"])
    for last in (first, then, first):
        worlds["behind"].later(LIFETIME + 1)
        header = both(browser)
        answers = {name: ask(world, header) for name, world in worlds.items()}
        for name in sorted(answers, key=lambda name: name == last):
            for each in answers[name].headers.getlist("Set-Cookie"):
                cookie, _, value = each.partition(";")[0].partition("=")
                browser.set_cookie(cookie, value) if value else browser.delete_cookie(cookie)
        assert [ask(world, both(browser)).status_code for world in worlds.values()] == [200, 200]


@pytest.mark.parametrize("renamed", [{"access_name": "at"}, {"refresh_name": "rt"}], ids=str)
def test_a_cookie_that_two_kinds_have_is_not_set_and_expired_in_one_answer(kinds, renamed):
    browser = kinds.signed_in(kinds.world(TokenCookies()))
    world = kinds.world(TokenCookies(**renamed), reads=[TokenCookies()])
    for changed in (copy_of(world, browser), kinds.signed_in(world)):
        world.later(LIFETIME + 1)
        assert changed.get("/dashboard").status_code == 200
        assert len(names(changed)) == 2
        world.later(LIFETIME + 1)
        assert changed.get("/dashboard").status_code == 200


def test_sessions_on_the_server_move_to_another_store(kinds):
    older, newer = (
        ServerSideSession(MemoryStore(clock=kinds.clock), name="id", samesite=each) for each in ("Lax", None)
    )
    browser = kinds.signed_in(kinds.world(older))
    newer.__class__ = type("Moved", (ServerSideSession,), {"__repr__": lambda self: "moved"})
    world = kinds.world(newer, reads=[older])
    for changed in (copy_of(world, browser), kinds.signed_in(world)):
        world.later(LIFETIME + 1)
        assert changed.get("/dashboard").status_code == 200
        assert newer.load(both(changed)) != ()


def test_who_cannot_change_over_while_the_store_fails_goes_on_as_they_came(kinds, caplog):
    browser = kinds.signed_in(kinds.world("token_cookies"))
    world = kinds.world("server_side", reads=["token_cookies"])
    refresh = world.endpoint.refresh

    def then_fail(*args, **kwargs):
        outcome = refresh(*args, **kwargs)
        kinds.store.go_down()
        return outcome

    world.endpoint.refresh = then_fail
    world.later(LIFETIME + 1)
    copy = copy_of(world, browser)
    assert copy.get("/dashboard").status_code == 200
    kinds.store.be_back()
    assert copy.get_cookie("refresh_token").value != browser.get_cookie("refresh_token").value
    assert "the store is down" in caplog.text
    another = kinds.world("server_side", reads=["token_cookies"])
    another.later(LIFETIME + 1)
    assert copy_of(another, copy).get("/dashboard").status_code == 200
    assert world.server.counts()["refused"] == 0


@pytest.mark.parametrize(
    ("has", "statuses"),
    [
        pytest.param(("token_cookies",), [200, 200], id="who has token cookies alone passes"),
        pytest.param(("server_side",), [503, 503], id="nobody can say what lies in the store"),
        pytest.param(("server_side", "token_cookies"), [200, 503], id="what lies in the store is no planted cookie's"),
    ],
)
def test_while_the_store_of_another_kind_is_down(kinds, has, statuses):
    behind, ahead = (
        kinds.world("token_cookies", reads=["server_side"]),
        kinds.world("server_side", reads=["token_cookies"]),
    )
    header = both(*(kinds.signed_in(kinds.world(kind)) for kind in has))
    with down(kinds.store):
        answers = [ask(world, header) for world in (behind, ahead)]
    assert [each.status_code for each in answers] == statuses
    assert all("Set-Cookie" not in each.headers for each in answers)
    assert [ask(world, header).status_code for world in (behind, ahead)] == [200, 200]


def test_a_sign_out_that_waits_for_its_store_keeps_nobody_else_from_moving_over(kinds):
    world = kinds.world("server_side", reads=["token_cookies"])
    leaving = kinds.signed_in(world)
    header = both(kinds.signed_in(kinds.world("token_cookies")))
    with down(kinds.store):
        leaving.get("/leave")
        assert ask(world, header).status_code == 200
        assert ask(world, "").status_code == 401


@EVERY
def test_who_signs_in_and_refreshes_in_one_view_stays_signed_in(kinds, kind):
    world = kinds.world(kind)
    browser = Browser(world.app)
    for grants in range(1, 3):
        shown = browser.get("/enter?refresh").json
        assert world.server.counts()["grants"] == grants
        seen = browser.get("/dashboard").json
        assert (seen["state"], seen["authorization"]) == ("live", shown["authorization"])


@EVERY
def test_who_signs_in_and_out_in_one_view_leaves_nothing_behind(kinds, kind):
    world = kinds.world(kind)
    browser = Browser(world.app)
    assert browser.get("/enter?leave").status_code == 200
    assert names(browser) == set()
    assert [kinds.store.read(key).value for key in kinds.store.keys("session:")] in ([], [None])
    assert world.server.counts()["live"] == 0


@EVERY
def test_a_token_that_an_api_refused_is_shown_no_more_though_it_ends_later_than_the_new_one(kinds, kind):
    world = kinds.world(kind)
    browser = kinds.signed_in(world)
    refused = browser.get("/dashboard").json["authorization"]
    world.server.set(access_lifetime=60)
    world.later(40)
    newer = browser.get("/dashboard?refresh").json["authorization"]
    assert newer != refused
    assert browser.get("/dashboard").json["authorization"] == newer


@EVERY
def test_a_dead_session_before_a_living_one_logs_nobody_out(kinds, kind):
    world = kinds.world(kind)
    dead, living = kinds.signed_in(world), kinds.signed_in(world)
    (tokens,) = world.middleware._kind.load(both(dead))
    assert world.endpoint.revoke(tokens.refresh_token) is None
    for _ in range(2):
        world.later(LIFETIME + 1)
        answer = ask(world, both(dead, living))
        assert (answer.status_code, answer.json["state"]) == (200, "live")
        assert all("Max-Age=0" not in each or ".1=" in each for each in answer.headers.getlist("Set-Cookie"))


# Sessions on the server.


def test_a_sign_out_is_seen_by_every_worker_at_once(kinds):
    worlds = [kinds.world("server_side") for _ in range(3)]
    browser = kinds.signed_in(worlds[0])
    copies = [copy_of(world, browser) for world in worlds]
    for copy in copies:
        assert copy.get("/dashboard").status_code == 200
    browser.get("/leave")
    for copy in copies:
        assert copy.get("/dashboard").status_code == 401


def test_a_view_finds_its_own_session_in_the_list(kinds):
    kind = kinds.kind("server_side")
    for world in (kinds.world(kind), kinds.world("sealed", reads=[kind])):
        browser = kinds.signed_in(kinds.world(kind))
        copy_of(world, browser).get("/dashboard")
        assert kinds.handle in {each.handle for each in kind.sessions("lovelace")}
    assert kind.end_session("lovelace", kinds.handle)
    assert browser.get("/dashboard").status_code == 401


@pytest.mark.parametrize("kind", ["token_cookies", "sealed"])
def test_what_is_in_no_list_has_no_handle(kinds, kind):
    kinds.signed_in(kinds.world(kind)).get("/dashboard")
    assert kinds.handle is None


def test_a_sign_out_while_the_store_is_down_is_made_good_when_it_is_back(kinds):
    world = kinds.world("server_side")
    browser = kinds.signed_in(world)
    copy = copy_of(kinds.world("server_side"), browser)
    with down(kinds.store):
        browser.get("/leave")
    assert Browser(world.app).get("/dashboard").status_code == 401
    kinds.signed_in(world).get("/dashboard")
    assert copy.get("/dashboard").status_code == 401


def test_an_id_is_new_at_each_sign_in_and_the_old_one_is_nobody_s(kinds):
    world = kinds.world("server_side")
    browser = kinds.signed_in(world)
    old = copy_of(world, browser)
    browser.get("/enter")
    assert old.get_cookie("token_session_id").value != browser.get_cookie("token_session_id").value
    assert old.get("/dashboard").status_code == 401
    assert browser.get("/dashboard").status_code == 200


def test_a_request_is_one_read_and_a_write_once_a_minute(kinds):
    world = kinds.world("server_side")
    browser = kinds.signed_in(world)
    browser.get("/dashboard")
    for seconds, done in ((1, ["read"]), (1, ["read"]), (60, ["read", "swap"]), (1, ["read"])):
        world.later(seconds)
        kinds.store.done.clear()
        assert browser.get("/dashboard").status_code == 200
        assert kinds.store.done == done
    kinds.store.done.clear()
    browser.get("/static/a.css")
    Browser(world.app).get("/dashboard")
    assert kinds.store.done == []


@contextmanager
def down(store):
    store.go_down()
    try:
        yield
    finally:
        store.be_back()


def test_a_store_that_is_down_logs_nobody_out_of_a_session_that_lies_there(kinds, caplog):
    world = kinds.world("server_side")
    browser = kinds.signed_in(world)
    with down(kinds.store):
        for _ in range(3):
            response = browser.get("/dashboard", headers=PAGE)
            assert response.status_code == 503
            assert int(response.headers["Retry-After"]) >= 1
            assert "Set-Cookie" not in response.headers
        assert browser.get("/optional").json["state"] == "unavailable"
        assert browser.get("/login").status_code == 200
    assert browser.get("/dashboard").status_code == 200
    assert [each.getMessage() for each in caplog.records if each.levelname == "WARNING"] == [
        "the store is down (down): nobody is logged out by that, and nothing is refreshed meanwhile"
    ]


def test_a_sign_out_while_the_store_is_down_takes_the_cookie_out_and_says_so(kinds, caplog):
    world = kinds.world("server_side")
    browser = kinds.signed_in(world)
    with down(kinds.store):
        assert browser.get("/leave").status_code == 200
    assert names(browser) == set()
    assert "could not be ended" in caplog.text


def test_refreshed_tokens_that_cannot_be_written_are_handed_over_later(kinds):
    world = kinds.world("server_side")
    browser = kinds.signed_in(world)
    world.later(LIFETIME + 1)
    written = []

    def fail_late(operation, key):
        if operation == "swap" and key.startswith("session:"):
            written.append(key)
            raise StoreError("down")

    kinds.store.before = fail_late
    assert browser.get("/dashboard").status_code == 200
    assert written
    kinds.store.be_back()
    assert browser.get("/dashboard").status_code == 200
    assert world.server.counts()["grants"] == 1


def test_a_store_shows_no_token_no_id_and_no_subject(kinds):
    world = kinds.world("server_side")
    browser = kinds.signed_in(world)
    world.later(LIFETIME + 1)
    shown = browser.get("/dashboard").json
    secrets = [shown["access_token"], browser.get_cookie("token_session_id").value, "lovelace"]
    for key, (value, _) in kinds.store.inner._records.get().values.items():
        for secret in secrets:
            assert secret not in key
            assert secret.encode() not in value


def test_memory_is_enough_for_one_process(kinds):
    world = kinds.world(ServerSideSession(MemoryStore(clock=kinds.clock)))
    assert kinds.signed_in(world).get("/dashboard").status_code == 200
