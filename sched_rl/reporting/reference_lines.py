"""Horizontal lines for what a curve is compared with, named in the margin without overlap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from sched_rl.reporting import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_references(axes: Axes, scores: Mapping[str, float]) -> None:
    """A dashed line for each score, named in the right margin; the best one is darker.

    Draw them last: the names stand where the limits of the axis put them, which are kept from then on.

    Args:
        axes: where the curves to compare with are.
        scores: by name.
    """
    if not scores:
        return
    best = max(scores, key=lambda name: scores[name])
    for name, score in scores.items():
        color, width = (style.BLACK, 1.2) if name == best else (style.GREY, 0.8)
        axes.axhline(score, color=color, linewidth=width, linestyle="--", zorder=1.5)
    low, high = axes.get_ylim()
    ordered = sorted(scores, key=lambda name: scores[name])
    places = [(scores[name] - low) / (high - low) for name in ordered]
    for name, place, height in zip(ordered, places, spread_labels(places, gap=0.08), strict=True):
        color = style.BLACK if name == best else style.GREY
        axes.plot(
            [1.0, 1.035], [place, height], color=color, linewidth=0.6, transform=axes.transAxes, clip_on=False
        )
        axes.text(1.045, height, name, transform=axes.transAxes, va="center", fontsize=8, color=color)
    axes.set_ylim(low, high)


def spread_labels(heights: Sequence[float], gap: float) -> list[float]:
    """Ascending heights moved as little as needed to stand at least `gap` apart (least squares).

    Pools of touching labels are centred on the mean of the places they want: isotonic regression by pooling
    adjacent violators (Barlow et al. 1972), after taking the gaps out.
    """
    pools: list[tuple[float, int]] = []
    for position, height in enumerate(heights):
        pools.append((height - position * gap, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (second, many), (first, few) = pools.pop(), pools.pop()
            pools.append(((first * few + second * many) / (few + many), few + many))
    levels = [level for level, count in pools for _ in range(count)]
    return [level + position * gap for position, level in enumerate(levels)]
