"""Futures drawn given the past: the posterior against numbers integrated plainly, and against what really came."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.special import ndtr

from sched_rl.workloads.future import FutureSampler
from sched_rl.workloads.playbook import generate_workload
from tests.simulator.instances import playbook

ENV = playbook(jobs_per_episode=60, arrival_span=10_000.0, num_bursts=3, burst_std_frac=0.05)


def past(workload, now_s):
    has_arrived = workload.submit_s <= now_s
    submit_s = workload.submit_s[has_arrived].astype(np.float64)
    work = workload.duration_s[has_arrived].astype(np.float64) * workload.demand[has_arrived, 0]
    return submit_s, work, now_s


@pytest.mark.parametrize("now_s", [1500.0, 5000.0, 7000.0])
def test_one_burst_lies_where_its_posterior_says(now_s):
    env = dataclasses.replace(ENV, num_bursts=1, jobs_per_episode=12, burst_std_frac=0.1, burst_prob=0.6)
    submit_s, work, _ = past(generate_workload(env, 11), now_s)
    centers, std_s = np.linspace(0.0, 10_000.0, 4001), 1000.0
    log_density = np.zeros(len(centers))
    for at_s in submit_s:
        z = (at_s - centers) / std_s
        density = np.exp(-0.5 * z**2) / (std_s * np.sqrt(2 * np.pi))
        uniform = 0.4 / 10_000.0
        if at_s == 0.0:
            density, uniform = ndtr(z), 0.0
        log_density += np.log(0.6 * density + uniform)
    still = 0.6 * ndtr((centers - now_s) / std_s) + 0.4 * (1 - now_s / 10_000.0)
    log_density += (12 - len(submit_s)) * np.log(still)
    posterior = np.exp(log_density - log_density.max())
    posterior /= posterior.sum()
    mean_s = float(posterior @ centers)
    deviation_s = float(np.sqrt(posterior @ (centers - mean_s) ** 2))

    sampler, drawn = FutureSampler(env, np.random.default_rng(1)), []
    for _ in range(1500):
        sampler.sample(submit_s, work, now_s)
        drawn.append(sampler._centers_s[0])
    assert np.mean(drawn) == pytest.approx(mean_s, abs=0.15 * deviation_s)
    assert np.std(drawn) == pytest.approx(deviation_s, rel=0.15)


def test_what_comes_next_is_foretold_without_bias_and_better_than_by_the_family_alone():
    real, foretold, unconditional = [], [], []
    for seed in range(80):
        workload = generate_workload(ENV, seed)
        sampler = FutureSampler(ENV, np.random.default_rng(seed))
        futures = [sampler.sample(*past(workload, 4000.0)) for _ in range(12)]
        soon = [np.sum(future.submit_s <= 5000.0) for future in futures]
        real.append(np.sum((workload.submit_s > 4000.0) & (workload.submit_s <= 5000.0)))
        foretold.append(np.mean(soon))
        left = np.sum(workload.submit_s > 4000.0)
        unconditional.append(left * 1000.0 / 6000.0)
    real, foretold = np.array(real), np.array(foretold)
    error = real - foretold
    assert abs(error.mean()) < 3 * error.std() / np.sqrt(len(error))
    assert np.mean(error**2) < 0.8 * np.mean((real - np.array(unconditional)) ** 2)


@pytest.mark.parametrize("num_arrived", [0, 25, 59])
@pytest.mark.parametrize("burst_prob", [0.0, 0.8, 1.0])
def test_a_future_completes_the_episode(num_arrived, burst_prob):
    env = dataclasses.replace(ENV, burst_prob=burst_prob, due_slack_min=1.0, due_slack_max=2.0)
    workload = generate_workload(env, 2)
    now_s = float(np.sort(workload.submit_s)[num_arrived - 1]) if num_arrived else 0.0
    arrived_s, work, _ = past(workload, now_s)
    future = FutureSampler(env, np.random.default_rng(3)).sample(arrived_s, work, now_s)
    assert future.num_jobs == 60 - len(arrived_s)
    assert ((future.submit_s >= now_s) & (future.submit_s <= 10_000.0)).all()
    new_work = float(np.sum(future.duration_s.astype(float) * future.demand[:, 0]))
    assert future.total_work == pytest.approx(work.sum() + new_work)
    assert future.horizon_s == pytest.approx(future.submit_s.max() + 1.3 * future.total_work / 8)
    slack = (future.due_s - future.submit_s) / future.duration_s
    assert ((slack > 1.999) & (slack < 3.001)).all()
