"""What all panels share: size, margins, the x axis."""

from __future__ import annotations

from sched_rl.diagnosis.curves import RunCurves
from sched_rl.reporting.run_page.scales import Scale

#: All panels have these, so that their x axes stand under each other; pixels.
WIDTH, LEFT, RIGHT, TOP, BOTTOM = 880, 64, 136, 6, 20
PLOT_WIDTH = WIDTH - LEFT - RIGHT


def x_scale(curves: RunCurves) -> Scale:
    """The axis that all panels share: updates (steps, rows)."""
    first, last = int(curves.steps.min()), int(curves.steps.max())
    return Scale(first, max(last, first + 1), 0.0, float(PLOT_WIDTH))
