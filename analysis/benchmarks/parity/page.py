"""The verdict on the curves: areas, their differences with intervals, and a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analysis.benchmarks.parity.problems import POINTS, UPDATES, load_problem
from analysis.results.tables import markdown
from sched_rl.checkpoint import write_atomically
from sched_rl.reporting import style
from sched_rl.statistics import Interval, mean_interval

#: Player to its curves, float64 (trainings, POINTS), in the order of the seeds.
Curves = Mapping[str, NDArray[np.float64]]

OURS, PEER = "ours", "maskable_ppo"
_LABELS = {OURS: "sched_rl", PEER: "MaskablePPO"}


def areas(curves: NDArray[np.float64]) -> NDArray[np.float64]:
    """The area under each curve over its width, (trainings,): a return."""
    return np.asarray(np.trapezoid(curves, axis=1) / (POINTS - 1))


def pairs_of(curves: Curves) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The curves of both, equal seeds in equal places."""
    pairs = min(len(curves[OURS]), len(curves[PEER]))
    return curves[OURS][:pairs], curves[PEER][:pairs]


def halves_of_peer(curves: Curves) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """MaskablePPO's later trainings, and as many of its first ones: what differs there is chance."""
    pairs = len(curves[PEER]) // 2
    return curves[PEER][pairs : 2 * pairs], curves[PEER][:pairs]


def difference(one: NDArray[np.float64], other: NDArray[np.float64]) -> Interval | None:
    """Areas of one minus another's, row by row; None with fewer than two rows."""
    return mean_interval(areas(one) - areas(other), seed=0) if len(one) >= 2 else None


def reach(curves: Curves) -> float:
    """The range of returns: from the worst point of a mean curve to the best one."""
    means = [each.mean(axis=0) for each in curves.values() if len(each)]
    return float(np.max(means) - np.min(means)) if means else float("nan")


def write_page(
    path: Path,
    found: Mapping[str, Curves],
    apart: Mapping[str, float],
    num_seeds: int,
    more: Sequence[str],
) -> None:
    """Write the page and its picture beside it.

    Args:
        path: of the Markdown file.
        found: problem to curves.
        apart: problem to what `largest_weight_difference` found.
        num_seeds: trainings asked for.
        more: overrides that everything was made with.
    """
    rows = [row for name, curves in found.items() for row in _rows(name, curves)]
    head = ["problem", "difference in area under the curve", "trainings", "mean [95 %]", "of the range"]
    lines = [
        "# The same PPO as MaskablePPO?",
        "",
        *_introduction(found, num_seeds, more),
        "",
        *_sameness(apart),
        "",
        *markdown(head, rows),
    ]
    picture = path.with_suffix(".png")
    _draw(found, picture)
    lines += ["", f"![Learning curves of both]({picture.name})"]
    write_atomically(path, ("\n".join(lines) + "\n").encode())


def _introduction(found: Mapping[str, Curves], num_seeds: int, more: Sequence[str]) -> list[str]:
    steps = [f"{name} {load_problem(name, 1, more).agent.total_steps:,} steps" for name in found]
    command = " ".join(
        ("python -m analysis.benchmarks.parity", f"problems={','.join(found)}", f"seeds={num_seeds}", *more)
    )
    return [
        f"`{command}`: {', '.join(steps)}. Same environment, network with its initial weights, and hyperparameters; "
        "what only one of the two has is off. A curve is the mean return on 20 episodes of val of the policy as it "
        "learns, its actions drawn with the same random numbers for both; the area is divided by its width, the range "
        "is that from the lowest to the highest point of the two mean curves, trainings are paired by seed. "
        "MaskablePPO against itself on other seeds, half as many pairs, is what chance alone does.",
    ]


def _sameness(apart: Mapping[str, float]) -> list[str]:
    found = ", ".join(f"{difference:.1e} ({name})" for name, difference in apart.items())
    return [
        f"Given the very same {UPDATES} rollouts, each its own advantages, losses, clipping and optimizer, no weight "
        f"of the two is further apart than {found}: what differs below is chance.",
    ]


def _rows(name: str, curves: Curves) -> list[list[str]]:
    rows = []
    for label, (one, other) in (
        ("sched_rl minus MaskablePPO", pairs_of(curves)),
        ("noise floor: MaskablePPO's later seeds minus its first ones", halves_of_peer(curves)),
    ):
        found, text, share = difference(one, other), "…", "…"
        if found is not None:
            bounds = [each / reach(curves) for each in (found.mean, found.low, found.high)]
            text, share = found.format(3), "{:+.1%} [{:+.1%}, {:+.1%}]".format(*bounds)
        rows.append([name, label, str(len(one)), text, share])
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
