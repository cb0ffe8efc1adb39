"""From a workload to a cluster's arrays, refusing jobs that the cluster could never run."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sched_rl.config.schema import EnvConfig
from sched_rl.errors import WorkloadError
from sched_rl.kernels import kernel, subkernel
from sched_rl.simulator.state import QUEUE_FEATURES, REWARD_TERMS, ClusterState, Floats, Ints, Records
from sched_rl.workloads.playbook import arrival_span_s
from sched_rl.workloads.workload import Workload

#: What every job must keep: column and rule, in the order of `_broken_rule`.
_RULES = (
    ("duration_s", "must be finite and positive"),
    ("submit_s", "must be finite and not negative"),
    ("due_s", "must be a time, inf for none"),
    ("demand", "must be at least 1 GPU, and not negative"),
    ("demand", "must fit the cluster {capacity}"),
)


def load_workload(state: ClusterState, c: int, workload: Workload, env: EnvConfig, capacity: Ints) -> None:
    """Put a workload's jobs on cluster c; `dynamics.begin_episode` then starts it.

    Args:
        state: the clusters.
        c: which cluster.
        workload: jobs, as many as the state has rows for.
        env: the family of the workload: its reward scales and normalisers.
        capacity: int32 (R,), units of each resource.

    Raises:
        WorkloadError: when the cluster could never run a job, or was made for another number of them.
    """
    rows, resources = state.demand.shape[1:]
    name = f"workload {workload.family} seed {workload.seed}"
    if workload.demand.shape != (rows, resources):
        raise WorkloadError(
            f"{name}: demand has shape {workload.demand.shape}: must be {(rows, resources)}, jobs and resources of "
            "the cluster"
        )
    if not (0.0 < workload.horizon_s < np.inf and 0.0 < workload.total_work < np.inf):
        raise WorkloadError(
            f"{name}: has horizon_s={workload.horizon_s}, total_work={workload.total_work}: "
            "both must be finite and positive"
        )
    columns = (workload.duration_s, workload.submit_s, workload.due_s, workload.priority, workload.demand)
    job, rule = _fill_jobs(state.jobs[c], columns, capacity)
    if rule >= 0:
        column, allowed = _RULES[rule][0], _RULES[rule][1].format(capacity=capacity.tolist())
        got = np.asarray(getattr(workload, column))[job].tolist()
        raise WorkloadError(f"{name}: job {job} has {column}={got}: {allowed}")
    state.demand[c] = workload.demand
    state.idle[c] = capacity
    longest_s, highest = float(env.max_duration), env.max_priority
    queue = (state.queue[c], state.queue_demand[c], state.queue_features[c])
    # Jobs that arrive at one instant may come in any order here; `calendar` finds their true one.
    queue[0][:] = np.argsort(workload.submit_s)
    fill_queue(state.jobs[c], state.demand[c], queue, 0, capacity, longest_s, highest)
    cluster = state.clusters[c]
    cluster["horizon_s"] = workload.horizon_s
    cluster["total_work"] = workload.total_work
    cluster["arrivals_end_s"] = arrival_span_s(env)
    for term in REWARD_TERMS:
        cluster[term] = getattr(env.reward, term)
    if not np.isfinite(workload.due_s).any():
        cluster["due_miss_penalty_scale"] = 0.0  # nothing to charge, nothing to look for at every step


@kernel
def _fill_jobs(
    jobs: Records, columns: tuple[Floats, Floats, NDArray[np.float64], Ints, Ints], capacity: Ints
) -> tuple[int, int]:
    """Fill a cluster's records; returns (job, number of the rule that it breaks), or (0, -1)."""
    duration_s, submit_s, due_s, priority, demand = columns
    for j in range(jobs.shape[0]):
        rule = _broken_rule(duration_s[j], submit_s[j], due_s[j], demand[j], capacity)
        if rule >= 0:
            return j, rule
        job = jobs[j]
        job.duration_s = duration_s[j]
        job.submit_s = submit_s[j]
        job.due_s = due_s[j]
        job.work = job.duration_s * demand[j, 0]
        job.priority = priority[j]
    return 0, -1


@kernel
def fill_queue(
    jobs: Records,
    demand: Ints,
    queue: tuple[Ints, Ints, Floats],
    first: int,
    capacity: Ints,
    longest_s: float,
    highest: int,
) -> None:
    """What arrivals, starts and observations read of the jobs, in the order of arrival that queue[0] gives.

    Args:
        jobs: of `state.JOB` (n,), a cluster's; their place is written.
        demand: int32 (n, R).
        queue: a cluster's queue, queue_demand and queue_features from one place on; the last two are written.
        first: that place.
        capacity: int32 (R,), units of each resource.
        longest_s: duration that counts as 1, seconds.
        highest: priority that counts as 1.
    """
    order, queue_demand, queue_features = queue
    for place in range(order.shape[0]):
        j = order[place]
        job, features = jobs[j], queue_features[QUEUE_FEATURES * place : QUEUE_FEATURES * (place + 1)]
        job.place = first + place
        for r in range(capacity.shape[0]):
            queue_demand[r, place] = demand[j, r]
        duration_share = np.float32(min(job.duration_s / longest_s, 1.0))  # float32 may have rounded up
        gpu_share = np.float32(demand[j, 0] / capacity[0])
        features[0] = duration_share
        features[1] = job.priority / highest
        features[2] = gpu_share
        features[3] = job.submit_s
        features[4] = max(1.0 + np.log(duration_share) * (1.0 / 6.0), -1.0)
        features[5] = duration_share * gpu_share
        features[6] = job.duration_s
        features[7] = job.due_s - job.submit_s


@subkernel
def _broken_rule(duration_s: float, submit_s: float, due_s: float, demand: Ints, capacity: Ints) -> int:
    if not 0.0 < duration_s < np.inf:
        return 0
    if not 0.0 <= submit_s < np.inf:
        return 1
    if np.isnan(due_s):
        return 2
    if demand[0] < 1:
        return 3
    for r in range(capacity.shape[0]):
        if demand[r] < 0:
            return 3
        if demand[r] > capacity[r]:
            return 4
    return -1
