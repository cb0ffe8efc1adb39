"""One scheduling pass in each mode of `textbook`: who of the queue starts now.

A pass takes the queue in priority order, notes the start times, and leaves those that started behind those that wait;
it returns how many wait and how many processors are free.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from sched_rl.kernels import kernel
from sched_rl.simulator.plans import occupy

_Doubles = NDArray[np.float64]
_Integers = NDArray[np.int64]


@kernel
def start_strict(
    queue: _Integers, queued: int, procs: _Integers, now: float, free: int, starts: _Doubles
) -> tuple[int, int]:
    """In order, until one does not fit."""
    count = 0
    while count < queued and procs[queue[count]] <= free:
        free -= procs[queue[count]]
        starts[queue[count]] = now
        count += 1
    return _drop_started(queue, queued, starts, count), free


@kernel
def start_greedy(
    queue: _Integers, queued: int, procs: _Integers, now: float, free: int, starts: _Doubles
) -> tuple[int, int]:
    """Whoever fits, in order."""
    count = 0
    for i in range(queued):
        if procs[queue[i]] <= free:
            free -= procs[queue[i]]
            starts[queue[i]] = now
            count += 1
            if free == 0:
                break
    return _drop_started(queue, queued, starts, count), free


@kernel
def start_easy(
    queue: _Integers,
    queued: int,
    requested_s: _Doubles,
    procs: _Integers,
    now: float,
    free: int,
    starts: _Doubles,
    running: _Integers,
    num_running: int,
    ends: _Doubles,
    widths: _Integers,
) -> tuple[int, int]:
    """In order until one does not fit; it gets a reservation, and others start where they do not delay it.

    `running` is by true end, the earliest last; ends and widths (n,) are scratch.
    """
    count = 0
    while count < queued and procs[queue[count]] <= free:
        free -= procs[queue[count]]
        starts[queue[count]] = now
        count += 1
    if count < queued and free > 0:
        for i in range(num_running):
            _insert_end(ends, widths, i, running[num_running - 1 - i], requested_s, procs, starts, now)
        for i in range(count):  # those that have just started release processors too
            _insert_end(ends, widths, num_running + i, queue[i], requested_s, procs, starts, now)
        shadow, extra = _reservation(procs[queue[count]], free, now, ends, widths, num_running + count)
        for i in range(count + 1, queued):
            row = queue[i]
            if procs[row] > free:
                continue
            if now + requested_s[row] > shadow:
                if procs[row] > extra:
                    continue
                extra -= procs[row]
            free -= procs[row]
            starts[row] = now
            count += 1
            if free == 0:
                break
    return _drop_started(queue, queued, starts, count), free


@kernel
def _insert_end(
    ends: _Doubles,
    widths: _Integers,
    size: int,
    row: int,
    requested_s: _Doubles,
    procs: _Integers,
    starts: _Doubles,
    now: float,
) -> None:
    """Put a running job among those sorted by estimated end; quick where estimates order jobs as true times do."""
    end, i = max(starts[row] + requested_s[row], now), size
    while i > 0 and ends[i - 1] > end:
        ends[i], widths[i] = ends[i - 1], widths[i - 1]
        i -= 1
    ends[i], widths[i] = end, procs[row]


@kernel
def _reservation(
    wanted: int, free: int, now: float, ends: _Doubles, widths: _Integers, size: int
) -> tuple[float, int]:
    """When the head can start by the estimates, and the processors that it leaves over then."""
    available, shadow = free, now
    for i in range(size):
        if available >= wanted and ends[i] > shadow:
            break
        if available < wanted:
            shadow = ends[i]
        available += widths[i]
    return shadow, available - wanted


@kernel
def start_conservative(
    queue: _Integers,
    queued: int,
    requested_s: _Doubles,
    procs: _Integers,
    now: float,
    free: int,
    starts: _Doubles,
    running: _Integers,
    num_running: int,
    ends: _Doubles,
    widths: _Integers,
) -> tuple[int, int]:
    """A profile of free processors over time: from times[i] to times[i + 1] levels[i] are free."""
    room = 2 * (num_running + 2 * queued) + 4
    times, levels = np.empty(room), np.empty(room, np.int64)
    for i in range(num_running):
        _insert_end(ends, widths, i, running[num_running - 1 - i], requested_s, procs, starts, now)
    times[0], levels[0], size = now, free, 1
    for i in range(num_running):
        if ends[i] > times[size - 1]:
            times[size], levels[size] = ends[i], levels[size - 1]
            size += 1
        levels[size - 1] += widths[i]
    count = 0
    for i in range(queued):
        row = queue[i]
        if free == 0:
            break  # nobody else can start now, and reservations are planned anew at the next pass
        at, begin = 0, 0
        while True:
            # `begin` is where the slot may start; `at` runs on while there is room.
            if levels[at] < procs[row]:
                at += 1
                begin = at
                continue
            if at + 1 == size or times[at + 1] >= times[begin] + requested_s[row]:
                break
            at += 1
        start_s = times[begin]
        size = occupy(times, levels, size, begin, start_s + requested_s[row], procs[row])
        if begin == 0 and procs[row] <= free:
            starts[row] = now
            free -= procs[row]
            count += 1
    return _drop_started(queue, queued, starts, count), free


@kernel
def _drop_started(queue: _Integers, queued: int, starts: _Doubles, count: int) -> int:
    """Put the jobs that started behind the others, which keep their order; returns how many wait."""
    if count == 0:
        return queued
    started, kept, moved = np.empty(count, np.int64), 0, 0
    for i in range(queued):
        row = queue[i]
        if math.isnan(starts[row]):
            queue[kept] = row
            kept += 1
        else:
            started[moved] = row
            moved += 1
    queue[kept:queued] = started
    return kept
