"""Differences from the best heuristic as a picture: a row a place, a mark a policy, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sched_rl.reporting import style
from sched_rl.statistics import Interval

COLOURS = (style.BLUE, style.ORANGE)


@dataclass(frozen=True)
class Side:
    """One policy, or kind of policy.

    Attributes:
        label: in the legend.
        differences: row to its difference; rows that are not there have no mark.
    """

    label: str
    differences: Mapping[str, Interval]


def draw_forest(
    rows: Sequence[str], sides: Sequence[Side], path: Path, title: str, tolerated: float | None = None
) -> bool:
    """Write the picture, if there is something to draw.

    Args:
        rows: from the top.
        sides: at most as many as there are colours.
        path: of the picture.
        title: above it.
        tolerated: a loss that counts as none, dotted; return.

    Returns:
        Whether there was.
    """
    if not any(side.differences for side in sides):
        return False
    from matplotlib.figure import Figure

    with style.figure_style():
        figure = Figure(figsize=(7.5, 1.0 + 0.37 * len(rows)), layout="constrained")
        axes = figure.subplots()
        shifts = np.linspace(0.12, -0.12, len(sides))
        for side, colour, shift in zip(sides, COLOURS, shifts, strict=False):
            known = {row: each for row, each in side.differences.items() if np.isfinite(each.low)}
            if not known:
                continue
            heights = [len(rows) - 1 - rows.index(row) + shift for row in known]
            means = np.array([each.mean for each in known.values()])
            bounds = np.array([[each.low, each.high] for each in known.values()]).T
            spread = np.abs(bounds - means)
            axes.errorbar(means, heights, xerr=spread, fmt="o", color=colour, capsize=2.5, label=side.label)
        axes.axvline(0, color=style.BLACK, linewidth=0.8)
        if tolerated is not None:
            axes.axvline(-tolerated, color=style.GREY, linewidth=0.8, linestyle=":")
        axes.set_yticks(range(len(rows)), rows[::-1])
        axes.set_ylim(-0.5, len(rows) - 0.5)
        axes.set_xlabel("return minus the best heuristic's, 95 %")
        axes.set_title(title)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(loc="best")
        style.save_figure(figure, path)
    return True
