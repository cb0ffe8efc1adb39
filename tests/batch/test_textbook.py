from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sched_rl.errors import SimulationError
from sched_rl.simulator.textbook import bounded_slowdowns, replay

from .slow_cluster import slow_replay

SIX = ["fcfs", "sjf", "saf", "f1", "wfp3", "unicep"]
JOBS = st.lists(
    st.tuples(st.integers(0, 12), st.integers(1, 9), st.integers(-3, 4), st.integers(1, 5)),
    min_size=1,
    max_size=14,
)


def columns(jobs):
    names = {"submit": np.float64, "run": np.float64, "requested": np.float64, "procs": np.int64}
    return [np.array([job[name] for job in jobs], kind) for name, kind in names.items()]


@pytest.mark.parametrize("mode", ["strict", "greedy", "easy", "conservative"])
@pytest.mark.parametrize(
    "count", [pytest.param(250, id="some"), pytest.param(2500, id="thousands", marks=pytest.mark.slow)]
)
def test_every_start_is_that_of_the_slow_cluster(mode, count):
    @settings(max_examples=count)
    @given(drawn=JOBS, priority=st.sampled_from(SIX))
    def check(drawn, priority):
        submits = np.cumsum([gap // 3 for gap, *_ in drawn])  # several jobs at one instant are what matters
        jobs = [
            {
                "submit": float(submit),
                "run": float(run),
                "requested": float(max(run + error, 1)),
                "procs": procs,
            }
            for submit, (_, run, error, procs) in zip(submits, drawn, strict=True)
        ]
        starts = replay(*columns(jobs), 5, priority, mode)
        assert starts.tolist() == slow_replay(jobs, 5, priority, mode)

    check()


def test_backfilling_does_not_delay_the_head():
    # 4 processors: job 0 holds 3 until 10; the head wants 4; a short narrow job may pass, a long one may not.
    submit, procs = np.array([0.0, 1, 2, 3]), np.array([3, 4, 1, 1])
    run = np.array([10.0, 5, 20, 6])
    assert replay(submit, run, run, procs, 4, "fcfs", "strict").tolist() == [0, 10, 15, 15]
    assert replay(submit, run, run, procs, 4, "fcfs", "greedy").tolist() == [0, 22, 2, 10]
    assert replay(submit, run, run, procs, 4, "fcfs", "easy").tolist() == [0, 10, 15, 3]
    assert replay(submit, run, run, procs, 4, "fcfs", "conservative").tolist() == [0, 10, 15, 3]


def test_easy_lets_through_what_the_head_leaves_over():
    # The head wants 3 of 4 at 10, so one processor is left over for ever: the long job may have it at once.
    submit, run, procs = np.array([0.0, 1, 2]), np.array([10.0, 5, 50]), np.array([3, 3, 1])
    assert replay(submit, run, run, procs, 4, "fcfs", "easy").tolist() == [0, 10, 2]


@pytest.mark.parametrize("mode", ["strict", "greedy", "easy", "conservative"])
def test_no_more_processors_are_taken_than_there_are(mode):
    draws = np.random.default_rng(3)
    submit = np.sort(draws.integers(0, 400, 200)).astype(float)
    run, procs = draws.integers(1, 60, 200).astype(float), draws.integers(1, 17, 200)
    starts = replay(submit, run, run, procs, 16, "saf", mode)
    assert (starts >= submit).all()
    for moment in starts:
        assert procs[(starts <= moment) & (starts + run > moment)].sum() <= 16


def test_jobs_that_cannot_be_scheduled_are_refused():
    one = np.ones(2)
    with pytest.raises(SimulationError, match="wider than the machine of 4"):
        replay(one, one, one, np.array([1, 5]), 4, "fcfs", "easy")
    with pytest.raises(SimulationError, match="order of their submit times"):
        replay(np.array([2.0, 1.0]), one, one, np.array([1, 1]), 4, "fcfs", "easy")


def test_bounded_slowdown_counts_short_jobs_as_ten_seconds():
    slowdown = bounded_slowdowns(np.zeros(3), np.array([0.0, 9.0, 100.0]), np.array([1.0, 1.0, 50.0]))
    assert slowdown.tolist() == [1.0, 1.0, 3.0]
