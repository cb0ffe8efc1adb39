"""Figures of a comparison: learning curves, intervals, performance profiles, a heat map of the blocks."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from analysis.compare.grouping import Variant
from analysis.compare.judging import Judged
from analysis.compare.leads import SEED
from analysis.compare.runs import FloatArray, Split
from sched_rl.reporting import style
from sched_rl.reporting.reference_lines import draw_references
from sched_rl.statistics import Interval
from sched_rl.statistics.bands import mean_band, performance_profile

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Points at which curves and profiles are drawn.
_POINTS = 200
#: Above this many variants colours repeat with another line style.
_LINES = ("-", "--", ":", "-.")
#: Baselines that are drawn, the best ones.
_MAX_BASELINES = 4
#: Fewest trainings whose band is drawn: that of two is wider than the sheet.
_MIN_BAND = 3
#: Longest legend entry, in characters, that leaves room for another beside it.
_SHORT_ENTRY = 40
#: Cells of a heat map with this luminance or more get dark numbers.
_BRIGHT = 0.5


def overview(judged: Judged, split: Split) -> Figure:
    """Everything on one sheet, with the statement as its title."""
    from matplotlib.figure import Figure

    with style.figure_style():
        extra = max(0, len(judged.rows) - 3)
        judged = replace(judged, baselines=judged.baselines[:_MAX_BASELINES])
        figure = Figure(figsize=(10, 8.2 + 0.35 * extra), layout="constrained")
        figure.suptitle(_wrapped(judged.sentences[0]), fontsize=10.5, x=0.01, ha="left")
        grid = figure.subplots(2, 2, height_ratios=(1.1, 1 + 0.06 * extra))
        draw_curves(grid[0, 0], judged, split)
        draw_profiles(grid[0, 1], judged, split)
        draw_intervals(grid[1, 0], judged, split)
        draw_blocks(grid[1, 1], judged, split)
        handles, labels = grid[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower left", ncols=_legend_columns(labels))
    return figure


def draw_curves(axes: Axes, judged: Judged, split: Split) -> None:
    """The worst block while training, mean over seeds with a 95 % band; thin lines are single runs."""
    from matplotlib.ticker import EngFormatter

    for number, variant in enumerate(judged.problem.variants):
        steps, curves = common_curves(variant)
        color, line = _look(number)
        for run in variant.runs.values():
            axes.plot(run.curve.steps, run.curve.worst, color=color, linewidth=0.6, alpha=0.45)
        if not steps.size:
            continue
        band = mean_band(curves, seed=SEED)
        if band.n >= _MIN_BAND:
            axes.fill_between(steps, band.low, band.high, color=color, alpha=0.18, linewidth=0)
        axes.plot(
            steps,
            band.middle,
            line,
            color=color,
            linewidth=2,
            label=f"{_named(judged, number)} ({_seeds(band.n)})",
        )
    # the curves are of val: what baselines score on other blocks does not belong beside them
    references = judged.baselines if split == "val" else ()
    _limit_to_curves(axes, judged, [baseline.episodes.worst for baseline in references])
    draw_references(axes, {baseline.label: baseline.episodes.worst for baseline in references})
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set_xlabel("environment steps")
    axes.set_title("Worst block on val: mean, 95 % band")


def draw_profiles(axes: Axes, judged: Judged, split: Split) -> None:
    """The share of episodes above each return: a curve above another everywhere is better at every level."""
    returns = [np.stack([run.episodes.returns for run in v.runs.values()]) for v in judged.problem.variants]
    pooled = np.concatenate([each.ravel() for each in returns])
    low, high = np.quantile(pooled, [0.005, 0.995])
    levels = np.linspace(low, high, _POINTS)
    for number, scores in enumerate(returns):
        color, line = _look(number)
        band = performance_profile(scores, levels, seed=SEED)
        if band.n >= _MIN_BAND:
            axes.fill_between(levels, band.low, band.high, color=color, alpha=0.18, linewidth=0)
        axes.plot(levels, band.middle, line, color=color)
    if judged.baselines:
        best = judged.baselines[0]
        share = (best.episodes.returns[:, None] > levels).mean(axis=0)
        axes.plot(levels, share, color=style.GREY, linestyle="--", linewidth=1)
        at = int(np.abs(share - 0.2).argmin())
        axes.annotate(
            best.label,
            (levels[at], share[at]),
            xytext=(4, 4),
            textcoords="offset points",
            fontsize=8,
            color=style.GREY,
        )
    axes.set_ylim(0, 1)
    axes.set_xlabel("return")
    axes.set_title(f"Share of {split} episodes above a return")


def draw_intervals(axes: Axes, judged: Judged, split: Split) -> None:
    """Worst block, IQM and mean of every variant with 95 % intervals over seeds."""
    marks = (("worst", "o", "worst block"), ("iqm", "D", "IQM"), ("mean", "s", "mean"))
    for number, row in enumerate(judged.rows):
        for place, (name, marker, _) in enumerate(marks):
            _interval(axes, getattr(row, name), number + 0.22 * (place - 1), _look(number)[0], marker)
    for marker, label in ((marker, label) for _, marker, label in marks):
        axes.plot([], [], marker, color=style.GREY, label=label)
    if judged.baselines:
        best = judged.baselines[0]
        label = f"worst block of {best.label}"
        axes.axvline(best.episodes.worst, color=style.GREY, linestyle="--", linewidth=1, label=label)
    axes.set_yticks(range(len(judged.rows)), [_short(judged, number) for number in range(len(judged.rows))])
    axes.set_ylim(len(judged.rows) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.set_title(f"Return on {split}, 95 % over training seeds", pad=17)
    axes.legend(
        loc="lower left", bbox_to_anchor=(-0.01, 0.985), ncols=4, borderpad=0, borderaxespad=0.2, fontsize=8
    )


def draw_blocks(axes: Axes, judged: Judged, split: Split) -> None:
    """Each block's return, mean over seeds, baselines below; the worst of each row is bold."""
    names = [_short(judged, number) for number in range(len(judged.rows))]
    names += [baseline.label for baseline in judged.baselines]
    values = np.array(
        [
            *(row.blocks for row in judged.rows),
            *(baseline.episodes.block_returns for baseline in judged.baselines),
        ]
    )
    axes.imshow(values, cmap="cividis", aspect="auto")
    low, span = values.min(), max(float(np.ptp(values)), 1e-12)
    for (row, block), value in np.ndenumerate(values):
        is_worst = value == values[row].min()
        axes.text(
            block,
            row,
            f"{value:.3f}",
            ha="center",
            va="center",
            fontsize=9,
            fontweight="bold" if is_worst else "normal",
            color="black" if (value - low) / span >= _BRIGHT else "white",
        )
    axes.set_xticks(range(values.shape[1]), [f"block {b}" for b in range(values.shape[1])])
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(length=0)
    axes.grid(visible=False)
    for side in axes.spines.values():
        side.set_visible(False)
    axes.set_title(f"Return of each {split} block (bold: worst)")


def common_curves(variant: Variant) -> tuple[FloatArray, FloatArray]:
    """A variant's worst blocks at common steps, as far as all of its runs went.

    Returns:
        Steps [points] and worst blocks [runs, points], linear between evaluations; empty where the runs share no
        range.
    """
    curves = [run.curve for run in variant.runs.values()]
    first, last = max(c.steps.min() for c in curves), min(c.steps.max() for c in curves)
    every = np.unique(np.concatenate([c.steps for c in curves]))
    steps = every[(every >= first) & (every <= last)]
    if steps.size > _POINTS:
        steps = np.linspace(first, last, _POINTS)
    return steps, np.array([np.interp(steps, c.steps, c.worst) for c in curves])


def _limit_to_curves(axes: Axes, judged: Judged, references: Sequence[float]) -> None:
    """Room for the curves after their beginnings and for the baselines: an early collapse may leave the sheet."""
    late = [run.curve.worst[len(run.curve.worst) // 4 :] for run in judged.problem.runs]
    values = np.concatenate([*late, references])
    low, high = float(values.min()), float(values.max())
    margin = 0.08 * max(high - low, 1e-6)
    axes.set_ylim(low - margin, high + margin)


def _interval(axes: Axes, interval: Interval, height: float, color: str, marker: str) -> None:
    if math.isfinite(interval.low):
        axes.plot([interval.low, interval.high], [height, height], color=color, linewidth=2)
    axes.plot(interval.mean, height, marker, color=color, markersize=5.5)


def _look(number: int) -> tuple[str, str]:
    return style.SERIES[number % len(style.SERIES)], _LINES[number // len(style.SERIES) % len(_LINES)]


def _short(judged: Judged, number: int) -> str:
    """A variant beside its bar: its one key and value, or a letter that the legend explains."""
    label = judged.rows[number].label
    if _has_letters(judged):
        return chr(ord("A") + number % 26)
    key, equals, value = label.partition("=")
    return f"{key.rpartition('.')[2]}{equals}{value}"


def _named(judged: Judged, number: int) -> str:
    label = judged.rows[number].label
    return f"{_short(judged, number)}: {label}" if _has_letters(judged) else label


def _has_letters(judged: Judged) -> bool:
    return any(" " in row.label and "=" in row.label for row in judged.rows)


def _legend_columns(labels: Sequence[str]) -> int:
    longest = max(map(len, labels), default=0)
    return 3 if longest < _SHORT_ENTRY * 0.7 else 2 if longest < _SHORT_ENTRY else 1


def _seeds(n: int) -> str:
    return f"{n} seed" if n == 1 else f"{n} seeds"


def _wrapped(text: str) -> str:
    return "\n".join(textwrap.wrap(text, 105, break_on_hyphens=False))
