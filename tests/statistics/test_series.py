from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from sched_rl.statistics import (
    StatisticsError,
    change_point,
    mann_kendall,
    robust_sigma,
    robust_z,
    series_noise,
)


def test_robust_sigma_is_scipys_mad_and_survives_outliers():
    sample = np.random.default_rng(0).normal(0, 2, size=4001)
    assert robust_sigma(sample) == pytest.approx(stats.median_abs_deviation(sample, scale="normal"))
    sample[:400] = 1e6
    assert robust_sigma(sample) == pytest.approx(2, rel=0.2)


def test_series_noise_sees_the_noise_and_not_the_course_the_step_or_the_spike():
    rng = np.random.default_rng(1)
    course = np.linspace(0, 50, 2000) + 5 * np.sin(np.linspace(0, 6, 2000))
    course[1000:] -= 30
    course[::100] += 20
    noisy = course + rng.normal(0, 0.5, size=2000)
    assert series_noise(noisy) == pytest.approx(0.5, rel=0.1)
    assert series_noise(np.arange(10.0)) == 0


def test_robust_z_by_hand_and_with_mostly_equal_values():
    assert robust_z([0, 1, 2, 3, 4])[-1] == pytest.approx(2 / 1.4826, rel=1e-3)
    kl = np.full(50, 0.01)
    kl[20] = 0.5
    assert robust_z(kl).argmax() == 20
    assert robust_z(kl)[20] > 10
    assert not robust_z([3.0, 3.0, 3.0]).any()


@pytest.mark.parametrize("size", [3, 4, 7, 12, 30])
def test_mann_kendall_without_ties_is_the_exact_kendall_test(size):
    for seed in range(5):
        values = np.random.default_rng(seed).normal(size=size) + 0.05 * np.arange(size)
        trend = mann_kendall(values)
        expected = stats.kendalltau(np.arange(size), values, method="exact")
        assert trend.tau == pytest.approx(expected.statistic)
        assert trend.p == pytest.approx(expected.pvalue)
        assert trend.n == size


def test_mann_kendall_with_ties_and_for_long_series_is_close_to_scipys_asymptotic_test():
    values = np.random.default_rng(1).integers(0, 20, size=200) + 0.02 * np.arange(200)
    trend = mann_kendall(np.round(values))
    expected = stats.kendalltau(np.arange(200), np.round(values), method="asymptotic")
    assert trend.tau == pytest.approx(expected.statistic)
    assert trend.p == pytest.approx(expected.pvalue, rel=0.02)  # ours also corrects for continuity


def test_mann_kendall_by_hand_with_ties():
    # Pairs of 1, 1, 2, 3: five rises, one tie.
    # var S = (4*3*13 - 2*1*9) / 18 = 7.667, z = (5 - 1) / sqrt(7.667) = 1.4446
    trend = mann_kendall([1, 1, 2, 3])
    assert trend.tau == pytest.approx(5 / np.sqrt(6 * 5))
    assert trend.p == pytest.approx(2 * stats.norm.sf(1.44463), rel=1e-4)
    # pairwise slopes 0, 1/2, 2/3, 1, 1, 1
    assert trend.slope == pytest.approx((2 / 3 + 1) / 2)


def test_sens_slope_is_theil_sen_on_unequal_times():
    rng = np.random.default_rng(2)
    times = np.cumsum(rng.uniform(0.1, 2, size=40))
    values = 3 * times + rng.normal(size=40)
    trend = mann_kendall(values, times)
    assert trend.slope == pytest.approx(stats.theilslopes(values, times).slope)
    assert trend.p < 1e-6


def test_mann_kendall_of_a_constant_or_perfect_curve():
    flat = mann_kendall([2.0] * 6)
    assert (flat.tau, flat.p, flat.slope) == (0, 1, 0)
    assert mann_kendall([2.0] * 6, correct_autocorrelation=True).p == 1
    falling = mann_kendall([5, 4, 3, 2, 1])
    assert (falling.tau, falling.slope) == (-1, -1)
    assert falling.p == pytest.approx(2 / 120)


def test_mann_kendall_keeps_its_false_alarm_rate():
    rng = np.random.default_rng(3)
    alarms = [mann_kendall(rng.normal(size=n)).p < 0.05 for n in (8, 25, 70) for _ in range(200)]
    assert 0.02 < np.mean(alarms) < 0.08


def test_autocorrelation_correction_spares_curves_that_only_wander():
    rng = np.random.default_rng(4)
    plain = corrected = 0
    for _ in range(150):
        wander = np.zeros(60)
        for step in range(1, 60):
            wander[step] = 0.6 * wander[step - 1] + rng.normal()
        plain += mann_kendall(wander).p < 0.05
        corrected += mann_kendall(wander, correct_autocorrelation=True).p < 0.05
    assert plain > 0.2 * 150
    assert corrected < 0.14 * 150
    rising = 0.1 * np.arange(60) + rng.normal(size=60)
    assert mann_kendall(rising, correct_autocorrelation=True).p < 0.01


def test_change_point_finds_the_shift():
    rng = np.random.default_rng(5)
    values = rng.normal(0, 0.1, size=50)
    values[30:] -= 0.5
    found = change_point(values, seed=0)
    assert abs(found.index - 30) <= 1
    assert found.shift == pytest.approx(-0.5, abs=0.1)
    assert found.p < 0.002
    assert found.n == 50
    assert change_point(values, seed=0) == found


def test_change_point_by_hand():
    found = change_point([0, 0, 0, 4, 4], seed=0)
    assert (found.index, found.before, found.after, found.shift) == (3, 0, 4, 4)


@pytest.mark.parametrize("ranks", [False, True])
def test_change_point_p_value_is_that_of_all_permutations(ranks):
    values = np.array([0.1, 0.4, -0.2, 1.0, 0.9, 1.3, 0.2])
    tested = stats.rankdata(values) if ranks else values

    def clearest(order):
        x = np.asarray(order) - np.mean(order)
        return max(abs(x[:k].sum()) / np.sqrt(k * (7 - k) / 7) for k in range(2, 6))

    reference = clearest(tested)
    everything = [clearest(order) >= reference - 1e-9 for order in itertools.permutations(tested)]
    found = change_point(values, seed=0, ranks=ranks, num_permutations=20_000)
    assert found.p == pytest.approx(np.mean(everything), abs=0.012)


def test_change_point_keeps_its_false_alarm_rate_also_with_heavy_tails_and_ties():
    rng = np.random.default_rng(6)
    for ranks, draw in ((False, rng.standard_normal), (True, rng.standard_cauchy)):
        alarms = [
            change_point(draw(size=25), seed=i, ranks=ranks, num_permutations=200).p < 0.05
            for i in range(250)
        ]
        assert 0.015 < np.mean(alarms) < 0.09
    assert change_point([1.0] * 8, seed=0).p == 1


def test_illegal_curves_are_refused():
    with pytest.raises(StatisticsError, match="got 2 values, at least 3"):
        mann_kendall([1.0, 2.0])
    with pytest.raises(StatisticsError, match="times: must increase strictly"):
        mann_kendall([1.0, 2.0, 3.0], [0, 1, 1])
    with pytest.raises(StatisticsError, match="got 3 values, at least 4"):
        change_point([1.0, 2.0, 3.0], seed=0)
    with pytest.raises(StatisticsError, match="min_size=0"):
        change_point([1.0, 2.0, 3.0], seed=0, min_size=0)
    with pytest.raises(StatisticsError, match="inf at"):
        robust_sigma([1.0, np.inf])
