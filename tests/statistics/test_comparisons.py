"""Statistics of comparisons: against scipy, and by how often the intervals hold the truth on simulated data."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from sched_rl.statistics import StatisticsError, aggregate_iqm, mean_interval, stratified_bootstrap
from sched_rl.statistics.bands import mean_band, performance_profile
from sched_rl.statistics.comparisons import improvement_by_whole_runs, independent_difference


def test_two_samples_get_welchs_interval():
    rng = np.random.default_rng(0)
    a, b = rng.normal(1.0, 1.0, 60), rng.normal(0.0, 3.0, 25)
    ours = independent_difference(a, b, seed=0, num_resamples=40_000)
    welch = stats.ttest_ind(a, b, equal_var=False).confidence_interval()
    assert ours.mean == pytest.approx(a.mean() - b.mean())
    assert (ours.low, ours.high) == pytest.approx((welch.low, welch.high), abs=0.1)
    assert ours.n == 25


def test_two_small_samples_hold_the_true_difference_as_often_as_promised():
    rng = np.random.default_rng(1)
    trials, covered = 400, 0
    for trial in range(trials):
        a, b = rng.normal(0.5, 1.0, 5), rng.normal(0.0, 2.0, 4)
        interval = independent_difference(a, b, seed=trial, num_resamples=500)
        covered += interval.low <= 0.5 <= interval.high
    assert 0.92 <= covered / trials <= 0.99


def test_a_single_training_a_side_settles_nothing():
    assert independent_difference([3.0], [1.0, 2.0], seed=0).includes_zero
    assert independent_difference([1.0, 1.0], [0.0, 0.0], seed=0).low == 1.0


def test_iqm_of_five_runs_needs_the_correction():
    rng = np.random.default_rng(2)
    trials, plain, corrected = 400, 0, 0
    for trial in range(trials):
        scores = rng.normal(size=(5, 1)) + 0.3 * rng.normal(size=(5, 3))  # a training's blocks go together
        bounds = [
            stratified_bootstrap(
                scores,
                aggregate_iqm,
                seed=trial,
                resample_whole_runs=True,
                correct_small_samples=correct,
                num_resamples=500,
            )
            for correct in (False, True)
        ]
        plain += bounds[0].low <= 0 <= bounds[0].high
        corrected += bounds[1].low <= 0 <= bounds[1].high
    assert plain / trials < 0.90
    assert 0.92 <= corrected / trials <= 0.99


def test_improvement_is_the_mann_whitney_share_and_stays_open_when_every_run_wins():
    a, b = np.array([[3.0], [5.0], [4.0]]), np.array([[1.0], [4.0]])
    expected = stats.mannwhitneyu(a[:, 0], b[:, 0]).statistic / 6
    assert improvement_by_whole_runs(a, b).mean == pytest.approx(expected)
    sweep = improvement_by_whole_runs(np.arange(5) + 10, np.arange(5))
    assert (sweep.mean, sweep.high) == (1.0, 1.0)
    assert 0.5 < sweep.low < 0.8  # five wins of five are not certainty
    assert improvement_by_whole_runs([1.0, 2.0], [0.0]).low < 0.5
    with pytest.raises(StatisticsError, match="same tasks"):
        improvement_by_whole_runs(np.ones((2, 3)), np.ones((2, 2)))


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_improvement_holds_the_true_probability_as_often_as_promised(shift):
    truth = stats.norm.cdf(shift / np.sqrt(2))
    rng = np.random.default_rng(3)
    trials = 1_000
    intervals = [
        improvement_by_whole_runs(rng.normal(shift, 1, 5), rng.normal(0, 1, 5)) for _ in range(trials)
    ]
    covered = sum(each.low <= truth <= each.high for each in intervals)
    assert 0.93 <= covered / trials <= 0.995


def test_a_band_is_the_t_interval_at_every_point():
    rng = np.random.default_rng(4)
    curves = rng.normal(size=(40, 3)) * [1.0, 5.0, 0.1] + [0.0, 10.0, -1.0]
    band = mean_band(curves, seed=0, num_resamples=20_000)
    for point in range(3):
        low, high = stats.t.interval(0.95, 39, loc=curves[:, point].mean(), scale=stats.sem(curves[:, point]))
        assert (band.low[point], band.high[point]) == pytest.approx((low, high), rel=0.06, abs=0.02)
    assert np.isinf(mean_band(curves[:1], seed=0).high).all()


def test_a_profile_is_the_share_of_scores_above_the_threshold():
    profile = performance_profile([[1.0, 2.0], [3.0, 4.0]], [0.0, 1.0, 2.5, 4.0], seed=0)
    assert profile.middle.tolist() == [1.0, 0.75, 0.5, 0.0]
    assert profile.low.min() >= 0
    assert profile.high.max() <= 1


@pytest.mark.parametrize("values", [(0.7512, 0.7733), (0.1, 0.3), (1e6 + 0.1, 1e6 + 0.7)])
def test_two_values_have_an_interval_around_their_mean(values):
    """Rounding must not decide on which side of the mean a resample lies that is the sample again."""
    interval = mean_interval(values, seed=0)
    assert interval.high - interval.mean == pytest.approx(interval.mean - interval.low, rel=1e-6)
    assert interval.high > max(values)
