"""What a step does to a cluster: start a job, let events happen, pay the reward.

Source: the playbook's MDP (its clock, queue, step and reward rules). `decision` steps differ in one thing: time
stands still while jobs start, and moves on, instant by instant, at a no-op or when nothing in the window fits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sched_rl.kernels import kernel, subkernel
from sched_rl.simulator.calendar import (
    NO_COMPLETION,
    is_event_left,
    next_event_s,
    num_events,
    take_next_event,
)
from sched_rl.simulator.queue import (
    anything_fits,
    leave_queue,
    num_visible,
    slot_fits,
    work_at,
    write_action_mask,
)
from sched_rl.simulator.state import DURATION_S, QUEUE_FEATURES, ClusterState, Plain, Rules


@kernel
def step_clusters(
    arrays: Plain, plain_rules: Plain, actions: NDArray[np.int64], action_mask: NDArray[np.bool_]
) -> int:
    """One step of every cluster that is not finished.

    Args:
        arrays: `ClusterState` of the clusters, plain; their records say what the step did.
        plain_rules: `Rules` of the batch, plain.
        actions: int64 (N,), 0 = no-op, i = start the i-th job of the window; anything else acts as a no-op.
        action_mask: bool (N, K + 1), rewritten for the state after the step; rows of clusters that had finished
            before stay as they are.

    Returns:
        How many clusters this step finished.
    """
    state, rules, num_finished = ClusterState(*arrays), Rules(*plain_rules), 0
    for c in range(actions.shape[0]):
        cluster = state.clusters[c]
        if cluster.finished:
            cluster.reward = cluster.dt_s = 0.0
            cluster.invalid_action = cluster.noop_feasible = False
        else:
            step_cluster(state, rules, c, actions[c])
            write_action_mask(state, rules, c, action_mask[c])
            num_finished += cluster.finished
    return num_finished


@kernel
def begin_episode(arrays: Plain, plain_rules: Plain, c: int, action_mask: NDArray[np.bool_]) -> None:
    """Start the loaded workload of cluster c: the clock at 0, every event up to time 0 processed.

    With decision steps the clock moves on to the first instant at which a job can start. What the cluster's records
    say about the last step stays: it may have ended the episode before, and is still to be read.
    """
    state, rules = ClusterState(*arrays), Rules(*plain_rules)
    cluster, num_jobs = state.clusters[c], state.jobs.shape[1]
    cluster.queue_head = cluster.queue_tail = cluster.num_running = cluster.steps = 0
    cluster.noop_steps = cluster.noop_feasible_steps = cluster.feasible_steps = cluster.invalid_steps = 0
    cluster.queued_work = cluster.arriving_work = cluster.now_s = cluster.total_return = 0.0
    cluster.finished = False
    state.gpu_job[c, :] = -1
    for job in range(num_jobs):
        record = state.jobs[c, job]
        record.start_s = np.nan
        cluster.arriving_work += record.work
    cluster.num_arriving, cluster.heap_events = num_jobs, -1
    while is_event_left(state, c):
        same_instant = next_event_s(state, c) <= cluster.now_s
        if not same_instant and not (rules.decision_steps and not anything_fits(state, rules, c)):
            break
        _process_event(state, rules, c)
    write_action_mask(state, rules, c, action_mask[c])


@subkernel
def available_work(state: ClusterState, rules: Rules, c: int) -> float:
    """Work of all queued jobs plus what is left of the running ones (float32 shares of max_duration, clipped)."""
    cluster, left = state.clusters[c], 0.0
    for i in range(cluster.num_running):
        running = state.running[c, i]
        share = np.float64(np.float32((running.end_s - cluster.now_s) / rules.max_duration_s))
        left += min(max(share, 0.0), 1.0) * running.gpus
    return float(cluster.queued_work + rules.max_duration_s * left)


@subkernel
def step_cluster(state: ClusterState, rules: Rules, c: int, action: int) -> None:
    """One step of a cluster that is not finished; the mask and the count of feasible jobs are left to the caller."""
    cluster = state.clusters[c]
    some_job_fitted = cluster.num_feasible > 0
    before_s, gain = cluster.now_s, 0.0
    started = _apply_action(state, rules, c, action)
    noop_feasible = some_job_fitted and not started
    cluster.noop_feasible = noop_feasible
    cluster.noop_steps += not started
    cluster.noop_feasible_steps += noop_feasible
    cluster.feasible_steps += some_job_fitted
    cluster.steps += 1
    if not (rules.decision_steps and started and anything_fits(state, rules, c)):
        gain = _let_time_pass(state, rules, c)
    cluster.dt_s = cluster.now_s - before_s
    _end_step(state, rules, c, gain)


@subkernel
def _apply_action(state: ClusterState, rules: Rules, c: int, action: int) -> bool:
    """Start the chosen job; False where the effective action is a no-op."""
    cluster = state.clusters[c]
    cluster.invalid_action = False
    if action == 0:
        return False
    if action < 0 or action > num_visible(state, rules, c) or not slot_fits(state, c, action - 1):
        cluster.invalid_action = True
        cluster.invalid_steps += 1
        return False
    _start_job(state, rules, c, action - 1)
    return True


@subkernel
def _start_job(state: ClusterState, rules: Rules, c: int, slot: int) -> None:
    cluster = state.clusters[c]
    place = cluster.queue_head + slot
    for r in range(state.idle.shape[1]):
        state.idle[c, r] -= state.queue_demand[c, r, place]
    end_s = cluster.now_s + np.float64(state.queue_features[c, QUEUE_FEATURES * place + DURATION_S])
    gpus, work = state.queue_demand[c, 0, place], work_at(state, c, place)
    start = state.starts[c, cluster.queue_head]
    start.end_s, start.events_before = end_s, num_events(state, c)
    start.job = job = leave_queue(state, c, slot)
    state.jobs[c, job].start_s = cluster.now_s
    position = int(cluster.num_running)
    while position > 0 and state.running[c, position - 1].end_s > end_s:
        _copy_running(state, c, position - 1, position)
        position -= 1
    running = state.running[c, position]
    running.end_s, running.work, running.job, running.gpus = end_s, work, job, gpus
    cluster.num_running += 1
    if rules.track_gpus:
        _occupy_lowest_gpus(state.gpu_job[c], job, gpus)


@subkernel
def _copy_running(state: ClusterState, c: int, source: int, target: int) -> None:
    state.running[c, target].end_s = state.running[c, source].end_s
    state.running[c, target].work = state.running[c, source].work
    state.running[c, target].job = state.running[c, source].job
    state.running[c, target].gpus = state.running[c, source].gpus


@subkernel
def _occupy_lowest_gpus(gpu_job: NDArray[np.int32], job: int, wanted: int) -> None:
    for gpu in range(gpu_job.shape[0]):
        if wanted == 0:
            return
        if gpu_job[gpu] < 0:
            gpu_job[gpu] = job
            wanted -= 1


@subkernel
def _process_event(state: ClusterState, rules: Rules, c: int) -> int:
    """Let the earliest event happen; returns the job that completed, or -1."""
    position = take_next_event(state, c)
    if position == NO_COMPLETION:
        return -1
    job = int(state.running[c, position].job)
    _release(state, rules, c, position, job)
    return job


@subkernel
def _release(state: ClusterState, rules: Rules, c: int, position: int, job: int) -> None:
    cluster = state.clusters[c]
    state.idle[c, 0] += state.running[c, position].gpus
    for r in range(1, state.idle.shape[1]):
        state.idle[c, r] += state.demand[c, job, r]
    cluster.num_running -= 1
    for i in range(position, cluster.num_running):
        _copy_running(state, c, i + 1, i)
    if rules.track_gpus:
        for gpu in range(state.gpu_job.shape[1]):
            if state.gpu_job[c, gpu] == job:
                state.gpu_job[c, gpu] = -1


@subkernel
def _event_with_reward(state: ClusterState, rules: Rules, c: int) -> float:
    """One event; returns progress, time pressure and due-time charges, still to be divided by the total work."""
    cluster = state.clusters[c]
    before_s, gain = cluster.now_s, 0.0
    job = _process_event(state, rules, c)
    if job >= 0:
        gain = cluster.progress_scale * state.jobs[c, job].work
        if cluster.now_s > state.jobs[c, job].due_s:
            gain -= cluster.due_miss_penalty_scale * state.jobs[c, job].work
    waited = min((cluster.now_s - before_s) / cluster.horizon_s, 10.0)
    return float(gain - cluster.time_pressure_scale * waited * available_work(state, rules, c))


@subkernel
def _let_time_pass(state: ClusterState, rules: Rules, c: int) -> float:
    """One event, or with decision steps whole instants until something fits or the horizon is reached.

    Returns:
        The reward of the events, as `_event_with_reward` has it; 0 when no event is left.
    """
    gain, cluster = 0.0, state.clusters[c]
    while is_event_left(state, c):
        gain += _event_with_reward(state, rules, c)
        if not rules.decision_steps:
            break
        same_instant = is_event_left(state, c) and next_event_s(state, c) <= cluster.now_s
        if not same_instant and (cluster.now_s >= cluster.horizon_s or anything_fits(state, rules, c)):
            break
    return gain


@subkernel
def _end_step(state: ClusterState, rules: Rules, c: int, gain: float) -> None:
    cluster = state.clusters[c]
    no_job_left = cluster.queue_head == cluster.queue_tail and cluster.num_running == 0
    terminated = no_job_left and cluster.num_arriving == 0
    truncated = not terminated and (cluster.now_s >= cluster.horizon_s or cluster.steps >= rules.max_steps)
    if cluster.noop_feasible or truncated:
        available = available_work(state, rules, c)
        if cluster.noop_feasible:
            gain -= cluster.noop_penalty_scale * available
        if truncated:
            gain -= cluster.deadline_miss_penalty_scale * (available + cluster.arriving_work)
            gain -= cluster.due_miss_penalty_scale * _overdue_work(state, c)
    cluster.reward = gain / cluster.total_work
    if terminated:
        time_left_s = max(0.0, cluster.horizon_s - cluster.now_s)
        cluster.reward += cluster.early_finish_bonus_scale * time_left_s / cluster.horizon_s
    cluster.total_return += cluster.reward
    cluster.terminated = terminated
    cluster.truncated = truncated
    cluster.finished = terminated or truncated


@subkernel
def _overdue_work(state: ClusterState, c: int) -> float:
    """Work of the jobs past their due time that are queued, still to come, or running."""
    cluster, overdue = state.clusters[c], 0.0
    for place in range(cluster.queue_head, state.queue.shape[1]):
        job = state.jobs[c, state.queue[c, place]]
        if cluster.now_s > job.due_s:
            overdue += job.work
    for i in range(cluster.num_running):
        if cluster.now_s > state.jobs[c, state.running[c, i].job].due_s:
            overdue += state.running[c, i].work
    return overdue
