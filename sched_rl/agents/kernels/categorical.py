"""Masked softmax, sampling and entropy; dense rows with a mask, or packed rows of legal actions only.

Exponentials are taken in float64 and over legal actions only: exp(-1e9) is much slower than a normal
exponential. A kernel returns -1, or the index of the first state that it could not serve: no legal action,
or a NaN among logits.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sched_rl.kernels import kernel

Floats = NDArray[Any]  # float32 or float64
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

SERVED = -1


@kernel
def sample_masked(
    logits: Floats,
    mask: Flags,
    uniform: NDArray[np.float64],
    action: Ints,
    log_prob: Floats,
    entropy: Floats,
) -> int:
    """Draw an action a row by inverting the cumulated softmax over legal actions.

    Args:
        logits: (N, A).
        mask: bool (N, A), true where legal.
        uniform: float64 (N,), draws from [0, 1).
        action: int64 (N,), written.
        log_prob: (N,), written, of the drawn action.
        entropy: (N,), written, over legal actions, in nats.

    Returns:
        -1, or the first row without a legal action or with a logit that is not finite.
    """
    num_actions = logits.shape[1]
    weights = np.empty(num_actions)
    legal = np.empty(num_actions, np.int64)
    for n in range(logits.shape[0]):
        count = 0
        for a in range(num_actions):
            if mask[n, a]:
                weights[count] = logits[n, a]
                legal[count] = a
                count += 1
        chosen = _sample(weights, count, uniform[n], n, log_prob, entropy)
        if chosen < 0:
            return n
        action[n] = legal[chosen]
    return SERVED


@kernel
def sample_packed(
    logits: Floats,
    row_action: Ints,
    offsets: Ints,
    uniform: NDArray[np.float64],
    action: Ints,
    log_prob: Floats,
    entropy: Floats,
) -> int:
    """`sample_masked` on packed rows: logits (R,), row_action int64 (R,), offsets int64 (N + 1,)."""
    weights = np.empty(logits.shape[0])
    for n in range(offsets.shape[0] - 1):
        first, count = offsets[n], offsets[n + 1] - offsets[n]
        for i in range(count):
            weights[i] = logits[first + i]
        chosen = _sample(weights, count, uniform[n], n, log_prob, entropy)
        if chosen < 0:
            return n
        action[n] = row_action[first + chosen]
    return SERVED


@kernel
def _sample(weights: Floats, count: int, uniform: float, n: int, log_prob: Floats, entropy: Floats) -> int:
    """Draw among weights[:count] (logits, overwritten); writes log_prob[n], entropy[n]; -1 if impossible."""
    top = -np.inf
    for i in range(count):
        if not math.isfinite(weights[i]):
            return -1
        top = max(top, weights[i])
    if count == 0:
        return -1
    total, weighted = 0.0, 0.0
    for i in range(count):
        shifted = weights[i] - top
        weights[i] = math.exp(shifted)
        total += weights[i]
        weighted += weights[i] * shifted
    threshold, cumulated, chosen = uniform * total, 0.0, 0
    for i in range(count):
        if (
            weights[i] > 0.0
        ):  # should rounding let the threshold reach the total, the last possible action is drawn
            chosen = i
        cumulated += weights[i]
        if threshold < cumulated:
            break
    log_total = math.log(total)
    log_prob[n] = math.log(weights[chosen]) - log_total
    entropy[n] = log_total - weighted / total
    return chosen


@kernel
def best_masked(logits: Floats, mask: Flags, action: Ints) -> int:
    """The first of the largest legal logits of each row, into action (N,); returns as `sample_masked` does."""
    for n in range(logits.shape[0]):
        best, action[n] = -np.inf, -1
        for a in range(logits.shape[1]):
            if mask[n, a]:
                if not math.isfinite(logits[n, a]):
                    return n
                if logits[n, a] > best:
                    best, action[n] = logits[n, a], a
        if action[n] < 0:
            return n
    return SERVED


@kernel
def best_packed(logits: Floats, row_action: Ints, offsets: Ints, action: Ints) -> int:
    """`best_masked` on packed rows: logits (R,), row_action int64 (R,), offsets int64 (N + 1,)."""
    for n in range(offsets.shape[0] - 1):
        best, action[n] = -np.inf, -1
        for r in range(offsets[n], offsets[n + 1]):
            if not math.isfinite(logits[r]):
                return n
            if logits[r] > best:
                best, action[n] = logits[r], row_action[r]
        if action[n] < 0:
            return n
    return SERVED


@kernel
def count_legal(mask: Flags, counts: Ints) -> None:
    """Legal actions of each row of mask (N, A), into counts int64 (N,)."""
    for n in range(mask.shape[0]):
        count = 0
        for a in range(mask.shape[1]):
            count += mask[n, a]
        counts[n] = count


@kernel
def segment_log_softmax(
    logits: Floats, offsets: Ints, chosen: Ints, log_prob: Floats, entropy: Floats, probabilities: Floats
) -> None:
    """Log-probability of the chosen row and entropy of every segment.

    Args:
        logits: (R,).
        offsets: int64 (B + 1,), rows of segment b are offsets[b] .. offsets[b + 1] - 1.
        chosen: int64 (B,), a row index into logits.
        log_prob: (B,), written.
        entropy: (B,), written.
        probabilities: (R,), written, kept for the gradient.
    """
    for b in range(offsets.shape[0] - 1):
        first, last = offsets[b], offsets[b + 1]
        top = -np.inf
        for r in range(first, last):
            top = max(top, np.float64(logits[r]))
        total, weighted = 0.0, 0.0
        for r in range(first, last):
            shifted = np.float64(logits[r]) - top
            weight = math.exp(shifted)
            probabilities[r] = weight
            total += weight
            weighted += weight * shifted
        log_total = math.log(total)
        for r in range(first, last):
            probabilities[r] /= total
        log_prob[b] = np.float64(logits[chosen[b]]) - top - log_total
        entropy[b] = log_total - weighted / total


@kernel
def segment_log_softmax_backward(
    logits: Floats,
    offsets: Ints,
    chosen: Ints,
    entropy: Floats,
    probabilities: Floats,
    log_prob_gradient: Floats,
    entropy_gradient: Floats,
    out: Floats,
) -> None:
    """Gradient of `segment_log_softmax` for the logits, into out (R,).

    d log p_a / d l_i = [i = a] - p_i and dH / d l_i = -p_i (log p_i + H).
    """
    for b in range(offsets.shape[0] - 1):
        first, last = offsets[b], offsets[b + 1]
        of_log_prob, of_entropy = log_prob_gradient[b], entropy_gradient[b]
        for r in range(first, last):
            p = probabilities[r]
            # p log p -> 0 as p -> 0, where its logarithm would be -inf
            surprise = p * (math.log(p) + entropy[b]) if p > 0.0 else p
            out[r] = -of_log_prob * p - of_entropy * surprise
        out[chosen[b]] += of_log_prob
