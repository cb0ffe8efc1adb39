"""Pooling over the jobs in the window as one pass over memory: a linear layer, a relu, a mean and a maximum.

Torch would write (B, K, pool) to memory several times; here a job's features stay in the first-level cache.
The inner loops run over the pool's features without a branch, four job columns at a time, so that they
compile to vector code.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sched_rl.kernels import kernel

Floats = NDArray[Any]  # float32 or float64, alike in all arguments of a call
Ints = NDArray[np.int32]


@kernel
def _job_features(row: Floats, first: int, weight: Floats, bias: Floats, out: Floats) -> None:
    """Out = bias + row[first : first + J] @ weight, weight (J, U)."""
    columns, size = weight.shape
    for u in range(size):
        out[u] = bias[u]
    blocks = columns // 4
    for block in range(blocks):
        j = 4 * block
        a, b, c, d = row[first + j], row[first + j + 1], row[first + j + 2], row[first + j + 3]
        for u in range(size):
            out[u] += (a * weight[j, u] + b * weight[j + 1, u]) + (
                c * weight[j + 2, u] + d * weight[j + 3, u]
            )
    for j in range(4 * blocks, columns):
        a = row[first + j]
        for u in range(size):
            out[u] += a * weight[j, u]


@kernel
def pool_forward(
    observation: Floats, weight: Floats, bias: Floats, window: int, out: Floats, argmax: Ints
) -> None:
    """Means and maxima of relu(bias + job @ weight) over the jobs that are present.

    Args:
        observation: (B, D), K job rows of J columns first; a slot with 0 in column 0 is empty.
        weight: (J, U), C-contiguous.
        bias: (U,).
        window: K.
        out: (B, 2 U), written: means, then maxima; zeros for a state without jobs.
        argmax: int32 (B, U), written: the slot of each maximum, -1 where the maximum is 0.
    """
    columns, size = weight.shape
    zero = weight.dtype.type(0.0)
    features = np.empty(size, weight.dtype)
    total = np.empty(size, weight.dtype)
    best = np.empty(size, weight.dtype)
    where = np.empty(size, np.int32)
    for b in range(observation.shape[0]):
        row, present = observation[b], 0
        total[:] = zero
        best[:] = zero
        where[:] = np.int32(-1)
        for k in range(window):
            if row[k * columns] <= zero:
                continue
            present += 1
            slot = np.int32(k)
            _job_features(row, k * columns, weight, bias, features)
            for u in range(size):
                value = max(features[u], zero)
                total[u] += value
                where[u] = slot if value > best[u] else where[u]
                best[u] = max(value, best[u])
        share = weight.dtype.type(1.0 / max(present, 1))
        for u in range(size):
            out[b, u] = total[u] * share
            out[b, size + u] = best[u]
            argmax[b, u] = where[u]


@kernel
def pool_backward(
    observation: Floats,
    weight: Floats,
    bias: Floats,
    window: int,
    argmax: Ints,
    gradient: Floats,
    weight_gradient: NDArray[np.float64],
    bias_gradient: NDArray[np.float64],
) -> None:
    """Gradients of `pool_forward` for weight and bias; job features are computed again rather than stored.

    Args:
        observation: (B, D), as in the forward pass, and so on.
        weight: (J, U).
        bias: (U,).
        window: K.
        argmax: int32 (B, U), from the forward pass.
        gradient: (B, 2 U), of the loss for the forward pass's `out`.
        weight_gradient: float64 (J, U), added to. Sums within a state are in the working precision.
        bias_gradient: float64 (U,), added to.
    """
    columns, size = weight.shape
    zero = weight.dtype.type(0.0)
    features = np.empty(size, weight.dtype)
    weight_sum = np.empty((columns, size), weight.dtype)
    bias_sum = np.empty(size, weight.dtype)
    of_mean = np.empty(size, weight.dtype)
    for b in range(observation.shape[0]):
        row, present = observation[b], 0
        for k in range(window):
            present += 1 if row[k * columns] > zero else 0
        share = weight.dtype.type(1.0 / max(present, 1))
        of_max, where = gradient[b, size:], argmax[b]
        for u in range(size):
            of_mean[u] = gradient[b, u] * share
        weight_sum[:] = zero
        bias_sum[:] = zero
        for k in range(window):
            if row[k * columns] <= zero:
                continue
            _job_features(row, k * columns, weight, bias, features)
            for u in range(size):
                slope = of_mean[u] + (of_max[u] if where[u] == k else zero)
                features[u] = slope if features[u] > zero else zero
                bias_sum[u] += features[u]
            for j in range(columns):
                a = row[k * columns + j]
                for u in range(size):
                    weight_sum[j, u] += a * features[u]
        for j in range(columns):
            for u in range(size):
                weight_gradient[j, u] += weight_sum[j, u]
        for u in range(size):
            bias_gradient[u] += bias_sum[u]
