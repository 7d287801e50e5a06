"""Stories of one browser, told step by step: what the promise says in words."""

from __future__ import annotations

import pytest

from wsgi_token_refresh.stores.memory import MemoryStore

from .world import LIFETIME, World


def world(kind: str = "strict") -> World:
    return World(lambda clock: MemoryStore(clock=clock), kind)


@pytest.mark.parametrize("requests", [2, 20])
def test_many_requests_with_one_expired_cookie_are_one_grant(requests: int) -> None:
    w = world()
    w.jump(LIFETIME + 1)
    running = [w.request(number % 2) for number in range(requests)]
    w.settle()
    assert [each.response and each.response.status for each in running] == [200] * requests
    assert len(w.sent) == 1
    assert w.converge().status == 200


def test_a_lost_response_is_handed_over_an_hour_later() -> None:
    w = world()
    for _ in range(3):
        w.jump(LIFETIME + 1)
        w.request(0)
        w.settle()
        w.arriving.clear()
        w.jump(3600)
    assert w.visit(1).status == 200
    assert w.converge().status == 200
