"""The curves that led to the policy of today: what a return to the best checkpoint threw away is left out.

A guard's return makes the curves jump. They would look like a change of the environment to a reader who does not know
that the updates in between belong to a policy that is no more.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from sched_rl.diagnosis.curves import RunCurves
from sched_rl.tracking.columns import RESTORED


def abandoned_rows(curves: RunCurves) -> npt.NDArray[np.bool_]:
    """[rows] whether a row's learning was thrown away by a later return."""
    restored, updates = curves.column(RESTORED), curves.column("update")
    abandoned = np.zeros(curves.num_rows, np.bool_)
    for row in np.flatnonzero(np.isfinite(restored)):
        abandoned |= (updates > restored[row]) & (updates < updates[row])
    return abandoned


def current_branch(curves: RunCurves) -> RunCurves:
    """The curves without what was thrown away; the curves themselves where nothing was."""
    if RESTORED not in curves.columns:
        return curves
    abandoned = abandoned_rows(curves)
    if not abandoned.any():
        return curves
    table, gone = curves.evaluations, curves.column("update")[abandoned]
    if table is not None:
        kept = ~np.isin(table.updates, gone)
        values = {name: matrix[kept] for name, matrix in table.values.items()}
        table = replace(table, updates=table.updates[kept], values=values)
    columns = {name: column[~abandoned] for name, column in curves.columns.items()}
    return replace(curves, columns=columns, evaluations=table)
