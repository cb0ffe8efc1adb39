"""Abrupt, lasting jumps of a column that is measured every update."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sched_rl.diagnosis.curves import FloatArray
from sched_rl.diagnosis.signals import Signals
from sched_rl.statistics import robust_sigma

#: Fewest updates on either side of a jump.
_MIN_SIDE = 4
#: Windows on both sides grow with the run, so that short and long runs are judged alike.
_WINDOWS = 12
#: A jump is so many times the largest move anywhere else on its curve, learning's own included.
_STANDS_OUT = 2.0
#: The first quarter of a run, and so many updates at least, are learning's own transient.
_TRANSIENT = 8
#: The share of a jump that is done in the two updates around it; a slope of the same height does less.
_ABRUPT = 0.45


@dataclass(frozen=True)
class Shift:
    """A jump of a column.

    Attributes:
        name: of the column.
        row: of the metrics table, the first after the jump.
        before: median of the window before.
        after: median of the window after.
        z: the jump in robust standard deviations of such differences elsewhere on the same curve.
    """

    name: str
    row: int
    before: float
    after: float
    z: float


def find_shift(signals: Signals, name: str, sigmas: float) -> Shift | None:
    """The clearest lasting jump of a column, if it stands out from all other places of the same curve.

    The yardstick is the curve itself: differences of neighbouring windows everywhere else, so that rollouts whose
    phases wander, as those of long episodes do, are not taken for jumps.
    """
    rows = np.flatnonzero(np.isfinite(signals.curves.column(name)))
    values = signals.curves.column(name)[rows]
    width = max(_MIN_SIDE, len(values) // _WINDOWS)
    if len(values) < 5 * width:
        return None
    contrasts = window_contrasts(values, width)
    places = np.arange(width, len(values) - width + 1)
    settled = places >= max(len(values) // 4, _TRANSIENT)
    best = int(np.argmax(np.where(settled, np.abs(contrasts), 0.0)))
    place, jump = int(places[best]), float(contrasts[best])
    elsewhere = contrasts[np.abs(places - place) >= width]
    if not elsewhere.size:
        return None
    # Neighbouring contrasts share their values: a short curve knows its own spread badly, and the upper limit counts.
    independent = elsewhere.size / width
    sigma = max(robust_sigma(elsewhere), within_noise(values, width)) * (1 + 2 / math.sqrt(2 * independent))
    z = jump / sigma if sigma > 0 else math.copysign(math.inf, jump)
    stands_out = abs(jump) > _STANDS_OUT * float(np.abs(elsewhere).max())
    before, after = values[:place], values[place:]
    lasts = np.sign(np.median(after) - np.median(before[len(before) // 2 :])) == np.sign(jump)
    is_abrupt = _share_within(values, place, width) > _ABRUPT
    if abs(z) < sigmas or not (stands_out and lasts and is_abrupt):
        return None
    left, right = values[place - width : place], values[place : place + width]
    return Shift(name, int(rows[place]), float(np.median(left)), float(np.median(right)), z)


def policy_is_still(signals: Signals, row: int) -> bool:
    """Whether the updates before a row moved the policy as little as updates do, for as long as an episode takes.

    A policy that an update moves by no more than its limit cannot jump from one rollout to the next: what jumps then
    is the data. Its entropy may jump as well, since it is taken over the states that the data brings. An episode that
    ends now was begun some updates ago, so that a leap of the policy shows in its return, and its length, only later.
    """
    largest = signals.curves.column(signals.kl_max_name)
    first = max(row - 2 - _updates_per_episode(signals, row), 0)
    near = largest[first : row + 1]
    near = near[np.isfinite(near)]
    usual = max(signals.kl_limit, 2 * signals.median(largest))
    return bool(near.size and near.max() <= usual and not _eval_moved(signals, first, row))


def _eval_moved(signals: Signals, first: int, row: int) -> bool:
    """Whether the evaluations before a row differ materially: their workloads are fixed, so the policy was changing.

    Many small steps in one direction can make a policy another one; its greedy twin shows that first.
    """
    before = np.flatnonzero((signals.evals >= first) & (signals.evals < row))
    return bool(before.size > 1 and np.ptp(signals.mean[before]) > signals.material)


def _updates_per_episode(signals: Signals, row: int) -> int:
    """Updates that the longest episodes around a row took; where that is unknown, both sides of a jump."""
    lengths = signals.curves.column("mean_ep_length")[max(row - 4, 0) : row + 5]
    lengths = lengths[np.isfinite(lengths)]
    steps = signals.settings.number("agent.rollout_steps", math.inf)
    return (
        math.ceil(lengths.max() / steps) if lengths.size and signals.settings.is_recorded else 2 * _MIN_SIDE
    )


def window_contrasts(values: FloatArray, width: int) -> FloatArray:
    """[n - 2 width + 1] mean of the `width` values from a place on minus that of the `width` before it."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    means = (sums[width:] - sums[:-width]) / width
    contrasts: FloatArray = means[width:] - means[:-width]
    return contrasts


def within_noise(values: FloatArray, width: int) -> float:
    """What neighbouring windows would differ by if the values were noise around their course."""
    return robust_sigma(np.diff(values)) / np.sqrt(2) * float(np.sqrt(2 / width)) if len(values) > 2 else 0.0


def _share_within(values: FloatArray, place: int, width: int) -> float:
    """The share of the jump that is done around its place: a jump, not a slope."""
    near = max(2, width // 4)
    total = np.mean(values[place : place + width]) - np.mean(values[place - width : place])
    sharp = np.mean(values[place : place + near]) - np.mean(values[place - near : place])
    return float(sharp / total) if total else 0.0
