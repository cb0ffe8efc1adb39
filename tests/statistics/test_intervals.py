from __future__ import annotations

import math
import time
from statistics import NormalDist

import numpy as np
import pytest
from scipy import stats

from sched_rl.statistics import Interval, StatisticsError, mean_interval, paired_difference
from sched_rl.statistics.samples import as_matrix

Z95 = NormalDist().inv_cdf(0.975)


def test_bca_bounds_equal_scipys_once_the_small_sample_widening_is_undone():
    sample = np.random.default_rng(1).exponential(size=25)
    ours = mean_interval(sample, seed=0, num_resamples=100_000)
    theirs = stats.bootstrap(
        (sample,), np.mean, n_resamples=100_000, method="BCa", rng=np.random.default_rng(2), vectorized=True
    ).confidence_interval
    widening = math.sqrt(25 / 24) * stats.t.ppf(0.975, 24) / Z95
    assert ours.mean == pytest.approx(sample.mean(), abs=1e-15)
    assert (ours.low - ours.mean) / widening == pytest.approx(theirs.low - sample.mean(), rel=0.02)
    assert (ours.high - ours.mean) / widening == pytest.approx(theirs.high - sample.mean(), rel=0.02)


def test_on_symmetric_data_the_interval_is_the_t_interval():
    sample = np.asarray(NormalDist().samples(40, seed=3))
    sample = np.concatenate([sample, -sample]) + 5  # no skewness at all
    interval = mean_interval(sample, seed=0, num_resamples=100_000)
    t_interval = stats.ttest_1samp(sample, 0).confidence_interval(0.95)
    assert interval.low == pytest.approx(t_interval.low, abs=0.01)
    assert interval.high == pytest.approx(t_interval.high, abs=0.01)


def test_stratified_spread_is_the_one_of_the_textbook_formula():
    rng = np.random.default_rng(4)
    blocks = [rng.normal(10 * block, 1 + block, size=20) for block in range(3)]
    interval = mean_interval(
        np.concatenate(blocks), strata=np.repeat([0, 1, 2], 20).tolist(), seed=0, num_resamples=100_000
    )
    # Cochran (1977), Sampling Techniques, equation 5.6: the variance of a mean of stratum means.
    standard_error = math.sqrt(sum(block.var(ddof=1) / 20 for block in blocks)) / 3
    assert interval.mean == pytest.approx(np.mean([block.mean() for block in blocks]))
    assert (interval.high - interval.low) / 2 == pytest.approx(Z95 * standard_error, rel=0.06)
    assert interval.n == 60


@pytest.mark.parametrize(
    ("blocks", "per_block", "draw", "true_mean"),
    [
        (1, 5, "normal", 0.0),
        (1, 20, "normal", 0.0),
        (3, 20, "normal", 0.0),
        (3, 20, "exponential", 1.0),
        (3, 5, "exponential", 1.0),
    ],
)
def test_the_95_percent_interval_covers_the_truth_95_times_in_100(blocks, per_block, draw, true_mean):
    rng = np.random.default_rng(5)
    strata = np.repeat(np.arange(blocks), per_block)
    offsets = 3.0 * strata  # blocks differ far more than episodes: strata must take that out
    trials = 600
    covered = 0
    for trial in range(trials):
        sample = getattr(rng, draw)(size=strata.size) + offsets
        interval = mean_interval(sample, strata=strata.tolist(), seed=trial, num_resamples=1000)
        covered += interval.low <= true_mean + offsets.mean() <= interval.high
    # three binomial standard errors below nominal, and the known few points that skewness costs
    assert 0.92 <= covered / trials <= 0.98


def test_difference_pairs_the_episodes():
    rng = np.random.default_rng(6)
    workload = rng.normal(0, 10, size=60)  # what the seeds have in common
    checkpoint = workload + 0.5 + rng.normal(0, 0.1, size=60)
    strata = np.repeat(["calm", "busy", "late"], 20).tolist()
    difference = paired_difference(checkpoint, workload, strata=strata, seed=0)
    assert difference.mean == pytest.approx(0.5, abs=0.05)
    assert difference.high - difference.low < 0.08
    assert difference.is_above_zero
    reverse = paired_difference(workload, checkpoint, strata=strata, seed=0)
    assert reverse.is_below_zero
    assert reverse.mean == pytest.approx(-difference.mean)
    assert paired_difference(workload, workload[::-1], strata=strata, seed=0).includes_zero


def test_by_hand():
    # differences 1, 2, 3 and 5, 7, 9: stratum means 2 and 7
    interval = paired_difference([2, 4, 6, 10, 14, 18], [1, 2, 3, 5, 7, 9], strata=[0, 0, 0, 1, 1, 1], seed=0)
    assert interval.mean == 4.5
    assert interval.low < 4.5 < interval.high


def test_strata_of_unequal_size_weigh_the_same():
    interval = mean_interval([0, 0, 0, 0, 6, 6], strata=list("aaaabb"), seed=0)
    assert interval == Interval(3.0, 3.0, 3.0, 6)


def test_a_stratum_with_a_single_value_makes_the_interval_wider_not_narrower():
    values = [0.0, 1.0, 2.0]
    assert mean_interval(values, strata=[0, 1, 2], seed=0) == mean_interval(values, seed=0)


def test_equal_seeds_give_equal_intervals_whatever_the_order_of_the_blocks():
    rng = np.random.default_rng(7)
    sample = rng.normal(size=30)
    strata = np.repeat([0, 1, 2], 10)
    assert mean_interval(sample, strata=strata.tolist(), seed=3) == mean_interval(
        sample, strata=(strata + 5).tolist(), seed=3
    )
    assert mean_interval(sample, seed=3) != mean_interval(sample, seed=4)


def test_constant_and_single_samples():
    assert mean_interval([0.5, 0.5, 0.5], seed=0) == Interval(0.5, 0.5, 0.5, 3)
    single = mean_interval([0.3], seed=0)
    assert (single.low, single.high) == (-math.inf, math.inf)
    assert single.includes_zero
    assert str(single) == "0.300 [-inf, inf]"


def test_large_samples_are_resampled_in_bounded_memory():
    interval = mean_interval(np.linspace(-1, 1, 30_000), seed=0, num_resamples=200)
    assert interval.high == pytest.approx(Z95 / math.sqrt(3 * 30_000), rel=0.2)


def test_a_table_of_sixty_episodes_takes_under_fifty_milliseconds():
    sample = np.random.default_rng(8).normal(size=60)
    strata = np.repeat([0, 1, 2], 20).tolist()
    mean_interval(sample, strata=strata, seed=0)
    seconds = []
    for _ in range(5):
        start = time.process_time()
        mean_interval(sample, strata=strata, seed=0, num_resamples=10_000)
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.05


def test_interval_prints_as_reports_quote_it():
    assert str(Interval(0.0214, 0.0121, 0.0307, 60)) == "0.021 [0.012, 0.031]"
    assert Interval(-0.01, -0.02, 0.0, 60).format(2) == "-0.01 [-0.02, 0.00]"


def test_rounding_never_turns_a_settled_sign_into_zero():
    assert str(Interval(0.0021, 0.0002, 0.004, 60)) == "0.0021 [0.0002, 0.0040]"
    assert str(Interval(-0.0001, -0.02, 0.02, 60)) == "0.000 [-0.020, 0.020]"


@pytest.mark.parametrize(
    ("a", "b", "strata", "message"),
    [
        ([], [], None, "a: got 0 values, at least 1"),
        ([1.0, 2.0], [1.0], None, "got 2 and 1 values"),
        ([1.0, math.nan], [1.0, 1.0], None, r"a: nan at \[1\]"),
        ([1.0, 2.0], [1.0, 1.0], [0], "strata: got 1 labels for 2 values"),
        ([[1.0, 2.0]], [1.0, 1.0], None, r"shape \(1, 2\)"),
    ],
)
def test_illegal_samples_are_refused(a, b, strata, message):
    with pytest.raises(StatisticsError, match=message):
        paired_difference(a, b, strata=strata, seed=0)


def test_illegal_confidence_and_matrices_are_refused():
    with pytest.raises(StatisticsError, match="confidence=95: must be in"):
        mean_interval([1.0, 2.0], seed=0, confidence=95)
    with pytest.raises(StatisticsError, match="scores: got shape"):
        as_matrix(np.zeros((2, 2, 2)), "scores")
