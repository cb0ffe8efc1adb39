"""Reservations on several resources: EASY's for the head of a queue, conservative backfilling's for every job.

A plan knows what is idle now and, by the estimates, when running jobs give back what they hold. It says nothing of who
those jobs are, so that clusters and sites of any kind can ask for one. `passes` has the quick forms for one resource.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sched_rl.kernels import kernel

_Doubles = NDArray[np.float64]
_Integers = NDArray[np.int64]


@kernel
def reservation(
    idle: _Integers, ends_s: _Doubles, held: _Integers, wanted: _Integers, now_s: float
) -> tuple[float, _Integers]:
    """When a job that does not fit now can start, and what it leaves over then.

    Args:
        idle: (R,), units idle now.
        ends_s: (m,), when each running job ends by the estimates, ascending.
        held: (m, R), what it gives back then.
        wanted: (R,), by the job; no more than the machine has.
        now_s: the clock.

    Returns:
        The shadow time, and the units left over at it, int64 (R,): everything that ends by then is given back.
    """
    extra, shadow_s, lacks = idle - wanted, now_s, True
    for i in range(ends_s.shape[0]):
        if not lacks and ends_s[i] > shadow_s:
            break
        if lacks:
            shadow_s = max(ends_s[i], now_s)
        extra += held[i]
        lacks = bool(np.any(extra < 0))
    return shadow_s, extra


@kernel
def starts_now(
    idle: _Integers,
    ends_s: _Doubles,
    held: _Integers,
    requested_s: _Doubles,
    demand: _Integers,
    now_s: float,
) -> NDArray[np.bool_]:
    """Conservative backfilling: which waiting jobs have their earliest slot now.

    Every job in its turn takes the earliest slot that holds for its whole requested time beside the running jobs and
    the slots of those before it. A running job that has outrun its request counts as about to end, but its units are
    not idle: who has its slot now and does not fit yet keeps the slot and waits.

    Args:
        idle: (R,), units idle now.
        ends_s: (m,), when each running job ends by the estimates, ascending.
        held: (m, R), what it gives back then.
        requested_s: (q,), of the waiting jobs in the order of their priority.
        demand: (q, R), no more than the machine has.
        now_s: the clock.

    Returns:
        bool (q,).
    """
    num_running, num_waiting, num_resources = ends_s.shape[0], requested_s.shape[0], idle.shape[0]
    room = 2 * (num_running + 2 * num_waiting) + 4
    times, levels = np.empty(room), np.empty((room, num_resources), np.int64)
    times[0], levels[0], size, free = now_s, idle, 1, idle.copy()
    for i in range(num_running):
        if ends_s[i] > times[size - 1]:
            times[size], levels[size] = ends_s[i], levels[size - 1]
            size += 1
        levels[size - 1] += held[i]
    chosen = np.zeros(num_waiting, np.bool_)
    for i in range(num_waiting):
        if not np.any(free > 0) and np.any(demand[i] > 0):
            continue  # nobody who needs anything can start now, and a plan holds for this instant alone
        begin = _earliest(times, levels, size, requested_s[i], demand[i])
        if begin == 0 and np.all(demand[i] <= free):
            chosen[i] = True
            free -= demand[i]
        size = occupy(times, levels, size, begin, times[begin] + requested_s[i], demand[i])
    return chosen


@kernel
def _earliest(
    times: _Doubles, levels: NDArray[np.int64], size: int, requested_s: float, wanted: _Integers
) -> int:
    """Where the first slot begins that is long and wide enough; the last level has no end and room for every job."""
    at, begin = 0, 0
    while True:
        if np.any(levels[at] < wanted):
            begin = at + 1
        elif at + 1 == size or times[at + 1] >= times[begin] + requested_s:
            return begin
        at += 1


@kernel
def occupy(
    times: _Doubles, levels: _Integers, size: int, begin: int, end_s: float, wanted: int | _Integers
) -> int:
    """Take units out of the profile from times[begin] to end_s.

    Args:
        times: ascending; from times[i] to times[i + 1] levels[i] is idle. Both have room for one more.
        levels: (room,) of one resource, or (room, R).
        size: entries that count.
        begin: where the slot begins.
        end_s: when it ends.
        wanted: units of the resource, or (R,).

    Returns:
        The profile's new size.
    """
    last = begin
    while last < size and times[last] < end_s:
        last += 1
    if last == begin:
        return size  # a slot of no length
    if last == size or times[last] > end_s:
        for i in range(size, last, -1):
            times[i], levels[i] = times[i - 1], levels[i - 1]
        times[last], levels[last] = end_s, levels[last - 1]
        size += 1
    for i in range(begin, last):
        levels[i] -= wanted
    return size
