from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from sched_rl.statistics import (
    StatisticsError,
    aggregate_mean,
    aggregate_worst_task,
    iqm,
    probability_of_improvement,
    stratified_bootstrap,
)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 8, 15, 60])
def test_iqm_is_scipys_trimmed_mean(size):
    values = np.random.default_rng(size).exponential(size=size)
    assert iqm(values) == pytest.approx(stats.trim_mean(values, 0.25))


def test_iqm_by_hand_ignores_both_outer_quarters():
    assert iqm([[-1000, 1], [2, 3], [4, 5], [6, 1000]]) == pytest.approx((2 + 3 + 4 + 5) / 4)


def test_aggregates_by_hand():
    scores = np.array([[1.0, 4.0], [3.0, 0.0]])
    assert aggregate_mean(scores) == 2.0
    assert aggregate_worst_task(scores) == 2.0
    np.testing.assert_array_equal(aggregate_worst_task(np.stack([scores, scores + 1])), [2.0, 3.0])


def test_bootstrap_of_one_task_equals_scipys_percentile_interval():
    scores = np.random.default_rng(0).normal(size=40)
    ours = stratified_bootstrap(scores, seed=0, num_resamples=50_000)
    theirs = stats.bootstrap(
        (scores,),
        lambda x, axis: stats.trim_mean(x, 0.25, axis=axis),
        n_resamples=50_000,
        method="percentile",
        rng=np.random.default_rng(1),
    ).confidence_interval
    assert ours.mean == pytest.approx(stats.trim_mean(scores, 0.25))
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.01)


def test_bootstrap_covers_the_true_mean_and_ignores_the_spread_between_tasks():
    rng = np.random.default_rng(2)
    trials, covered = 400, 0
    for trial in range(trials):
        scores = rng.normal(size=(20, 4)) + np.arange(4) * 10
        interval = stratified_bootstrap(scores, aggregate_mean, seed=trial, num_resamples=500)
        covered += interval.low <= 15.0 <= interval.high
    assert 0.91 <= covered / trials <= 0.98


def test_whole_runs_keep_what_a_run_does_on_all_tasks_together():
    rng = np.random.default_rng(3)
    scores = rng.normal(size=(30, 1)) + np.zeros((1, 4))  # a good run is good on every block
    cells = stratified_bootstrap(scores, aggregate_mean, seed=0)
    rows = stratified_bootstrap(scores, aggregate_mean, seed=0, resample_whole_runs=True)
    standard_error = scores[:, 0].std() / np.sqrt(30)
    assert (rows.high - rows.low) / (2 * 1.96) == pytest.approx(standard_error, rel=0.05)
    assert (cells.high - cells.low) / (2 * 1.96) == pytest.approx(standard_error / 2, rel=0.05)
    assert rows.n == 30


def test_a_single_run_says_nothing_about_its_spread():
    interval = stratified_bootstrap([[0.1, 0.2]], aggregate_mean, seed=0)
    assert interval.mean == pytest.approx(0.15)
    assert (interval.low, interval.high) == (-np.inf, np.inf)
    assert probability_of_improvement([1.0], [0.0, 2.0], seed=0).includes_zero


def test_probability_of_improvement_is_mann_whitneys_u():
    rng = np.random.default_rng(4)
    a, b = rng.integers(0, 8, size=(7, 3)), rng.integers(0, 6, size=(9, 3))
    expected = np.mean([stats.mannwhitneyu(a[:, t], b[:, t]).statistic / 63 for t in range(3)])
    interval = probability_of_improvement(a, b, seed=0)
    assert interval.mean == pytest.approx(expected)
    assert interval.low < expected < interval.high
    assert interval.n == 7


def test_probability_of_improvement_by_hand():
    assert probability_of_improvement([1, 2], [2, 0], seed=0).mean == pytest.approx((0 + 1 + 0.5 + 1) / 4)
    sure = probability_of_improvement([5, 6, 7], [1, 2, 3], seed=0)
    assert (sure.mean, sure.low, sure.high) == pytest.approx((1, 1, 1))


def test_probability_of_improvement_covers_the_truth():
    rng = np.random.default_rng(5)
    truth = stats.norm.cdf(0.5 / np.sqrt(2))
    trials, covered = 200, 0
    for trial in range(trials):
        interval = probability_of_improvement(
            rng.normal(0.5, 1, size=(15, 3)), rng.normal(size=(15, 3)), seed=trial, num_resamples=400
        )
        covered += interval.low <= truth <= interval.high
    assert 0.89 <= covered / trials <= 0.99


def test_illegal_input_is_refused():
    with pytest.raises(StatisticsError, match="got 2 and 3 tasks"):
        probability_of_improvement(np.zeros((4, 2)), np.zeros((4, 3)), seed=0)
    with pytest.raises(StatisticsError, match=r"scores: nan at \[1, 0\]"):
        stratified_bootstrap([[0.0, 1.0], [np.nan, 1.0]], seed=0)
    with pytest.raises(StatisticsError, match="confidence=0: must be in"):
        stratified_bootstrap([[0.0, 1.0], [2.0, 1.0]], seed=0, confidence=0)
