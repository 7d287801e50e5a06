"""Small cases, exhaustively: every schedule with up to two switches, and one blow at every step of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from wsgi_token_refresh.stores.memory import MemoryStore

from .world import LIFETIME, Running, World

MOST_STEPS = 500
Blow = Callable[[World], None]
Schedule = dict[int, str]


def stop_until_it_has_lapsed(world: World) -> None:
    """Stop the first host; what waits goes on, and a minute passes before it wakes."""
    world.stop(0)
    while world.runnable() or world.tick():
        for each in world.runnable()[:1]:
            world.step(each)
    world.jump(60)
    world.visit(1)
    world.go_on(0)


def sign_out_elsewhere(world: World) -> None:
    running = world.request(1, "/logout")
    while running.number in world.running:
        if running in world.runnable():
            world.step(running)
        elif not world.tick():
            world.step(world.runnable()[0])


def let_the_store_be_back(world: World) -> None:
    world.take_down_store()
    for each in world.runnable()[:1]:
        world.step(each)
    world.store_down = False


BLOWS: dict[str, Blow] = {
    "the first host crashes": lambda world: world.crash(0),
    "the first host is stopped for a minute": stop_until_it_has_lapsed,
    "the store is down for a step": let_the_store_be_back,
    "the store goes down": World.take_down_store,
    "the user signs out": sign_out_elsewhere,
}


def run(world: World, schedule: Schedule) -> int:
    """Run what is there to its end, with the switches and the blow of this schedule; tell how many steps that took."""
    current: Running | None = None
    for step in range(MOST_STEPS):
        action = schedule.get(step)
        if action in BLOWS:
            BLOWS[action](world)
        able = world.runnable()
        if not able:
            if world.running and world.tick():
                continue
            if not world.running or not world.stopped:
                return step
            world.stopped.clear()
            continue
        others = [each for each in able if each is not current]
        if current not in able or (action == "switch" and others):
            current = (others or able)[0]
        world.step(current)
    raise AssertionError("it never ends")


def check(make: Callable[[], World], schedule: Schedule) -> int:
    world = make()
    try:
        steps = run(world, schedule)
        last = world.converge()
        if not world.forgiven and not world.signed_out:
            assert last.status == 200, f"logged out: {last}"
            look = world.look(world.jar["refresh_token"])
            assert look is None or look.tokens.refresh_token == world.jar["refresh_token"], "the jar is behind"
    except AssertionError as error:
        raise AssertionError(f"{error} with {schedule}") from error
    return steps


def schedules(make: Callable[[], World], blow: str | None, switches: int) -> Iterator[Schedule]:
    """Give every schedule with up to so many switches, and this blow at every step."""
    seen: list[Schedule] = [{}]
    for _ in range(switches):
        following = []
        for schedule in seen:
            steps = check(make, schedule)
            following += [{**schedule, step: "switch"} for step in range(max(schedule, default=-1) + 1, steps)]
        yield from following
        seen = following
    if blow is not None:
        for schedule in [{}, *seen]:
            for step in range(check(make, schedule)):
                if step not in schedule:
                    yield {**schedule, step: blow}


def tabs(kind: str, *, expired: bool, hosts: tuple[int, ...] = (0, 1), fault: str | None = None) -> Callable[[], World]:
    def make() -> World:
        world = World(lambda clock: MemoryStore(clock=clock), kind)
        world.fault = fault
        world.jump(LIFETIME + 1 if expired else LIFETIME - 100)
        for host in hosts:
            world.request(host)
        return world

    return make


@pytest.mark.parametrize("expired", [True, False], ids=["with an expired token", "with a token in the window"])
@pytest.mark.parametrize("kind", ["strict", "lenient", "static"])
def test_two_tabs_in_every_order_with_up_to_two_switches(kind: str, expired: bool) -> None:
    make = tabs(kind, expired=expired)
    assert sum(check(make, schedule) > 0 for schedule in schedules(make, None, 2)) > 200


@pytest.mark.parametrize("expired", [True, False], ids=["with an expired token", "with a token in the window"])
@pytest.mark.parametrize("fault", ["slow", "refused", "never processed"])
def test_two_tabs_and_a_hiccup_in_every_order_with_up_to_two_switches(fault: str, expired: bool) -> None:
    make = tabs("strict", expired=expired, fault=fault)
    assert sum(check(make, schedule) > 0 for schedule in schedules(make, None, 2)) > 100


def test_three_tabs_on_two_hosts_in_every_order_with_up_to_two_switches() -> None:
    make = tabs("strict", expired=True, hosts=(0, 1, 1))
    assert sum(check(make, schedule) > 0 for schedule in schedules(make, None, 2)) > 400


@pytest.mark.parametrize("blow", BLOWS)
@pytest.mark.parametrize("kind", ["strict", "lenient"])
def test_two_tabs_and_one_blow_at_every_step(kind: str, blow: str) -> None:
    make = tabs(kind, expired=True)
    assert sum(check(make, schedule) > 0 for schedule in schedules(make, blow, 1)) > 500
