"""Confidence intervals where every training seed met every episode: both are samples, and they are crossed."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

import numpy as np
import numpy.typing as npt

from sched_rl.statistics.intervals import Interval, deviation_bounds, mean_interval
from sched_rl.statistics.samples import StatisticsError, as_matrix, strata_members


def crossed_interval(
    values: npt.ArrayLike,
    *,
    strata: Sequence[Hashable] | None = None,
    seed: int,
    confidence: float = 0.95,
    num_resamples: int = 10_000,
) -> Interval:
    """The mean over training seeds and episodes, for both as random samples, with a bootstrap interval.

    The answer to "what if one trained again and met other episodes?". The model is that of a crossed design,
    value = mean + training seed + episode + rest; training seeds are resampled as whole rows and episodes, within
    their blocks, as whole columns, each apart from the other, and their deviations added. The rest is thereby
    counted twice, which errs on the side of caution (Owen 2007, "The pigeonhole bootstrap", Annals of Applied
    Statistics 1). Small samples are corrected for as in `mean_interval`: with few training seeds the degrees of
    freedom are those of few training seeds.

    Args:
        values: [training seeds, episodes], differences for a comparison.
        strata: the block of each episode.
        seed: makes the interval reproducible.
        confidence: the coverage.
        num_resamples: bootstrap resamples.

    Returns:
        The interval, n the number of training seeds. With one training seed the spread between trainings is unknown:
        the bounds are infinite.

    Raises:
        StatisticsError: values that are no matrix or not finite; not as many strata as episodes.
    """
    matrix = as_matrix(values, "values")
    num_seeds, num_episodes = matrix.shape
    if strata is not None and len(strata) != num_episodes:
        raise StatisticsError(f"got {len(strata)} strata for {num_episodes} episodes; every episode has one")
    members = strata_members(strata, num_episodes)
    # [training seeds]: each row's mean over strata of the strata's means
    rows = np.mean([matrix[:, indices].mean(axis=1) for indices in members], axis=0)
    mean = float(rows.mean())
    if num_seeds == 1:
        return Interval(mean, -math.inf, math.inf, 1)
    columns = matrix.mean(axis=0)
    if num_episodes == 1:
        return mean_interval(rows, seed=seed, confidence=confidence, num_resamples=num_resamples)
    parts = [rows - mean]
    parts += [(columns[indices] - columns[indices].mean()) / len(members) for indices in members]
    if all(np.ptp(part) == 0 for part in parts):
        return Interval(mean, mean, mean, num_seeds)
    low, high = deviation_bounds(parts, seed=seed, confidence=confidence, num_resamples=num_resamples)
    return Interval(mean, mean + low, mean + high, num_seeds)
