"""Passes of the scorer without gradients, in one compiled call each: draw actions, take the best, value states.

A state with one legal action needs no network: its probability is 1. States go by chunks that fit the second-level
cache.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sched_rl.agents.kernels.categorical import SERVED, best_packed, sample_packed
from sched_rl.agents.kernels.layers import transpose_weights
from sched_rl.agents.kernels.scorer_plan import Plain, ScorerPlan, Scratch
from sched_rl.agents.kernels.scorer_policy import policy_chunk
from sched_rl.agents.kernels.scorer_pools import one_pool, pool_chunk
from sched_rl.agents.kernels.scorer_value import value_chunk
from sched_rl.kernels import kernel

Floats = NDArray[Any]  # float32 or float64, alike in all arguments of a call
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@kernel
def sample_scorer(
    plain_plan: Plain,
    plain_scratch: Plain,
    layers: Ints,
    flat: Floats,
    transposed: Floats,
    chunk_size: int,
    observation: Floats,
    mask: Flags,
    uniform: NDArray[np.float64],
    action: Ints,
    log_prob: Floats,
    entropy: Floats,
) -> int:
    """Draw an action a state; returns as `categorical.sample_masked` does.

    Args:
        plain_plan: a `ScorerPlan`.
        plain_scratch: a `Scratch` for chunk_size states.
        layers: int64 (L, 4), all of the network's.
        flat: (P,), parameters.
        transposed: (P,), written.
        chunk_size: S.
        observation: (N, D).
        mask: bool (N, A).
        uniform: float64 (N,).
        action: int64 (N,), written.
        log_prob: (N,), written.
        entropy: (N,), written.
    """
    plan, scratch = ScorerPlan(*plain_plan), Scratch(*plain_scratch)
    transpose_weights(layers, flat, transposed)
    weights = one_pool(plan.policy_pool, flat, transposed)
    undecided, count = np.empty(mask.shape[0], np.int64), 0
    for n in range(mask.shape[0]):
        legal = 0
        for a in range(mask.shape[1]):
            if mask[n, a]:
                action[n] = a
                legal += 1
        log_prob[n], entropy[n] = 0.0, 0.0
        if legal == 0:
            return n
        if legal > 1:
            undecided[count] = n
            count += 1
    drawn, draws = np.empty(chunk_size, np.int64), np.empty(chunk_size)
    drawn_log_prob = np.empty(chunk_size, log_prob.dtype)
    drawn_entropy = np.empty(chunk_size, log_prob.dtype)
    for first in range(0, count, chunk_size):
        states = undecided[first : min(first + chunk_size, count)]
        size = states.shape[0]
        pool_chunk(plan, weights, observation, states, scratch)
        num_rows = policy_chunk(plan, weights, observation, mask, states, scratch)
        for s in range(size):
            draws[s] = uniform[states[s]]
        row = sample_packed(
            scratch.logits[:num_rows],
            scratch.row_action,
            scratch.row_offsets[: size + 1],
            draws,
            drawn,
            drawn_log_prob,
            drawn_entropy,
        )
        if row != SERVED:
            return int(states[row])
        for s in range(size):
            n = states[s]
            action[n], log_prob[n], entropy[n] = drawn[s], drawn_log_prob[s], drawn_entropy[s]
    return SERVED


@kernel
def best_scorer(
    plain_plan: Plain,
    plain_scratch: Plain,
    layers: Ints,
    flat: Floats,
    transposed: Floats,
    chunk_size: int,
    observation: Floats,
    mask: Flags,
    action: Ints,
) -> int:
    """The first of the best actions of each state, into action (N,); arguments and return as in `sample_scorer`.

    Logits are rounded to float32 before they are compared, see `agents.greedy`.
    """
    plan, scratch = ScorerPlan(*plain_plan), Scratch(*plain_scratch)
    transpose_weights(layers, flat, transposed)
    weights = one_pool(plan.policy_pool, flat, transposed)
    everyone, rounded = np.arange(observation.shape[0]), np.empty(scratch.logits.shape[0], np.float32)
    for first in range(0, everyone.shape[0], chunk_size):
        states = everyone[first : min(first + chunk_size, everyone.shape[0])]
        size = states.shape[0]
        pool_chunk(plan, weights, observation, states, scratch)
        num_rows = policy_chunk(plan, weights, observation, mask, states, scratch)
        for r in range(num_rows):
            rounded[r] = scratch.logits[r]
        offsets = scratch.row_offsets[: size + 1]
        row = best_packed(rounded, scratch.row_action, offsets, action[first : first + size])
        if row != SERVED:
            return int(states[row])
    return SERVED


@kernel
def value_scorer(
    plain_plan: Plain,
    plain_scratch: Plain,
    layers: Ints,
    flat: Floats,
    transposed: Floats,
    chunk_size: int,
    observation: Floats,
    out: Floats,
) -> None:
    """Values (M,) of observations (M, D); other arguments as in `sample_scorer`."""
    plan, scratch = ScorerPlan(*plain_plan), Scratch(*plain_scratch)
    transpose_weights(layers, flat, transposed)
    weights = one_pool(plan.value_pool, flat, transposed)
    states = np.arange(observation.shape[0])
    for first in range(0, states.shape[0], chunk_size):
        last = min(first + chunk_size, states.shape[0])
        pool_chunk(plan, weights, observation, states[first:last], scratch)
        value_chunk(plan, weights, observation, states[first:last], scratch, out[first:last])
