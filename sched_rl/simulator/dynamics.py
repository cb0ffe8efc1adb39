"""What a step does to a cluster: start a job, let events happen, pay the reward.

Source: the playbook's MDP (its clock, queue, step and reward rules). `decision` steps differ in one thing: time
stands still while jobs start, and moves on, instant by instant, at a no-op or when nothing in the window fits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sched_rl.kernels import kernel
from sched_rl.simulator.events import pop_event, push_event
from sched_rl.simulator.state import ClusterState, Rules


@kernel
def step_clusters(
    state: ClusterState, rules: Rules, actions: NDArray[np.int64], action_mask: NDArray[np.bool_]
) -> None:
    """One step of every cluster that is not finished.

    Args:
        state: the clusters; their records say what the step did.
        rules: the rules of the batch.
        actions: int64 (N,), 0 = no-op, i = start the i-th job of the window; anything else acts as a no-op.
        action_mask: bool (N, K + 1), rewritten for the state after the step; rows of clusters that had finished
            before stay as they are.
    """
    for c in range(actions.shape[0]):
        cluster = state.clusters[c]
        cluster.reward = 0.0
        cluster.dt_s = 0.0
        if not cluster.finished:
            _step(state, rules, c, actions[c])
            write_action_mask(state, rules, c, action_mask[c])


@kernel
def begin_episode(state: ClusterState, rules: Rules, c: int, action_mask: NDArray[np.bool_]) -> None:
    """Start the loaded workload of cluster c: the clock at 0, every event up to time 0 processed."""
    cluster, num_jobs = state.clusters[c], state.jobs.shape[1]
    cluster.queue_head = cluster.queue_tail = cluster.num_running = cluster.steps = 0
    cluster.noop_steps = cluster.noop_feasible_steps = cluster.feasible_steps = cluster.invalid_steps = 0
    cluster.queued_work = cluster.arriving_work = cluster.now_s = cluster.total_return = 0.0
    cluster.reward = cluster.dt_s = 0.0
    cluster.finished = cluster.terminated = cluster.truncated = False
    cluster.invalid_action = cluster.noop_feasible = False
    state.gpu_job[c, :] = -1
    for job_id in range(num_jobs):  # pushed in the workload's order, which decides among equal submit times
        row = state.row_of_job[c, job_id]
        state.jobs[c, row].start_s = np.nan
        cluster.arriving_work += state.jobs[c, row].work
        push_event(state.heap[c], job_id, num_jobs, state.jobs[c, row].submit_s, row)
    cluster.heap_size = cluster.num_arriving = num_jobs
    while cluster.heap_size > 0 and state.heap[c, 0].time_s <= 0.0:
        _process_event(state, rules, c)
    if rules.decision_steps:
        while not _anything_fits(state, rules, c) and cluster.heap_size > 0:
            _process_instant(state, rules, c)
    write_action_mask(state, rules, c, action_mask[c])


@kernel
def write_action_mask(state: ClusterState, rules: Rules, c: int, row: NDArray[np.bool_]) -> None:
    """The legal actions of cluster c: the no-op always, a window job where it fits the idle units."""
    cluster = state.clusters[c]
    head, visible, feasible = cluster.queue_head, cluster.queue_tail - cluster.queue_head, 0
    row[:] = False
    row[0] = True
    for slot in range(min(rules.window, visible)):
        if _fits(state, c, state.queue[c, head + slot]):
            row[slot + 1] = True
            feasible += 1
    cluster.num_feasible = feasible


@kernel
def available_work(state: ClusterState, rules: Rules, c: int) -> float:
    """Work of all queued jobs plus what is left of the running ones (float32 shares of max_duration, clipped)."""
    cluster, left = state.clusters[c], 0.0
    for i in range(cluster.num_running):
        running = state.running[c, i]
        share = np.float64(np.float32((running.end_s - cluster.now_s) / rules.max_duration_s))
        left += min(max(share, 0.0), 1.0) * running.gpus
    return cluster.queued_work + rules.max_duration_s * left


@kernel
def _step(state: ClusterState, rules: Rules, c: int, action: int) -> None:
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
    if not rules.decision_steps:
        if cluster.heap_size > 0:  # otherwise nothing happens, yet the step counts
            gain = _event_with_reward(state, rules, c)
    elif not started or not _anything_fits(state, rules, c):
        gain = _move_to_next_decision(state, rules, c)
    if noop_feasible:
        gain -= cluster.noop_penalty_scale * available_work(state, rules, c)
    cluster.dt_s = cluster.now_s - before_s
    _end_step(state, rules, c, gain)


@kernel
def _apply_action(state: ClusterState, rules: Rules, c: int, action: int) -> bool:
    """Start the chosen job; False where the effective action is a no-op."""
    cluster = state.clusters[c]
    cluster.invalid_action = False
    if action == 0:
        return False
    head, visible = cluster.queue_head, min(rules.window, cluster.queue_tail - cluster.queue_head)
    if action < 0 or action > visible or not _fits(state, c, state.queue[c, head + action - 1]):
        cluster.invalid_action = True
        cluster.invalid_steps += 1
        return False
    _start_job(state, rules, c, action - 1)
    return True


@kernel
def _fits(state: ClusterState, c: int, job: int) -> bool:
    for r in range(state.idle.shape[1]):
        if state.demand[c, job, r] > state.idle[c, r]:
            return False
    return True


@kernel
def _anything_fits(state: ClusterState, rules: Rules, c: int) -> bool:
    cluster = state.clusters[c]
    head = cluster.queue_head
    for slot in range(min(rules.window, cluster.queue_tail - head)):
        if _fits(state, c, state.queue[c, head + slot]):
            return True
    return False


@kernel
def _start_job(state: ClusterState, rules: Rules, c: int, slot: int) -> None:
    cluster, head = state.clusters[c], state.clusters[c].queue_head
    job = state.queue[c, head + slot]
    # Earlier jobs move up by one, which costs at most the window; later ones stay where they are.
    for position in range(head + slot, head, -1):
        state.queue[c, position] = state.queue[c, position - 1]
    cluster.queue_head = head + 1
    cluster.queued_work -= state.jobs[c, job].work
    if cluster.queue_head == cluster.queue_tail:
        cluster.queued_work = 0.0
    for r in range(state.idle.shape[1]):
        state.idle[c, r] -= state.demand[c, job, r]
    end_s = cluster.now_s + state.jobs[c, job].duration_s
    state.jobs[c, job].start_s = cluster.now_s
    position = cluster.num_running
    while position > 0 and state.running[c, position - 1].end_s > end_s:
        _copy_running(state, c, position - 1, position)
        position -= 1
    running = state.running[c, position]
    running.end_s, running.job, running.gpus = end_s, job, state.demand[c, job, 0]
    cluster.num_running += 1
    num_jobs = state.jobs.shape[1]
    push_event(state.heap[c], cluster.heap_size, num_jobs, end_s, num_jobs + job)
    cluster.heap_size += 1
    if rules.track_gpus:
        _occupy_lowest_gpus(state.gpu_job[c], job, state.demand[c, job, 0])


@kernel
def _copy_running(state: ClusterState, c: int, source: int, target: int) -> None:
    state.running[c, target].end_s = state.running[c, source].end_s
    state.running[c, target].job = state.running[c, source].job
    state.running[c, target].gpus = state.running[c, source].gpus


@kernel
def _occupy_lowest_gpus(gpu_job: NDArray[np.int32], job: int, wanted: int) -> None:
    for gpu in range(gpu_job.shape[0]):
        if wanted == 0:
            return
        if gpu_job[gpu] < 0:
            gpu_job[gpu] = job
            wanted -= 1


@kernel
def _process_event(state: ClusterState, rules: Rules, c: int) -> int:
    """Let the earliest event happen; returns the job that completed, or -1."""
    cluster, num_jobs = state.clusters[c], state.jobs.shape[1]
    time_s, code = pop_event(state.heap[c], cluster.heap_size, num_jobs)
    cluster.heap_size -= 1
    cluster.now_s = time_s
    if code >= num_jobs:
        _release(state, rules, c, code - num_jobs)
        return code - num_jobs
    state.queue[c, cluster.queue_tail] = code
    cluster.queue_tail += 1
    cluster.queued_work += state.jobs[c, code].work
    cluster.arriving_work -= state.jobs[c, code].work
    cluster.num_arriving -= 1
    return -1


@kernel
def _release(state: ClusterState, rules: Rules, c: int, job: int) -> None:
    cluster, position = state.clusters[c], 0
    for r in range(state.idle.shape[1]):
        state.idle[c, r] += state.demand[c, job, r]
    while state.running[c, position].job != job:
        position += 1
    cluster.num_running -= 1
    for i in range(position, cluster.num_running):
        _copy_running(state, c, i + 1, i)
    if rules.track_gpus:
        for gpu in range(state.gpu_job.shape[1]):
            if state.gpu_job[c, gpu] == job:
                state.gpu_job[c, gpu] = -1


@kernel
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
    return gain - cluster.time_pressure_scale * waited * available_work(state, rules, c)


@kernel
def _process_instant(state: ClusterState, rules: Rules, c: int) -> float:
    """The next event and all others of the same instant; returns their reward as `_event_with_reward` does."""
    gain = _event_with_reward(state, rules, c)
    while state.clusters[c].heap_size > 0 and state.heap[c, 0].time_s <= state.clusters[c].now_s:
        gain += _event_with_reward(state, rules, c)
    return gain


@kernel
def _move_to_next_decision(state: ClusterState, rules: Rules, c: int) -> float:
    gain, cluster = 0.0, state.clusters[c]
    while cluster.heap_size > 0:
        gain += _process_instant(state, rules, c)
        if cluster.now_s >= cluster.horizon_s or _anything_fits(state, rules, c):
            break
    return gain


@kernel
def _end_step(state: ClusterState, rules: Rules, c: int, gain: float) -> None:
    cluster = state.clusters[c]
    no_job_left = cluster.queue_head == cluster.queue_tail and cluster.num_running == 0
    terminated = no_job_left and cluster.heap_size == 0
    truncated = not terminated and (cluster.now_s >= cluster.horizon_s or cluster.steps >= rules.max_steps)
    if truncated:
        unfinished = available_work(state, rules, c) + cluster.arriving_work
        gain -= cluster.deadline_miss_penalty_scale * unfinished
        if cluster.due_miss_penalty_scale != 0.0:
            gain -= cluster.due_miss_penalty_scale * _overdue_work(state, c)
    cluster.reward = gain / cluster.total_work
    if terminated:
        time_left_s = max(0.0, cluster.horizon_s - cluster.now_s)
        cluster.reward += cluster.early_finish_bonus_scale * time_left_s / cluster.horizon_s
    cluster.total_return += cluster.reward
    cluster.terminated = terminated
    cluster.truncated = truncated
    cluster.finished = terminated or truncated


@kernel
def _overdue_work(state: ClusterState, c: int) -> float:
    """Work of the jobs that are not complete although their due time has passed."""
    now_s, overdue = state.clusters[c].now_s, 0.0
    for j in range(state.jobs.shape[1]):
        job = state.jobs[c, j]
        incomplete = np.isnan(job.start_s) or job.start_s + job.duration_s > now_s
        if incomplete and now_s > job.due_s:
            overdue += job.work
    return overdue
