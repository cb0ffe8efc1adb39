"""The policy path of the scorer (`networks.scorer`) on a pooled chunk of states, forward and backward."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sched_rl.agents.kernels.categorical import segment_log_softmax, segment_log_softmax_backward
from sched_rl.agents.kernels.layers import (
    BIAS,
    INPUTS,
    OUTPUTS,
    WEIGHT,
    add_products,
    backward_head,
    backward_layers,
    clip_gradient,
    forward_head,
    forward_layers,
    multiply,
    table,
)
from sched_rl.agents.kernels.scorer_plan import Gradients, Parameters, ScorerPlan, Scratch
from sched_rl.agents.kernels.scorer_pools import take_pooled, write_inputs
from sched_rl.kernels import kernel

Floats = NDArray[Any]  # float32 or float64, alike in all arguments of a call
Ints = NDArray[np.int64]


@kernel
def _write_rows(
    plan: ScorerPlan, observation: Floats, mask: NDArray[np.bool_], states: Ints, scratch: Scratch
) -> int:
    """The legal rows of a chunk, as `packing.write_legal_rows` lists them; returns how many."""
    row, columns, rows = 0, plan.columns, scratch.rows
    for s in range(states.shape[0]):
        state = states[s]
        scratch.row_offsets[s] = row
        for action in range(mask.shape[1]):
            if mask[state, action]:
                start, first = row * (columns + 1), (action - 1) * columns
                for j in range(columns):
                    rows[start + j] = observation[state, first + j] if action > 0 else 0.0
                rows[start + columns] = 0.0 if action > 0 else 1.0
                scratch.row_action[row] = action
                row += 1
    scratch.row_offsets[states.shape[0]] = row
    return row


@kernel
def _enter(terms: Floats, bias: Floats, offsets: Ints, entry: Floats) -> None:
    """Entry (R, H) = relu(entry + the term and the bias of each row's state)."""
    zero = entry.dtype.type(0.0)
    shift = np.empty(entry.shape[1], entry.dtype)
    for s in range(terms.shape[0]):
        for h in range(shift.shape[0]):
            shift[h] = terms[s, h] + bias[h]
        for r in range(offsets[s], offsets[s + 1]):
            for h in range(shift.shape[0]):
                value = entry[r, h] + shift[h]
                entry[r, h] = zero if value < zero else value


@kernel
def policy_chunk(
    plan: ScorerPlan,
    weights: Parameters,
    observation: Floats,
    mask: NDArray[np.bool_],
    states: Ints,
    scratch: Scratch,
) -> int:
    """Logits of the legal rows of a pooled chunk, into scratch; the policy's units are the last of the pool.

    Returns:
        The number of rows.
    """
    count, pool_size = states.shape[0], plan.policy_pool[OUTPUTS]
    units, outputs = weights.pool_bias.shape[0], plan.entry[OUTPUTS]
    inputs = table(scratch.context_input, 0, count, plan.context[0, INPUTS])
    pooled = table(scratch.pooled, 0, count, 2 * units)
    write_inputs(plan, observation, states, pooled, units - pool_size, pool_size, inputs)
    context = forward_layers(plan.context, weights.transposed, inputs, scratch.context)
    row_width, start = plan.columns + 1, plan.entry[WEIGHT]
    terms = table(scratch.terms, 0, count, outputs)
    multiply(
        context, table(weights.transposed, start + row_width * outputs, context.shape[1], outputs), terms
    )

    num_rows = _write_rows(plan, observation, mask, states, scratch)
    entry = table(scratch.entry, 0, num_rows, outputs)
    rows = table(scratch.rows, 0, num_rows, row_width)
    multiply(rows, table(weights.transposed, start, row_width, outputs), entry)
    bias = weights.flat[plan.entry[BIAS] : plan.entry[BIAS] + outputs]
    _enter(terms, bias, scratch.row_offsets[: count + 1], entry)
    hidden = forward_layers(plan.body, weights.transposed, entry, scratch.hidden)
    logits = scratch.logits[:num_rows]
    forward_head(plan.head, weights.flat, hidden, logits)
    for row in range(num_rows):
        if scratch.row_action[row] == 0:
            logits[row] += weights.flat[plan.noop]
    return num_rows


@kernel
def categorical_chunk(
    num_rows: int, chosen: Ints, log_prob: Floats, entropy: Floats, scratch: Scratch
) -> None:
    """Log-probability of the chosen rows (S,) and entropy of the chunk's policies, all (S,)."""
    offsets = scratch.row_offsets[: chosen.shape[0] + 1]
    segment_log_softmax(
        scratch.logits[:num_rows], offsets, chosen, log_prob, entropy, scratch.probabilities[:num_rows]
    )


@kernel
def policy_chunk_backward(
    plan: ScorerPlan,
    weights: Parameters,
    num_rows: int,
    chosen: Ints,
    entropy: Floats,
    of_log_prob: Floats,
    of_entropy: Floats,
    scratch: Scratch,
    gradients: Gradients,
) -> None:
    """From the gradients for log-probabilities and entropies (S,) to that of the policy path."""
    count, outputs, layers = chosen.shape[0], plan.entry[OUTPUTS], plan.body
    offsets, of_logits = scratch.row_offsets[: count + 1], scratch.of_logits[:num_rows]
    logits, probabilities = scratch.logits[:num_rows], scratch.probabilities[:num_rows]
    segment_log_softmax_backward(
        logits, offsets, chosen, entropy, probabilities, of_log_prob, of_entropy, of_logits
    )
    for row in range(num_rows):
        if scratch.row_action[row] == 0:
            gradients.transposed[plan.noop] += of_logits[row]
    entry, of_entry = (
        table(scratch.entry, 0, num_rows, outputs),
        table(scratch.of_entry, 0, num_rows, outputs),
    )
    last, of_last = entry, of_entry
    if layers.shape[0] > 0:
        start = num_rows * (layers[:, OUTPUTS].sum() - layers[-1, OUTPUTS])
        last = table(scratch.hidden, start, num_rows, layers[-1, OUTPUTS])
        of_last = table(scratch.of_hidden, start, num_rows, layers[-1, OUTPUTS])
    backward_head(plan.head, weights.flat, last, of_logits, of_last, gradients.transposed)
    backward_layers(
        layers,
        weights.flat,
        entry,
        scratch.hidden,
        scratch.of_hidden,
        of_entry,
        scratch.part,
        gradients.transposed,
    )
    bias = plan.entry[BIAS]
    clip_gradient(entry, of_entry, gradients.transposed[bias : bias + outputs])
    _entry_backward(plan, weights, of_entry, offsets, scratch, gradients)


@kernel
def _entry_backward(
    plan: ScorerPlan,
    weights: Parameters,
    of_entry: Floats,
    offsets: Ints,
    scratch: Scratch,
    gradients: Gradients,
) -> None:
    """From the first layer of the head to its rows' weight, the context and the pooled features."""
    count, outputs, row_width = offsets.shape[0] - 1, plan.entry[OUTPUTS], plan.columns + 1
    width, context_size = plan.context[0, INPUTS], plan.context[0, OUTPUTS]
    start = plan.entry[WEIGHT]
    rows, part = (
        table(scratch.rows, 0, of_entry.shape[0], row_width),
        table(scratch.part, 0, row_width, outputs),
    )
    add_products(rows, of_entry, part, table(gradients.transposed, start, row_width, outputs))

    of_terms = table(scratch.of_terms, 0, count, outputs)
    of_terms[:] = 0.0
    for s in range(count):
        for r in range(offsets[s], offsets[s + 1]):
            for h in range(outputs):
                of_terms[s, h] += of_entry[r, h]
    start += row_width * outputs
    context, of_context = (
        table(scratch.context, 0, count, context_size),
        table(scratch.of_context, 0, count, context_size),
    )
    part = table(scratch.part, 0, context_size, outputs)
    add_products(context, of_terms, part, table(gradients.transposed, start, context_size, outputs))
    np.dot(of_terms, table(weights.transposed, start, context_size, outputs).T, of_context)

    of_inputs = table(scratch.of_context_input, 0, count, width)
    backward_layers(
        plan.context,
        weights.flat,
        table(scratch.context_input, 0, count, width),
        scratch.context,
        scratch.of_context,
        of_inputs,
        scratch.part,
        gradients.transposed,
    )
    units, pool_size = weights.pool_bias.shape[0], plan.policy_pool[OUTPUTS]
    take_pooled(of_inputs, units - pool_size, pool_size, table(scratch.of_pooled, 0, count, 2 * units))
