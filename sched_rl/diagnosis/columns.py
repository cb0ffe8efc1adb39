"""Columns on the clock of the evaluations: what is measured every update, averaged since the evaluation before.

That is what rules compare across evaluations, and it keeps a diagnosis at milliseconds.
"""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np

from sched_rl.config.schema import DiagnosisConfig
from sched_rl.diagnosis.curves import FloatArray, IntArray, RunCurves
from sched_rl.diagnosis.settings import Settings
from sched_rl.statistics import mann_kendall
from sched_rl.statistics.series import Trend


class ColumnSignals:
    """The columns of a run.

    Args:
        curves: the run.
        settings: what it was made with.
        limits: thresholds of conf/diagnosis.
    """

    def __init__(self, curves: RunCurves, settings: Settings, limits: DiagnosisConfig) -> None:
        self.curves = curves
        self.settings = settings
        self.limits = limits
        self.steps: IntArray = curves.steps
        self._windows: dict[tuple[str, str], FloatArray] = {}

    # --- Places

    @cached_property
    def evals(self) -> IntArray:
        """[E] rows that were evaluated: with a mean, and with every block that the curves have."""
        known = np.isfinite(self.curves.column("eval_mean_return"))
        for name in self.curves.columns:
            is_block = name.startswith("eval_block") and name.endswith("_return")
            if (is_block or name == "eval_min_block_return") and self.curves.has(name):
                known &= np.isfinite(self.curves.column(name))
        return np.flatnonzero(known)

    @property
    def num_evals(self) -> int:
        """Evaluations so far."""
        return len(self.evals)

    @property
    def has_enough(self) -> bool:
        """Whether there are evaluations enough to judge a course."""
        return self.num_evals >= self.limits.min_evaluations

    def rows(self, first: int, last: int) -> tuple[int, int]:
        """Rows of two evaluations."""
        return int(self.evals[first]), int(self.evals[last])

    @property
    def all_rows(self) -> tuple[int, int]:
        """First and last row."""
        return 0, self.curves.num_rows - 1

    def step(self, evaluation: int) -> int:
        """The update (step, row) of an evaluation."""
        return int(self.steps[self.evals[evaluation]])

    # --- Columns on the clock of the evaluations

    def at_evals(self, name: str) -> FloatArray:
        """[E] a column at the evaluated rows; NaN where it is not measured."""
        return self.curves.column(name)[self.evals]

    def mean_since(self, name: str) -> FloatArray:
        """[E] a column's mean over the updates since the evaluation before; NaN without any."""
        return self._window(name, "mean")

    def max_since(self, name: str) -> FloatArray:
        """[E] a column's largest value over the updates since the evaluation before; NaN without any."""
        return self._window(name, "max")

    def _window(self, name: str, kind: str) -> FloatArray:
        if (name, kind) not in self._windows:
            self._windows[name, kind] = self._reduced(self.curves.column(name), kind)
        return self._windows[name, kind]

    def _reduced(self, values: FloatArray, kind: str) -> FloatArray:
        if not self.num_evals:
            return np.empty(0)
        starts = np.concatenate([[0], self.evals[:-1] + 1])
        values = values[: self.evals[-1] + 1]
        known = np.isfinite(values)
        counts = np.add.reduceat(known.astype(np.int64), starts)
        if kind == "mean":
            reduced = np.add.reduceat(np.where(known, values, 0.0), starts) / np.maximum(counts, 1)
        else:
            reduced = np.maximum.reduceat(np.where(known, values, -np.inf), starts)
        return np.where(counts > 0, reduced, np.nan)

    def finite(self, name: str) -> FloatArray:
        """All finite values of a column, in order."""
        values = self.curves.column(name)
        return values[np.isfinite(values)]

    @staticmethod
    def median(values: FloatArray) -> float:
        """Median of the finite values; NaN without any."""
        known = values[np.isfinite(values)]
        return float(np.median(known)) if known.size else math.nan

    def late(self, name: str, share: float = 0.5) -> float:
        """Median of a column over the last `share` of its finite values; NaN without any."""
        values = self.finite(name)
        return self.median(values[int(len(values) * (1 - share)) :])

    def first_of(self, *names: str) -> str:
        """The first of some columns that is there, else the first."""
        return next((name for name in names if self.curves.has(name)), names[0])

    def trend(self, name: str, first: int = 0) -> Trend | None:
        """Rank test for a trend of a column, on the clock of the evaluations, from an evaluation on.

        Neighbouring updates resemble each other, so the variance is widened by the autocorrelation. None with too few
        values.
        """
        values = self.mean_since(name)[first:]
        values = values[np.isfinite(values)]
        if values.size < self.limits.min_evaluations:
            return None
        return mann_kendall(values, correct_autocorrelation=True)
