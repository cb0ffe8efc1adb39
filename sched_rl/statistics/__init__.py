"""One place for all judgement: intervals, aggregates over runs, trends and change points."""

from __future__ import annotations

from sched_rl.statistics.intervals import Interval, mean_interval, paired_difference
from sched_rl.statistics.runs import (
    aggregate_iqm,
    aggregate_mean,
    aggregate_worst_task,
    iqm,
    probability_of_improvement,
    stratified_bootstrap,
)
from sched_rl.statistics.samples import StatisticsError
from sched_rl.statistics.series import (
    ChangePoint,
    Trend,
    change_point,
    mann_kendall,
    robust_sigma,
    robust_z,
    series_noise,
)

__all__ = [
    "ChangePoint",
    "Interval",
    "StatisticsError",
    "Trend",
    "aggregate_iqm",
    "aggregate_mean",
    "aggregate_worst_task",
    "change_point",
    "iqm",
    "mann_kendall",
    "mean_interval",
    "paired_difference",
    "probability_of_improvement",
    "robust_sigma",
    "robust_z",
    "series_noise",
    "stratified_bootstrap",
]
