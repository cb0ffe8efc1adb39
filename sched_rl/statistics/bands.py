"""Bands around whole curves: the course of several trainings, and the share of scores above a threshold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sched_rl.seeding import stream
from sched_rl.statistics.runs import small_sample_widening
from sched_rl.statistics.samples import FloatArray, as_matrix


@dataclass(frozen=True)
class Band:
    """A curve with a pointwise confidence band.

    Attributes:
        middle: [points] the estimate.
        low: [points] lower bounds; minus infinity where there is one run.
        high: [points] upper bounds.
        n: runs.
    """

    middle: FloatArray
    low: FloatArray
    high: FloatArray
    n: int


def mean_band(
    curves: npt.ArrayLike, *, seed: int, confidence: float = 0.95, num_resamples: int = 2_000
) -> Band:
    """The mean of several runs' curves with a pointwise bootstrap band; whole runs are drawn.

    Corrected for few runs as `stratified_bootstrap(correct_small_samples=True)` is. Pointwise: each point covers its
    truth with this confidence, all points at once do so less often.

    Args:
        curves: [runs, points], finite.
        seed: makes the band reproducible.
        confidence: the coverage of a point.
        num_resamples: bootstrap resamples.

    Raises:
        StatisticsError: no matrix, or not finite.
    """
    matrix = as_matrix(curves, "curves")
    runs = len(matrix)
    middle = matrix.mean(axis=0)
    if runs == 1:
        unknown = np.full(len(middle), np.inf)
        return Band(middle, -unknown, unknown, 1)
    weights = stream(seed, "bootstrap").multinomial(runs, np.full(runs, 1 / runs), size=num_resamples) / runs
    deviations = (weights @ (matrix - middle)) * small_sample_widening(runs, confidence)
    low, high = np.quantile(deviations, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    return Band(middle, middle + low, middle + high, runs)


def performance_profile(
    scores: npt.ArrayLike,
    thresholds: npt.ArrayLike,
    *,
    seed: int,
    confidence: float = 0.95,
    num_resamples: int = 2_000,
) -> Band:
    """The share of scores above each threshold, with a band; whole runs are drawn.

    Agarwal et al. (2021), "Deep Reinforcement Learning at the Edge of the Statistical Precipice", section 4.2: where
    one curve lies above another everywhere it is better at every level; where they cross, one is better on hard
    tasks and the other on easy ones.

    Args:
        scores: [runs, tasks or episodes].
        thresholds: [points].
        seed: makes the band reproducible.
        confidence: the coverage of a point.
        num_resamples: bootstrap resamples.

    Returns:
        A band within [0, 1].

    Raises:
        StatisticsError: no matrix, or not finite.
    """
    matrix, levels = as_matrix(scores, "scores"), np.asarray(thresholds, np.float64)
    shares = (matrix[:, :, None] > levels).mean(axis=1)
    band = mean_band(shares, seed=seed, confidence=confidence, num_resamples=num_resamples)
    return Band(band.middle, np.clip(band.low, 0, 1), np.clip(band.high, 0, 1), band.n)
