"""Confidence intervals of means and of paired differences, by the stratified bootstrap."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from sched_rl.seeding import stream
from sched_rl.statistics.samples import FloatArray, IntArray, StatisticsError, as_vector, strata_members

#: Indices drawn at once: bounds the memory of large samples, and leaves usual ones in one draw.
_CHUNK = 2_000_000


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence interval.

    Attributes:
        mean: the point estimate.
        low: the lower bound; minus infinity where the sample is too small to give one.
        high: the upper bound.
        n: the number of values (of pairs, of runs) it rests on.
    """

    mean: float
    low: float
    high: float
    n: int

    @property
    def is_above_zero(self) -> bool:
        """True where the whole interval lies above zero."""
        return self.low > 0

    @property
    def is_below_zero(self) -> bool:
        """True where the whole interval lies below zero."""
        return self.high < 0

    @property
    def includes_zero(self) -> bool:
        """True where the sign of the quantity is not settled."""
        return not self.is_above_zero and not self.is_below_zero

    def format(self, decimals: int = 3) -> str:
        """`0.021 [0.012, 0.031]`; more decimals where rounding would show a bound as zero that is not."""
        while decimals < 9 and any(_rounds_to_zero(bound, decimals) for bound in (self.low, self.high)):
            decimals += 1
        mean, low, high = (_format(value, decimals) for value in (self.mean, self.low, self.high))
        return f"{mean} [{low}, {high}]"

    def __str__(self) -> str:
        return self.format()


def mean_interval(
    values: npt.ArrayLike,
    *,
    strata: Sequence[Hashable] | None = None,
    seed: int,
    confidence: float = 0.95,
    num_resamples: int = 10_000,
) -> Interval:
    """The mean over strata of the strata's means, with a bootstrap interval.

    With blocks as strata this is `eval_mean_return`; without strata, or with strata of one size, the plain
    mean. Resamples are drawn within strata, since blocks are fixed by the protocol and only their seeds are a
    sample.

    The quantiles are BCa: Efron (1987), "Better bootstrap confidence intervals", JASA 82, with the
    acceleration of a stratified mean from Davison and Hinkley (1997), "Bootstrap Methods and their
    Application", section 5.3.2. The bootstrap's spread divides by n instead of n - 1 and ignores that the
    spread itself is estimated, which makes plain bootstrap intervals too narrow for few values (Hesterberg
    2015, "What teachers should know about the bootstrap", section 4.3). Therefore every stratum's deviations
    are widened by sqrt(n / (n - 1)) (Rao and Wu 1988) and the quantiles by t / z with Welch-Satterthwaite
    degrees of freedom: on normal data this is the t interval.

    Args:
        values: [n] finite numbers.
        strata: the block of each value. If a stratum holds a single value, the strata are dropped (see
            `samples`).
        seed: makes the interval reproducible.
        confidence: the coverage, 0.95 for a 95 % interval.
        num_resamples: bootstrap resamples.

    Returns:
        The interval; with a single value its bounds are infinite.

    Raises:
        StatisticsError: values that are empty, not finite or not as many as strata; confidence outside (0,
        1).
    """
    sample = as_vector(values, "values")
    if not 0 < confidence < 1:
        raise StatisticsError(f"confidence={confidence}: must be in (0, 1), for example 0.95")
    members = strata_members(strata, sample.size)
    mean = float(np.mean([sample[indices].mean() for indices in members]))
    if sample.size == 1:
        return Interval(mean, -math.inf, math.inf, 1)
    influence = [(sample[indices] - sample[indices].mean()) / len(members) for indices in members]
    if all(np.ptp(sample[indices]) == 0 for indices in members):
        return Interval(mean, mean, mean, sample.size)
    low, high = deviation_bounds(influence, seed=seed, confidence=confidence, num_resamples=num_resamples)
    return Interval(mean, mean + low, mean + high, sample.size)


def paired_difference(
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    *,
    strata: Sequence[Hashable] | None = None,
    seed: int,
    confidence: float = 0.95,
    num_resamples: int = 10_000,
) -> Interval:
    """The mean of a - b over pairs that saw the same workload, with a bootstrap interval.

    Pairing removes what the seeds have in common: the interval is that of the differences, see
    `mean_interval`.

    Args:
        a: [n] one value an episode, for example the checkpoint's returns.
        b: [n] the other's values on the same episodes, in the same order.
        strata: the block of each pair.
        seed: makes the interval reproducible.
        confidence: the coverage, 0.95 for a 95 % interval.
        num_resamples: bootstrap resamples.

    Raises:
        StatisticsError: a and b differ in length, or what `mean_interval` refuses.
    """
    first, second = as_vector(a, "a"), as_vector(b, "b")
    if first.size != second.size:
        raise StatisticsError(
            f"paired samples: got {first.size} and {second.size} values; pairs need as many of each"
        )
    return mean_interval(
        first - second, strata=strata, seed=seed, confidence=confidence, num_resamples=num_resamples
    )


def deviation_bounds(
    influence: list[FloatArray], *, seed: int, confidence: float, num_resamples: int
) -> tuple[float, float]:
    """How far below and above its estimate a sum of independent means may lie; see `mean_interval`.

    Args:
        influence: for each mean its values' deviations from it, times its weight in the sum; two or more
            values each, not all equal in all of them.
        seed: makes the bounds reproducible.
        confidence: the coverage.
        num_resamples: bootstrap resamples, drawn within each mean.
    """
    deviations = _resampled_deviations(influence, num_resamples, stream(seed, "bootstrap"))
    levels = _bca_levels(deviations, _acceleration(influence), confidence)
    low, high = np.quantile(deviations, levels) * _t_over_z(influence, confidence)
    return float(low), float(high)


def _resampled_deviations(
    influence: list[FloatArray], num_resamples: int, rng: np.random.Generator
) -> FloatArray:
    """[num_resamples] deviations of the resampled mean from the sample's."""
    total = np.zeros(num_resamples)
    for part in influence:
        scale = math.sqrt(part.size / (part.size - 1))
        rows = max(1, _CHUNK // part.size)
        for first in range(0, num_resamples, rows):
            count = min(rows, num_resamples - first)
            drawn: IntArray = rng.integers(0, part.size, size=(count, part.size))
            total[first : first + count] += scale * part[drawn].mean(axis=1)
    return total


def _acceleration(influence: list[FloatArray]) -> float:
    """Davison and Hinkley (1997), section 5.3.2: the skewness of the stratified mean, divided by 6."""
    third = sum(float((part**3).sum()) / part.size**3 for part in influence)
    second = sum(float((part**2).sum()) / part.size**2 for part in influence)
    return third / (6 * second * math.sqrt(second))


def _bca_levels(deviations: FloatArray, acceleration: float, confidence: float) -> FloatArray:
    """The two quantile levels of Efron (1987), equation 3.8."""
    normal = NormalDist()
    # A resample that is the sample again deviates by rounding alone; of two values that is every second one.
    rounding = 1e-9 * np.abs(deviations).max()
    excess_below = np.count_nonzero(deviations < -rounding) - np.count_nonzero(deviations > rounding)
    below = 0.5 + 0.5 * excess_below / deviations.size
    edge = 1 / (deviations.size + 1)
    bias = normal.inv_cdf(min(max(below, edge), 1 - edge))
    levels = []
    for tail in ((1 - confidence) / 2, (1 + confidence) / 2):
        shifted = bias + normal.inv_cdf(tail)
        levels.append(normal.cdf(bias + shifted / (1 - acceleration * shifted)))
    return np.asarray(levels)


def _t_over_z(influence: list[FloatArray], confidence: float) -> float:
    """The t quantile over the normal one, with Welch-Satterthwaite degrees of freedom."""
    from scipy.special import stdtrit  # 0.1 s

    variances = [float((part**2).sum()) / ((part.size - 1) * part.size) for part in influence]
    spread = sum(variance**2 / (part.size - 1) for variance, part in zip(variances, influence, strict=True))
    degrees = sum(variances) ** 2 / spread
    upper = (1 + confidence) / 2
    return float(stdtrit(degrees, upper)) / NormalDist().inv_cdf(upper)


def _rounds_to_zero(value: float, decimals: int) -> bool:
    return value != 0 and math.isfinite(value) and round(value, decimals) == 0


def _format(value: float, decimals: int) -> str:
    text = f"{value:.{decimals}f}"
    return text.removeprefix("-") if float(text) == 0 else text
