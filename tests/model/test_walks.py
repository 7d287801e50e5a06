"""Stories of one browser, told step by step: what the promise says in words."""

from __future__ import annotations

import itertools

import pytest

from wsgi_token_refresh.stores.memory import MemoryStore

from .world import ANSWER_TIMEOUT, LIFETIME, TIMEOUT, WAIT_TIMEOUT, Running, World

HOUR = 3600.0
WINDOW = LIFETIME - 30
LONGEST_CALL = TIMEOUT + ANSWER_TIMEOUT + 1


def world(kind: str = "strict") -> World:
    return World(lambda clock: MemoryStore(clock=clock), kind)


def run_until(w: World, running: Running, at: str) -> None:
    while running.at != at:
        w.step(running)


def finish(w: World, running: Running) -> int:
    while running.number in w.running:
        if running in w.runnable():
            w.step(running)
        else:
            assert w.tick()
    assert running.response is not None
    return running.response.status


@pytest.mark.parametrize("requests", [2, 20])
def test_many_requests_with_one_expired_cookie_are_one_grant(requests: int) -> None:
    w = world()
    w.jump(LIFETIME + 1)
    running = [w.request(number % 2) for number in range(requests)]
    w.settle()
    assert [each.response and each.response.status for each in running] == [200] * requests
    assert len(w.sent) == 1
    assert w.converge().status == 200


@pytest.mark.parametrize("hours", [1, 23])
def test_a_lost_response_is_handed_over_however_late_and_three_times_in_a_row(hours: int) -> None:
    w = world()
    for _ in range(3):
        w.jump(LIFETIME + 1)
        w.request(0)
        w.settle()
        w.arriving.clear()
        w.jump(hours * HOUR)
    assert w.visit(1).status == 200
    assert w.converge().status == 200


@pytest.mark.parametrize("host", [0, 1], ids=["on the host that knew it", "on another host"])
def test_a_jar_that_went_back_is_healed_within_half_a_minute(host: int) -> None:
    """An older ``Set-Cookie`` landed last, or the browser restored its jar; its access token is still good."""
    w = world()
    w.visit(host)
    old = dict(w.jar)
    assert finish(w, w.request(1, "/api")) == 200
    w.deliver(0)
    new = dict(w.jar)
    assert new != old
    w.jar = dict(old)
    assert w.visit(host).status == 200
    w.jar = dict(old)
    w.jump(30.5)
    assert w.visit(host).status == 200
    assert w.jar == new
    assert len(w.sent) == 1


def test_a_lost_answer_is_not_repeated_while_the_token_is_good_and_then_costs_one_login() -> None:
    w = world()
    w.jump(LIFETIME - 100)
    w.fault = "answer lost"
    assert w.visit(0).status == 200
    for _ in range(4):
        w.jump(3)
        assert w.visit(1).status == 200
    assert [len(senders) for senders in w.sent.values()] == [1]
    w.jump(LIFETIME)
    first, second = w.visit(0), w.visit(1)
    assert (first.status, len(first.cookies)) == (303, 3)
    assert (second.status, second.cookies) == (303, [])
    assert [len(senders) for senders in w.sent.values()] == [2]


def test_a_slow_answer_is_kept_although_nobody_waited_for_it() -> None:
    """Its caller had a good token and went on; the first to need the new tokens comes to the other host, much later."""
    w = world()
    w.jump(LIFETIME - 100)
    w.fault = "slow"
    running = w.request(0)
    assert finish(w, running) == 200
    w.deliver(0)
    w.jump(LIFETIME)
    assert w.visit(1).status == 200
    assert [len(senders) for senders in w.sent.values()] == [1, 1]


def test_an_answer_that_comes_after_the_deadline_is_kept_by_whoever_comes_next() -> None:
    w = world()
    w.jump(LIFETIME + 1)
    w.fault = "too slow"
    assert w.visit(0).status == 503
    w.jump(ANSWER_TIMEOUT + 1)
    assert w.visit(0).status == 200
    assert [len(senders) for senders in w.sent.values()] == [1]


def test_who_comes_to_the_host_whose_answer_is_still_to_come_waits_for_it() -> None:
    w = world()
    w.jump(LIFETIME + 1)
    w.fault = "too slow"
    assert w.visit(0).status == 503
    w.jump(ANSWER_TIMEOUT - 2)
    began = w.now
    assert w.visit(0).status == 200
    assert w.now - began <= 2
    assert [len(senders) for senders in w.sent.values()] == [1]


def test_a_host_killed_before_it_sent_costs_nobody_the_session() -> None:
    w = world()
    w.jump(LIFETIME + 1)
    holder, waiter = w.request(0), w.request(1)
    run_until(w, holder, "before it sends")
    w.crash(0)
    assert finish(w, waiter) == 503
    assert w.now - waiter.began <= WAIT_TIMEOUT
    w.jump(LONGEST_CALL)
    assert w.visit(1).status == 200
    assert len(w.sent) == 1


@pytest.mark.parametrize("at", ["before it sends", "answered"])
def test_nobody_with_a_good_token_waits_for_a_stopped_host(at: str) -> None:
    w = world()
    w.jump(WINDOW)
    holder = w.request(0)
    run_until(w, holder, at)
    w.stop(0)
    began = w.now
    assert finish(w, w.request(1)) == 200
    assert w.now == began


def test_a_woken_holder_does_not_send() -> None:
    w = world()
    w.jump(LIFETIME + 1)
    holder = w.request(0)
    run_until(w, holder, "before it sends")
    w.stop(0)
    w.jump(3)
    w.go_on(0)
    assert finish(w, holder) == 503
    assert w.sent == {}
    w.jump(3)
    assert w.visit(1).status == 200


def test_a_woken_holder_does_not_write_over_the_one_who_took_its_place() -> None:
    w = world()
    w.jump(LIFETIME + 1)
    holder = w.request(0)
    run_until(w, holder, "before it sends")
    w.stop(0)
    w.jump(60)
    successor = w.request(1)
    run_until(w, successor, "answered")
    w.go_on(0)
    third = w.request(1)
    for _ in range(30):
        for each in (holder, third):
            if each in w.runnable():
                w.step(each)
    assert len(w.sent) == 1
    w.settle()
    assert [each.response and each.response.status for each in (holder, successor, third)] == [503, 200, 200]
    assert len(w.sent) == 1


def test_a_holder_woken_after_the_server_answered_keeps_the_tokens() -> None:
    w = world()
    w.jump(LIFETIME + 1)
    holder = w.request(0)
    run_until(w, holder, "answered")
    w.stop(0)
    w.jump(60)
    w.go_on(0)
    assert finish(w, holder) == 200
    assert w.converge().status == 200
    assert len(w.sent) == 1


def test_tokens_that_could_not_be_written_down_are_written_before_the_next_look() -> None:
    w = world()
    w.jump(LIFETIME + 1)
    holder = w.request(0)
    run_until(w, holder, "answered")
    w.store_down = True
    assert finish(w, holder) == 200
    assert w.arriving.pop().cookies
    w.store_down = False
    assert finish(w, w.request(0)) == 200
    assert len(w.sent) == 1


def test_tokens_that_reached_the_browser_and_not_the_store_begin_a_family_of_their_own() -> None:
    w = world()
    w.jump(LIFETIME + 1)
    holder = w.request(0)
    run_until(w, holder, "answered")
    old = dict(w.jar)
    w.store_down = True
    assert finish(w, holder) == 200
    w.deliver(0)
    w.store_down = False
    w.jump(LIFETIME + 1)
    assert w.visit(1).status == 200
    newest = dict(w.jar)
    assert finish(w, w.request(0, jar=old)) == 200, "the family before gave way"
    w.deliver(0)
    assert w.jar == newest
    assert w.converge().status == 200


def test_a_sign_out_during_a_refresh_wins() -> None:
    w = world()
    w.jump(WINDOW)
    holder = w.request(0)
    run_until(w, holder, "sent")
    assert finish(w, w.request(1, "/logout")) == 200
    assert finish(w, holder) == 303
    assert all(not response.cookies or "max-age=0" in response.cookies[0].lower() for response in w.arriving)
    assert [family.revoked for family in w.server.families.values()] == ["asked to"]


def test_a_sign_in_ends_what_came_along_and_a_late_response_does_not_bring_it_back() -> None:
    w = world()
    w.jump(LIFETIME + 1)
    late = w.request(0)
    run_until(w, late, "in the view")
    assert finish(w, w.request(1, "/enter")) == 200
    w.deliver(0)
    new = dict(w.jar)
    assert finish(w, late) == 200
    w.deliver(0)
    assert w.jar == new
    assert w.converge().status == 200


def test_there_is_one_try_for_each_session_and_pause() -> None:
    w = world()
    w.jump(LIFETIME + 1)
    tries = []
    for _ in range(600):
        w.fault = "refused"
        w.visit(len(tries) % 2)
        tries += [w.now] if w.fault is None else []
        w.jump(0.5)
    pauses = [later - earlier for earlier, later in itertools.pairwise(tries)]
    assert pauses[:6] == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0]
    w.jump(60)
    w.fault = None
    assert w.visit(0).status == 200


def test_a_request_that_comes_ten_minutes_late_is_handed_over_and_one_that_comes_later_is_spent() -> None:
    w = world()
    oldest = dict(w.jar)
    for _ in range(2):
        w.jump(WINDOW)
        w.visit(0)
    assert finish(w, w.request(1, jar=oldest)) == 200
    assert w.arriving.pop().cookies
    w.jump(601)
    assert finish(w, w.request(1, jar=oldest)) == 303
    assert w.arriving.pop().cookies == []
    assert w.visit(0).status == 200
    assert all(family.revoked == "" for family in w.server.families.values())
