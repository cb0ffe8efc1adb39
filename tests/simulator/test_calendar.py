"""The order of events: that of the reference's heap among ties, and no heap at all without them."""

from __future__ import annotations

import numpy as np
import pytest

from sched_rl.config.load import load_env_config
from sched_rl.workloads.playbook import generate_workload
from tests.simulator.instances import CompiledCluster, playbook, workload
from tests.simulator.naive import NaiveCluster

NUM_JOBS = 300


def drawn(submit_s, duration_s, seed=0):
    """A cluster of 16 GPUs with jobs of the given times, and its env."""
    rng = np.random.default_rng(seed)
    widths = rng.integers(1, 9, len(submit_s))
    jobs = [
        (float(at), float(lasts), int(gpus))
        for at, lasts, gpus in zip(submit_s, duration_s, widths, strict=True)
    ]
    env = playbook(num_gpus=16, jobs_per_episode=len(jobs), max_queue_size=5, max_duration=50.0)
    return env, workload(jobs, horizon_s=1e6)


def play(env, jobs, seed=0):
    """Both simulators side by side to the end, with random actions; the compiled one, and its completions."""
    compiled, naive = CompiledCluster(env, jobs, (16,)), NaiveCluster(env, jobs, (16,))
    rng = np.random.default_rng(seed)
    while not compiled.finished:
        assert compiled.queue() == naive.queue
        legal = np.flatnonzero(compiled.mask[0])
        action = int(rng.choice(legal))
        compiled.step(action)
        naive.step(action)
        assert set(compiled.running()) == set(naive.running)
        assert compiled.now_s == naive.now
    assert naive.terminated
    assert len(naive.completed) == jobs.num_jobs
    return compiled


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("instants", [1, 2, 40], ids=["all at once", "two waves", "many ties"])
def test_ties_of_hundreds_of_jobs_fall_as_in_the_reference(instants, seed):
    rng = np.random.default_rng(seed)
    # Whole seconds, so that completions tie with each other and with arrivals too.
    env, jobs = drawn(20.0 * rng.integers(0, instants, NUM_JOBS), rng.integers(1, 9, NUM_JOBS), seed)
    play(env, jobs, seed)


def test_ties_only_at_the_end_of_a_long_episode_fall_as_in_the_reference():
    rng = np.random.default_rng(1)
    submit_s = np.minimum(rng.uniform(0.0, 1300.0, NUM_JOBS), 1000.0)  # a quarter is cut to the span
    play(*drawn(submit_s, rng.uniform(1.0, 40.0, NUM_JOBS)))


def test_where_no_two_times_are_equal_no_heap_is_kept():
    """So a step costs the same however many jobs an episode has."""
    rng = np.random.default_rng(2)
    submit_s = rng.permutation(NUM_JOBS) + rng.uniform(0.0, 0.4, NUM_JOBS)
    compiled = play(*drawn(submit_s, rng.uniform(1.0, 40.0, NUM_JOBS)))
    assert compiled.heap_events == -1
    assert not compiled.state.heap.any()


def test_the_queue_holds_every_job_in_the_order_of_arrival_from_the_start():
    env = load_env_config(["env=light"]).env
    jobs = generate_workload(env, 7)
    compiled = CompiledCluster(env, jobs, (env.num_gpus,))
    order = compiled.state.queue[0]
    assert sorted(order.tolist()) == list(range(jobs.num_jobs))
    assert (np.diff(jobs.submit_s[order]) >= 0).all()
