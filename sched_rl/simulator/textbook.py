"""Batch schedulers by the book: six priorities in four modes, a whole sequence of jobs in one compiled call.

All events of one instant are applied first, then there is one scheduling pass; priorities and reservations are computed
once per pass. Modes, each over the queue in priority order (smaller first, ties by submit time, then by row):
strict, the head of the queue blocks; greedy, whatever fits starts; easy, the head has a reservation and others start
where they do not delay it; conservative, every job has a reservation, planned anew at each pass.

Sources: Feitelson and Weil 1998 (EASY and conservative backfilling); Carastan-Santos and de Camargo, SC'17 (F1, and the
forms of WFP3 and UNICEP used there).
"""

from __future__ import annotations

import math
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from sched_rl.errors import SimulationError
from sched_rl.kernels import kernel
from sched_rl.simulator.passes import start_conservative, start_easy, start_greedy, start_strict

Priority = Literal["fcfs", "sjf", "saf", "f1", "wfp3", "unicep", "power"]
Mode = Literal["strict", "greedy", "easy", "conservative"]
PRIORITIES: Final[tuple[Priority, ...]] = ("fcfs", "sjf", "saf", "f1", "wfp3", "unicep", "power")
MODES: Final[tuple[Mode, ...]] = ("strict", "greedy", "easy", "conservative")
#: F1's weight of the logarithm of the submit time.
F1_SUBMIT_WEIGHT: Final = 870.0

_WFP3, _UNICEP = 4, 5
_STRICT, _GREEDY, _EASY, _CONSERVATIVE = 0, 1, 2, 3
_Doubles = NDArray[np.float64]
_Integers = NDArray[np.int64]
_FINISHED, _TOO_WIDE = 0, 1


def replay(
    submit_s: _Doubles,
    run_s: _Doubles,
    requested_s: _Doubles,
    procs: _Integers,
    num_procs: int,
    priority: Priority,
    mode: Mode,
    *,
    f1_submit_weight: float = F1_SUBMIT_WEIGHT,
    power: float = 1.0,
) -> _Doubles:
    """When each job starts.

    Args:
        submit_s: (n,), ascending.
        run_s: (n,), true run times, which end jobs.
        requested_s: (n,), what priorities and reservations go by. A job that has outrun its request counts as about
            to end.
        procs: (n,), processors of each job.
        num_procs: of the machine.
        priority: fcfs submit; sjf requested; saf requested * procs; f1 log10(requested) * procs + weight *
            log10(submit); wfp3 -(wait / requested)^3 * procs; unicep -wait / (log2(procs) * requested); power
            requested^power * procs.
        mode: strict, greedy, easy or conservative.
        f1_submit_weight: F1's constant.
        power: of the requested time in `power`.

    Returns:
        float64 (n,), start times in seconds.

    Raises:
        SimulationError: a job wider than the machine, or jobs that are not in submit order.
    """
    if np.any(np.diff(submit_s) < 0):
        raise SimulationError("jobs must be in the order of their submit times")
    keys = static_keys(submit_s, requested_s, procs, priority, f1_submit_weight, power)
    rank = np.empty(len(keys), np.int64)
    rank[np.argsort(keys, kind="stable")] = np.arange(len(keys))
    starts = np.full(len(submit_s), np.nan)
    dynamic = PRIORITIES.index(priority) if priority in ("wfp3", "unicep") else -1
    arguments = (submit_s, run_s, requested_s, procs.astype(np.int64), num_procs, rank, dynamic)
    if _replay(*arguments, MODES.index(mode), starts) != _FINISHED:
        raise SimulationError(f"a job is wider than the machine of {num_procs} processors")
    return starts


def static_keys(
    submit_s: _Doubles,
    requested_s: _Doubles,
    procs: _Integers,
    priority: Priority,
    f1_submit_weight: float = F1_SUBMIT_WEIGHT,
    power: float = 1.0,
) -> _Doubles:
    """Priorities that do not change with time, (n,); the submit time for those that do."""
    if priority == "sjf":
        return requested_s
    if priority == "saf":
        return requested_s * procs
    if priority == "power":
        return np.asarray(requested_s**power * procs)
    if priority == "f1":
        logs = np.log10(np.maximum(requested_s, 0.1)), np.log10(np.maximum(submit_s, 0.1))
        return np.asarray(logs[0] * procs + f1_submit_weight * logs[1])
    return submit_s


def priorities_at(
    now_s: float, submit_s: _Doubles, requested_s: _Doubles, procs: _Integers, priority: Priority
) -> _Doubles:
    """Priorities at an instant, float64 (n,), the smallest first; see `replay`."""
    wait_s, requested = now_s - submit_s, np.maximum(requested_s, 1e-9)
    if priority == "wfp3":
        return np.asarray(-((wait_s / requested) ** 3) * procs)
    if priority == "unicep":
        return np.asarray(-wait_s / (np.maximum(np.log2(procs), 1e-9) * requested))
    return static_keys(submit_s, requested_s, procs, priority)


@kernel
def _replay(
    submit_s: _Doubles,
    run_s: _Doubles,
    requested_s: _Doubles,
    procs: _Integers,
    num_procs: int,
    rank: _Integers,
    dynamic: int,
    mode: int,
    starts: _Doubles,
) -> int:
    n = submit_s.shape[0]
    queue, queued = np.empty(n, np.int64), 0  # rows in priority order
    running, num_running = np.empty(n, np.int64), 0  # rows by true end, the earliest last
    keys = np.empty(n)
    ends, widths = np.empty(n), np.empty(n, np.int64)
    free, arrived, now = num_procs, 0, submit_s[0] if n else 0.0
    for j in range(n):
        if procs[j] > num_procs:
            return _TOO_WIDE
    while arrived < n or queued > 0:
        # The next instant at which anything happens, and all that happens then.
        now = math.inf
        if arrived < n:
            now = submit_s[arrived]
        if num_running > 0:
            first = running[num_running - 1]
            now = min(now, starts[first] + run_s[first])
        while num_running > 0:
            first = running[num_running - 1]
            if starts[first] + run_s[first] > now:
                break
            free += procs[first]
            num_running -= 1
        while arrived < n and submit_s[arrived] <= now:
            _insert_by_rank(queue, queued, arrived, rank)
            queued += 1
            arrived += 1
        if queued == 0 or free == 0:
            continue
        if dynamic >= 0:
            _sort_by_wait(queue, queued, keys, submit_s, requested_s, procs, now, dynamic)
        # Jobs that run for no time end at once: another pass at the same instant follows through `now`.
        before = queued
        if mode == _STRICT:
            queued, free = start_strict(queue, queued, procs, now, free, starts)
        elif mode == _GREEDY:
            queued, free = start_greedy(queue, queued, procs, now, free, starts)
        elif mode == _EASY:
            queued, free = start_easy(
                queue, queued, requested_s, procs, now, free, starts, running, num_running, ends, widths
            )
        else:
            queued, free = start_conservative(
                queue, queued, requested_s, procs, now, free, starts, running, num_running, ends, widths
            )
        # Those that started lie behind the queue, where the passes put them.
        for i in range(queued, before):
            num_running = _insert_by_end(running, num_running, queue[i], starts, run_s)
    return _FINISHED


@kernel
def _insert_by_rank(queue: _Integers, queued: int, row: int, rank: _Integers) -> None:
    low, high = 0, queued
    while low < high:
        middle = (low + high) // 2
        if rank[queue[middle]] < rank[row]:
            low = middle + 1
        else:
            high = middle
    for i in range(queued, low, -1):
        queue[i] = queue[i - 1]
    queue[low] = row


@kernel
def _insert_by_end(running: _Integers, num_running: int, row: int, starts: _Doubles, run_s: _Doubles) -> int:
    end = starts[row] + run_s[row]
    i = num_running
    while i > 0 and starts[running[i - 1]] + run_s[running[i - 1]] < end:
        running[i] = running[i - 1]
        i -= 1
    running[i] = row
    return num_running + 1


@kernel
def _sort_by_wait(
    queue: _Integers,
    queued: int,
    keys: _Doubles,
    submit_s: _Doubles,
    requested_s: _Doubles,
    procs: _Integers,
    now: float,
    dynamic: int,
) -> None:
    """Insertion sort, which is fast on a queue that was sorted an instant ago; ties by row, which is by submit time."""
    for i in range(queued):
        row = queue[i]
        wait, requested = now - submit_s[row], max(requested_s[row], 1e-9)
        if dynamic == _WFP3:
            key = -((wait / requested) ** 3) * procs[row]
        else:
            key = -wait / (max(math.log2(procs[row]), 1e-9) * requested)
        k = i
        while k > 0 and (keys[k - 1] > key or (keys[k - 1] == key and queue[k - 1] > row)):
            keys[k], queue[k] = keys[k - 1], queue[k - 1]
            k -= 1
        keys[k], queue[k] = key, row


def bounded_slowdowns(submit_s: _Doubles, starts: _Doubles, run_s: _Doubles) -> Any:
    """Bounded slowdown of each job, (n,); run times below 10 s count as 10 s."""
    return np.maximum(1.0, (starts - submit_s + run_s) / np.maximum(run_s, 10.0))
