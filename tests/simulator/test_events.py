"""The compiled heap against Python's own, event by event, with many ties."""

from __future__ import annotations

import heapq

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sched_rl.kernels import kernel
from sched_rl.simulator.events import event_key, event_time_s, pop_event, push_event
from sched_rl.simulator.state import EVENT
from tests.simulator.naive import ARRIVAL, COMPLETION, Event


@kernel
def key_of(time_s, completion):
    return event_key(time_s, completion)


@kernel
def time_of(key):
    return event_time_s(key)


@kernel
def push(heap, size, time_s, completion, code):
    push_event(heap, size, event_key(time_s, completion), code)


@kernel
def pop(heap, size):
    return pop_event(heap, size)


EVENTS = st.tuples(st.sampled_from([0.0, 1.0, 1.0000001192092896, 2.0, 1e6]), st.booleans())


@given(st.lists(st.one_of(EVENTS, st.none()), max_size=80))
def test_pops_in_the_order_of_heapq_among_ties_too(operations):
    ours, theirs = np.zeros(81, EVENT), []
    for number, event in enumerate(operations):
        size = len(theirs)
        if event is not None:
            time_s, completion = event
            push(ours, size, time_s, completion, number)
            heapq.heappush(theirs, Event(time_s, COMPLETION if completion else ARRIVAL, number))
        elif theirs:
            key, code = pop(ours, size)
            expected = heapq.heappop(theirs)
            assert (time_of(np.uint64(key)), int(code)) == (expected.time, expected.job)
        assert ours["code"][: len(theirs)].tolist() == [event.job for event in theirs]


MOMENTS = st.floats(0.0, 1e300)


@given(MOMENTS, st.booleans(), MOMENTS, st.booleans())
def test_keys_are_ordered_as_time_then_kind(time_a, completes_a, time_b, completes_b):
    before = (time_a, completes_a) < (time_b, completes_b)
    assert (int(key_of(time_a, completes_a)) < int(key_of(time_b, completes_b))) == before
    assert time_of(np.uint64(key_of(time_a, completes_a))) == time_a


@pytest.mark.parametrize("completion", [False, True])
def test_minus_zero_is_zero(completion):
    assert key_of(-0.0, completion) == key_of(0.0, completion)
