"""Statistics over several runs: aggregate scores and the probability that one method beats another.

A matrix is [runs, tasks]: a run is one training seed, a task is one block, family or environment. Source:
Agarwal, Schwarzer, Castro, Courville, Bellemare (2021), "Deep Reinforcement Learning at the Edge of the
Statistical Precipice".
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from sched_rl.seeding import stream
from sched_rl.statistics.intervals import Interval
from sched_rl.statistics.samples import FloatArray, StatisticsError, as_matrix

#: Maps [..., runs, tasks] to [...]: one number a matrix, all resamples in one call.
Aggregate = Callable[[FloatArray], FloatArray]


def iqm(values: npt.ArrayLike) -> float:
    """The interquartile mean: the mean without the lowest and the highest quarter of all values.

    Less moved by outliers than the mean, less wasteful than the median (Agarwal et al. 2021, section 4.3).
    The number of values dropped at each end is rounded down, as in `scipy.stats.trim_mean(values, 0.25)`.

    Args:
        values: [n] or [runs, tasks], pooled.
    """
    return float(aggregate_iqm(as_matrix(values, "values")))


def aggregate_iqm(scores: FloatArray) -> FloatArray:
    """The interquartile mean over runs and tasks; [..., runs, tasks] to [...]."""
    pooled = np.sort(scores.reshape(*scores.shape[:-2], -1), axis=-1)
    cut = pooled.shape[-1] // 4
    trimmed: FloatArray = pooled[..., cut : pooled.shape[-1] - cut].mean(axis=-1)
    return trimmed


def aggregate_mean(scores: FloatArray) -> FloatArray:
    """The mean over runs and tasks; [..., runs, tasks] to [...]."""
    mean: FloatArray = scores.mean(axis=(-2, -1))
    return mean


def aggregate_worst_task(scores: FloatArray) -> FloatArray:
    """The lowest of the tasks' means over runs; [..., runs, tasks] to [...]."""
    worst: FloatArray = scores.mean(axis=-2).min(axis=-1)
    return worst


def stratified_bootstrap(
    scores: npt.ArrayLike,
    statistic: Aggregate = aggregate_iqm,
    *,
    seed: int,
    resample_whole_runs: bool = False,
    correct_small_samples: bool = False,
    confidence: float = 0.95,
    num_resamples: int = 10_000,
) -> Interval:
    """An aggregate score of several runs with its stratified bootstrap percentile interval.

    Agarwal et al. (2021), section 4.1: runs are drawn with replacement within each task. That takes a run on
    one task as independent of the runs on the others. Where one run was scored on every task (one training,
    all blocks), set `resample_whole_runs`, which keeps the rows together. With few runs a percentile interval
    is too narrow: that of five normal runs holds the truth in less than 90 % of samples; set
    `correct_small_samples`.

    Args:
        scores: [runs, tasks]; a vector is runs of one task.
        statistic: maps [..., runs, tasks] to [...], for example `aggregate_iqm`, `aggregate_worst_task`.
        seed: makes the interval reproducible.
        resample_whole_runs: draw rows instead of cells.
        correct_small_samples: widen the interval by sqrt(n / (n - 1)) and by the t quantile over the normal one,
            n the number of runs (Hesterberg 2015, "What teachers should know about the bootstrap", section 4.3).
        confidence: the coverage, 0.95 for a 95 % interval.
        num_resamples: bootstrap resamples.

    Returns:
        The statistic of `scores` with its interval; n is the number of runs; infinite bounds for a single
        run.
    """
    matrix = as_matrix(scores, "scores")
    runs, tasks = matrix.shape
    estimate = float(statistic(matrix))
    if runs == 1:
        return Interval(estimate, -np.inf, np.inf, 1)
    rng = stream(seed, "bootstrap")
    width = 1 if resample_whole_runs else tasks
    rows = rng.integers(0, runs, size=(num_resamples, runs, width))
    values = statistic(matrix[rows, np.arange(tasks)])
    if correct_small_samples:
        values = estimate + small_sample_widening(runs, confidence) * (values - estimate)
    return _percentile_interval(estimate, values, runs, confidence)


def probability_of_improvement(
    a: npt.ArrayLike, b: npt.ArrayLike, *, seed: int, confidence: float = 0.95, num_resamples: int = 2_000
) -> Interval:
    """The chance that a run of `a` scores higher than a run of `b` on the same task, averaged over tasks.

    P(X > Y) + P(X = Y) / 2, the Mann-Whitney U statistic divided by its maximum (Agarwal et al. 2021, section
    4.3).

    Args:
        a: [runs of a, tasks].
        b: [runs of b, tasks].
        seed: makes the interval reproducible.
        confidence: the coverage, 0.95 for a 95 % interval.
        num_resamples: bootstrap resamples of the runs, within tasks, of a and of b apart.

    Returns:
        The probability with its percentile interval; n is the smaller number of runs.
    """
    first, second = as_matrix(a, "a"), as_matrix(b, "b")
    if first.shape[1] != second.shape[1]:
        raise StatisticsError(f"got {first.shape[1]} and {second.shape[1]} tasks; both need the same tasks")
    runs = min(len(first), len(second))
    # [tasks, runs of a, runs of b]
    sign = np.sign(first.T[:, :, None] - second.T[:, None, :])
    wins = (sign + 1) / 2
    estimate = float(wins.mean())
    if runs == 1:
        return Interval(estimate, -np.inf, np.inf, 1)
    rng = stream(seed, "bootstrap")
    values = np.zeros(num_resamples)
    for task_wins in wins:
        weight_a = _resample_weights(len(first), num_resamples, rng)
        weight_b = _resample_weights(len(second), num_resamples, rng)
        values += np.einsum("ri,ij,rj->r", weight_a, task_wins, weight_b, optimize=True)
    return _percentile_interval(estimate, values / len(wins), runs, confidence)


def _resample_weights(size: int, num_resamples: int, rng: np.random.Generator) -> FloatArray:
    """[num_resamples, size]: the share of each value in a draw of `size` values with replacement."""
    return rng.multinomial(size, np.full(size, 1 / size), size=num_resamples) / size


def small_sample_widening(n: int, confidence: float) -> float:
    """What a percentile bootstrap's deviations of a mean of n >= 2 values must be multiplied by; see Hesterberg (2015).

    Args:
        n: values, runs.
        confidence: the coverage.
    """
    from scipy.special import ndtri, stdtrit  # 0.1 s

    upper = (1 + confidence) / 2
    return float(math.sqrt(n / (n - 1)) * stdtrit(n - 1, upper) / ndtri(upper))


def _percentile_interval(estimate: float, values: FloatArray, n: int, confidence: float) -> Interval:
    if not 0 < confidence < 1:
        raise StatisticsError(f"confidence={confidence}: must be in (0, 1), for example 0.95")
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(estimate, float(low), float(high), n)
