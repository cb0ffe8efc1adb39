"""The compiled heap against Python's own, event by event, with many ties."""

from __future__ import annotations

import heapq

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sched_rl.kernels import kernel
from sched_rl.simulator.events import code_of, make_event, pop_event, push_event
from sched_rl.simulator.state import JOB
from tests.simulator.naive import ARRIVAL, COMPLETION, Event

NUM_JOBS = 81


@kernel
def event_at(time_s, completion, code):
    return make_event(time_s, completion, code)


@kernel
def push(heap, size, time_s, completion, code, jobs):
    push_event(heap, size, make_event(time_s, completion, code), jobs)


@kernel
def pop(heap, size, jobs):
    event, ahead = pop_event(heap, size, jobs)
    return code_of(event), ahead


#: Times of arrivals are float32; completions come at any time, many of them between two such numbers.
AFTER_ONE = 1.0000001192092896
ARRIVALS = st.tuples(st.sampled_from([0.0, 1.0, AFTER_ONE, 2.0, 1e6]), st.just(False))
COMPLETIONS = st.tuples(st.sampled_from([1.0, 1.00000005, 1.00000007, AFTER_ONE, 2.0, 1e6]), st.just(True))


@given(st.lists(st.one_of(ARRIVALS, COMPLETIONS, st.none()), max_size=80))
def test_pops_in_the_order_of_heapq_among_ties_too(operations):
    ours, theirs, jobs = np.zeros(NUM_JOBS, np.uint64), [], np.zeros(NUM_JOBS, JOB)
    for number, event in enumerate(operations):
        size = len(theirs)
        if event is not None:
            time_s, completion = event
            jobs["start_s"][number], jobs["duration_s"][number] = time_s / 2, time_s / 2
            code = number + NUM_JOBS * completion
            push(ours, size, time_s, completion, code, jobs)
            heapq.heappush(theirs, Event(time_s, COMPLETION if completion else ARRIVAL, code))
        elif theirs:
            code, _ = pop(ours, size, jobs)
            assert int(code) == heapq.heappop(theirs).job
        codes = ours[: len(theirs)] & np.uint64(2**32 - 1)
        assert codes.tolist() == [event.job for event in theirs]


ARRIVES = st.floats(0.0, 2.0**120, width=32)
ENDS = st.floats(0.0, 1e300)


@given(ARRIVES, ARRIVES, ENDS, ENDS)
def test_events_are_ordered_as_time_then_kind(arrives, also_arrives, ends, also_ends):
    arrival, other_arrival = (int(event_at(time_s, False, 0)) for time_s in (arrives, also_arrives))
    completion, other_completion = (int(event_at(time_s, True, 0)) for time_s in (ends, also_ends))
    assert (arrival < other_arrival) == (arrives < also_arrives)
    assert (arrival < completion) == (arrives <= ends)
    if completion < other_completion:  # equal ones are told apart by their jobs
        assert ends < also_ends


@pytest.mark.parametrize("completion", [False, True])
def test_minus_zero_is_zero(completion):
    assert event_at(-0.0, completion, 3) == event_at(0.0, completion, 3)
