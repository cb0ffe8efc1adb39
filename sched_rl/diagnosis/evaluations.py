"""The evaluations of a run: their noise, the best, what lies above and below what, blocks and rivals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from sched_rl.diagnosis.columns import ColumnSignals
from sched_rl.diagnosis.curves import FloatArray, IntArray
from sched_rl.diagnosis.differences import Difference, stratified_difference, stratified_differences
from sched_rl.statistics import Interval, mean_interval, series_noise
from sched_rl.statistics.series import MAD_TO_SIGMA


class EvaluationSignals(ColumnSignals):
    """The evaluations of a run."""

    @cached_property
    def _differences(self) -> dict[tuple[int, str], list[Difference]]:
        return {}

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
                if name.startswith("eval_block") and name.endswith("_return") and self.curves.has(name)
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
        return curve_noise(self.mean)

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
        key = earlier, name
        if key not in self._differences:
            self._differences[key] = self._differences_from(earlier, name)
        return self._differences[key][later]

    def _differences_from(self, earlier: int, name: str) -> list[Difference]:
        """Every evaluation minus one of them."""
        matrix = self.episode_matrix(name)
        if matrix is None or self.curves.evaluations is None:
            noise = math.sqrt(2) * self.jitter
            return [Difference(float(mean - self.mean[earlier]), noise, 0) for mean in self.mean]
        return stratified_differences(matrix - matrix[earlier], self.curves.evaluations.blocks)

    def episode_matrix(self, name: str = "return") -> FloatArray | None:
        """[E, P] a measurement of every episode; None unless every evaluation's episodes are known."""
        table = self.curves.evaluations
        if table is None or name not in table.values or len(self._episode_rows) < self.num_evals:
            return None
        rows = [self._episode_rows[e] for e in range(self.num_evals)]
        matrix: FloatArray = table.values[name][rows]
        return matrix

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
        """What the best evaluation has over the first that did anything; at least 0."""
        if not self.num_evals:
            return 0.0
        waits = np.nan_to_num(self.at_evals("eval_noop_frac")) >= self.limits.noop_always
        start = 0 if waits.all() else int(np.argmin(waits))
        return max(float(self.mean[self.best] - self.mean[start]), 0.0)

    @property
    def unit(self) -> float:
        """What a move of the returns is measured by: the gain, or the spread of episodes where that is larger."""
        return max(self.gain, self.episode_spread)

    @property
    def material(self) -> float:
        """The smallest difference of returns that is worth a finding."""
        return self.limits.material_frac * self.unit

    @property
    def material_frac_of_spread(self) -> float:
        """The smallest difference of one block that is worth a finding."""
        return self.limits.material_frac * self.episode_spread

    @property
    def material_of_block(self) -> float:
        """The smallest fall of one block that is worth a finding; without episodes the gain measures it too."""
        return self.material if self.curves.evaluations is None else self.material_frac_of_spread

    def is_below(self, earlier: int, later: int | tuple[int, ...]) -> bool:
        """Whether an evaluation, or the average of some, lies clearly and materially below one chosen for being high.

        The higher one is the largest of many, so the curve's own jitter widens the margin as that of a maximum does.
        """
        if earlier == later:
            return False
        if isinstance(later, int):
            change, last = self.difference(earlier, later), later
        else:
            change, last = self._difference_of_average(earlier, later), later[-1]
        chosen = self.jitter * math.sqrt(2 * math.log(max(last, 2)))
        margin = max(self.limits.standard_errors * change.standard_error + chosen, self.material)
        return change.mean < -margin and not self._is_one_block_alone(earlier, later)

    def _difference_of_average(self, earlier: int, later: tuple[int, ...]) -> Difference:
        """The average of some evaluations minus another one, paired where episodes are known."""
        matrix = self.episode_matrix()
        if matrix is None or self.curves.evaluations is None:
            change = float(self.mean[list(later)].mean() - self.mean[earlier])
            return Difference(change, math.sqrt(1 + 1 / len(later)) * self.jitter, 0)
        changes = matrix[list(later)].mean(axis=0) - matrix[earlier]
        return stratified_difference(changes, self.curves.evaluations.blocks)

    def _is_one_block_alone(self, earlier: int, later: int | tuple[int, ...]) -> bool:
        """Whether the block that is worst later carries the whole fall: brittleness, not a collapse."""
        if self.blocks.shape[1] < 2:
            return False
        last = later if isinstance(later, int) else later[-1]
        others = self.other_blocks(earlier, later, int(self.blocks[last].argmin()))
        return others.mean > -self.limits.standard_errors * others.standard_error

    def is_above(self, earlier: int, later: int) -> bool:
        """Whether an evaluation lies clearly and materially above another one."""
        if later <= earlier:
            return False
        change = self.difference(earlier, later)
        margin = self.limits.standard_errors * math.hypot(change.standard_error, self.jitter)
        return change.mean > max(margin, self.material_frac_of_spread)

    @cached_property
    def typical_standard_error(self) -> float:
        """Of the paired difference of neighbouring evaluations; NaN without episodes."""
        matrix, table = self.episode_matrix(), self.curves.evaluations
        if matrix is None or table is None or self.num_evals < 2:
            return math.nan
        steps = stratified_differences(np.diff(matrix, axis=0), table.blocks)
        return float(np.median([step.standard_error for step in steps]))

    def block_difference(self, earlier: int, later: int | Sequence[int], block: int) -> Difference:
        """One block of an evaluation, or of the average of some, minus the same block of another."""
        return self._difference_of_blocks(earlier, later, np.arange(self.blocks.shape[1]) == block)

    def other_blocks(self, earlier: int, later: int | Sequence[int], block: int) -> Difference:
        """The mean over all blocks but one of an evaluation, or of the average of some, minus that of another."""
        return self._difference_of_blocks(earlier, later, np.arange(self.blocks.shape[1]) != block)

    def block_jitter(self, block: int) -> float:
        """The noise of a block's return around its own slow course."""
        return curve_noise(self.blocks[:, block])

    def _difference_of_blocks(
        self, earlier: int, later: int | Sequence[int], chosen: npt.NDArray[np.bool_]
    ) -> Difference:
        matrix, table = self.episode_matrix(), self.curves.evaluations
        rows = [later] if isinstance(later, int) else list(later)
        if matrix is None or table is None or table.blocks.max() >= chosen.size:
            curve = self.blocks[:, chosen].mean(axis=1)
            noise = curve_noise(curve)
            change = float(curve[rows].mean() - curve[earlier])
            return Difference(change, math.sqrt(1 + 1 / len(rows)) * noise, 0)
        members = chosen[table.blocks]
        change_of_each = matrix[rows].mean(axis=0) - matrix[earlier]
        return stratified_difference(change_of_each[members], table.blocks[members])

    # --- Rivals

    def baseline_episodes(self, name: str, measurement: str = "return") -> FloatArray | None:
        """[P] a heuristic on the run's own episodes; None where one of them is missing."""
        table, episodes = self.curves.evaluations, self.curves.baselines[name].episodes
        if table is None:
            return None
        keys = zip(table.blocks.tolist(), table.seeds.tolist(), strict=True)
        values = [episodes.get(key, {}).get(measurement, math.nan) for key in keys]
        return np.array(values) if np.isfinite(values).all() else None

    @cached_property
    def best_baseline(self) -> str | None:
        """The heuristic with the highest mean."""
        known = {
            name: score.mean for name, score in self.curves.baselines.items() if math.isfinite(score.mean)
        }
        return max(known, key=lambda name: known[name]) if known else None

    @cached_property
    def lead(self) -> tuple[str | None, Interval | None]:
        """The best heuristic and the paired 95 % interval of the best evaluation minus it; None without episodes."""
        name = self.best_baseline
        own = self.episodes(self.best) if self.num_evals else None
        other = None if name is None else self.baseline_episodes(name)
        if own is None or other is None or not np.isfinite(own).all() or self.curves.evaluations is None:
            return name, None
        return name, _interval((own - other).tobytes(), tuple(self.curves.evaluations.blocks.tolist()))

    @property
    def leads(self) -> bool:
        """Whether the best evaluation beats the best heuristic with the interval clear of 0."""
        interval = self.lead[1]
        return interval is not None and interval.is_above_zero


def curve_noise(curve: FloatArray) -> float:
    """The noise of a curve around its course, from its second differences or its first: the smaller, both overstate it.

    A step stands in two of the second differences but in one of the first, which decides on a curve of four.
    """
    if len(curve) < 3:
        return 0.0
    return min(series_noise(curve), MAD_TO_SIGMA * float(np.median(np.abs(np.diff(curve)))) / math.sqrt(2))


@lru_cache(maxsize=256)
def _interval(differences: bytes, blocks: tuple[int, ...]) -> Interval:
    """The interval that the final table prints; kept, since a live diagnosis asks again until the best changes."""
    return mean_interval(np.frombuffer(differences), strata=blocks, seed=0)
