"""The policy's and the value's loss on dense rows: from logits and values to the gradients for them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sched_rl.agents.kernels.loss import Coefficients, Recorded, add_policy_loss, add_value_loss
from sched_rl.kernels import kernel

Floats = NDArray[Any]  # float32 or float64, alike in all arguments of a call
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
#: The fields of a named tuple: numba unpacks a plain tuple in a third of the time.
Plain = tuple[Any, ...]


@kernel
def masked_log_softmax(
    logits: Floats,
    mask: Flags,
    action: Ints,
    samples: Ints,
    log_prob: Floats,
    entropy: Floats,
    probabilities: Floats,
) -> None:
    """Log-probability of each sample's action and entropy over its legal actions.

    Args:
        logits: (B, A), of the samples.
        mask: bool (M, A), of all states.
        action: int64 (M,), legal in each.
        samples: int64 (B,), which of the M states.
        log_prob: (B,), written.
        entropy: (B,), written.
        probabilities: (B, A), written, 0 where illegal; kept for the gradient.
    """
    num_actions = logits.shape[1]
    for b in range(samples.shape[0]):
        state, top = samples[b], -np.inf
        for a in range(num_actions):
            if mask[state, a]:
                top = max(top, np.float64(logits[b, a]))
        total, weighted = 0.0, 0.0
        for a in range(num_actions):
            probabilities[b, a] = 0.0
            if mask[state, a]:
                shifted = np.float64(logits[b, a]) - top
                weight = math.exp(shifted)
                probabilities[b, a] = weight
                total += weight
                weighted += weight * shifted
        for a in range(num_actions):
            probabilities[b, a] /= total
        log_total = math.log(total)
        log_prob[b] = np.float64(logits[b, action[state]]) - top - log_total
        entropy[b] = log_total - weighted / total


@kernel
def masked_log_softmax_backward(
    logits: Floats,
    action: Ints,
    samples: Ints,
    log_prob: Floats,
    entropy: Floats,
    probabilities: Floats,
    of_log_prob: Floats,
    of_entropy: Floats,
) -> None:
    """Replace the probabilities by the gradient for the logits; the other arguments as `masked_log_softmax` left them.

    d log p_a / d l_i = [i = a] - p_i and dH / d l_i = -p_i (log p_i + H).
    """
    for b in range(samples.shape[0]):
        chosen = action[samples[b]]
        log_total = np.float64(logits[b, chosen]) - log_prob[b]  # spares a logarithm an action
        for a in range(logits.shape[1]):
            surprise = np.float64(logits[b, a]) - log_total + entropy[b]
            probabilities[b, a] *= -(of_log_prob[b] + of_entropy[b] * surprise)
        probabilities[b, chosen] += of_log_prob[b]


@kernel
def differentiate_logits(
    plain_coefficients: Plain,
    plain_recorded: Plain,
    mask: Flags,
    action: Ints,
    samples: Ints,
    advantage: Floats,
    logits: Floats,
    of_logits: Floats,
    sums: NDArray[np.float64],
) -> None:
    """Policy loss of a minibatch and its gradient for the logits.

    Args:
        plain_coefficients: `Coefficients`.
        plain_recorded: a `Recorded`.
        mask: bool (M, A), of all states.
        action: int64 (M,), legal in each.
        samples: int64 (B,), which of the M states; the C with a choice come first.
        advantage: (B,), normalised.
        logits: (C, A).
        of_logits: (C, A), written.
        sums: as in `loss.add_policy_loss`, added to.
    """
    coefficients, recorded = Coefficients(*plain_coefficients), Recorded(*plain_recorded)
    batch, choices = samples.shape[0], samples[: logits.shape[0]]
    # Of a state without a choice, log-probability and entropy are 0.
    log_prob, entropy = np.zeros(batch, logits.dtype), np.zeros(batch, logits.dtype)
    of_log_prob, of_entropy = np.empty(batch, logits.dtype), np.empty(batch, logits.dtype)
    masked_log_softmax(logits, mask, action, choices, log_prob, entropy, of_logits)
    share = 1.0 / batch
    add_policy_loss(
        coefficients, recorded, samples, advantage, share, log_prob, entropy, of_log_prob, of_entropy, sums
    )
    masked_log_softmax_backward(
        logits, action, choices, log_prob, entropy, of_logits, of_log_prob, of_entropy
    )


@kernel
def differentiate_values(
    plain_coefficients: Plain,
    plain_recorded: Plain,
    samples: Ints,
    values: Floats,
    sums: NDArray[np.float64],
) -> None:
    """Value loss of a minibatch; values (B,) are replaced by the gradient for them; arguments as above."""
    coefficients, recorded = Coefficients(*plain_coefficients), Recorded(*plain_recorded)
    add_value_loss(coefficients, recorded, samples, 1.0 / samples.shape[0], values, sums)
