"""The committed-job game of RLScheduler (SC'20), to the second: whoever is chosen is served next, fit or not.

The agent picks one waiting job; until it has started the cluster serves nothing else, apart from backfilling. That is
not how clusters work, and its figures cannot be compared with those of schedulers by the book (`textbook`); it is here
because the field's published tables were made with it. Everything odd in it is kept: arrivals before completions of
the same instant, one event at a time, a reservation computed once when a job is committed, and keys with "wait" = -1 -
submit.
"""

from __future__ import annotations

import math
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from sched_rl.errors import SimulationError
from sched_rl.kernels import kernel

GamePriority = Literal["fcfs", "sjf", "f1", "wfp3", "unicep", "power"]
GAME_PRIORITIES: Final[tuple[GamePriority, ...]] = ("fcfs", "sjf", "f1", "wfp3", "unicep", "power")
#: Keeps the game's logarithms and quotients finite, as there.
_TINY = 1e-15
_Doubles = NDArray[np.float64]
_Integers = NDArray[np.int64]


def game_keys(
    submit_s: _Doubles,
    requested_s: _Doubles,
    procs: _Integers,
    priority: GamePriority,
    f1_submit_weight: float = 870.0,
    power: float = 2.0,
) -> _Doubles:
    """The game's priorities, float64 (n, 2): smaller first, the second column breaks ties.

    Args:
        submit_s: (n,), on the trace's clock.
        requested_s: (n,).
        procs: (n,), processors, not nodes.
        priority: fcfs, sjf, f1, wfp3 and unicep as there; power: requested^power * procs.
        f1_submit_weight: F1's constant.
        power: of the requested time in `power`.
    """
    wait_s = -1.0 - submit_s
    no_ties = np.zeros(len(submit_s))
    if priority == "fcfs":
        first: Any = submit_s
    elif priority == "sjf":
        return np.stack([requested_s, submit_s], 1)
    elif priority == "f1":
        logs = [np.log10(np.where(column == 0, 0.1, column)) for column in (requested_s, submit_s)]
        first = logs[0] * procs + f1_submit_weight * logs[1]
    elif priority == "wfp3":
        first = -((wait_s / requested_s) ** 3) * procs
    elif priority == "unicep":
        first = -(wait_s + _TINY) / (np.log2(procs + _TINY) * requested_s)
    else:
        first = requested_s**power * procs
    return np.stack([first, no_ties], 1)


def play_committed(
    submit_s: _Doubles,
    run_s: _Doubles,
    requested_s: _Doubles,
    nodes: _Integers,
    num_nodes: int,
    keys: _Doubles,
    *,
    backfill: bool,
) -> tuple[_Doubles, _Integers]:
    """Play a sequence under fixed priorities.

    Args:
        submit_s: (n,), the first job's is where the clock starts.
        run_s: (n,), true run times.
        requested_s: (n,), what backfilling goes by.
        nodes: (n,), whole nodes of each job.
        num_nodes: of the machine.
        keys: (n, 2) from `game_keys`.
        backfill: whether others may start while the committed job waits.

    Returns:
        Start times float64 (n,) in seconds, and the rows in the order in which they started, int64 (n,).

    Raises:
        SimulationError: a job wider than the machine.
    """
    if np.any(nodes > num_nodes):
        raise SimulationError(f"a job is wider than the machine of {num_nodes} nodes")
    rank = np.empty(len(submit_s), np.int64)
    rank[np.lexsort((keys[:, 1], keys[:, 0]))] = np.arange(len(submit_s))  # stable: equals go by row
    starts, order = np.full(len(submit_s), np.nan), np.empty(len(submit_s), np.int64)
    _play(submit_s, run_s, requested_s, nodes, num_nodes, rank, backfill, starts, order)
    return starts, order


@kernel
def _play(
    submit_s: _Doubles,
    run_s: _Doubles,
    requested_s: _Doubles,
    nodes: _Integers,
    num_nodes: int,
    rank: _Integers,
    backfill: bool,
    starts: _Doubles,
    order: _Integers,
) -> None:
    n = submit_s.shape[0]
    queue, queued, arrived = np.empty(n, np.int64), 1, 1  # in order of arrival
    running, num_running = np.empty(n, np.int64), 0  # by true end, the earliest last
    queue[0], now, free, done = 0, submit_s[0], num_nodes, 0
    while done < n:
        while queued == 0:
            now, free, queued, arrived, num_running = _one_event(
                now, free, queue, queued, arrived, running, num_running, submit_s, run_s, nodes, starts
            )
        chosen = 0
        for i in range(1, queued):
            if rank[queue[i]] < rank[queue[chosen]]:
                chosen = i
        row = queue[chosen]
        for i in range(chosen, queued - 1):
            queue[i] = queue[i + 1]
        queued -= 1
        shadow = _shadow(nodes[row], free, now, running, num_running, requested_s, nodes, starts)
        while nodes[row] > free:
            if backfill:
                kept = 0
                for i in range(queued):
                    other = queue[i]
                    if nodes[other] <= free and now + requested_s[other] < shadow:
                        starts[other], order[done] = now, other
                        done += 1
                        free -= nodes[other]
                        num_running = _run(running, num_running, other, starts, run_s)
                    else:
                        queue[kept] = other
                        kept += 1
                queued = kept
            now, free, queued, arrived, num_running = _one_event(
                now, free, queue, queued, arrived, running, num_running, submit_s, run_s, nodes, starts
            )
        starts[row], order[done] = now, row
        done += 1
        free -= nodes[row]
        num_running = _run(running, num_running, row, starts, run_s)


@kernel
def _one_event(
    now: float,
    free: int,
    queue: _Integers,
    queued: int,
    arrived: int,
    running: _Integers,
    num_running: int,
    submit_s: _Doubles,
    run_s: _Doubles,
    nodes: _Integers,
    starts: _Doubles,
) -> tuple[float, int, int, int, int]:
    """One arrival or one completion; the arrival wins a tie."""
    next_end = math.inf
    if num_running > 0:
        first = running[num_running - 1]
        next_end = starts[first] + run_s[first]
    if arrived < submit_s.shape[0] and submit_s[arrived] <= next_end:
        queue[queued] = arrived
        return max(now, submit_s[arrived]), free, queued + 1, arrived + 1, num_running
    return max(now, next_end), free + nodes[running[num_running - 1]], queued, arrived, num_running - 1


@kernel
def _shadow(
    wanted: int,
    free: int,
    now: float,
    running: _Integers,
    num_running: int,
    requested_s: _Doubles,
    nodes: _Integers,
    starts: _Doubles,
) -> float:
    """When the committed job could start by the requested times; now if it fits."""
    if wanted <= free:
        return now
    ends = np.empty(num_running)
    for i in range(num_running):
        ends[i] = starts[running[i]] + requested_s[running[i]]
    for i in np.argsort(ends):
        free += nodes[running[i]]
        if free >= wanted:
            return float(ends[i])
    return math.inf


@kernel
def _run(running: _Integers, num_running: int, row: int, starts: _Doubles, run_s: _Doubles) -> int:
    """Put a job among the running ones; of two that end together the earlier started goes first."""
    end, i = starts[row] + run_s[row], num_running
    while i > 0 and starts[running[i - 1]] + run_s[running[i - 1]] <= end:
        running[i] = running[i - 1]
        i -= 1
    running[i] = row
    return num_running + 1
