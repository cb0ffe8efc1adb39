"""Two groups of trainings that share no seeds, and which of two wins more often."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from sched_rl.statistics.intervals import Interval, deviation_bounds
from sched_rl.statistics.samples import StatisticsError, as_matrix, as_vector

#: Halvings of [0, 1] in the search for a bound: more than a float has bits.
_HALVINGS = 60


def independent_difference(
    a: npt.ArrayLike, b: npt.ArrayLike, *, seed: int, confidence: float = 0.95, num_resamples: int = 10_000
) -> Interval:
    """mean(a) - mean(b) of two samples that have nothing in common, with a bootstrap interval.

    Each sample is resampled apart; corrected for small samples as `mean_interval` is, so that on normal data this is
    Welch's t interval.

    Args:
        a: [n] one value a training.
        b: [m] likewise.
        seed: makes the interval reproducible.
        confidence: the coverage.
        num_resamples: bootstrap resamples.

    Returns:
        The interval, n the smaller number of values. Where one sample has a single value its spread is unknown: the
        bounds are infinite.

    Raises:
        StatisticsError: values that are empty or not finite.
    """
    first, second = as_vector(a, "a"), as_vector(b, "b")
    smaller = min(first.size, second.size)
    mean = float(first.mean() - second.mean())
    if smaller == 1:
        return Interval(mean, -math.inf, math.inf, 1)
    influence = [first - first.mean(), second.mean() - second]
    if all(np.ptp(part) == 0 for part in influence):
        return Interval(mean, mean, mean, smaller)
    low, high = deviation_bounds(influence, seed=seed, confidence=confidence, num_resamples=num_resamples)
    return Interval(mean, mean + low, mean + high, smaller)


def improvement_by_whole_runs(a: npt.ArrayLike, b: npt.ArrayLike, *, confidence: float = 0.95) -> Interval:
    """`probability_of_improvement` where every run was scored on every task, with an interval for few runs.

    Resampling says nothing where every run of one side wins (all resamples agree, with two runs a side as with
    fifty). The bounds are those p at which the estimate lies z standard errors away, with the standard error at p of
    Hanley and McNeil (1982) in the symmetric form of Newcombe (2006), "Confidence intervals for an effect size
    measure based on the Mann-Whitney statistic, part 2", Statistics in Medicine 25. The tasks of one run go together,
    so that averaging over them counts as no more than one task: cautious where they differ.

    Args:
        a: [runs of a, tasks].
        b: [runs of b, tasks].
        confidence: the coverage.

    Returns:
        The probability that a run of `a` beats one of `b` on the same task, ties counting half; n is the smaller
        number of runs.

    Raises:
        StatisticsError: other tasks, or scores that are not finite.
    """
    first, second = as_matrix(a, "a"), as_matrix(b, "b")
    if first.shape[1] != second.shape[1]:
        raise StatisticsError(f"got {first.shape[1]} and {second.shape[1]} tasks; both need the same tasks")
    sign = np.sign(first[:, None, :] - second[None, :, :])
    estimate = float(((sign + 1) / 2).mean())
    sizes = (len(first), len(second))
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    low = _score_bound(estimate, sizes, z, towards=0.0)
    high = _score_bound(estimate, sizes, z, towards=1.0)
    return Interval(estimate, low, high, min(sizes))


def _score_bound(estimate: float, sizes: tuple[int, int], z: float, towards: float) -> float:
    """Where the estimate lies z standard errors away, by bisection between the estimate and 0 or 1."""
    inside, outside = estimate, towards
    for _ in range(_HALVINGS):
        middle = (inside + outside) / 2
        if abs(estimate - middle) <= z * _standard_error(middle, *sizes):
            inside = middle
        else:
            outside = middle
    return (inside + outside) / 2


def _standard_error(p: float, m: int, n: int) -> float:
    """Of the Mann-Whitney statistic at the true probability p, for samples of m and n."""
    size = (m + n) / 2
    shape = 1 + (size - 1) * ((1 - p) / (2 - p) + p / (1 + p))
    return math.sqrt(p * (1 - p) * shape / (m * n))
