"""The verdict on the curves: areas, their differences with intervals, and a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analysis.benchmarks.parity.problems import POINTS, load_problem
from analysis.results.tables import markdown
from sched_rl.checkpoint import write_atomically
from sched_rl.reporting import style
from sched_rl.statistics import Interval, mean_interval

#: Player to its curves, float64 (trainings, POINTS); `maskable_ppo, other seeds` is the noise floor's other half.
Curves = Mapping[str, NDArray[np.float64]]

OURS, PEER, PEER_AGAIN = "ours", "maskable_ppo", "maskable_ppo, other seeds"
_LABELS = {OURS: "sched_rl", PEER: "MaskablePPO", PEER_AGAIN: "MaskablePPO, other seeds"}


def areas(curves: NDArray[np.float64]) -> NDArray[np.float64]:
    """The area under each curve over its width, (trainings,): a return."""
    return np.asarray(np.trapezoid(curves, axis=1) / (POINTS - 1))


def difference(curves: Curves, one: str, other: str) -> Interval | None:
    """Areas of one minus another's, pairs in the order of their seeds; None with fewer than two pairs."""
    pairs = min(len(curves.get(one, ())), len(curves.get(other, ())))
    if pairs < 2:
        return None
    return mean_interval(areas(curves[one][:pairs]) - areas(curves[other][:pairs]), seed=0)


def reach(curves: Curves) -> float:
    """The range of returns: from the worst point of a mean curve to the best one."""
    means = [each.mean(axis=0) for each in curves.values() if len(each)]
    return float(np.max(means) - np.min(means)) if means else float("nan")


def write_page(path: Path, found: Mapping[str, Curves], more: Sequence[str]) -> None:
    """Write the page and its picture beside it.

    Args:
        path: of the Markdown file.
        found: problem to curves.
        more: overrides that everything was made with.
    """
    rows = [row for name, curves in found.items() for row in _rows(name, curves)]
    head = ["problem", "difference in area under the curve", "trainings", "mean [95 %]", "of the range"]
    lines = ["# The same PPO as MaskablePPO?", "", *_introduction(found, more), "", *markdown(head, rows)]
    picture = path.with_suffix(".png")
    _draw(found, picture)
    lines += ["", f"![Learning curves of both]({picture.name})"]
    write_atomically(path, ("\n".join(lines) + "\n").encode())


def _introduction(found: Mapping[str, Curves], more: Sequence[str]) -> list[str]:
    steps = ", ".join(f"{name} {load_problem(name, 1, more).agent.total_steps:,} steps" for name in found)
    command = " ".join(("python -m analysis.benchmarks.parity", *more))
    return [
        f"`{command}`: {steps}. Same environment, network with its initial weights, and hyperparameters; what only one "
        "of the two has is off. A curve is the greedy policy's mean return on 20 episodes of val, the area is divided "
        "by its width, trainings are paired by seed. MaskablePPO against itself on other seeds is what chance alone "
        "does.",
    ]


def _rows(name: str, curves: Curves) -> list[list[str]]:
    rows = []
    for one, other in ((OURS, PEER), (PEER_AGAIN, PEER)):
        found, pairs = (
            difference(curves, one, other),
            min(len(curves.get(one, ())), len(curves.get(other, ()))),
        )
        text, share = "…", "…"
        if found is not None:
            text, bounds = (
                found.format(3),
                [each / reach(curves) for each in (found.mean, found.low, found.high)],
            )
            share = "{:+.1%} [{:+.1%}, {:+.1%}]".format(*bounds)
        rows.append([name, f"{_LABELS[one]} minus {_LABELS[other]}", str(pairs), text, share])
    return rows


def _draw(found: Mapping[str, Curves], path: Path) -> None:
    from matplotlib.figure import Figure

    with style.figure_style():
        figure = Figure(figsize=(4.5 * max(len(found), 1), 3.4), layout="constrained")
        for axes, (name, curves) in zip(
            figure.subplots(1, max(len(found), 1), squeeze=False)[0], found.items(), strict=False
        ):
            for (player, each), colour in zip(curves.items(), style.SERIES, strict=False):
                if len(each):
                    x = np.linspace(0, 1, POINTS)
                    axes.plot(x, each.mean(axis=0), color=colour, label=_LABELS[player], linewidth=2)
                    axes.plot(x, each.T, color=colour, linewidth=0.5, alpha=0.4)
            axes.set_title(name)
            axes.set_xlabel("share of the training")
            axes.set_ylabel("mean return on val")
            if axes.get_legend_handles_labels()[0]:
                axes.legend(loc="lower right")
        style.save_figure(figure, path)
