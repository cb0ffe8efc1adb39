"""Differences between evaluations, paired episode by episode, with their standard errors."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sched_rl.diagnosis.curves import FloatArray, IntArray


@dataclass(frozen=True)
class Difference:
    """A mean difference between two evaluations, paired episode by episode where episodes are known.

    Attributes:
        mean: later minus earlier, mean over blocks.
        standard_error: of the mean; 0 where both are the same to the bit.
        n: pairs; 0 where only block returns are known and the curve's own jitter stands in.
    """

    mean: float
    standard_error: float
    n: int

    @property
    def z(self) -> float:
        """The mean in standard errors."""
        if self.mean == 0:
            return 0.0
        return (
            self.mean / self.standard_error if self.standard_error > 0 else math.copysign(math.inf, self.mean)
        )


def stratified_difference(differences: FloatArray, blocks: IntArray) -> Difference:
    """The mean over blocks of paired differences, with its standard error.

    Args:
        differences: [P], NaN where an episode has no partner.
        blocks: [P].
    """
    return stratified_differences(differences[None], blocks)[0]


def stratified_differences(differences: FloatArray, blocks: IntArray) -> list[Difference]:
    """As `stratified_difference`, for several comparisons at once.

    Args:
        differences: [K, P].
        blocks: [P].
    """
    known = np.isfinite(differences)
    if not known.all():
        return [_one(row[mask], blocks[mask]) for row, mask in zip(differences, known, strict=True)]
    if blocks.size < 2:
        return [_one(row, blocks) for row in differences]
    labels, members = np.unique(blocks, return_inverse=True)
    indicator = np.zeros((blocks.size, labels.size))
    indicator[np.arange(blocks.size), members] = 1.0
    sizes = indicator.sum(axis=0)
    block_means = differences @ indicator / sizes
    means = block_means.mean(axis=1)
    if sizes.min() < 2:  # no spread within a block: the spread of all episodes holds that between blocks too
        variances = differences.var(axis=1, ddof=1) / blocks.size
    else:
        within = ((differences - block_means[:, members]) ** 2) @ indicator / (sizes - 1) / sizes
        variances = within.sum(axis=1) / labels.size**2
    return [
        Difference(float(mean), math.sqrt(variance), int(blocks.size))
        for mean, variance in zip(means, variances, strict=True)
    ]


def _one(values: FloatArray, blocks: IntArray) -> Difference:
    """A comparison of which only some pairs are known."""
    if not values.size:
        return Difference(math.nan, math.inf, 0)
    if values.size < 2:
        return Difference(float(values[0]), math.inf, 1)
    return stratified_differences(values[None], blocks)[0]
