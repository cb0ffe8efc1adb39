"""Loss and gradient of the scorer on a minibatch, in one compiled call.

States with one legal action are left out of the policy path: its probability is 1 and its gradient 0, whatever the
weights. States go by chunks that fit the second-level cache, forward and backward.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sched_rl.agents.kernels.categorical import SERVED
from sched_rl.agents.kernels.layers import OUTPUTS, restore_weights, transpose_weights
from sched_rl.agents.kernels.loss import NUM_SUMS, Coefficients, Recorded, add_policy_loss, add_value_loss
from sched_rl.agents.kernels.scorer_plan import Gradients, Parameters, Plain, ScorerPlan, Scratch
from sched_rl.agents.kernels.scorer_policy import categorical_chunk, policy_chunk, policy_chunk_backward
from sched_rl.agents.kernels.scorer_pools import both_pools, one_pool, pool_chunk, pool_chunk_backward
from sched_rl.agents.kernels.scorer_value import value_chunk, value_chunk_backward
from sched_rl.kernels import kernel, kernel_without_gil

Floats = NDArray[Any]  # float32 or float64, alike in all arguments of a call
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@kernel
def find_choices(mask: Flags, action: Ints, num_legal: Ints, position: Ints) -> int:
    """Legal actions of each state (M,), and how many of them lie before its action; -1, or a state that lacks it."""
    for m in range(mask.shape[0]):
        count = 0
        position[m] = -1
        for a in range(mask.shape[1]):
            if mask[m, a]:
                if a == action[m]:
                    position[m] = count
                count += 1
        num_legal[m] = count
        if position[m] < 0:
            return m
    return SERVED


@kernel
def choices_first(samples: Ints, num_legal: Ints, ordered: Ints) -> int:
    """Samples (B,), those with more than one legal action first, into ordered (B,); returns how many those are."""
    count = 0
    for b in range(samples.shape[0]):
        if num_legal[samples[b]] > 1:
            ordered[count] = samples[b]
            count += 1
    rest = count
    for b in range(samples.shape[0]):
        if num_legal[samples[b]] <= 1:
            ordered[rest] = samples[b]
            rest += 1
    return count


@kernel
def _value_path(
    plan: ScorerPlan,
    weights: Parameters,
    scratch: Scratch,
    observation: Floats,
    samples: Ints,
    recorded: Recorded,
    coefficients: Coefficients,
    share: float,
    gradients: Gradients,
    sums: NDArray[np.float64],
) -> None:
    """Forward, loss and backward of the value path on a pooled chunk, up to the pooled features."""
    values = np.empty(samples.shape[0], observation.dtype)
    value_chunk(plan, weights, observation, samples, scratch, values)
    add_value_loss(coefficients, recorded, samples, share, values, sums)
    width = 2 * plan.value_pool[OUTPUTS] + observation.shape[1] - plan.window * plan.columns
    value_chunk_backward(plan, weights, values, width, scratch, gradients)


@kernel
def _policy_path(
    plan: ScorerPlan,
    weights: Parameters,
    scratch: Scratch,
    observation: Floats,
    mask: Flags,
    position: Ints,
    samples: Ints,
    advantage: Floats,
    recorded: Recorded,
    coefficients: Coefficients,
    share: float,
    gradients: Gradients,
    sums: NDArray[np.float64],
) -> None:
    """Forward, loss and backward of the policy path on a pooled chunk, up to the pooled features."""
    count, kind = samples.shape[0], observation.dtype
    num_rows = policy_chunk(plan, weights, observation, mask, samples, scratch)
    chosen = np.empty(count, np.int64)
    for s in range(count):
        chosen[s] = scratch.row_offsets[s] + position[samples[s]]
    log_prob, entropy = np.empty(count, kind), np.empty(count, kind)
    categorical_chunk(num_rows, chosen, log_prob, entropy, scratch)
    of_log_prob, of_entropy = np.empty(count, kind), np.empty(count, kind)
    add_policy_loss(
        coefficients, recorded, samples, advantage, share, log_prob, entropy, of_log_prob, of_entropy, sums
    )
    policy_chunk_backward(
        plan, weights, num_rows, chosen, entropy, of_log_prob, of_entropy, scratch, gradients
    )


@kernel_without_gil
def differentiate_scorer(
    plain_plan: Plain,
    plain_scratch: Plain,
    layers: Ints,
    flat: Floats,
    transposed: Floats,
    chunk_size: int,
    observation: Floats,
    mask: Flags,
    position: Ints,
    samples: Ints,
    num_choices: int,
    advantage: Floats,
    plain_recorded: Plain,
    plain_coefficients: Plain,
    of_transposed: Floats,
    gradient: Floats,
) -> NDArray[np.float64]:
    """Loss of a minibatch and its gradient for every parameter.

    Args:
        plain_plan: a `ScorerPlan`.
        plain_scratch: a `Scratch` for chunk_size states.
        layers: int64 (L, 4), all of the network's.
        flat: (P,), parameters.
        transposed: (P,), written.
        chunk_size: S.
        observation: (M, D), of the rollout.
        mask: bool (M, A).
        position: int64 (M,), of each action among the legal ones of its state.
        samples: int64 (B,), of the rollout's states; those with a choice first.
        num_choices: how many have one.
        advantage: (B,), of the samples, normalised.
        plain_recorded: a `Recorded`.
        plain_coefficients: `Coefficients`.
        of_transposed: (P,), overwritten.
        gradient: (P,), written.

    Returns:
        float64 (9,), means over the samples, in the order of `loss.PG_LOSS` and so on.
    """
    plan, scratch = ScorerPlan(*plain_plan), Scratch(*plain_scratch)
    recorded, coefficients = Recorded(*plain_recorded), Coefficients(*plain_coefficients)
    sums, share = np.zeros(NUM_SUMS), 1.0 / samples.shape[0]
    transpose_weights(layers, flat, transposed)
    of_transposed[:] = 0.0

    weights = both_pools(plan, flat, transposed)
    gradients = Gradients(of_transposed, np.zeros_like(weights.pool_weight), np.zeros_like(weights.pool_bias))
    for first in range(0, num_choices, chunk_size):
        last = min(first + chunk_size, num_choices)
        chunk = samples[first:last]
        pool_chunk(plan, weights, observation, chunk, scratch)
        _value_path(
            plan, weights, scratch, observation, chunk, recorded, coefficients, share, gradients, sums
        )
        _policy_path(
            plan,
            weights,
            scratch,
            observation,
            mask,
            position,
            chunk,
            advantage[first:last],
            recorded,
            coefficients,
            share,
            gradients,
            sums,
        )
        pool_chunk_backward(plan, weights, last - first, scratch, gradients)

    of_value = one_pool(plan.value_pool, flat, of_transposed)
    of_policy = one_pool(plan.policy_pool, flat, of_transposed)
    split = of_value.pool_bias.shape[0]
    of_value.pool_weight[:] = gradients.pool_weight[:, :split]
    of_value.pool_bias[:] = gradients.pool_bias[:split]
    of_policy.pool_weight[:] = gradients.pool_weight[:, split:]
    of_policy.pool_bias[:] = gradients.pool_bias[split:]

    weights = one_pool(plan.value_pool, flat, transposed)
    gradients = Gradients(of_transposed, of_value.pool_weight, of_value.pool_bias)
    certain = np.zeros(chunk_size, observation.dtype)  # log-probability and entropy of the only action
    unused = np.empty(chunk_size, observation.dtype)
    for first in range(num_choices, samples.shape[0], chunk_size):
        last = min(first + chunk_size, samples.shape[0])
        chunk, size = samples[first:last], last - first
        pool_chunk(plan, weights, observation, chunk, scratch)
        _value_path(
            plan, weights, scratch, observation, chunk, recorded, coefficients, share, gradients, sums
        )
        add_policy_loss(
            coefficients,
            recorded,
            chunk,
            advantage[first:last],
            share,
            certain[:size],
            certain[:size],
            unused[:size],
            unused[:size],
            sums,
        )
        pool_chunk_backward(plan, weights, size, scratch, gradients)
    restore_weights(layers, of_transposed, gradient)
    for index in range(NUM_SUMS):
        sums[index] *= share
    return sums
