"""The loss of PPO for a chunk of a minibatch, with its gradients: what `agents.losses` and `agents.clamps` say."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sched_rl.kernels import kernel

Floats = NDArray[Any]  # float32 or float64
Ints = NDArray[np.int64]

#: Sums over the samples of a minibatch. Up to the bonus, which `LossTerms` leaves out, they are in its order.
PG_LOSS, V_LOSS, ENTROPY, K3, K1, CLIPPED, V_CLIPPED, ENTROPY_CLAMPED, BONUS = range(9)
NUM_SUMS = 9


class Coefficients(NamedTuple):
    """Of the clamps (each off at <= 0) and of the terms of the loss."""

    clip_coef: float
    vf_clip_coef: float
    entropy_jump_clip: float
    vf_coef: float
    ent_coef: float


class Recorded(NamedTuple):
    """What the rollout recorded, all (T * N,)."""

    log_prob: Floats
    entropy: Floats
    value: Floats
    target: Floats


@kernel
def policy_terms(clip_coef: float, log_ratio: float, advantage: float, sums: NDArray[np.float64]) -> float:
    """Add a sample's policy loss and KL estimates to sums; returns the loss's slope in the log-probability."""
    ratio = math.exp(log_ratio)
    loss, slope = -advantage * ratio, -advantage * ratio
    if clip_coef > 0.0:
        clipped = -advantage * min(max(ratio, 1.0 - clip_coef), 1.0 + clip_coef)
        if abs(ratio - 1.0) > clip_coef:
            sums[CLIPPED] += 1.0
            if clipped >= loss:
                loss, slope = clipped, 0.0
    sums[PG_LOSS] += loss
    sums[K3] += math.expm1(log_ratio) - log_ratio
    sums[K1] -= log_ratio
    return slope


@kernel
def value_terms(
    clip_coef: float, value: float, old_value: float, target: float, sums: NDArray[np.float64]
) -> float:
    """Add a sample's value loss to sums; returns its slope in the value."""
    loss, slope = (value - target) ** 2, 2.0 * (value - target)
    change = value - old_value
    if clip_coef > 0.0 and abs(change) > clip_coef:
        clipped = (old_value + min(max(change, -clip_coef), clip_coef) - target) ** 2
        sums[V_CLIPPED] += 1.0
        if clipped > loss:
            loss, slope = clipped, 0.0
    sums[V_LOSS] += loss
    return slope


@kernel
def entropy_terms(jump_clip: float, entropy: float, old_entropy: float, sums: NDArray[np.float64]) -> float:
    """Add a sample's entropy bonus to sums; returns its slope in the entropy."""
    sums[ENTROPY] += entropy
    jump, slope = entropy - old_entropy, 1.0
    if jump_clip > 0.0 and abs(jump) > jump_clip:
        sums[ENTROPY_CLAMPED] += 1.0
        jump, slope = min(max(jump, -jump_clip), jump_clip), 0.0
    sums[BONUS] += old_entropy + jump
    return slope


@kernel
def add_value_loss(
    coefficients: Coefficients,
    recorded: Recorded,
    samples: Ints,
    share: float,
    values: Floats,
    sums: NDArray[np.float64],
) -> None:
    """Value loss of a chunk; its values (S,) are replaced by the whole loss's gradient for them.

    Args:
        coefficients: of the loss.
        recorded: of the rollout.
        samples: int64 (S,), which of the rollout's.
        share: 1 / B, weight of a sample in the minibatch's means.
        values: (S,), overwritten.
        sums: added to.
    """
    clip_coef, weight = coefficients.vf_clip_coef, coefficients.vf_coef * share
    for s in range(samples.shape[0]):
        old_value, target = np.float64(recorded.value[samples[s]]), np.float64(recorded.target[samples[s]])
        values[s] = weight * value_terms(clip_coef, np.float64(values[s]), old_value, target, sums)


@kernel
def add_policy_loss(
    coefficients: Coefficients,
    recorded: Recorded,
    samples: Ints,
    advantage: Floats,
    share: float,
    log_prob: Floats,
    entropy: Floats,
    of_log_prob: Floats,
    of_entropy: Floats,
    sums: NDArray[np.float64],
) -> None:
    """Policy loss and entropy bonus of a chunk, with the whole loss's gradients for log_prob and entropy.

    Args:
        coefficients: of the loss.
        recorded: of the rollout.
        samples: int64 (S,), which of the rollout's.
        advantage: (S,).
        share: 1 / B, weight of a sample in the minibatch's means.
        log_prob: (S,), of the recorded actions now.
        entropy: (S,), now.
        of_log_prob: (S,), written.
        of_entropy: (S,), written.
        sums: added to.
    """
    for s in range(samples.shape[0]):
        log_ratio = np.float64(log_prob[s]) - np.float64(recorded.log_prob[samples[s]])
        slope = policy_terms(coefficients.clip_coef, log_ratio, np.float64(advantage[s]), sums)
        of_log_prob[s] = share * slope
        now, before = np.float64(entropy[s]), np.float64(recorded.entropy[samples[s]])
        slope = entropy_terms(coefficients.entropy_jump_clip, now, before, sums)
        of_entropy[s] = -coefficients.ent_coef * share * slope
