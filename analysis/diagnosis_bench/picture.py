"""The confusion matrix as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from analysis.diagnosis_bench.judging import Verdict
from analysis.diagnosis_bench.tables import confusion
from sched_rl.reporting.style import BLACK, BLUE, VERMILLION, figure_style, save_figure


def draw_confusion(verdicts: Sequence[Verdict], path: Path, title: str) -> None:
    """Expected x primary: right ones blue on the diagonal, wrong ones vermillion, darker where there are more.

    Args:
        verdicts: one or more.
        path: of the picture, png, svg or pdf.
        title: above it.
    """
    expected, primary, counts = confusion(verdicts)
    with figure_style():
        import matplotlib.pyplot as plt
        from matplotlib.colors import to_rgb

        figure, axes = plt.subplots(
            figsize=(2.6 + 0.42 * len(primary), 2.2 + 0.32 * len(expected)), layout="constrained"
        )
        shares = counts / counts.sum(axis=1, keepdims=True)
        is_right = np.array([[row == column for column in primary] for row in expected])
        colours = np.where(is_right[..., None], to_rgb(BLUE), to_rgb(VERMILLION))
        strength = np.where(counts > 0, 0.25 + 0.75 * shares, 0.0)[..., None]
        axes.imshow(1 - strength * (1 - colours), aspect="auto")
        for (row, column), count in np.ndenumerate(counts):
            if count:
                colour = "white" if shares[row, column] > 0.5 else BLACK
                axes.text(column, row, str(count), ha="center", va="center", color=colour)
        axes.set_xticks(range(len(primary)), primary, rotation=60, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(len(expected)), expected)
        axes.set_xlabel("primary finding")
        axes.set_ylabel("expected")
        axes.set_title(title)
        axes.grid(visible=False)
        save_figure(figure, path)
        plt.close(figure)
