"""The families as a picture: learned minus the best heuristic, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from analysis.results.family_tables import Contest
from analysis.results.plan import FAMILIES
from sched_rl.reporting import style


def draw_families(own: Sequence[Contest], one: Sequence[Contest], path: Path) -> None:
    """Write the picture; a family without results has no mark.

    Args:
        own: policies trained on the family itself.
        one: policies trained on the mixture.
        path: of the picture.
    """
    from matplotlib.figure import Figure

    with style.figure_style():
        figure = Figure(figsize=(7.5, 3.6), layout="constrained")
        axes = figure.subplots()
        sides = (
            (own, "trained on the family", style.BLUE, 0.12),
            (one, "trained on `mixed`", style.ORANGE, -0.12),
        )
        for contests, label, colour, shift in sides:
            known = [contest for contest in contests if np.isfinite(contest.difference.low)]
            if not known:
                continue
            heights = [FAMILIES[::-1].index(contest.family) + shift for contest in known]
            means = np.array([contest.difference.mean for contest in known])
            bounds = np.array([[contest.difference.low, contest.difference.high] for contest in known]).T
            spread = np.abs(bounds - means)
            axes.errorbar(means, heights, xerr=spread, fmt="o", color=colour, capsize=2.5, label=label)
        axes.axvline(0, color=style.BLACK, linewidth=0.8)
        axes.axvline(-0.01, color=style.GREY, linewidth=0.8, linestyle=":")
        axes.set_yticks(range(len(FAMILIES)), FAMILIES[::-1])
        axes.set_ylim(-0.5, len(FAMILIES) - 0.5)
        axes.set_xlabel("return minus the best heuristic's, 95 %")
        axes.set_title("PPO against the best heuristic of each family")
        if axes.get_legend_handles_labels()[0]:
            axes.legend(loc="best")
        style.save_figure(figure, path)
