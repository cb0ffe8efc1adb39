"""The value path of the scorer (`networks.pooled_value`) on a pooled chunk of states, forward and backward."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sched_rl.agents.kernels.layers import (
    OUTPUTS,
    backward_head,
    backward_layers,
    forward_head,
    forward_layers,
    table,
)
from sched_rl.agents.kernels.scorer_plan import Gradients, Parameters, ScorerPlan, Scratch
from sched_rl.agents.kernels.scorer_pools import take_pooled, write_inputs
from sched_rl.kernels import kernel

Floats = NDArray[Any]  # float32 or float64, alike in all arguments of a call
Ints = NDArray[np.int64]


@kernel
def value_chunk(
    plan: ScorerPlan, weights: Parameters, observation: Floats, states: Ints, scratch: Scratch, out: Floats
) -> None:
    """Values (S,) of a pooled chunk; the value's units are the first of the pool."""
    count, pool_size = states.shape[0], plan.value_pool[OUTPUTS]
    width = 2 * pool_size + observation.shape[1] - plan.window * plan.columns
    inputs = table(scratch.value_input, 0, count, width)
    pooled = table(scratch.pooled, 0, count, 2 * weights.pool_bias.shape[0])
    write_inputs(plan, observation, states, pooled, 0, pool_size, inputs)
    hidden = forward_layers(plan.value_body, weights.transposed, inputs, scratch.value_hidden)
    forward_head(plan.value_head, weights.flat, hidden, out)


@kernel
def value_chunk_backward(
    plan: ScorerPlan,
    weights: Parameters,
    of_values: Floats,
    width: int,
    scratch: Scratch,
    gradients: Gradients,
) -> None:
    """From the gradient for the values (S,) to that of the value path, the pooled features included."""
    count, layers = of_values.shape[0], plan.value_body
    inputs, of_inputs = (
        table(scratch.value_input, 0, count, width),
        table(scratch.of_value_input, 0, count, width),
    )
    last, of_last = inputs, of_inputs
    if layers.shape[0] > 0:
        start = count * (layers[:, OUTPUTS].sum() - layers[-1, OUTPUTS])
        last = table(scratch.value_hidden, start, count, layers[-1, OUTPUTS])
        of_last = table(scratch.of_value_hidden, start, count, layers[-1, OUTPUTS])
    backward_head(plan.value_head, weights.flat, last, of_values, of_last, gradients.transposed)
    backward_layers(
        layers,
        weights.flat,
        inputs,
        scratch.value_hidden,
        scratch.of_value_hidden,
        of_inputs,
        scratch.part,
        gradients.transposed,
    )
    of_pooled = table(scratch.of_pooled, 0, count, 2 * weights.pool_bias.shape[0])
    take_pooled(of_inputs, 0, plan.value_pool[OUTPUTS], of_pooled)
