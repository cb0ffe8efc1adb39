"""How much a state is worth, roughly: the potential that a learner may shape its rewards with.

Adding potential(next) - potential(now) to every reward changes no optimal policy (Ng, Harada and Russell, ICML 1999),
but it says at once what a start or a wait is worth. The potential is what a fluid cluster would still earn that serves
its backlog A and splits work at will, with the arrivals that are really to come: what `evaluation.fluid_bound` says of
a whole workload, from the middle of an episode (W = total work, T = horizon, s_* the reward's scales):

    s_progress * work of the jobs that are not complete / W          the progress still to come
    - s_time * integral of A dt / (T W)                              the time pressure of draining the backlog
    + s_early * (T - time at which it is drained) / T                the bonus, if that is before T
    - (s_progress + s_miss) * work left at T / W                     what is cut off, else
    - s_due * work of the jobs that will miss their due times / W    the charges that nothing can avert any more

It serves at full rate, but where a step is an event (`env.step=event`) no longer than arrivals last: a job starts an
event, so that after the last arrival no more jobs run at a time than did then, and one. Whether those that will still
run then fill the cluster decides an episode, hundreds of steps before it shows (`_rate_after_arrivals`).

The last term counts a job from the moment at which it is lost: started too late, or queued while its GPUs come free too
late even if nothing else starts. The charge itself comes at completion, hours after the choices that caused it, and no
observation tells which of the running jobs will be charged.

What remains of a step's reward is the cost of the GPUs that stood idle during it, and of the due times lost. That the
potential knows what no policy can see, the arrivals, is the point: their randomness leaves the rewards, and no action
changes it (Mao et al., Variance reduction for reinforcement learning in input-driven environments, ICLR 2019).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sched_rl.kernels import kernel, subkernel
from sched_rl.simulator.queue import work_at
from sched_rl.simulator.state import (
    DURATION_S,
    QUEUE_FEATURES,
    SLACK_S,
    SUBMIT_S,
    ClusterState,
    Plain,
    Rules,
)


@kernel
def write_potential(
    arrays: Plain, plain_rules: Plain, capacity: NDArray[np.int32], out: NDArray[np.float64]
) -> None:
    """The potential of every cluster's state.

    Args:
        arrays: `ClusterState` of the clusters, plain.
        plain_rules: their `Rules`, plain.
        capacity: int32 (R,), units of each resource.
        out: float64 (N,), written, in units of a return. A terminal state's must be 0 to shape with; that is left to
            the caller, who knows which state is one.
    """
    state, rules, num_gpus = ClusterState(*arrays), Rules(*plain_rules), np.float64(capacity[0])
    for c in range(out.shape[0]):
        cluster, incomplete, left = state.clusters[c], 0.0, 0.0
        for i in range(cluster.num_running):
            running = state.running[c, i]
            left += (running.end_s - cluster.now_s) * running.gpus
            incomplete += running.work
        incomplete += cluster.queued_work + cluster.arriving_work
        last_rate = num_gpus if rules.decision_steps else _rate_after_arrivals(state, c, num_gpus)
        backlog_s, end_s = _drain(state, c, cluster.queued_work + left, num_gpus, last_rate)
        unfinished = last_rate * max(end_s - cluster.horizon_s, 0.0)
        out[c] = (
            cluster.progress_scale * incomplete / cluster.total_work
            - cluster.time_pressure_scale * backlog_s / (cluster.horizon_s * cluster.total_work)
            + cluster.early_finish_bonus_scale * max(1.0 - end_s / cluster.horizon_s, 0.0)
            - (cluster.progress_scale + cluster.deadline_miss_penalty_scale) * unfinished / cluster.total_work
        )
        if cluster.due_miss_penalty_scale > 0.0:
            out[c] -= cluster.due_miss_penalty_scale * _lost_work(state, c) / cluster.total_work


@subkernel
def _drain(
    state: ClusterState, c: int, backlog: float, num_gpus: float, last_rate: float
) -> tuple[float, float]:
    """The integral of the backlog until the fluid cluster has served all, and when it has.

    It serves all GPUs' worth until the last arrival, and `last_rate` of them from then on.
    """
    cluster = state.clusters[c]
    clock_s, integral = cluster.now_s, 0.0
    for place in range(cluster.queue_tail, state.queue.shape[1]):
        submit_s = np.float64(state.queue_features[c, QUEUE_FEATURES * place + SUBMIT_S])
        busy_s = min(submit_s - clock_s, backlog / num_gpus)
        integral += busy_s * (backlog - 0.5 * busy_s * num_gpus)
        backlog += work_at(state, c, place) - busy_s * num_gpus
        clock_s = submit_s
    return integral + 0.5 * backlog * backlog / last_rate, clock_s + backlog / last_rate


@subkernel
def _rate_after_arrivals(state: ClusterState, c: int, num_gpus: float) -> float:
    """How many GPUs will be busy after the last arrival, about, where a job starts an event.

    From then on every start lets one completion happen, so that no more jobs run at a time than do at the last
    arrival, and one. Those that will still run then are known; on the GPUs beside them, and in their places after
    them, run jobs of the mean width of what waits and is to come, weighted by duration.
    """
    cluster, last, duration_s = state.clusters[c], state.queue.shape[1] - 1, 0.0
    for place in range(cluster.queue_head, last + 1):
        duration_s += np.float64(state.queue_features[c, QUEUE_FEATURES * place + DURATION_S])
    if duration_s <= 0.0:
        return num_gpus
    mean_width = (cluster.queued_work + cluster.arriving_work) / duration_s
    last_s = cluster.now_s
    if cluster.num_arriving > 0:
        last_s = np.float64(state.queue_features[c, QUEUE_FEATURES * last + SUBMIT_S])
    num_jobs, idle = 0.0, num_gpus
    for i in range(cluster.num_running):
        if state.running[c, i].end_s > last_s:
            num_jobs += 1.0
            idle -= state.running[c, i].gpus
    more = idle / mean_width
    if cluster.num_arriving == 0:
        more = min(more, 1.0)
    return float(min(num_gpus, (num_jobs + more) * mean_width))


@subkernel
def _lost_work(state: ClusterState, c: int) -> float:
    """Work of the running and queued jobs that cannot be complete by their due times, whatever is done."""
    cluster, lost = state.clusters[c], 0.0
    for i in range(cluster.num_running):
        running = state.running[c, i]
        if running.end_s > state.jobs[c, running.job].due_s:
            lost += running.work
    for place in range(cluster.queue_head, cluster.queue_tail):
        job = state.queue_features[c, QUEUE_FEATURES * place : QUEUE_FEATURES * (place + 1)]
        latest_s = np.float64(job[SUBMIT_S]) + np.float64(job[SLACK_S]) - np.float64(job[DURATION_S])
        if latest_s < cluster.now_s or latest_s < _fits_from_s(state, c, place):
            lost += work_at(state, c, place)
    return lost


@subkernel
def _fits_from_s(state: ClusterState, c: int, place: int) -> float:
    """When enough GPUs are free for the job at a place of the order of arrival if nothing else starts before it."""
    wanted, idle, i, free_s = state.queue_demand[c, 0, place], state.idle[c, 0], 0, state.clusters[c].now_s
    while idle < wanted:
        idle += state.running[c, i].gpus
        free_s = state.running[c, i].end_s
        i += 1
    return float(free_s)
