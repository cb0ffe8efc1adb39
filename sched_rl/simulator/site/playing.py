"""Written schedulers on a site, a whole sequence in one compiled call, over all waiting jobs and not a window of them.

They take the same starts as a policy's actions do; priorities that change with time are computed at every choice, whose
clock stands still while jobs start.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from sched_rl.kernels import kernel
from sched_rl.simulator.plans import starts_now
from sched_rl.simulator.site.events import NOBODY, apply_instant, fill, fits, may_fill, reserve, start_job
from sched_rl.simulator.site.state import Doubles, Integers, Plain, SiteRules, SiteState
from sched_rl.simulator.site.steps import choose, end_step

#: How the priority of a waiting job follows from time; the others are fixed by its rank.
STATIC, WFP3, UNICEP, LINEAR_SCORE = 0, 1, 2, 3
STRICT, GREEDY, EASY, CONSERVATIVE = 0, 1, 2, 3


@kernel
def play_site(
    arrays: Plain,
    plain_rules: Plain,
    c: int,
    rank: Integers,
    procs: Integers,
    dynamic: int,
    weights: Doubles,
    threshold: float,
    mode: int,
) -> None:
    """Play site c, which has begun, to its end.

    Args:
        arrays: `SiteState`, plain.
        plain_rules: `SiteRules`, plain.
        c: which site.
        rank: (n,), the smallest goes first, where the priority does not change with time.
        procs: (n,), what priorities count as width.
        dynamic: STATIC, WFP3, UNICEP or LINEAR_SCORE.
        weights: (6,), of the linear score.
        threshold: the linear score waits when its smallest exceeds this.
        mode: STRICT, GREEDY, EASY or CONSERVATIVE; idle in the committed game.
    """
    state, rules = SiteState(*arrays), SiteRules(*plain_rules)
    site, num_jobs = state.clusters[c], state.submit_s.shape[1]
    while mode == CONSERVATIVE and site.num_started < num_jobs:
        _start_planned(state, rules, c, rank, procs, dynamic, weights)
        apply_instant(state, c)
    while site.num_started < num_jobs:
        row = _best(state, rules, c, rank, procs, dynamic, weights, threshold, mode)
        if row == NOBODY:
            site.reserved = NOBODY
            if not apply_instant(state, c):
                row = state.queue[c, 0]  # the linear score refuses an empty machine: nothing else can happen
                start_job(state, c, row)
        elif rules.commits:
            choose(state, rules, c, row)
        elif site.reserved != NOBODY:
            fill(state, c, row)
        elif fits(state, c, row):
            start_job(state, c, row)
        elif mode == EASY:
            reserve(state, c, row)
        else:
            apply_instant(state, c)
    site.steps = num_jobs - 1
    end_step(state, rules, c)


@kernel
def _best(
    state: SiteState,
    rules: SiteRules,
    c: int,
    rank: Integers,
    procs: Integers,
    dynamic: int,
    weights: Doubles,
    threshold: float,
    mode: int,
) -> int:
    """The waiting job of the smallest priority among those that the mode may choose now, ties by arrival."""
    site, best, smallest = state.clusters[c], NOBODY, np.inf
    for i in range(site.queued):
        row = state.queue[c, i]
        if not rules.commits:
            if site.reserved != NOBODY:
                if not may_fill(state, c, row):
                    continue
            elif mode == GREEDY and not fits(state, c, row):
                continue
        key = _key_now(state, rules, c, row, rank, procs, dynamic, weights)
        if best == NOBODY or key < smallest or (key == smallest and row < best):
            best, smallest = row, key
    return NOBODY if dynamic == LINEAR_SCORE and smallest > threshold else best


@kernel
def _start_planned(
    state: SiteState,
    rules: SiteRules,
    c: int,
    rank: Integers,
    procs: Integers,
    dynamic: int,
    weights: Doubles,
) -> None:
    """Conservative backfilling, one pass: start the jobs whose earliest slot is now."""
    site = state.clusters[c]
    running, waiting = state.running[c, : site.num_running], np.sort(state.queue[c, : site.queued])
    ends_s, keys = np.empty(site.num_running), np.empty(site.queued)
    for i, row in enumerate(running):
        ends_s[i] = max(state.start_s[c, row] + state.requested_s[c, row], site.now_s)
    for i, row in enumerate(waiting):
        keys[i] = _key_now(state, rules, c, row, rank, procs, dynamic, weights)
    by_end, order = np.argsort(ends_s), waiting[np.argsort(keys, kind="mergesort")]  # stable: ties by arrival
    chosen = starts_now(
        state.idle[c],
        ends_s[by_end],
        state.demand[c][running[by_end]],
        state.requested_s[c][order],
        state.demand[c][order],
        site.now_s,
    )
    for row in order[chosen]:
        start_job(state, c, row)


@kernel
def _key_now(
    state: SiteState,
    rules: SiteRules,
    c: int,
    row: int,
    rank: Integers,
    procs: Integers,
    dynamic: int,
    weights: Doubles,
) -> float:
    """What a waiting job is ordered by at this instant, the smallest first: its rank where time does not enter."""
    if dynamic == STATIC:
        return float(rank[row])
    wait_s = state.clusters[c].now_s - state.submit_s[c, row]
    requested_s = max(state.requested_s[c, row], 1e-9)
    if dynamic == WFP3:
        return float(-((wait_s / requested_s) ** 3) * procs[row])
    if dynamic == UNICEP:
        return float(-wait_s / (max(math.log2(procs[row]), 1e-9) * requested_s))
    span_s = state.clusters[c].horizon_s - state.submit_s[c, 0]
    duration, width = requested_s / rules.longest_s, state.share[c, row]
    score = weights[0] * duration + weights[1] * width + weights[2] * duration * width
    score += weights[3] * math.log(duration) + weights[4] * wait_s / span_s
    return float(score + weights[5] * (_idle_share(state, c) - width))


@kernel
def _idle_share(state: SiteState, c: int) -> float:
    taken = 0.0
    for i in range(state.clusters[c].num_running):
        taken += state.share[c, state.running[c, i]]
    return 1.0 - taken


@kernel
def impose_starts(arrays: Plain, plain_rules: Plain, c: int, starts: NDArray[np.float64]) -> None:
    """Take over a schedule that was made elsewhere, start times float64 (n,), as the episode of site c."""
    state, rules = SiteState(*arrays), SiteRules(*plain_rules)
    site, num_jobs = state.clusters[c], state.submit_s.shape[1]
    last_s = 0.0
    site.settled = site.settled_wait = 0.0
    for row in range(num_jobs):
        state.start_s[c, row] = starts[row]
        run_s, wait_s = state.run_s[c, row], starts[row] - state.submit_s[c, row]
        site.settled += max(1.0, (wait_s + run_s) / max(run_s, 10.0))
        site.settled_wait += state.wait_cost[c, row] * wait_s
        last_s = max(last_s, starts[row] + run_s)
    site.num_started, site.arrived = num_jobs, num_jobs
    site.queued = site.num_running = 0
    site.steps = num_jobs - 1
    end_step(state, rules, c)
    site.now_s = last_s
