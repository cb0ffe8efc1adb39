"""Checked samples: what every statistic of this package accepts, and how it refuses the rest."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import numpy.typing as npt

from sched_rl.errors import SchedRLError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


class StatisticsError(SchedRLError):
    """A sample from which the asked statistic cannot be computed."""


def as_vector(values: npt.ArrayLike, name: str, *, min_size: int = 1) -> FloatArray:
    """The values as a finite float64 vector.

    Args:
        values: any one-dimensional sequence of numbers.
        name: what the error calls them.
        min_size: the smallest number of values that is enough.

    Raises:
        StatisticsError: not one-dimensional, too short, or not finite.
    """
    vector = np.asarray(values, dtype=np.float64)
    if vector.ndim != 1:
        raise StatisticsError(f"{name}: got an array of shape {vector.shape}, expected one dimension")
    if vector.size < min_size:
        raise StatisticsError(f"{name}: got {vector.size} values, at least {min_size} are needed")
    _require_finite(vector, name)
    return vector


def as_matrix(values: npt.ArrayLike, name: str) -> FloatArray:
    """The values as a finite float64 matrix [runs, tasks]; a vector is read as runs of one task.

    Raises:
        StatisticsError: more than two dimensions, empty, or not finite.
    """
    matrix = np.asarray(values, dtype=np.float64)
    if matrix.ndim == 1:
        matrix = matrix[:, None]
    if matrix.ndim != 2 or matrix.size == 0:
        raise StatisticsError(f"{name}: got shape {matrix.shape}, expected a non-empty [runs, tasks] matrix")
    _require_finite(matrix, name)
    return matrix


def strata_members(strata: Sequence[Hashable] | None, size: int) -> list[IntArray]:
    """The indices of every stratum's values, in order of first appearance.

    A stratum of one value has no spread of its own. If there is one, the strata are dropped and all values
    are treated as one sample, whose spread then holds the differences between strata too: wider, never too
    narrow.

    Args:
        strata: the label of each value, or None for one stratum.
        size: the number of values.

    Raises:
        StatisticsError: as many labels as values are needed.
    """
    everything = [np.arange(size, dtype=np.int64)]
    if strata is None:
        return everything
    if len(strata) != size:
        raise StatisticsError(f"strata: got {len(strata)} labels for {size} values")
    members: dict[Hashable, list[int]] = {}
    for index, label in enumerate(strata):
        members.setdefault(label, []).append(index)
    if any(len(indices) == 1 for indices in members.values()):
        return everything
    return [np.asarray(indices, dtype=np.int64) for indices in members.values()]


def _require_finite(values: FloatArray, name: str) -> None:
    finite = np.isfinite(values)
    if not finite.all():
        position = tuple(int(axis[0]) for axis in np.nonzero(~finite))
        raise StatisticsError(
            f"{name}: {values[position]} at {list(position)}; every value must be finite, drop or repair it"
        )
