"""Abrupt, lasting jumps of a column that is measured every update."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sched_rl.diagnosis.curves import FloatArray
from sched_rl.diagnosis.signals import Signals
from sched_rl.statistics import robust_sigma

#: Fewest updates on either side of a jump.
_MIN_SIDE = 4
#: Windows on both sides grow with the run, so that short and long runs are judged alike.
_WINDOWS = 12


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


def find_shift(signals: Signals, name: str) -> Shift | None:
    """The clearest lasting jump of a column, if it stands out from all other places of the same curve.

    The yardstick is the curve itself: differences of neighbouring windows everywhere else, so that rollouts whose
    phases wander, as those of long episodes do, are not taken for jumps.
    """
    rows = np.flatnonzero(np.isfinite(signals.curves.column(name)))
    values = signals.curves.column(name)[rows]
    width = max(_MIN_SIDE, len(values) // _WINDOWS)
    if len(values) < 4 * width:
        return None
    contrasts = window_contrasts(values, width)
    places = np.arange(width, len(values) - width + 1)
    settled = places >= len(values) // 4  # the first quarter is learning's own transient
    best = int(np.argmax(np.where(settled, np.abs(contrasts), 0.0)))
    place = int(places[best])
    elsewhere = np.abs(places - place) >= width
    sigma = (
        max(robust_sigma(contrasts[elsewhere]), within_noise(values, width)) if elsewhere.any() else np.inf
    )
    if not sigma > 0:
        return None
    z = float(contrasts[best] / sigma)
    before, after = values[:place], values[place:]
    lasts = np.sign(np.median(after) - np.median(before[len(before) // 2 :])) == np.sign(contrasts[best])
    is_abrupt = _share_within(values, place, width) > 0.5
    if abs(z) < signals.limits.shift_sigmas or not lasts or not is_abrupt:
        return None
    left, right = values[place - width : place], values[place : place + width]
    return Shift(name, int(rows[place]), float(np.median(left)), float(np.median(right)), z)


def policy_is_still(signals: Signals, row: int) -> bool:
    """Whether entropy and KL go on as before at a row: what jumps there was not the policy's doing."""
    for name in (signals.entropy_name, signals.kl_name):
        values = signals.curves.column(name)
        known = np.isfinite(values)
        values, place = values[known], int(known[:row].sum())
        if name == signals.kl_name:
            values = np.log(np.maximum(values, 1e-12))
        width = max(_MIN_SIDE, len(values) // _WINDOWS)
        if place < width or place + width > len(values):
            return False
        step = float(np.median(values[place : place + width]) - np.median(values[place - width : place]))
        contrasts = window_contrasts(values, width)
        sigma = max(robust_sigma(contrasts), within_noise(values, width))
        if abs(step) > signals.limits.shift_sigmas * sigma:
            return False
    return True


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
    """The share of the jump that is done within a quarter of a window: a jump, not a slope."""
    near = max(2, width // 4)
    total = np.mean(values[place : place + width]) - np.mean(values[place - width : place])
    sharp = np.median(values[place : place + near]) - np.median(values[place - near : place])
    return float(sharp / total) if total else 0.0
