"""The scaling benchmark as a picture: a panel for each thing that grows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from analysis.benchmarks.scaling_axes import AXES, Axis
from analysis.benchmarks.scaling_table import Point
from sched_rl.reporting import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Panels, each with the axes that it shows; the second one of a panel is drawn dashed.
_PANELS = (("window",), ("clusters",), ("jobs",), ("gpus", "gpus_more_running"))
_MORE_RUNNING = "jobs of at most 8 GPUs, ever more run"
_TITLES = ("A larger window", "More clusters", "Longer episodes", "More GPUs")
#: Colour and marker: told apart without colour too.
_LOOKS = (
    (style.SKY, "o"),
    (style.BLUE, "s"),
    (style.ORANGE, "^"),
    (style.VERMILLION, "D"),
    (style.GREEN, "v"),
    (style.PURPLE, "P"),
)


def draw(points: Sequence[Point]) -> Figure:
    """Four panels, cost of a step of one cluster over what grows, both on logarithmic scales."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    subjects = list(dict.fromkeys(point.subject for point in points))
    looks = dict(zip(subjects, _LOOKS, strict=False))
    with style.figure_style():
        figure = Figure(figsize=(10, 7.4), layout="constrained")
        grid = figure.subplots(2, 2, sharey=True)
        for axes, keys, title in zip(grid.flat, _PANELS, _TITLES, strict=True):
            axes.set_title(title)
            for key, dashes in zip(keys, ("-", "--"), strict=False):
                axis = next(each for each in AXES if each.key == key)
                _draw_axis(axes, axis, [point for point in points if point.axis == key], looks, dashes)
        for axes in grid[:, 0]:
            axes.set_ylabel("CPU µs for a step of one cluster")
        handles = [
            Line2D([], [], color=colour, marker=marker, label=subject)
            for subject, (colour, marker) in looks.items()
        ]
        figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))
    return figure


def _draw_axis(
    axes: Axes, axis: Axis, points: Sequence[Point], looks: dict[str, tuple[str, str]], dashes: str
) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    for subject, (colour, marker) in looks.items():
        own = [point for point in points if point.subject == subject]
        values = [point.value for point in own]
        axes.plot(values, [p.ns_per_step / 1e3 for p in own], dashes, color=colour, marker=marker)
    if not points:
        return
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda us, _: f"{us:g}"))
    axes.xaxis.set_major_locator(FixedLocator(sorted({point.value for point in points})))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.xaxis.set_minor_locator(NullLocator())
    label = f"{axis.label}\n(held: {axis.held})"
    if dashes == "--":
        label = f"GPUs; solid: jobs as wide as the cluster, as many run;\ndashed: {_MORE_RUNNING}"
    axes.set_xlabel(label)
