"""The rich encoding: a job matrix, a run-out profile and a context vector, with what the flat one hides.

Per window job (R = resources, D = max_duration, T = horizon, all float32):
present; fits now; d/D; 1 + ln(d/D)/6; demand over capacity (R columns); (d/D)(g/G); wait/T; priority/P;
GPUs left idle if it started over G, negative where it lacks some; time until it fits over D; time left after it if
it started now over T; time to spare before its due time over D (1 without one).
Profile: share of the GPUs that will be idle at now + D ((p + 1)/P)^2 if nothing starts.
Context: idle shares (R columns), then the twelve of `_write_context`.
Terms with GPUs speak of resource 0.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from sched_rl.kernels import kernel
from sched_rl.simulator.state import ClusterState, Rules


@kernel
def observe_rich(
    state: ClusterState,
    rules: Rules,
    capacity: NDArray[np.int32],
    profile_points: int,
    first: int,
    last: int,
    out: NDArray[np.float32],
) -> None:
    """Write the observations of clusters first..last-1.

    Args:
        state: the clusters.
        rules: window and normalisers.
        capacity: int32 (R,).
        profile_points: P, points of the run-out profile.
        first: the first cluster.
        last: one past the last cluster.
        out: float32 (N, K J + P + C).
    """
    num_resources = capacity.shape[0]
    jobs_end = rules.window * (11 + num_resources)
    idle_after = np.empty((num_resources, state.running.shape[1] + 1), np.int32)
    for c in range(first, last):
        row, cluster = out[c], state.clusters[c]
        row[:] = np.float32(0.0)
        visible = min(rules.window, cluster.queue_tail - cluster.queue_head)
        _run_out(state, c, idle_after)
        visible_work = _write_jobs(state, rules, c, capacity, visible, idle_after, row)
        _write_profile(state, rules, c, capacity, row[jobs_end : jobs_end + profile_points])
        _write_context(state, rules, c, capacity, visible, visible_work, row[jobs_end + profile_points :])


@kernel
def _run_out(state: ClusterState, c: int, idle_after: NDArray[np.int32]) -> None:
    """Units of each resource idle now (column 0) and after each further completion, if nothing else starts."""
    for r in range(idle_after.shape[0]):
        idle_after[r, 0] = state.idle[c, r]
        for i in range(state.clusters[c].num_running):
            idle_after[r, i + 1] = idle_after[r, i] + state.demand[c, state.running[c, i].job, r]


@kernel
def _write_jobs(
    state: ClusterState,
    rules: Rules,
    c: int,
    capacity: NDArray[np.int32],
    visible: int,
    idle_after: NDArray[np.int32],
    row: NDArray[np.float32],
) -> float:
    """The job matrix, row by row; returns the work of the visible jobs."""
    cluster, num_resources = state.clusters[c], capacity.shape[0]
    now_s, head, num_running = cluster.now_s, cluster.queue_head, cluster.num_running
    a_second, a_duration, a_gpu = 1.0 / cluster.horizon_s, 1.0 / rules.max_duration_s, 1.0 / capacity[0]
    at, visible_work = 0, 0.0
    for slot in range(visible):
        index = state.queue[c, head + slot]
        job = state.jobs[c, index]
        visible_work += job.work
        releases = 0  # completions to wait for until the job fits
        for r in range(num_resources):
            demand = state.demand[c, index, r]
            row[at + 4 + r] = demand / capacity[r] if r > 0 else job.gpu_share
            releases = _releases_until(idle_after, r, demand, releases, num_running)
        row[at] = 1.0
        row[at + 1] = 1.0 if releases == 0 else 0.0
        row[at + 2] = job.duration_share
        row[at + 3] = 1.0 + job.log_duration * (1.0 / 6.0)
        rest = at + 4 + num_resources
        row[rest] = job.duration_share * job.gpu_share
        row[rest + 1] = min((now_s - job.submit_s) * a_second, 1.0)
        row[rest + 2] = job.priority_share
        row[rest + 3] = (idle_after[0, 0] - state.demand[c, index, 0]) * a_gpu
        if releases > 0:
            row[rest + 4] = min((state.running[c, releases - 1].end_s - now_s) * a_duration, 1.0)
        row[rest + 5] = max(1.0 - (now_s + job.duration_s) * a_second, -1.0)
        row[rest + 6] = min(max((job.due_s - now_s - job.duration_s) * a_duration, -1.0), 1.0)
        at = rest + 7
    return visible_work


@kernel
def _releases_until(idle_after: NDArray[np.int32], r: int, demand: int, known: int, num_running: int) -> int:
    """The fewest completions, at least `known`, after which `demand` units of resource r are idle (bisection)."""
    low, high = known, num_running
    while low < high:
        middle = (low + high) // 2
        if idle_after[r, middle] >= demand:
            high = middle
        else:
            low = middle + 1
    return low


@kernel
def _write_profile(
    state: ClusterState, rules: Rules, c: int, capacity: NDArray[np.int32], row: NDArray[np.float32]
) -> None:
    points, idle, i = row.shape[0], state.idle[c, 0], 0
    for p in range(points):
        reached_s = state.clusters[c].now_s + rules.max_duration_s * ((p + 1) / points) ** 2
        while i < state.clusters[c].num_running and state.running[c, i].end_s <= reached_s:
            idle += state.running[c, i].gpus
            i += 1
        row[p] = idle / capacity[0]


@kernel
def _write_context(
    state: ClusterState,
    rules: Rules,
    c: int,
    capacity: NDArray[np.int32],
    visible: int,
    visible_work: float,
    row: NDArray[np.float32],
) -> None:
    """Clock, steps, queue seen and beyond, work left, jobs to come, running jobs, next and last end, pressure."""
    cluster, num_resources, num_jobs = state.clusters[c], capacity.shape[0], state.jobs.shape[1]
    for r in range(num_resources):
        row[r] = state.idle[c, r] / capacity[r]
    rest, running_work = row[num_resources:], 0.0
    for i in range(cluster.num_running):
        running_work += (state.running[c, i].end_s - cluster.now_s) * state.running[c, i].gpus
    served = cluster.horizon_s * capacity[0]
    rest[0] = cluster.now_s / cluster.horizon_s
    rest[1] = cluster.steps / rules.max_steps
    rest[2] = visible / rules.window
    rest[3] = math.log1p(cluster.queue_tail - cluster.queue_head - visible) / math.log1p(num_jobs)
    rest[4] = visible_work / served
    rest[5] = max(cluster.queued_work - visible_work, 0.0) / served
    rest[6] = running_work / (rules.max_duration_s * capacity[0])
    rest[7] = cluster.num_arriving / num_jobs
    rest[8] = cluster.num_running / capacity[0]
    if cluster.num_running > 0:
        last = state.running[c, cluster.num_running - 1]
        rest[9] = min((state.running[c, 0].end_s - cluster.now_s) / rules.max_duration_s, 1.0)
        rest[10] = min((last.end_s - cluster.now_s) / rules.max_duration_s, 1.0)
    time_left_s = max(cluster.horizon_s - cluster.now_s, 1e-6)
    rest[11] = min((cluster.queued_work + running_work) / (capacity[0] * time_left_s), 4.0) / 4.0
