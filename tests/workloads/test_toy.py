"""Instances with a known optimum: the planned schedule is replayed, and on a small one every other is tried."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sched_rl.envs.batch import ClusterBatch
from sched_rl.errors import WorkloadError
from sched_rl.workloads.toy import Packing, perfect_packing
from tests.simulator.instances import playbook
from tests.simulator.naive import NaiveCluster

#: Nothing but completing everything, and early.
MAKESPAN_REWARD = {"time_pressure_scale": 0.0, "noop_penalty_scale": 0.0}


def env_of(packing: Packing, **changes):
    return playbook(
        num_gpus=packing.num_gpus,
        jobs_per_episode=packing.workload.num_jobs,
        max_queue_size=packing.workload.num_jobs,
        max_duration=packing.makespan_s,
        step="decision",
        **changes,
    )


def replay(packing: Packing, env) -> ClusterBatch:
    batch = ClusterBatch(env, "playbook", 1)
    batch.begin(0, env, packing.workload)
    for action in packing.actions:
        assert not batch.state.clusters["finished"][0]
        assert batch.action_mask[0, action]
        batch.step(np.array([action]))
    return batch


@given(st.integers(1, 8), st.integers(1, 20), st.data())
def test_the_planned_schedule_fills_the_cluster_to_the_end(num_gpus, makespan_s, data):
    num_jobs = data.draw(st.integers(1, min(40, num_gpus * makespan_s)))
    packing = perfect_packing(num_gpus, makespan_s, num_jobs, data.draw(st.integers(0, 99)))
    batch = replay(packing, env_of(packing, reward=MAKESPAN_REWARD))
    cluster = batch.state.clusters[0]
    assert cluster["terminated"]
    assert cluster["now_s"] == makespan_s == packing.workload.total_work / num_gpus
    assert cluster["steps"] == num_jobs
    assert cluster["total_return"] == pytest.approx(1.0 + 0.5)


def best_return(cluster: NaiveCluster) -> float:
    """The largest return of all action sequences, waiting included."""
    if cluster.terminated or cluster.truncated:
        return cluster.total_return
    best = -np.inf
    for action, legal in enumerate(cluster.mask()):
        if legal and (action > 0 or cluster.events):
            after = copy.copy(cluster)
            for name in ("idle", "queue", "running", "start", "completed", "gpu_job", "events"):
                setattr(after, name, copy.copy(getattr(cluster, name)))
            after.step(action)
            best = max(best, best_return(after))
    return best


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("reward", [MAKESPAN_REWARD, {}], ids=["makespan", "playbook"])
def test_no_other_schedule_has_a_larger_return(seed, reward):
    packing = perfect_packing(3, 4, 5, seed)
    env = env_of(packing, reward=reward)
    planned = replay(packing, env).state.clusters["total_return"][0]
    best = best_return(NaiveCluster(env, packing.workload, [3]))
    assert planned == pytest.approx(best, abs=1e-6)


@pytest.mark.parametrize("num_jobs", [0, 13])
def test_more_pieces_than_there_are_is_refused(num_jobs):
    with pytest.raises(
        WorkloadError, match=rf"num_jobs={num_jobs}: must be from 1 to num_gpus \* makespan_s = 12"
    ):
        perfect_packing(3, 4, num_jobs, 0)
