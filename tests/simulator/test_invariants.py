"""What holds on every cluster, after every step, whatever is done to it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from tests.simulator.instances import ACTIONS, CompiledCluster, clusters


def used(cluster):
    """Units of each resource that the running jobs hold."""
    demand = cluster.state.demand[0]
    return sum((demand[job] for job in cluster.running()), start=np.zeros(len(cluster.capacity), np.int32))


def arriving(cluster):
    return cluster.state.queue[0, cluster.queue_tail :].tolist()


@given(clusters(), ACTIONS)
def test_capacity_is_never_exceeded_in_any_resource(instance, actions):
    cluster = CompiledCluster(*instance)
    for action in actions:
        cluster.step(action)
        assert (used(cluster) + cluster.state.idle[0] == cluster.capacity).all()
        assert (cluster.state.idle[0] >= 0).all()
        held = np.bincount(cluster.state.gpu_job[0] + 1, minlength=1)
        assert held[0] == cluster.state.idle[0, 0]


@given(clusters(), ACTIONS)
def test_a_job_starts_at_most_once_and_not_before_it_arrives(instance, actions):
    cluster, before = CompiledCluster(*instance), {}
    for action in actions:
        cluster.step(action)
        starts = cluster.starts()
        assert before.items() <= starts.items()
        assert len(starts) - len(before) in ((0, 1) if action > 0 else (0,))
        assert all(start >= cluster.state.jobs["submit_s"][0, job] for job, start in starts.items())
        before = starts


@given(clusters(), ACTIONS)
def test_time_never_runs_backwards(instance, actions):
    cluster = CompiledCluster(*instance)
    for action in actions:
        before = cluster.now_s
        cluster.step(action)
        assert cluster.now_s >= before
        assert cluster.dt_s == cluster.now_s - before
        ends = list(cluster.running().values())
        assert ends == sorted(ends)
        assert all(end >= cluster.now_s for end in ends)


@given(clusters(), ACTIONS)
def test_work_is_conserved(instance, actions):
    env, workload, capacity = instance
    cluster = CompiledCluster(env, workload, capacity)
    jobs = set(range(workload.num_jobs))
    work = cluster.state.jobs["work"][0]
    for action in actions:
        cluster.step(action)
        queued, running, to_come = cluster.queue(), list(cluster.running()), arriving(cluster)
        completed = set(cluster.starts()) - set(running)
        everywhere = [*queued, *running, *to_come, *completed]
        assert len(everywhere) == len(jobs)
        assert set(everywhere) == jobs
        assert cluster.num_arriving == len(to_come)
        total = work.sum()
        assert cluster.queued_work == pytest.approx(work[queued].sum(), abs=1e-9 * total)
        assert cluster.arriving_work == pytest.approx(work[to_come].sum(), abs=1e-9 * total)


@given(clusters(), ACTIONS)
def test_the_mask_is_feasibility(instance, actions):
    cluster = CompiledCluster(*instance)
    for action in actions:
        window, free = cluster.queue()[: cluster.env.max_queue_size], cluster.state.idle[0]
        fits = [bool((cluster.state.demand[0, job] <= free).all()) for job in window]
        empty = [False] * (cluster.env.max_queue_size - len(window))
        assert cluster.mask[0].tolist() == [True, *fits, *empty]
        assert cluster.num_feasible == sum(fits)
        was_finished, legal = cluster.finished, 0 <= action < len(cluster.mask[0]) and cluster.mask[0, action]
        cluster.step(action)
        assert cluster.invalid_action == (not legal and not was_finished)


@given(clusters(), ACTIONS)
def test_an_episode_ends_once_and_the_return_is_the_sum_of_the_rewards(instance, actions):
    cluster, rewards, ends = CompiledCluster(*instance), [], 0
    for action in actions:
        ends += cluster.step(action)
        rewards.append(cluster.reward)
        assert not (cluster.terminated and cluster.truncated)
        assert cluster.finished == (ends == 1)
    assert ends <= 1
    assert cluster.total_return == pytest.approx(sum(rewards), rel=1e-12, abs=1e-12)


@given(clusters(), ACTIONS)
def test_the_recorded_schedule_alone_fits_the_cluster(instance, actions):
    env, workload, capacity = instance
    cluster = CompiledCluster(env, workload, capacity)
    for action in actions:
        cluster.step(action)
    starts, duration = cluster.starts(), cluster.state.jobs["duration_s"][0]
    for moment in starts.values():
        at_once = [job for job, start in starts.items() if start <= moment < start + duration[job]]
        assert (cluster.state.demand[0, at_once].sum(axis=0) <= capacity).all()
