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
    known = np.isfinite(differences)
    values, labels = differences[known], blocks[known]
    if not values.size:
        return Difference(math.nan, math.inf, 0)
    parts = [values[labels == block] for block in np.unique(labels)]
    mean = float(np.mean([part.mean() for part in parts]))
    if any(part.size < 2 for part in parts):  # no spread within a block: the blocks' own spread holds it
        parts = [values]
    if values.size < 2:
        return Difference(mean, math.inf, 1)
    variance = sum(float(part.var(ddof=1)) / part.size for part in parts) / len(parts) ** 2
    return Difference(mean, math.sqrt(variance), int(values.size))
