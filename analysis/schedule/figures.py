"""The picture of a schedule, or of two on the same jobs: Gantt charts, queue, GPUs at work, decisions, waits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from analysis.schedule.course import Steps, busy_gpus, chosen_waits, gantt_bars, queue_length, skipped_slots
from analysis.schedule.importance import Importance
from analysis.schedule.recording import Recording
from sched_rl.reporting import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure, SubFigure

_HOUR_S = 3600.0
_COLORS = (style.BLUE, style.VERMILLION)
#: Moments at which utilization is averaged.
_WINDOWS = 120
_MAX_FEATURES = 8


def draw_schedules(
    recordings: Sequence[Recording], importances: Sequence[Sequence[Importance]] = ()
) -> Figure:
    """One sheet.

    Args:
        recordings: one scheduler, or two on the same jobs.
        importances: of each; drawn where there are any.
    """
    from matplotlib.figure import Figure

    count = len(recordings)
    with style.figure_style():
        figure = Figure(figsize=(10, 5.6 + 2.2 * count), layout="constrained")
        top, bottom = np.asarray(figure.subfigures(2, 1, height_ratios=(2.2 * count + 3.2, 2.4)))
        grid = top.subplots(count + 3, 1, sharex=True, height_ratios=[2.2] * count + [1, 1, 0.9])
        longest = max(float(r.wait_s.max()) for r in recordings)
        for axes, recording in zip(grid, recordings, strict=False):
            mappable = _gantt(axes, recording, longest)
        top.colorbar(mappable, ax=list(grid[:count]), label="wait, h", pad=0.01, aspect=15 * count)
        _course(grid[count], recordings, queue_length, "jobs waiting")
        _utilization(grid[count + 1], recordings)
        _decisions(grid[count + 2], recordings)
        grid[-1].set_xlabel("hours since the first arrival")
        grid[-1].set_xlim(0, max(r.end_s for r in recordings) / _HOUR_S)
        _summaries(bottom, recordings, importances)
    return figure


def _gantt(axes: Axes, recording: Recording, longest_s: float) -> ScalarMappable:
    """Each job on its GPUs, coloured by how long it had waited."""
    from matplotlib.collections import PolyCollection
    from matplotlib.colors import PowerNorm
    from matplotlib.ticker import MaxNLocator

    bars, waits = gantt_bars(recording), recording.wait_s
    boxes = [
        [(x, y) for x, y in ((a, low), (b, low), (b, high), (a, high))]
        for bar in bars
        for a, b in ((bar.start_s / _HOUR_S, bar.end_s / _HOUR_S),)
        for low, high in ((bar.first_gpu - 0.46, bar.first_gpu + bar.num_gpus - 0.54),)
    ]
    # waits span seconds to days: the square root shows both
    norm = PowerNorm(0.5, 0, max(longest_s, 1.0) / _HOUR_S)
    drawn = PolyCollection(
        boxes,
        array=np.array([waits[bar.job] for bar in bars]) / _HOUR_S,
        cmap="cividis",
        norm=norm,
        edgecolors="white",
        linewidths=0.3,
    )
    axes.add_collection(drawn)
    axes.set_ylim(recording.num_gpus - 0.4, -0.6)
    axes.set_ylabel("GPU")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(visible=False)
    numbers = recording.episode.numbers
    axes.set_title(
        f"{recording.name}: return {numbers['return']:.3f}, mean wait {numbers['mean_wait_s'] / _HOUR_S:.1f} h, "
        f"utilization {numbers['utilization']:.0%}"
    )
    return drawn


def _course(
    axes: Axes, recordings: Sequence[Recording], of: Callable[[Recording], Steps], label: str
) -> None:
    for recording, color in zip(recordings, _COLORS, strict=False):
        steps = of(recording)
        axes.step(
            steps.times / _HOUR_S,
            steps.values,
            where="post",
            color=color,
            label=recording.name,
            linewidth=1.2,
        )
    axes.set_ylim(bottom=0)
    axes.set_ylabel(label)
    if len(recordings) > 1:
        axes.legend(loc="upper right", ncols=2)


def _utilization(axes: Axes, recordings: Sequence[Recording]) -> None:
    """Share of the GPUs that work, averaged over short windows: it jumps with every job."""
    for recording, color in zip(recordings, _COLORS, strict=False):
        edges = np.linspace(0, recording.end_s, _WINDOWS + 1)
        shares = window_means(busy_gpus(recording), edges) / recording.num_gpus
        axes.plot((edges[1:] + edges[:-1]) / 2 / _HOUR_S, shares, color=color, linewidth=1.2)
    axes.set_ylim(0, 1.05)
    axes.set_ylabel("GPUs busy")


def _decisions(axes: Axes, recordings: Sequence[Recording]) -> None:
    """Starts by the slot they were taken from, and waits although a job fitted."""
    for recording, color in zip(recordings, _COLORS, strict=False):
        times, slots = skipped_slots(recording)
        axes.plot(times / _HOUR_S, slots, ".", color=color, markersize=2.5)
        waits = chosen_waits(recording)
        axes.plot(
            waits / _HOUR_S,
            np.zeros(len(waits)),
            "|",
            color=color,
            markersize=7,
            label=f"{len(waits)} waits by choice",
        )
    axes.set_ylabel("slot started")
    axes.legend(loc="upper right", ncols=2, markerscale=1.2)


def _summaries(
    figure: SubFigure, recordings: Sequence[Recording], importances: Sequence[Sequence[Importance]]
) -> None:
    known = [(r, i) for r, i in zip(recordings, importances, strict=False) if i]
    panels = figure.subplots(1, 2 + bool(known))
    for axes, key, label, scale in zip(
        panels,
        ("mean_wait_s", "mean_bounded_slowdown"),
        ("Mean wait by width, h", "Mean slowdown by width"),
        (_HOUR_S, 1.0),
        strict=False,
    ):
        widths = list(recordings[0].episode.by_width)
        for number, recording in enumerate(recordings):
            values = [recording.episode.by_width[w][key] / scale for w in widths]
            places = np.arange(len(widths)) + 0.4 * number
            axes.bar(places, values, 0.38, align="edge", color=_COLORS[number])
        axes.set_xticks(np.arange(len(widths)) + 0.2 * len(recordings), widths)
        axes.set_xlabel("GPUs of a job")
        axes.set_title(label)
        axes.grid(axis="x", visible=False)
    if known:
        _importance(panels[2], known)


def _importance(axes: Axes, known: Sequence[tuple[Recording, Sequence[Importance]]]) -> None:
    features = [each.feature for each in known[0][1][:_MAX_FEATURES]]
    for number, (recording, importances) in enumerate(known):
        by_name = {each.feature: each for each in importances}
        color = _COLORS[0] if recording is known[0][0] and len(known) == 1 else _COLORS[number]
        shown = [(place, by_name[name]) for place, name in enumerate(features) if name in by_name]
        heights = np.array([place + 0.4 * number for place, _ in shown])
        axes.barh(heights, [each.changed for _, each in shown], 0.38, align="edge", color=color)
    axes.set_yticks(np.arange(len(features)) + 0.2 * len(known), features)
    axes.set_ylim(len(features), -0.2)
    axes.xaxis.set_major_formatter("{x:.0%}")
    axes.set_title("Decisions that change when shuffled", x=-0.4)
    axes.grid(axis="y", visible=False)


def window_means(
    steps: Steps, edges: np.ndarray[tuple[int], np.dtype[np.float64]]
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The time average of a jumping quantity between neighbouring edges."""
    times = np.append(steps.times, max(edges[-1], steps.times[-1]) + 1.0)
    areas = np.concatenate([[0.0], np.cumsum(np.diff(times) * steps.values)])
    result: np.ndarray[tuple[int], np.dtype[np.float64]] = np.diff(np.interp(edges, times, areas)) / np.diff(
        edges
    )
    return result
