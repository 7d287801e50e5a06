"""The ledger's rules, on records made by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgi_token_refresh.ledger import rules
from wsgi_token_refresh.ledger.rules import Calling, Family, Passed, Pause, Row, State, Step

NOW = 1_700_000_000.0
HAND_OVER = 600.0
FAMILY = Family(
    current=5,
    sealed=b"sealed",
    expires_at=NOW + 300,
    refreshed_at=NOW - 10,
    welcome=((3, "three"), (4, "four"), (5, "five")),
    oldest=3,
    passed=(Passed(0, 1, NOW - 1000), Passed(1, 3, NOW - 100)),
)


@pytest.mark.parametrize(
    ("generation", "after", "welcome"),
    [
        pytest.param(5, 0, True, id="the current one"),
        pytest.param(4, 0, True, id="one that no browser has passed"),
        pytest.param(3, 0, True, id="the oldest"),
        pytest.param(3, 86_400, True, id="the oldest, however late"),
        pytest.param(2, 0, True, id="one that was passed lately"),
        pytest.param(2, 499, True, id="one that was passed less than hand_over ago"),
        pytest.param(2, 500, False, id="one that was passed hand_over ago"),
        pytest.param(0, 0, False, id="one that was passed long ago, though a newer one was passed lately"),
    ],
)
def test_is_welcome(generation, after, welcome):
    assert rules.is_welcome(FAMILY, generation, NOW + after, HAND_OVER) is welcome


def test_whose_passing_was_forgotten_is_not_welcome():
    assert not rules.is_welcome(replace(FAMILY, passed=()), 2, NOW, HAND_OVER)


@given(
    steps=st.lists(st.tuples(st.floats(1, 400), st.integers(0, 2)), min_size=1, max_size=40),
    since=st.floats(0, 1000),
)
def test_who_is_welcome_is_as_a_slow_reference_has_it(steps, since):
    """``steps``: so much later, a browser shows a generation this far behind the current one, and is refreshed."""
    family, now = rules.founded(b"sealed", NOW, "0"), NOW
    passed_at = {}
    for number, (later, behind) in enumerate(steps, 1):
        now += later
        shown = max(0, family.current - behind)
        if not rules.is_welcome(family, shown, now, HAND_OVER):
            continue
        for generation in range(shown):
            passed_at.setdefault(generation, now)
        family = follow(family, shown, fingerprint=str(number), now=now)
    now += since
    for generation in range(family.current + 1):
        known = passed_at.get(generation)
        assert rules.is_welcome(family, generation, now, HAND_OVER) is (known is None or now - known < HAND_OVER)


CALLED = replace(FAMILY, calling=Calling("nonce", NOW + 6))


@pytest.mark.parametrize(
    ("family", "now", "expected"),
    [
        pytest.param(FAMILY, NOW, FAMILY, id="nobody is calling"),
        pytest.param(CALLED, NOW + 5.9, CALLED, id="somebody is calling"),
        pytest.param(
            CALLED,
            NOW + 6,
            replace(FAMILY, pause=Pause(True, 1, NOW + 8, "the caller was lost")),
            id="a call past its deadline may have been processed, and its pause began then",
        ),
        pytest.param(
            CALLED,
            NOW + 6000,
            replace(FAMILY, pause=Pause(True, 1, NOW + 8, "the caller was lost")),
            id="however late somebody looks",
        ),
        pytest.param(
            replace(CALLED, pause=Pause(False, 2, NOW, "429")),
            NOW + 6,
            replace(FAMILY, pause=Pause(True, 3, NOW + 14, "the caller was lost")),
            id="pauses go on growing",
        ),
    ],
)
def test_as_of(family, now, expected):
    assert rules.as_of(family, now) == expected


@pytest.mark.parametrize(
    ("family", "good", "step"),
    [
        pytest.param(FAMILY, True, Step.CALL, id="nobody is calling: call"),
        pytest.param(CALLED, True, Step.WAIT, id="somebody is calling: wait"),
        pytest.param(CALLED, False, Step.WAIT, id="somebody is calling, and the token is bad: wait"),
        pytest.param(
            replace(FAMILY, pause=Pause(False, 1, NOW + 1, "")), False, Step.PAUSE, id="in a pause nobody calls"
        ),
        pytest.param(replace(FAMILY, pause=Pause(False, 1, NOW, "")), True, Step.CALL, id="after a pause: call"),
        pytest.param(
            replace(FAMILY, pause=Pause(True, 1, NOW - 99, "")),
            True,
            Step.PAUSE,
            id="what may have been processed is not repeated while the token is good",
        ),
        pytest.param(
            replace(FAMILY, pause=Pause(True, 1, NOW, "")),
            False,
            Step.CALL,
            id="what may have been processed is repeated after its pause when the token is bad",
        ),
        pytest.param(
            replace(FAMILY, pause=Pause(True, 1, NOW + 1, "")), False, Step.PAUSE, id="and not before its pause ends"
        ),
    ],
)
def test_next_step(family, good, step):
    assert rules.next_step(family, NOW, good=good) is step


def test_pauses_double_from_two_seconds_to_sixty():
    family, seconds = FAMILY, []
    for _ in range(8):
        family = rules.unanswered(family, NOW, "timeout", sent=True)
        seconds.append(family.pause.not_before - NOW)
    assert seconds == [2, 4, 8, 16, 32, 60, 60, 60]


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        pytest.param({"retry_after": 30.0}, 30, id="the server's Retry-After counts"),
        pytest.param({"retry_after": 0.1}, 0.5, id="if it is longer"),
        pytest.param({}, 0.5, id="what was not sent is tried again soon"),
        pytest.param({"retry_after": 9999.0}, 60, id="and a minute at most"),
        pytest.param({"at_once": True}, 0, id="the first repetition may come at once"),
    ],
)
def test_a_first_pause(told, seconds):
    assert rules.unanswered(FAMILY, NOW, "429", sent=False, **told).pause.not_before - NOW == seconds


def test_only_the_first_repetition_comes_at_once():
    once = rules.unanswered(FAMILY, NOW, "timeout", sent=False, at_once=True)
    twice = rules.unanswered(once, NOW, "timeout", sent=False, at_once=True)
    assert twice.pause == Pause(False, 2, NOW + 1, "timeout")


def test_no_answer_ends_the_call():
    assert rules.unanswered(CALLED, NOW, "timeout", sent=True).calling is None


def test_our_misconfiguration_pauses_for_longer_each_time():
    paused = rules.paused(CALLED, NOW, "invalid_client")
    assert paused == replace(FAMILY, pause=Pause(False, 1, NOW + 2, "invalid_client"))
    for seconds in (2, 2, 4, 8, 16, 32, 60, 60):
        paused = rules.paused(paused, NOW, "invalid_client")
        assert paused.pause.not_before == NOW + seconds


@pytest.mark.parametrize(
    ("pause", "kept"),
    [
        pytest.param(None, None, id="there was none"),
        pytest.param(Pause(True, 3, NOW, "timed out"), None, id="what was sent has its answer"),
        pytest.param(
            Pause(False, 3, NOW - 59, "aud"), Pause(False, 3, NOW, "aud"), id="one of a minute ago is counted on"
        ),
        pytest.param(Pause(False, 3, NOW - 60, "aud"), None, id="an older one is forgotten"),
    ],
)
def test_what_a_refresh_leaves_of_a_pause(pause, kept):
    assert follow(replace(FAMILY, pause=pause), 0, now=NOW).pause == kept


@pytest.mark.parametrize(
    ("end", "state"),
    [pytest.param(rules.refused, State.REFUSED, id="refused"), pytest.param(rules.ended, State.ENDED, id="ended")],
)
def test_an_end_leaves_no_call_and_no_pause(end, state):
    after = end(replace(CALLED, pause=Pause(True, 1, NOW, "")), "why")
    assert after == replace(FAMILY, state=state, reason="why")


@pytest.mark.parametrize(
    ("family", "nonce", "expected"),
    [
        pytest.param(CALLED, "nonce", True, id="the caller"),
        pytest.param(CALLED, "other", False, id="not another caller"),
        pytest.param(FAMILY, "nonce", False, id="not after somebody else wrote"),
        pytest.param(replace(CALLED, state=State.ENDED), "nonce", False, id="not after a sign-out"),
    ],
)
def test_is_callers(family, nonce, expected):
    assert rules.is_callers(family, nonce) is expected


@pytest.mark.parametrize(
    ("family", "answered", "expires_at", "rotated", "expected"),
    [
        pytest.param(FAMILY, 5, NOW, True, True, id="new tokens for the current generation"),
        pytest.param(FAMILY, 4, NOW + 900, True, False, id="not for an older one"),
        pytest.param(FAMILY, 6, NOW + 900, True, False, id="not for one that is not there yet"),
        pytest.param(replace(FAMILY, state=State.ENDED), 5, NOW, True, False, id="not after a sign-out"),
        pytest.param(replace(FAMILY, state=State.REFUSED), 5, NOW, True, True, id="after a refusal: tokens prove it"),
        pytest.param(FAMILY, 5, NOW + 301, False, True, id="without rotation, newer tokens"),
        pytest.param(FAMILY, 5, NOW + 299, False, False, id="without rotation, no older tokens"),
        pytest.param(FAMILY, 5, None, False, False, id="without rotation, no tokens of unknown age"),
        pytest.param(replace(FAMILY, expires_at=None), 5, NOW, False, True, id="any after those of unknown age"),
    ],
)
def test_may_follow(family, answered, expires_at, rotated, expected):
    assert rules.may_follow(family, answered, expires_at, rotated=rotated) is expected


def follow(family, presented, fingerprint="six", now=NOW):
    return rules.refreshed(
        family,
        presented=presented,
        sealed=b"new",
        expires_at=now + 300,
        fingerprint=fingerprint,
        now=now,
        hand_over=HAND_OVER,
    )


def test_a_refresh_for_the_current_generation_passes_all_before_it():
    after = follow(FAMILY, 5)
    assert (after.current, after.oldest, after.refreshed_at) == (6, 5, NOW)
    assert after.welcome == ((5, "five"), (6, "six"))
    assert after.passed == (Passed(1, 3, NOW - 100), Passed(3, 5, NOW))
    assert rules.no_longer_welcome(FAMILY, after) == ("three", "four")


def test_a_refresh_for_an_older_generation_keeps_it_welcome():
    after = follow(FAMILY, 3)
    assert (after.current, after.oldest) == (6, 3)
    assert after.welcome == (*FAMILY.welcome, (6, "six"))
    assert rules.no_longer_welcome(FAMILY, after) == ()


def test_oldest_never_moves_back():
    assert follow(FAMILY, 2).oldest == 3


def test_without_rotation_the_generation_stays():
    after = follow(FAMILY, 5, fingerprint=None)
    assert (after.current, after.oldest, after.welcome) == (5, 5, ((5, "five"),))


def test_a_refresh_ends_call_pause_and_refusal():
    before = replace(CALLED, state=State.REFUSED, reason="x", pause=Pause(True, 1, NOW, ""))
    after = follow(before, 5)
    assert (after.state, after.reason, after.calling, after.pause) == (State.LIVE, "", None, None)


def test_a_browser_that_stores_nothing_is_handed_over_for_ever_and_the_record_stays_small():
    family = rules.founded(b"sealed", NOW, "0")
    for n in range(1, 200):
        family = follow(family, 0, fingerprint=str(n), now=NOW + n)
    assert rules.is_welcome(family, 0, NOW + 10_000, HAND_OVER)
    assert len(family.welcome) == 32
    assert (family.welcome[0], family.welcome[-1]) == ((0, "0"), (199, "199"))


def test_a_busy_family_s_record_stays_small():
    family = rules.founded(b"sealed", NOW, "0")
    for n in range(1, 200):
        family = follow(family, n - 1, fingerprint=str(n), now=NOW + n / 100)
    assert len(family.passed) == 64
    assert rules.is_welcome(family, 0, NOW + 2, HAND_OVER), "none of them was passed so long ago"
    assert len(rules.encode_family(family)) < 4096


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda family: rules.called(family, "n", NOW), id="called"),
        pytest.param(lambda family: rules.paused(family, NOW, ""), id="paused"),
        pytest.param(lambda family: rules.unanswered(family, NOW, "", sent=True), id="unanswered"),
        pytest.param(lambda family: rules.refused(family, ""), id="refused"),
    ],
)
def test_no_change_but_a_refresh_touches_tokens_and_generations(change):
    after = change(FAMILY)
    assert replace(after, state=State.LIVE, reason="", calling=None, pause=None) == FAMILY


TIMES = st.floats(0, 2**40)
SMALL = st.integers(0, 1000)
NAMES = st.text(st.characters(max_codepoint=127))
FAMILIES = st.builds(
    Family,
    current=SMALL,
    sealed=st.binary(),
    expires_at=st.none() | TIMES,
    refreshed_at=TIMES,
    welcome=st.lists(st.tuples(SMALL, NAMES)).map(tuple),
    oldest=SMALL,
    passed=st.lists(st.builds(Passed, SMALL, SMALL, TIMES)).map(tuple),
    state=st.sampled_from(State),
    reason=st.text(),
    calling=st.none() | st.builds(Calling, st.text(), TIMES),
    pause=st.none() | st.builds(Pause, st.booleans(), SMALL, TIMES, st.text()),
)


@given(FAMILIES)
def test_a_family_comes_back_as_it_was_written(family):
    assert rules.decode_family(rules.encode_family(family)) == family


@given(st.builds(Row, NAMES, SMALL, st.binary()))
def test_a_row_comes_back_as_it_was_written(row):
    assert rules.decode_row(rules.encode_row(row)) == row


GARBAGE = [
    pytest.param(b"", id="nothing"),
    pytest.param(b"\n", id="a line end"),
    pytest.param(b"null\n", id="null"),
    pytest.param(b"7\n", id="a number"),
    pytest.param(b"{}\n", id="an object"),
    pytest.param(b"[]\nx", id="an empty list"),
    pytest.param(b"[1]\nx", id="a short list"),
    pytest.param(b"[[],[]]\n", id="lists"),
    pytest.param(b"\xff\xfe\n", id="no text"),
    pytest.param(b"[1,2,3,4,5,6,7,8,9,10]\n", id="ten numbers"),
    pytest.param(b'[1,null,0,[],0,[],"dead","",null,null]\n', id="a state that is none"),
    pytest.param(b'[1,null,0,[[1]],0,[],"live","",null,null]\n', id="a welcome that is no pair"),
    pytest.param(b'[1,null,0,[],0,[[1]],"live","",null,null]\n', id="a pass that is no pair"),
    pytest.param(b'[1,null,0,[],0,[],"live","",[1],null]\n', id="a call that is no pair"),
    pytest.param(b'[1,null,0,[],0,[],"live","",null,[1]]\n', id="a pause that is none"),
]


@pytest.mark.parametrize("value", GARBAGE)
def test_garbage_is_no_record(value):
    assert rules.decode_family(value) is None
    assert rules.decode_row(value) is None


@given(st.binary())
def test_no_bytes_raise(value):
    rules.decode_row(value)
    rules.decode_family(value)
