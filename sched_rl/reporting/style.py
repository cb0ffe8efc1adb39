"""How figures look: one palette, one set of sizes, one way to save."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Okabe and Ito (2008), "Color Universal Design": told apart under all common colour blindness. Their yellow
#: is left out: as a line on white it vanishes.
BLACK = "#000000"
BLUE = "#0072B2"
VERMILLION = "#D55E00"
GREEN = "#009E73"
ORANGE = "#E69F00"
SKY = "#56B4E9"
PURPLE = "#CC79A7"

#: Colours for series without a meaning of their own, most distinct first.
SERIES = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILLION)

#: What is there for reference: baselines, limits, grid.
GREY = "#767676"
LIGHT_GREY = "#DDDDDD"

#: Pixels an inch: a figure 10 inches wide stays sharp when a page shows it 900 pixels wide on a dense screen.
DPI = 160


@contextmanager
def figure_style() -> Iterator[None]:
    """Draw in the project's style within the block, and leave matplotlib's own settings as they were."""
    import matplotlib as mpl

    with mpl.rc_context(
        {
            "font.size": 9.5,
            "axes.titlesize": 10.5,
            "axes.titleweight": "bold",
            "axes.titlelocation": "left",
            "axes.labelsize": 9.5,
            "axes.edgecolor": GREY,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "axes.formatter.useoffset": False,
            "grid.color": LIGHT_GREY,
            "grid.linewidth": 0.6,
            "lines.linewidth": 1.4,
            "lines.markersize": 3.5,
            "legend.frameon": False,
            "legend.fontsize": 8.5,
            "legend.handlelength": 1.4,
            "legend.handletextpad": 0.5,
            "legend.columnspacing": 1.2,
            "xtick.color": GREY,
            "ytick.color": GREY,
            "xtick.labelcolor": BLACK,
            "ytick.labelcolor": BLACK,
            "svg.hashsalt": "sched_rl",
            "figure.constrained_layout.w_pad": 0.1,
            "figure.constrained_layout.h_pad": 0.08,
        }
    ):
        yield


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as png, svg or pdf, by the file's ending; the folder is made if it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Equal figures give equal files: no time of day in them.
    metadata = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(path.suffix)
    with figure_style():
        figure.savefig(path, dpi=DPI, facecolor="white", metadata=metadata)
