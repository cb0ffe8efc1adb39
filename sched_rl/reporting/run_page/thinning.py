"""Fewer points that draw the same picture: of every strip of a curve its lowest and its highest value stay."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

#: Strips of a curve: one for about every pixel and a half of the plot.
STRIPS = 420


def thinned(values: npt.NDArray[np.float64], strips: int = STRIPS) -> npt.NDArray[np.int64]:
    """Which values to draw.

    Args:
        values: [n] a curve, in order; NaN where it has none.
        strips: neighbouring values are looked at in so many groups.

    Returns:
        Ascending indices of finite values, at most 2 * strips + 2: all of them where that is enough, else the lowest
        and the highest of each group, and both ends.
    """
    known = np.flatnonzero(np.isfinite(values))
    if known.size <= 2 * strips + 2:
        return known.astype(np.int64)
    kept = {int(known[0]), int(known[-1])}
    for group in np.array_split(known, strips):
        kept |= {int(group[values[group].argmin()]), int(group[values[group].argmax()])}
    return np.array(sorted(kept), np.int64)
