"""How many calls go out at once from a process, and who comes first."""

from __future__ import annotations

import os
import threading
from contextlib import ExitStack

import pytest

from wsgi_token_refresh.ledger.slots import Slots

SOON = 0.02
PATIENCE = 10.0


def taken(slots, many, **kind):
    """Take slots until there are none, and tell how many that was."""
    with ExitStack() as stack:
        return sum(stack.enter_context(slots.take(**kind, seconds=0)) for _ in range(many))


@pytest.mark.parametrize(
    ("kind", "many"),
    [
        pytest.param({"good": False, "vouched": True}, 8, id="who needs a token may take all"),
        pytest.param({"good": True, "vouched": True}, 2, id="a quarter is for refreshes that nobody waits for"),
        pytest.param({"good": False, "vouched": False}, 4, id="half is for what nothing vouches for"),
        pytest.param({"good": True, "vouched": False}, 2, id="a good token counts first"),
    ],
)
def test_shares_of_eight(kind, many):
    slots = Slots(8)
    assert taken(slots, 20, **kind) == many
    assert taken(slots, 20, **kind) == many, "all came back"


def test_they_are_full_for_a_good_token_once_its_share_is_taken():
    slots = Slots(8)
    with slots.take(good=True, vouched=True, seconds=0):
        assert not slots.are_full()
        with slots.take(good=True, vouched=True, seconds=0):
            assert slots.are_full()
        assert not slots.are_full()
    assert taken(slots, 20, good=True, vouched=True) == 2, "asking takes none"


@pytest.mark.parametrize("kind", [(True, True), (False, True), (False, False)])
def test_of_one_there_is_one_for_everybody(kind):
    good, vouched = kind
    assert taken(Slots(1), 3, good=good, vouched=vouched) == 1


def test_nobody_takes_more_than_there_are():
    slots = Slots(4)
    with ExitStack() as stack:
        for _ in range(3):
            assert stack.enter_context(slots.take(good=False, vouched=True, seconds=0))
        assert stack.enter_context(slots.take(good=False, vouched=False, seconds=0))
        for good, vouched in [(True, True), (False, False), (False, True)]:
            assert not stack.enter_context(slots.take(good=good, vouched=vouched, seconds=0))
    assert taken(slots, 8, good=False, vouched=True) == 4, "what was taken in vain came back too"


def test_a_good_token_does_not_wait_however_long_it_might():
    slots = Slots(1)
    with slots.take(good=False, vouched=True, seconds=0), slots.take(good=True, vouched=True, seconds=1e6) as free:
        assert not free


def test_a_slot_is_waited_for():
    slots, holds, waits = Slots(1), threading.Event(), threading.Event()

    def hold():
        with slots.take(good=False, vouched=True, seconds=0):
            holds.set()
            assert waits.wait(PATIENCE)

    holder = threading.Thread(target=hold)
    holder.start()
    assert holds.wait(PATIENCE)
    with slots.take(good=False, vouched=True, seconds=SOON) as free:
        assert not free
    waits.set()
    with slots.take(good=False, vouched=True, seconds=PATIENCE) as free:
        assert free
    holder.join()


def test_a_slot_comes_back_after_an_error():
    slots = Slots(1)
    with pytest.raises(RuntimeError), slots.take(good=False, vouched=True, seconds=0):
        raise RuntimeError
    assert taken(slots, 2, good=False, vouched=True) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_child_has_its_own():
    slots = Slots(1)
    with slots.take(good=False, vouched=True, seconds=0):
        child = os.fork()
        if not child:
            os._exit(taken(slots, 2, good=False, vouched=True))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
