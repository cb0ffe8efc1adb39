"""The results as a picture: where a step's time goes, competitor by competitor."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.benchmarks.peers.results import Row
from sched_rl.reporting import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PARTS = (
    ("env", "env_us", style.GREEN),
    ("act", "act_us", style.SKY),
    ("learn", "learn_us", style.BLUE),
    ("rest", "rest_us", style.GREY),
)


def draw(rows: Sequence[Row], note: str) -> Figure:
    """A panel a network, the competitors as stacked bars of microseconds a step.

    Args:
        rows: of one race.
        note: what was measured, for the heading.
    """
    from matplotlib.figure import Figure

    networks = list(dict.fromkeys(row.network for row in rows))
    heights = [sum(row.network == network for row in rows) + 1.2 for network in networks]
    with style.figure_style():
        figure = Figure(figsize=(10, 0.36 * sum(heights) + 1.3), layout="constrained")
        heading = f"{note}\n×: speed over MaskablePPO on the compiled environment"
        figure.suptitle(heading, fontsize=10.5, x=0.01, ha="left")
        panels = figure.subplots(len(networks), 1, squeeze=False, height_ratios=heights)[:, 0]
        for axes, network in zip(panels, networks, strict=True):
            _draw_network(axes, network, [row for row in rows if row.network == network])
        panels[0].legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=len(_PARTS))
        panels[-1].set_xlabel("microseconds of one thread for a step of one environment, learning included")
    return figure


def _draw_network(axes: Axes, network: str, rows: Sequence[Row]) -> None:
    places = range(len(rows))
    left = [0.0] * len(rows)
    for name, column, colour in _PARTS:
        widths = [max(float(getattr(row, column)), 0.0) for row in rows]
        axes.barh(places, widths, left=left, color=colour, label=name, height=0.7)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    for place, row, end in zip(places, rows, left, strict=True):
        ratio = "" if row.ratio_fast is None else f"   {row.ratio_fast:.1f}×"
        axes.annotate(
            f"{row.steps_per_s:,.0f} steps/s{ratio}",
            (end, place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8.5,
        )
    axes.set_title(network)
    axes.set_yticks(list(places), [row.label for row in rows])
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.set_xlim(0, 1.25 * max(left))


def save(stem: Path, rows: Sequence[Row], note: str) -> None:
    """Write STEM.png."""
    style.save_figure(draw(rows, note), stem.with_suffix(".png"))
