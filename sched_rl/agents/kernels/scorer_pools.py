"""The pools of the scorer's two paths on a chunk of states, forward and backward, in compiled code.

Every array of a chunk is written, used and written over while it lies in the second-level cache; nothing is allocated
but small accumulators.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sched_rl.agents.kernels.job_pools import expand_to_jobs, gather_jobs, reduce_jobs
from sched_rl.agents.kernels.layers import (
    BIAS,
    INPUTS,
    OUTPUTS,
    WEIGHT,
    add_products,
    multiply,
    table,
)
from sched_rl.agents.kernels.scorer_plan import Gradients, Parameters, ScorerPlan, Scratch
from sched_rl.kernels import kernel

Floats = NDArray[Any]  # float32 or float64, alike in all arguments of a call
Ints = NDArray[np.int64]


@kernel
def one_pool(pool: Ints, flat: Floats, transposed: Floats) -> Parameters:
    """A pass that takes one of the pools; views."""
    weight = table(transposed, pool[WEIGHT], pool[INPUTS], pool[OUTPUTS])
    return Parameters(flat, transposed, weight, transposed[pool[BIAS] : pool[BIAS] + pool[OUTPUTS]])


@kernel
def both_pools(plan: ScorerPlan, flat: Floats, transposed: Floats) -> Parameters:
    """A pass that takes both: the value's units first, then the policy's."""
    value = one_pool(plan.value_pool, flat, transposed)
    policy = one_pool(plan.policy_pool, flat, transposed)
    split = value.pool_bias.shape[0]
    units = split + policy.pool_bias.shape[0]
    weight, bias = np.empty((plan.columns, units), flat.dtype), np.empty(units, flat.dtype)
    weight[:, :split], weight[:, split:] = value.pool_weight, policy.pool_weight
    bias[:split], bias[split:] = value.pool_bias, policy.pool_bias
    return Parameters(flat, transposed, weight, bias)


@kernel
def pool_chunk(
    plan: ScorerPlan, weights: Parameters, observation: Floats, states: Ints, scratch: Scratch
) -> None:
    """Present jobs, their features and the pooled features (S, 2 U) of a chunk, into scratch."""
    count, units = states.shape[0], weights.pool_bias.shape[0]
    offsets = scratch.job_offsets[: count + 1]
    gather_jobs(observation, states, plan.window, plan.columns, scratch.jobs, offsets)
    num_jobs = offsets[count]
    features = table(scratch.features, 0, num_jobs, units)
    multiply(table(scratch.jobs, 0, num_jobs, plan.columns), weights.pool_weight, features)
    argmax = table(scratch.argmax, 0, count, units)
    reduce_jobs(features, weights.pool_bias, offsets, table(scratch.pooled, 0, count, 2 * units), argmax)


@kernel
def pool_chunk_backward(
    plan: ScorerPlan, weights: Parameters, count: int, scratch: Scratch, gradients: Gradients
) -> None:
    """From the gradient for the pooled features to that of the pools' parameters."""
    units = weights.pool_bias.shape[0]
    offsets = scratch.job_offsets[: count + 1]
    num_jobs = offsets[count]
    features = table(scratch.features, 0, num_jobs, units)
    argmax = table(scratch.argmax, 0, count, units)
    of_pooled = table(scratch.of_pooled, 0, count, 2 * units)
    expand_to_jobs(features, weights.pool_bias, offsets, argmax, of_pooled, gradients.pool_bias)
    jobs, part = table(scratch.jobs, 0, num_jobs, plan.columns), table(scratch.part, 0, plan.columns, units)
    add_products(jobs, features, part, gradients.pool_weight)


@kernel
def write_inputs(
    plan: ScorerPlan, observation: Floats, states: Ints, pooled: Floats, first: int, size: int, out: Floats
) -> None:
    """Beside each other: means and maxima of the pool with units first .. first + size - 1, profile, context."""
    units, shared = pooled.shape[1] // 2, plan.window * plan.columns
    for s in range(states.shape[0]):
        for u in range(size):
            out[s, u] = pooled[s, first + u]
            out[s, size + u] = pooled[s, units + first + u]
        for i in range(out.shape[1] - 2 * size):
            out[s, 2 * size + i] = observation[states[s], shared + i]


@kernel
def take_pooled(of_input: Floats, first: int, size: int, of_pooled: Floats) -> None:
    """The way back from `write_inputs`, for the gradient; profile and context need none."""
    units = of_pooled.shape[1] // 2
    for s in range(of_input.shape[0]):
        for u in range(size):
            of_pooled[s, first + u] = of_input[s, u]
            of_pooled[s, units + first + u] = of_input[s, size + u]
