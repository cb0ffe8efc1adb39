"""What surrounds the matrix products of pooling over jobs: lay the jobs out, reduce their features, and back.

Used on a few dozen states at a time, so that everything between two products stays in the second-level cache. Inner
loops run along the features, without a branch, so that they compile to vector code.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sched_rl.kernels import kernel

Floats = NDArray[Any]  # float32 or float64, alike in all arguments of a call
Ints = NDArray[np.int32]


@kernel
def write_present_jobs(
    observation: Floats, index: NDArray[np.int64], window: int, rows: Floats, counts: Ints
) -> None:
    """Jobs as the rows of a matrix, with a 1 behind each for the bias; empty slots become rows of zeros.

    Args:
        observation: (M, D), K job rows of J columns first; a slot with 0 in column 0 is empty.
        index: int64 (S,), which of the M states, in this order.
        window: K.
        rows: (S * K, J + 1), written.
        counts: int32 (S,), written: jobs that are present.
    """
    columns = rows.shape[1] - 1
    for s in range(index.shape[0]):
        state, count = index[s], 0
        for k in range(window):
            row, first = s * window + k, k * columns
            if observation[state, first] > 0.0:
                count += 1
                for j in range(columns):
                    rows[row, j] = observation[state, first + j]
                rows[row, columns] = 1.0
            else:
                for j in range(columns + 1):
                    rows[row, j] = 0.0
        counts[s] = count


@kernel
def reduce_features(features: Floats, window: int, counts: Ints, out: Floats, argmax: Ints) -> None:
    """Mean over the present jobs and maximum of relu(features).

    Args:
        features: (S * K, U); rows of empty slots are 0.
        window: K.
        counts: int32 (S,), jobs that are present.
        out: (S, 2 U), written: means, then maxima; zeros for a state without jobs.
        argmax: int32 (S, U), written: the slot of each maximum, -1 where the maximum is 0.
    """
    size = features.shape[1]
    zero = features.dtype.type(0.0)
    # Arrays of their own, read into locals: only so does the compiler see that it may use vector selects.
    total, best = np.empty(size, features.dtype), np.empty(size, features.dtype)
    where = np.empty(size, np.int32)
    for s in range(out.shape[0]):
        total[:], best[:], where[:] = zero, zero, np.int32(-1)
        for k in range(window):
            slot, row = np.int32(k), s * window + k
            for u in range(size):
                value, highest, at = max(features[row, u], zero), best[u], where[u]
                better = value > highest
                total[u] += value
                best[u] = value if better else highest
                where[u] = slot if better else at
        for u in range(size):
            out[s, u] = total[u] / max(counts[s], 1)
            out[s, size + u] = best[u]
            argmax[s, u] = where[u]


@kernel
def expand_gradient(
    features: Floats, window: int, counts: Ints, argmax: Ints, gradient: Floats, out: Floats
) -> None:
    """Gradient of `reduce_features` for its features, into out (S * K, U); gradient is (S, 2 U), for its out."""
    size = features.shape[1]
    zero = features.dtype.type(0.0)
    of_mean, of_max = np.empty(size, features.dtype), np.empty(size, features.dtype)
    where = np.empty(size, np.int32)
    for s in range(gradient.shape[0]):
        for u in range(size):
            of_mean[u] = gradient[s, u] / max(counts[s], 1)
            of_max[u] = gradient[s, size + u]
            where[u] = argmax[s, u]
        for k in range(window):
            slot, row = np.int32(k), s * window + k
            for u in range(size):
                at, of_best, value = where[u], of_max[u], features[row, u]
                slope = of_mean[u] + (of_best if at == slot else zero)
                out[row, u] = slope if value > zero else zero
