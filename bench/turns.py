"""Measures several subjects in turns, so that what else the machine does falls on all of them."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Subject:
    """Something to call: ``prepare(count)`` makes what it is called with, once each, outside of the measurement."""

    call: Callable[[Any], object]
    prepare: Callable[[int], Sequence[Any]]


def in_turns(subjects: Mapping[str, Subject], *, rounds: int, count: int) -> dict[str, float]:
    """Measure microseconds for each call: the median of rounds, less the loop itself; the first round warms up."""
    found: dict[str, list[float]] = {name: [] for name in subjects}
    names = list(subjects)
    for number in range(rounds + 1):
        # Each round begins with another one, so that nobody always follows the same neighbour.
        for name in names[number % len(names) :] + names[: number % len(names)]:
            took = _microseconds(subjects[name], count)
            if number:
                found[name].append(took)
    return {name: median(each) for name, each in found.items()}


def _microseconds(subject: Subject, count: int) -> float:
    things, call = subject.prepare(count), subject.call
    gc.collect()
    gc.disable()
    try:
        began = time.perf_counter_ns()
        for thing in things:
            call(thing)
        took = time.perf_counter_ns() - began
        empty = _nothing_many_times(things)
    finally:
        gc.enable()
    return (took - empty) / count / 1000


def _nothing_many_times(things: Sequence[Any]) -> int:
    began = time.perf_counter_ns()
    for _ in things:
        pass
    return time.perf_counter_ns() - began
