"""The course of a run's evaluations: flat or risen, the drop in which it stands, its swings."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from sched_rl.diagnosis.curves import FloatArray
from sched_rl.diagnosis.differences import Difference
from sched_rl.diagnosis.evaluations import EvaluationSignals

#: A fall deeper than so many units has collapsed; how deep it lies, and how it moves down there, is no swing.
_FLOOR_UNITS = 2.0
#: Half of what another episode changes is a swing that a person sees, if it is not small beside what was learned.
_SWING = 0.5


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


class CourseSignals(EvaluationSignals):
    """How the evaluations went."""

    @cached_property
    def drop(self) -> Drop | None:
        """The drop in which the run stands now: it has held for `persistence_evaluations`; None where there is none."""
        need, last = self.limits.persistence_evaluations, self.num_evals - 1
        if self.num_evals < self.limits.min_evaluations:
            return None
        best = self.best
        below = [self.is_below(best, e) for e in range(best + 1, self.num_evals)]
        if len(below) < need or not (all(below[-need:]) or self._lie_below(best, need)):
            return None
        first = last - need + 1
        while first - 1 > best and below[first - 1 - best - 1]:
            first -= 1
        change = self.difference(best, last)
        share = -change.mean / self.gain if self.gain > 0 else math.inf
        drop = Drop(best, first, last, change, share)
        return None if self.saws and self._is_a_swing(drop) else drop

    def _lie_below(self, best: int, need: int) -> bool:
        """Whether the last evaluations are each materially below the best, and clearly so on average."""
        latest = tuple(range(self.num_evals - need, self.num_evals))
        each = all(self.difference(best, e).mean < -self.material for e in latest)
        return each and self.is_below(best, latest)

    def _is_a_swing(self, drop: Drop) -> bool:
        """Whether a run that swings may come back from this drop too, as it did before.

        The drop is not much deeper than a swing, or not longer than falls that it came back from. A run that was calm
        until it fell has come back from nothing; one that fell at once shows only then what it is.
        """
        fell_early = drop.first <= max(1, self.limits.early_frac * drop.last)
        known = [(a, b) for a, b in self.swings if fell_early or b < drop.first]
        if len(known) < self.min_swings // 2:
            return False
        depth = self._course[drop.best] - float(np.median(self._course[drop.first :]))
        size = float(np.median([abs(self._course[b] - self._course[a]) for a, b in known]))
        return depth < 2 * size or drop.last - drop.first < self._longest_recovery

    @cached_property
    def _longest_recovery(self) -> int:
        """The most evaluations in a row that lay below the best before them and were followed by one that did not."""
        longest = length = 0
        for e, best in enumerate(self.best_so_far):
            if self.is_below(int(best), e):
                length += 1
            else:
                longest, length = max(longest, length), 0
        return longest

    def is_early_best(self, drop: Drop) -> bool:
        """Whether the run fell from where it began, and stayed lower ever after.

        Its best is early and not clearly above its first evaluation; a run that came back to it had learned something.
        """
        is_early = drop.best <= max(1.0, self.limits.early_frac * (self.num_evals - 1))
        below = [self.is_below(drop.best, e) for e in range(drop.best + 1, self.num_evals)]
        since = below[below.index(True) :] if True in below else []  # none: clear on average only
        came_back = any(not now and not after for now, after in pairwise(since))
        return is_early and not came_back and not self.is_above(0, drop.best)

    def falls_at_once(self, drop: Drop) -> bool:
        """Whether one evaluation, or two neighbouring ones, brought more than half of the fall."""
        course = self.mean[drop.best : drop.first + 2]
        steps = course[:-1] - course[1:]
        largest = max(float(steps.max()), float((course[:-2] - course[2:]).max(initial=-np.inf)))
        return largest > 0.5 * float(course[0] - np.median(self.mean[drop.first :]))

    def worst_fell_first(self, drop: Drop) -> str:
        """Whether the worst block lay below its best clearly before the mean did: `yes`, `no` or `unknown`."""
        if self.blocks.shape[1] < 2:
            return "unknown"
        margin = max(2 * self.jitter, self.material)
        fallen = np.flatnonzero(self.worst[drop.best :] < self.worst[drop.best] - margin) + drop.best
        return "yes" if fallen.size and fallen[0] < drop.first else "no"

    @property
    def has_improved(self) -> bool:
        """Whether two neighbouring evaluations lie clearly above the first one."""
        return any(self.is_above(0, e) and self.is_above(0, e + 1) for e in range(1, self.num_evals - 1))

    @cached_property
    def is_flat(self) -> bool:
        """Whether nothing has come of the training so far."""
        return not self.has_improved

    def rises_after(self, evaluation: int) -> bool:
        """Whether the last evaluations lie clearly above one."""
        last = self.num_evals - 1
        return self.is_above(evaluation, last) and self.is_above(evaluation, last - 1)

    @cached_property
    def _course(self) -> FloatArray:
        """[E] eval_mean_return, cut off where the run has collapsed."""
        floor = self.mean[self.best] - _FLOOR_UNITS * self.unit
        course: FloatArray = np.maximum(self.mean, floor)
        return course

    @cached_property
    def swings(self) -> list[tuple[int, int]]:
        """Alternating moves of eval_mean_return, (from, to), each clear of the noise and material."""
        if self.num_evals < self.limits.min_evaluations:
            return []
        if (
            self.curves.evaluations is None
        ):  # the spread of episodes is not known: the curve's own range stands in
            size = self.limits.material_frac * max(float(np.ptp(self.mean)), self.unit)
            return zigzag(self.mean, size)
        errors = self.limits.standard_errors
        size = _SWING * max(self.episode_spread, self.limits.material_frac * self.gain)
        moves = zigzag(self._course, size)
        return [(a, b) for a, b in moves if abs(self.difference(a, b).z) > errors]

    @property
    def min_swings(self) -> int:
        """Swings that make a sawtooth: a course and its recovery explain three, and noise grows with the run."""
        return max(5, self.num_evals // 8)

    @property
    def saws(self) -> bool:
        """Whether the run swings up and down rather than going anywhere."""
        return len(self.swings) >= self.min_swings


def zigzag(values: FloatArray, size: float) -> list[tuple[int, int]]:
    """Alternating moves of at least a size, from turning point to turning point."""
    moves: list[tuple[int, int]] = []
    low = high = 0
    for now in range(1, len(values)):
        low = now if values[now] < values[low] else low
        high = now if values[now] > values[high] else high
        if moves:
            start, end = moves[-1]
            is_up = values[end] > values[start]
            if is_up == bool(values[now] > values[end]) and values[now] != values[end]:
                moves[-1] = (start, now)
                low = high = now
            elif abs(values[now] - values[end]) >= size:
                moves.append((end, now))
                low = high = now
        elif values[high] - values[low] >= size:
            moves.append((min(low, high), max(low, high)))
            low = high = now
    return moves
