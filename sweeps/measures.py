"""What a finished trial is worth, read from its run folder: a resumed trial and a fixed scheduler measure alike."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from sched_rl.tracking.reading import read_metrics

if TYPE_CHECKING:
    from sched_rl.trainer import TrainResult

#: Measures that are better when they are small.
MINIMIZED = ("wall_s", "steps", "invalid_frac")


def measure(result: TrainResult, block_names: list[str], wall_s: float) -> dict[str, Any]:
    """The trial's user attributes of its outcome.

    Args:
        result: how the training ended.
        block_names: of the val blocks, in order.
        wall_s: seconds of training, those of earlier attempts included.
    """
    metrics = read_metrics(result.folder)
    best = _best_row(metrics)
    invalid = np.concatenate([metrics["invalid_frac"], metrics["eval_invalid_frac"]])
    return {
        "min_block_return": result.best_min_block_return,
        "mean_return": result.best_mean_return,
        "last_min_block_return": result.last_min_block_return,
        "last_mean_return": result.last_mean_return,
        "block_scores": {
            name: float(metrics[f"eval_block{index}_return"][best]) for index, name in enumerate(block_names)
        },
        "steps": result.steps,
        "updates": result.updates,
        "wall_s": round(wall_s, 3),
        "invalid_frac": float(np.nanmax(invalid, initial=0.0)),
        "noop_feasible_frac": float(metrics["eval_noop_feasible_frac"][best]),
    }


def objective_values(
    objectives: tuple[str, ...], measured: Mapping[str, Any]
) -> tuple[list[float], str | None]:
    """The values to tell, and why they cannot be told (None: they can).

    Args:
        objectives: `sweep.objectives`.
        measured: see `measure`.
    """
    values = [float(measured[name.removeprefix("eval_")]) for name in objectives]
    for name, value in zip(objectives, values, strict=True):
        if not math.isfinite(value):
            return values, f"{name} is {value}: the training diverged or was never evaluated"
    return values, None


def _best_row(metrics: Mapping[str, Any]) -> int:
    """The row of the best evaluation: the worst block decides, then the mean (`evaluation.selection`)."""
    worst, mean = metrics["eval_min_block_return"], metrics["eval_mean_return"]
    evaluated = np.flatnonzero(~np.isnan(worst))
    return int(max(evaluated, key=lambda row: (worst[row], mean[row], -row))) if evaluated.size else 0
