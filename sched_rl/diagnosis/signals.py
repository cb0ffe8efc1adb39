"""What several rules read from the curves, computed once: the evaluations' noise, the drop, the KL's own scale.

Everything stands on the clock of the evaluations: a column measured every update is averaged over the updates
since the evaluation before. That is what the rules compare, and it keeps a diagnosis at milliseconds.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sched_rl.config.schema import DiagnosisConfig
from sched_rl.diagnosis.curves import FloatArray, IntArray, RunCurves
from sched_rl.diagnosis.settings import Settings
from sched_rl.statistics import mann_kendall, series_noise
from sched_rl.statistics.series import Trend

#: Where a run sets no target_kl: the divergence of a policy whose ratios all stand at the edge of the usual clip,
#: (r - 1) - ln r at r = 1.2.
USUAL_KL_LIMIT = 0.02


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


@dataclass(frozen=True)
class Drop:
    """The evaluations from a place on lie below the best before it.

    Attributes:
        best: evaluation (index) that is the best so far.
        first: first evaluation of the drop.
        last: last evaluation.
        difference: last evaluations minus the best, paired.
        share_of_gain: the drop over what had been gained since the first evaluation; inf where nothing had.
    """

    best: int
    first: int
    last: int
    difference: Difference
    share_of_gain: float


class Signals:
    """The curves of a run as rules read them.

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
        self._differences: dict[tuple[int, int], Difference] = {}

    # --- Places

    @cached_property
    def evals(self) -> IntArray:
        """[E] rows that were evaluated."""
        return np.flatnonzero(np.isfinite(self.curves.column("eval_mean_return")))

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
            values, edges = self.curves.column(name), [-1, *self.evals]
            spans = [values[low + 1 : high + 1] for low, high in itertools.pairwise(edges)]
            spans = [span[np.isfinite(span)] for span in spans]
            reduce = np.mean if kind == "mean" else np.max
            self._windows[name, kind] = np.array([reduce(s) if s.size else np.nan for s in spans], np.float64)
        return self._windows[name, kind]

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

    # --- Evaluations

    @cached_property
    def mean(self) -> FloatArray:
        """[E] eval_mean_return."""
        return self.at_evals("eval_mean_return")

    @cached_property
    def blocks(self) -> FloatArray:
        """[E, B] block returns; B is 0 where there are none."""
        names = sorted(
            (
                name
                for name in self.curves.columns
                if name.startswith("eval_block") and name.endswith("_return")
            ),
            key=lambda name: (len(name), name),
        )
        return (
            np.stack([self.at_evals(name) for name in names], 1) if names else np.empty((self.num_evals, 0))
        )

    @cached_property
    def worst(self) -> FloatArray:
        """[E] the worst block's return; the mean where no block is known."""
        if self.curves.has("eval_min_block_return"):
            return self.at_evals("eval_min_block_return")
        return self.blocks.min(axis=1) if self.blocks.shape[1] else self.mean

    @cached_property
    def jitter(self) -> float:
        """The noise of eval_mean_return around its own slow course."""
        return series_noise(self.mean) if self.num_evals >= 3 else 0.0

    @cached_property
    def episode_spread(self) -> float:
        """The standard deviation of episode returns within a block: the natural unit of a return on these workloads.

        Without episodes the spread between blocks stands in.
        """
        table = self.curves.evaluations
        if table is None or not self.num_evals:
            return float(np.nanmedian(np.ptp(self.blocks, axis=1))) if self.blocks.size else 0.0
        variances = []
        for block in np.unique(table.blocks):
            returns = table.returns[:, table.blocks == block]
            if returns.shape[1] > 1:
                variances.append(float(np.nanmedian(np.nanvar(returns, axis=1, ddof=1))))
        if not variances:  # one episode a block
            variances = (
                [float(np.nanmedian(np.nanvar(table.returns, axis=1, ddof=1)))]
                if table.blocks.size > 1
                else [0.0]
            )
        return math.sqrt(float(np.mean(variances)))

    @cached_property
    def _episode_rows(self) -> dict[int, int]:
        """Row of the evaluation table of each evaluation."""
        table = self.curves.evaluations
        if table is None:
            return {}
        row_of = {int(update): row for row, update in enumerate(table.updates)}
        updates = self.curves.column("update")[self.evals]
        return {e: row_of[int(update)] for e, update in enumerate(updates) if int(update) in row_of}

    def episodes(self, evaluation: int, name: str = "return") -> FloatArray | None:
        """[P] a measurement of every episode of an evaluation; None where unknown."""
        table = self.curves.evaluations
        if table is None or evaluation not in self._episode_rows or name not in table.values:
            return None
        values: FloatArray = table.values[name][self._episode_rows[evaluation]]
        return values

    def difference(self, earlier: int, later: int, name: str = "return") -> Difference:
        """One evaluation minus another, paired where episodes are known."""
        if name != "return":
            return self._difference(earlier, later, name)
        key = (earlier, later)
        if key not in self._differences:
            self._differences[key] = self._difference(earlier, later, name)
        return self._differences[key]

    def _difference(self, earlier: int, later: int, name: str) -> Difference:
        first, second = self.episodes(earlier, name), self.episodes(later, name)
        if first is None or second is None:
            return Difference(float(self.mean[later] - self.mean[earlier]), math.sqrt(2) * self.jitter, 0)
        return stratified_difference(second - first, self.curves.evaluations.blocks)  # type: ignore[union-attr]

    @cached_property
    def best_so_far(self) -> IntArray:
        """[E] the best evaluation up to each one: by the worst block, ties by the mean, as checkpoints are chosen."""
        best, answer = 0, []
        for e in range(self.num_evals):
            if (self.worst[e], self.mean[e]) > (self.worst[best], self.mean[best]):
                best = e
            answer.append(best)
        return np.array(answer, np.int64)

    @property
    def best(self) -> int:
        """The best evaluation of all."""
        return int(self.best_so_far[-1])

    @cached_property
    def gain(self) -> float:
        """What the best evaluation has over the first; at least 0."""
        return max(float(self.mean[self.best] - self.mean[0]), 0.0) if self.num_evals else 0.0

    @property
    def material(self) -> float:
        """The smallest difference of returns that is worth a finding."""
        return self.limits.material_frac * max(self.gain, self.episode_spread)

    def is_below(self, earlier: int, later: int) -> bool:
        """Whether an evaluation lies clearly and materially below another one, chosen for being high.

        The higher one is the largest of many, so the curve's own jitter widens the margin as that of a maximum does.
        """
        if earlier == later:
            return False
        change = self.difference(earlier, later)
        chosen = self.jitter * math.sqrt(2 * math.log(max(later, 2)))
        margin = max(self.limits.standard_errors * change.standard_error + chosen, self.material)
        return change.mean < -margin

    @cached_property
    def drop(self) -> Drop | None:
        """The drop in which the run stands now: it has held for `persistence_evaluations`; None where there is none."""
        need, last = self.limits.persistence_evaluations, self.num_evals - 1
        if self.num_evals < self.limits.min_evaluations:
            return None
        best = self.best
        below = [self.is_below(best, e) for e in range(best + 1, self.num_evals)]
        if len(below) < need or not all(below[-need:]):
            return None
        first = last
        while first - 1 > best and below[first - 1 - best - 1]:
            first -= 1
        change = self.difference(best, last)
        share = -change.mean / self.gain if self.gain > 0 else math.inf
        return Drop(best, first, last, change, share)

    @cached_property
    def has_improved(self) -> bool:
        """Whether some pair of neighbouring evaluations lies clearly above the first one."""
        return self.improvement_at is not None

    @cached_property
    def improvement_at(self) -> int | None:
        """The first of two neighbouring evaluations that both lie clearly and materially above the first one."""
        clear = [self._is_above_first(e) for e in range(self.num_evals)]
        return next((e for e in range(1, self.num_evals - 1) if clear[e] and clear[e + 1]), None)

    def _is_above_first(self, evaluation: int) -> bool:
        change = self.difference(0, evaluation)
        margin = self.limits.standard_errors * math.hypot(change.standard_error, self.jitter)
        return change.mean > max(margin, self.limits.material_frac * self.episode_spread)

    # --- Steps of the policy

    @cached_property
    def kl_name(self) -> str:
        """The column of a typical step."""
        return self.first_of("approx_kl_mean", "approx_kl", "approx_kl_last", "approx_kl_max")

    @cached_property
    def kl_max_name(self) -> str:
        """The column of the largest step."""
        return self.first_of("approx_kl_max", "approx_kl_last", "approx_kl_mean", "approx_kl")

    @cached_property
    def kl_limit(self) -> float:
        """The divergence that an update should stay within: target_kl, else that of the usual clip."""
        target = self.settings.number("agent.target_kl", 0.0)
        return target if target > 0 else USUAL_KL_LIMIT

    @property
    def entropy_is_share(self) -> bool:
        """Whether the entropy is known as a share of its maximum."""
        return self.curves.has("entropy_frac")


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
