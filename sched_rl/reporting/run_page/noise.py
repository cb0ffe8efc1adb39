"""The noise band of an evaluation: where a later one may lie by luck, given that the best is what it is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sched_rl.diagnosis.curves import FloatArray, IntArray
from sched_rl.diagnosis.differences import stratified_differences
from sched_rl.diagnosis.signals import Signals


@dataclass(frozen=True)
class NoiseBand:
    """A point below the band is clearly worse than the best evaluation.

    Attributes:
        rows: [E] rows of the metrics table.
        low: [E] lower edge, a return.
        high: [E] upper edge.
    """

    rows: IntArray
    low: FloatArray
    high: FloatArray


def noise_bands(signals: Signals) -> dict[str, NoiseBand]:
    """Bands around the best evaluation by column: so many standard errors of the difference paired by seed.

    They are as wide as conf/diagnosis asks for. Where episodes are unknown, the curve's own jitter stands in.
    """
    if signals.num_evals < 2:
        return {}
    best, evaluations = signals.best, range(signals.num_evals)
    means = [signals.difference(best, e).standard_error for e in evaluations]
    bands = {"eval_mean_return": _band(signals, float(signals.mean[best]), means)}
    if signals.blocks.shape[1] and signals.curves.has("eval_min_block_return"):
        by_block = np.stack([_block_errors(signals, block) for block in range(signals.blocks.shape[1])])
        worst = by_block[signals.blocks.argmin(axis=1), list(evaluations)]
        bands["eval_min_block_return"] = _band(signals, float(signals.worst[best]), worst.tolist())
    return {name: band for name, band in bands.items() if np.isfinite(band.low).any()}


def _block_errors(signals: Signals, block: int) -> FloatArray:
    """[E] standard errors of a block's difference from the best evaluation."""
    matrix, table = signals.episode_matrix(), signals.curves.evaluations
    members = None if table is None else table.blocks == block
    if matrix is None or members is None or not members.any():
        return np.full(signals.num_evals, math.sqrt(2) * signals.block_jitter(block))
    own = matrix[:, members] - matrix[signals.best, members]
    return np.array([each.standard_error for each in stratified_differences(own, np.zeros(members.sum()))])


def _band(signals: Signals, level: float, standard_errors: list[float]) -> NoiseBand:
    reach = signals.limits.standard_errors * np.array(standard_errors)
    return NoiseBand(signals.evals, level - reach, level + reach)
