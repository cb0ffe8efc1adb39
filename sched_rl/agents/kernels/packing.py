"""Lists of the legal actions of states, and sums over them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sched_rl.kernels import kernel

Floats = NDArray[Any]  # float32 or float64
Ints = NDArray[np.int64]


@kernel
def write_legal_rows(
    observation: Floats,
    mask: NDArray[np.bool_],
    states: Ints,
    job_features: int,
    rows: Floats,
    row_state: Ints,
    row_action: Ints,
    offsets: Ints,
) -> None:
    """List the legal actions of some states with the features of their jobs.

    Args:
        observation: (M, D), jobs of `job_features` columns first.
        mask: bool (M, A), no-op first.
        states: int64 (B,), which of the M states, in this order.
        job_features: J.
        rows: (R, J + 1), written: the job's columns, and 1 in the last column for the no-op.
        row_state: int64 (R,), written: position in `states`.
        row_action: int64 (R,), written.
        offsets: int64 (B + 1,), written.
    """
    row = 0
    for b in range(states.shape[0]):
        state = states[b]
        offsets[b] = row
        for a in range(mask.shape[1]):
            if not mask[state, a]:
                continue
            if a == 0:
                rows[row, :job_features] = 0.0
                rows[row, job_features] = 1.0
            else:
                first = (a - 1) * job_features
                for j in range(job_features):
                    rows[row, j] = observation[state, first + j]
                rows[row, job_features] = 0.0
            row_state[row] = b
            row_action[row] = a
            row += 1
    offsets[states.shape[0]] = row


@kernel
def find_rows(row_action: Ints, offsets: Ints, action: Ints, chosen: Ints) -> int:
    """The row of each state's action, into chosen (B,); -1, or the first state that lacks its action."""
    for b in range(action.shape[0]):
        chosen[b] = -1
        for r in range(offsets[b], offsets[b + 1]):
            if row_action[r] == action[b]:
                chosen[b] = r
        if chosen[b] < 0:
            return b
    return -1


@kernel
def add_to_rows(rows: Floats, terms: Floats, row_state: Ints, out: Floats) -> None:
    """Out (R, H) = rows (R, H) + terms (B, H) of each row's state."""
    for r in range(rows.shape[0]):
        b = row_state[r]
        for h in range(rows.shape[1]):
            out[r, h] = rows[r, h] + terms[b, h]


@kernel
def sum_rows(rows: Floats, offsets: Ints, out: Floats) -> None:
    """Sums (B, H) of the rows (R, H) of each state."""
    for b in range(out.shape[0]):
        out[b, :] = 0.0
        for r in range(offsets[b], offsets[b + 1]):
            for h in range(rows.shape[1]):
                out[b, h] += rows[r, h]
