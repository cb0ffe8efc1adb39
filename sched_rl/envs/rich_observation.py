"""The rich encoding: a job matrix, a run-out profile and a context vector, with what the flat one hides.

Per window job (R = resources, D = max_duration, T = horizon, all float32):
present; fits now; d/D; 1 + ln(d/D)/6; demand over capacity (R columns); (d/D)(g/G); wait/T; priority/P;
GPUs left idle if it started over G, negative where it lacks some; time until it fits over D; time left after it if
it started now over T; time to spare s before its due time as 1 + ln(s/D)/6, at least 0, and -1 where none is left (1
without a due time); if it started now, GPUs idle after the next completion over G, negative where it lacks some, and
the share of the visible jobs that would fit them. All clipped to [-1, 1].
Profile: share of the GPUs that will be idle at now + D ((p + 1)/P)^2 if nothing starts.
Context: idle shares (R columns), then the twelve of `_write_context`, the three of `_write_arrivals_end`, then for each
of the next eight completions the time until it, 1 + ln(left/D)/6, and its GPUs over G (1 and 0 where fewer jobs run).
Terms with GPUs speak of resource 0.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from sched_rl.envs.layout import RICH_NEXT_ENDS
from sched_rl.kernels import kernel, subkernel
from sched_rl.simulator.queue import num_visible
from sched_rl.simulator.state import (
    DURATION_S,
    QUEUE_FEATURES,
    SLACK_S,
    SUBMIT_S,
    ClusterState,
    Ints,
    Plain,
    Rules,
)

#: With more entries of the run-out than this, a search for each job beats counting along all of them.
_COUNTED_AT_MOST = 24
#: Widths are counted by this many classes at most; a cluster of fewer GPUs has a class for each.
_MOST_CLASSES = 64
_LEAST_LEFT_SHARE = math.exp(-12.0)
_LEAST_SPARE_SHARE = math.exp(-6.0)


@kernel
def observe_rich(
    arrays: Plain,
    plain_rules: Plain,
    capacity: Ints,
    profile_points: int,
    first: int,
    last: int,
    out: NDArray[np.float32],
) -> None:
    """Write the observations of clusters first..last-1.

    Args:
        arrays: `ClusterState` of the clusters, plain.
        plain_rules: `Rules` of the batch, plain: window and normalisers.
        capacity: int32 (R,).
        profile_points: P, points of the run-out profile.
        first: the first cluster.
        last: one past the last cluster.
        out: float32 (N, K J + P + C).
    """
    state, rules = ClusterState(*arrays), Rules(*plain_rules)
    num_resources, most_running = capacity.shape[0], state.running.shape[1]
    jobs_end = rules.window * (13 + num_resources)
    idle_after = np.empty((num_resources, most_running + 1), np.int32)
    wait_share = np.empty(most_running + 1, np.float32)
    releases = np.empty(rules.window, np.int32)
    fitting_share = np.empty(min(capacity[0], _MOST_CLASSES) + 1, np.float32)
    for c in range(first, last):
        row = out[c]
        _run_out(state, rules, c, idle_after, wait_share)
        _count_releases(state, rules, c, idle_after, releases)
        _share_fitting(state, rules, c, capacity[0], fitting_share)
        visible_work = _write_jobs(
            state, rules, c, capacity, wait_share, releases, fitting_share, row[:jobs_end]
        )
        _write_profile(state, rules, c, capacity, row[jobs_end : jobs_end + profile_points])
        _write_context(state, rules, c, capacity, visible_work, row[jobs_end + profile_points :])


@subkernel
def _run_out(
    state: ClusterState, rules: Rules, c: int, idle_after: Ints, wait_share: NDArray[np.float32]
) -> None:
    """What is idle after 0, 1, 2, ... completions if nothing else starts, and the wait for it over max_duration."""
    num_running, now_s = state.clusters[c].num_running, state.clusters[c].now_s
    wait_share[0] = 0.0
    for i in range(num_running):
        wait_share[i + 1] = min((state.running[c, i].end_s - now_s) / rules.max_duration_s, 1.0)
    for r in range(idle_after.shape[0]):
        idle_after[r, 0] = state.idle[c, r]
        for i in range(num_running):
            released = state.running[c, i].gpus if r == 0 else state.demand[c, state.running[c, i].job, r]
            idle_after[r, i + 1] = idle_after[r, i] + released


@subkernel
def _count_releases(state: ClusterState, rules: Rules, c: int, idle_after: Ints, releases: Ints) -> None:
    """After how many completions each window job fits, 0 if it fits now."""
    head, known = state.clusters[c].queue_head, state.clusters[c].num_running + 1
    counts = releases[: num_visible(state, rules, c)]
    demand = state.queue_demand[c, 0, head : head + counts.shape[0]]
    if known <= _COUNTED_AT_MOST:
        counts[:] = 0
        for i in range(known):
            _count_lacking(demand, idle_after[0, i], counts)
    else:
        for slot in range(counts.shape[0]):
            counts[slot] = _releases_until(idle_after[0], known, demand[slot])
    for r in range(1, idle_after.shape[0]):
        for slot in range(counts.shape[0]):
            units = state.queue_demand[c, r, head + slot]
            counts[slot] = max(counts[slot], _releases_until(idle_after[r], known, units))


@subkernel
def _count_lacking(demand: Ints, idle: int, counts: Ints) -> None:
    units = np.int32(idle)
    for slot in range(counts.shape[0]):
        counts[slot] += np.int32(units < demand[slot])


@subkernel
def _write_jobs(
    state: ClusterState,
    rules: Rules,
    c: int,
    capacity: Ints,
    wait_share: NDArray[np.float32],
    releases: Ints,
    fitting_share: NDArray[np.float32],
    rows: NDArray[np.float32],
) -> float:
    """The job matrix, row by row; returns the work of the visible jobs."""
    cluster, num_resources, visible = state.clusters[c], capacity.shape[0], num_visible(state, rules, c)
    now_s, head, idle = cluster.now_s, cluster.queue_head, state.idle[c, 0]
    a_second, a_duration, a_gpu = 1.0 / cluster.horizon_s, 1.0 / rules.max_duration_s, 1.0 / capacity[0]
    features = state.queue_features[c, QUEUE_FEATURES * head : QUEUE_FEATURES * (head + visible)]
    width, visible_work, num_classes = 13 + num_resources, 0.0, fitting_share.shape[0] - 1
    next_end_s, next_gpus = np.inf, 0
    if cluster.num_running > 0:
        next_end_s, next_gpus = state.running[c, 0].end_s, state.running[c, 0].gpus
    for slot in range(visible):
        job = features[QUEUE_FEATURES * slot : QUEUE_FEATURES * (slot + 1)]
        row = rows[slot * width : (slot + 1) * width]
        gpus, duration_s = state.queue_demand[c, 0, head + slot], np.float64(job[DURATION_S])
        rest, waited_s = row[4 + num_resources :], now_s - job[SUBMIT_S]
        visible_work += duration_s * gpus
        row[0] = 1.0
        row[1] = releases[slot] == 0
        row[2] = job[0]
        row[3] = job[4]
        row[4] = job[2]
        for r in range(1, num_resources):
            row[4 + r] = state.queue_demand[c, r, head + slot] / capacity[r]
        rest[0] = job[5]
        rest[1] = min(waited_s * a_second, 1.0)
        rest[2] = job[1]
        rest[3] = (idle - gpus) * a_gpu
        rest[4] = wait_share[releases[slot]]
        rest[5] = max(1.0 - (now_s + duration_s) * a_second, -1.0)
        rest[6] = spare_share((job[SLACK_S] - waited_s - duration_s) * a_duration)
        idle_next = idle if now_s + duration_s <= next_end_s else idle - gpus + next_gpus
        rest[7] = idle_next * a_gpu
        rest[8] = fitting_share[max(idle_next, 0) * num_classes // capacity[0]]
    rows[visible * width :] = np.float32(0.0)
    return visible_work


@subkernel
def spare_share(share: float) -> float:
    """The time to spare before a due time: minutes matter, and a job that is lost is like no other."""
    if share >= 1.0:
        return 1.0
    if share < 0.0:
        return -1.0
    return 1.0 + math.log(max(share, _LEAST_SPARE_SHARE)) * (1.0 / 6.0)


@subkernel
def _share_fitting(
    state: ClusterState, rules: Rules, c: int, num_gpus: int, out: NDArray[np.float32]
) -> None:
    """The share of the visible jobs that fit 0/B, 1/B, ... B/B of the GPUs, widths rounded up to such a class."""
    head, visible, num_classes = state.clusters[c].queue_head, num_visible(state, rules, c), out.shape[0] - 1
    demand = state.queue_demand[c, 0, head : head + visible]
    out[:] = np.float32(0.0)
    for slot in range(visible):
        out[(demand[slot] * num_classes + num_gpus - 1) // num_gpus] += np.float32(1.0)
    a_job, count = 1.0 / max(visible, 1), 0.0
    for size in range(num_classes + 1):
        count += out[size]
        out[size] = count * a_job


@subkernel
def _releases_until(idle: Ints, known: int, units: int) -> int:
    """How many of the first `known` entries of an ascending row are below `units`: bisection without a branch."""
    low, length = 0, known
    while length > 1:
        half = length >> 1
        low += half * (idle[low + half - 1] < units)
        length -= half
    return int(low + (idle[low] < units))


@subkernel
def _write_profile(
    state: ClusterState, rules: Rules, c: int, capacity: Ints, row: NDArray[np.float32]
) -> None:
    points, idle, i, num_running = row.shape[0], state.idle[c, 0], 0, state.clusters[c].num_running
    a_point, a_gpu = 1.0 / points, 1.0 / capacity[0]
    for p in range(points):
        share = (p + 1) * a_point
        reached_s = state.clusters[c].now_s + rules.max_duration_s * share * share
        while i < num_running and state.running[c, i].end_s <= reached_s:
            idle += state.running[c, i].gpus
            i += 1
        row[p] = idle * a_gpu


@subkernel
def _write_context(
    state: ClusterState,
    rules: Rules,
    c: int,
    capacity: Ints,
    visible_work: float,
    row: NDArray[np.float32],
) -> None:
    """Clock, steps, queue seen and beyond, work left, jobs to come, running jobs, next and last end, pressure."""
    cluster, num_resources, num_jobs = state.clusters[c], capacity.shape[0], state.jobs.shape[1]
    visible = num_visible(state, rules, c)
    for r in range(num_resources):
        row[r] = state.idle[c, r] / capacity[r]
    rest, running_work = row[num_resources:], 0.0
    for i in range(cluster.num_running):
        running_work += (state.running[c, i].end_s - cluster.now_s) * state.running[c, i].gpus
    served = cluster.horizon_s * capacity[0]
    rest[0] = min(cluster.now_s / cluster.horizon_s, 1.0)
    rest[1] = cluster.steps / rules.max_steps
    rest[2] = visible / rules.window
    rest[3] = math.log1p(cluster.queue_tail - cluster.queue_head - visible) / math.log1p(num_jobs)
    rest[4] = min(visible_work / served, 1.0)
    rest[5] = min(max(cluster.queued_work - visible_work, 0.0) / served, 1.0)
    rest[6] = min(running_work / (rules.max_duration_s * capacity[0]), 1.0)
    rest[7] = cluster.num_arriving / num_jobs
    rest[8] = cluster.num_running / capacity[0]
    rest[9] = rest[10] = 0.0
    if cluster.num_running > 0:
        last = state.running[c, cluster.num_running - 1]
        rest[9] = min((state.running[c, 0].end_s - cluster.now_s) / rules.max_duration_s, 1.0)
        rest[10] = min((last.end_s - cluster.now_s) / rules.max_duration_s, 1.0)
    time_left_s = max(cluster.horizon_s - cluster.now_s, 1e-6)
    rest[11] = min((cluster.queued_work + running_work) / (capacity[0] * time_left_s), 4.0) / 4.0
    _write_arrivals_end(state, rules, c, capacity, rest[12:15])
    _write_next_ends(state, rules, c, capacity, rest[15:])


@subkernel
def _write_arrivals_end(
    state: ClusterState, rules: Rules, c: int, capacity: Ints, row: NDArray[np.float32]
) -> None:
    """How long jobs will still arrive, and what will still run then: event by event, no more jobs run after it."""
    cluster, num_jobs, gpus = state.clusters[c], 0, 0
    end_s = cluster.now_s
    row[0] = -1.0
    if cluster.num_arriving > 0:
        end_s = max(cluster.arrivals_end_s, end_s)
        left_share = (end_s - cluster.now_s) / rules.max_duration_s
        row[0] = min(_log_scale(left_share), 1.0)
    for i in range(cluster.num_running):
        if state.running[c, i].end_s > end_s:
            num_jobs += 1
            gpus += state.running[c, i].gpus
    row[1] = num_jobs / capacity[0]
    row[2] = gpus / capacity[0]


@subkernel
def _write_next_ends(
    state: ClusterState, rules: Rules, c: int, capacity: Ints, pairs: NDArray[np.float32]
) -> None:
    cluster = state.clusters[c]
    for i in range(RICH_NEXT_ENDS):
        pairs[2 * i], pairs[2 * i + 1] = 1.0, 0.0
        if i < cluster.num_running:
            left_share = (state.running[c, i].end_s - cluster.now_s) / rules.max_duration_s
            pairs[2 * i] = _log_scale(left_share)
            pairs[2 * i + 1] = state.running[c, i].gpus / capacity[0]


@subkernel
def _log_scale(left_share: float) -> float:
    """A time left, as a share of the longest duration: 1 for all of it, at least -1; minutes matter."""
    return 1.0 + math.log(max(left_share, _LEAST_LEFT_SHARE)) / 6.0
