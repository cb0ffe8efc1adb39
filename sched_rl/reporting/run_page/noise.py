"""The noise band of an evaluation: where a later one may lie by luck, given that the best is what it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sched_rl.diagnosis.curves import FloatArray, IntArray
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
        worst_blocks = signals.blocks.argmin(axis=1)
        worst = [
            signals.block_difference(best, e, int(block)).standard_error
            for e, block in zip(evaluations, worst_blocks, strict=True)
        ]
        bands["eval_min_block_return"] = _band(signals, float(signals.worst[best]), worst)
    return {name: band for name, band in bands.items() if np.isfinite(band.low).any()}


def _band(signals: Signals, level: float, standard_errors: list[float]) -> NoiseBand:
    reach = signals.limits.standard_errors * np.array(standard_errors)
    return NoiseBand(signals.evals, level - reach, level + reach)
