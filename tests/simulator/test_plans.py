"""Reservations on several resources, against a table of every second."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sched_rl.simulator.plans import reservation, starts_now

CAPACITY, HORIZON = np.array([4, 6]), 60
#: Running jobs: seconds that they are held for still, 0 where the request is outrun, and units; waiting ones likewise.
DEMAND = st.tuples(st.integers(0, 2), st.integers(0, 3))
RUNNING = st.lists(st.tuples(st.integers(0, 8), DEMAND), max_size=3)
WAITING = st.lists(
    st.tuples(st.integers(1, 8), st.tuples(st.integers(0, 4), st.integers(0, 6))), min_size=1, max_size=6
)
NOW_S = 100.0


def columns(running):
    """Idle units, ends and held units, as schedulers give them; jobs that the machine has no room for are left out."""
    kept, idle = [], CAPACITY.copy()
    for left_s, demand in sorted(running):
        if (idle >= demand).all():
            kept.append((left_s, demand))
            idle = idle - demand
    ends_s = np.array([NOW_S + left_s for left_s, _ in kept], np.float64)
    return idle, ends_s, np.array([demand for _, demand in kept], np.int64).reshape(-1, 2)


def table(idle, ends_s, held):
    """Idle units of each second from now on; a job that is about to end gives its units back at once."""
    free = np.tile(idle, (HORIZON, 1))
    for end_s, units in zip(ends_s, held, strict=True):
        free[int(end_s - NOW_S) :] += units
    return free


@settings(max_examples=400)
@given(running=RUNNING, waiting=WAITING)
def test_conservative_backfilling_starts_those_whose_earliest_slot_is_now(running, waiting):
    idle, ends_s, held = columns(running)
    free, left, expected = table(idle, ends_s, held), idle.copy(), []
    for requested_s, demand in waiting:
        begin = next(
            second for second in range(HORIZON) if (free[second : second + requested_s] >= demand).all()
        )
        free[begin : begin + requested_s] -= demand
        expected.append(bool(begin == 0 and (left >= demand).all()))
        left = left - np.array(demand) * expected[-1]
    requested = np.array([requested_s for requested_s, _ in waiting], np.float64)
    demands = np.array([demand for _, demand in waiting], np.int64)
    assert starts_now(idle, ends_s, held, requested, demands, NOW_S).tolist() == expected


@settings(max_examples=200)
@given(running=RUNNING, wanted=st.tuples(st.integers(1, 4), st.integers(1, 6)))
def test_a_reservation_is_the_first_second_with_room_for_all(running, wanted):
    idle, ends_s, held = columns(running)
    if (idle >= wanted).all():
        return
    shadow_s, extra = reservation(idle, ends_s, held, np.array(wanted), NOW_S)
    free = table(idle, ends_s, held)
    second = next(second for second in range(HORIZON) if (free[second] >= wanted).all())
    assert shadow_s == NOW_S + second
    assert extra.tolist() == (free[second] - wanted).tolist()
