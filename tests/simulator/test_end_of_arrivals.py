"""What the rich encoding says of the end of the arrivals, and of the jobs that will still run then."""

from __future__ import annotations

import math

import pytest

from tests.simulator.instances import CompiledCluster, playbook, workload

#: Before the pairs of the next eight completions.
TOLD = slice(-19, -16)


def cluster(jobs, **keys):
    env = playbook(num_gpus=8, jobs_per_episode=len(jobs), max_queue_size=4, max_duration=1000.0, **keys)
    return CompiledCluster(env, workload(jobs, horizon_s=5000.0), [8])


def test_time_until_the_end_of_the_span_and_what_outlasts_it():
    started = cluster([(0.0, 900.0, 3), (0.0, 300.0, 2), (500.0, 10.0, 1)], arrival_span=600.0)
    assert started.rich_observation()[TOLD] == pytest.approx([1.0 + math.log(0.6) / 6.0, 0.0, 0.0])
    started.step(1)
    assert started.now_s == 500.0  # the last arrival; the job of 900 s runs on 3 GPUs
    assert started.rich_observation()[TOLD] == pytest.approx([-1.0, 1 / 8, 3 / 8])


def test_a_job_that_ends_before_the_span_does_is_not_counted():
    jobs = [(0.0, 300.0, 2), (0.0, 900.0, 3), (200.0, 10.0, 1), (500.0, 10.0, 1)]
    started = cluster(jobs, arrival_span=600.0)
    started.step(1)
    assert started.now_s == 200.0
    assert started.rich_observation()[TOLD] == pytest.approx([1.0 + math.log(0.4) / 6.0, 0.0, 0.0])


def test_jobs_that_come_later_than_the_config_says_are_expected_at_once():
    late = cluster([(0.0, 900.0, 3), (700.0, 10.0, 1), (800.0, 10.0, 1)], arrival_span=600.0)
    late.step(1)
    assert late.now_s == 700.0
    assert late.rich_observation()[TOLD] == pytest.approx([-1.0, 1 / 8, 3 / 8])


def test_the_span_is_the_longest_duration_where_none_is_named_and_nothing_where_all_come_at_once():
    jobs = [(0.0, 900.0, 3), (100.0, 10.0, 1)]
    assert cluster(jobs).rich_observation()[TOLD][0] == pytest.approx(1.0)
    assert cluster(jobs, arrival_mode="all_at_zero").rich_observation()[TOLD][0] == pytest.approx(-1.0)
