"""Mean and maximum over the present jobs of relu(linear(job)), forward and backward, for a few states at a time.

Only present jobs are laid out. The loops run along the features, four jobs at once, and without a branch, so that
they compile to vector code which keeps the running sums and maxima in registers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sched_rl.kernels import kernel

Floats = NDArray[Any]  # float32 or float64, alike in all arguments of a call
Ints = NDArray[np.int64]


@kernel
def gather_jobs(
    observation: Floats, states: Ints, window: int, columns: int, jobs: Floats, offsets: Ints
) -> None:
    """Lay out the present jobs of some states.

    Args:
        observation: (M, D), K job rows of J columns first; a slot with 0 in column 0 is empty.
        states: int64 (S,), which of the M states, in this order.
        window: K.
        columns: J.
        jobs: flat, written: J columns of each present job.
        offsets: int64 (S + 1,), written: jobs of state s are offsets[s] .. offsets[s + 1] - 1.
    """
    row = 0
    for s in range(states.shape[0]):
        state, slot = states[s], 0
        offsets[s] = row
        while slot < window:
            first = slot
            while slot < window and observation[state, slot * columns] > 0.0:
                slot += 1
            # Jobs lie side by side, mostly all of them. Views, so that the loop is a plain copy.
            source = observation[state, first * columns : slot * columns]
            target = jobs[row * columns : (row + slot - first) * columns]
            for i in range(source.shape[0]):
                target[i] = source[i]
            row += slot - first
            slot += 1
    offsets[states.shape[0]] = row


@kernel
def reduce_jobs(
    features: Floats, bias: Floats, offsets: Ints, out: Floats, argmax: NDArray[np.int32]
) -> None:
    """Mean and maximum of relu(features + bias) over the jobs of each state.

    Args:
        features: (R, U), a row a job.
        bias: (U,).
        offsets: int64 (S + 1,), of the states' rows.
        out: (S, 2 U), written: means, then maxima; zeros for a state without jobs.
        argmax: int32 (S, U), written: the first row with the maximum, -1 where the maximum is 0.
    """
    size, zero = features.shape[1], features.dtype.type(0.0)
    # Arrays of their own: only so does the compiler see that nothing overlaps.
    total, best = np.empty(size, features.dtype), np.empty(size, features.dtype)
    where = np.empty(size, np.int32)
    for s in range(out.shape[0]):
        first, last = offsets[s], offsets[s + 1]
        total[:], best[:], where[:] = zero, zero, np.int32(-1)
        by_four = last - (last - first) % 4
        for row in range(first, by_four, 4):
            r0, r1, r2, r3 = np.int32(row), np.int32(row + 1), np.int32(row + 2), np.int32(row + 3)
            for u in range(size):
                shift, highest, at = bias[u], best[u], where[u]
                v0, v1 = features[row, u] + shift, features[row + 1, u] + shift
                v2, v3 = features[row + 2, u] + shift, features[row + 3, u] + shift
                v0 = zero if v0 < zero else v0  # so that a NaN stays one
                v1 = zero if v1 < zero else v1
                v2 = zero if v2 < zero else v2
                v3 = zero if v3 < zero else v3
                total[u] += (v0 + v1) + (v2 + v3)
                at = r0 if v0 > highest else at
                highest = v0 if v0 > highest else highest
                at = r1 if v1 > highest else at
                highest = v1 if v1 > highest else highest
                at = r2 if v2 > highest else at
                highest = v2 if v2 > highest else highest
                at = r3 if v3 > highest else at
                best[u] = v3 if v3 > highest else highest
                where[u] = at
        for row in range(by_four, last):
            at_row = np.int32(row)
            for u in range(size):
                value, highest, at = features[row, u] + bias[u], best[u], where[u]
                value = zero if value < zero else value
                total[u] += value
                where[u] = at_row if value > highest else at
                best[u] = value if value > highest else highest
        count = max(last - first, 1)
        for u in range(size):
            out[s, u] = total[u] / count
            out[s, size + u] = best[u]
            argmax[s, u] = where[u]


@kernel
def expand_to_jobs(
    features: Floats,
    bias: Floats,
    offsets: Ints,
    argmax: NDArray[np.int32],
    gradient: Floats,
    of_bias: Floats,
) -> None:
    """Gradient of `reduce_jobs` for its features, in their place, and for its bias, added to of_bias (U,).

    Args:
        features: (R, U), overwritten.
        bias: (U,).
        offsets: int64 (S + 1,).
        argmax: int32 (S, U), from `reduce_jobs`.
        gradient: (S, 2 U), for its out.
        of_bias: (U,), added to.
    """
    size, zero = features.shape[1], features.dtype.type(0.0)
    of_mean, of_max = np.empty(size, features.dtype), np.empty(size, features.dtype)
    where, total = np.empty(size, np.int32), np.zeros(size, features.dtype)
    floor = -bias
    for s in range(gradient.shape[0]):
        first, last = offsets[s], offsets[s + 1]
        count = max(last - first, 1)
        for u in range(size):
            of_mean[u], of_max[u] = gradient[s, u] / count, gradient[s, size + u]
            where[u] = argmax[s, u]
        by_four = last - (last - first) % 4
        for row in range(first, by_four, 4):
            r0, r1, r2, r3 = np.int32(row), np.int32(row + 1), np.int32(row + 2), np.int32(row + 3)
            for u in range(size):
                mean, top, at, least = of_mean[u], of_max[u], where[u], floor[u]
                g0 = mean + (top if at == r0 else zero)
                g1 = mean + (top if at == r1 else zero)
                g2 = mean + (top if at == r2 else zero)
                g3 = mean + (top if at == r3 else zero)
                g0 = g0 if features[row, u] > least else zero
                g1 = g1 if features[row + 1, u] > least else zero
                g2 = g2 if features[row + 2, u] > least else zero
                g3 = g3 if features[row + 3, u] > least else zero
                features[row, u], features[row + 1, u] = g0, g1
                features[row + 2, u], features[row + 3, u] = g2, g3
                total[u] += (g0 + g1) + (g2 + g3)
        for row in range(by_four, last):
            at_row = np.int32(row)
            for u in range(size):
                slope = of_mean[u] + (of_max[u] if where[u] == at_row else zero)
                slope = slope if features[row, u] > floor[u] else zero
                features[row, u] = slope
                total[u] += slope
    for u in range(size):
        of_bias[u] += total[u]
