"""Torch operations on packed rows, with gradients: compiled passes on the CPU, torch's own elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sched_rl.agents.kernels.categorical import segment_log_softmax, segment_log_softmax_backward
from sched_rl.agents.kernels.packing import add_to_rows, sum_rows
from sched_rl.agents.kernels.pooling import expand_gradient, reduce_features, write_present_jobs

if TYPE_CHECKING:
    from sched_rl.agents.networks.base import PackedStates


#: States pooled at a time, so that what lies between two matrix products stays in the second-level cache.
_POOL_CHUNK = 64


class _PoolJobs(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, observation: Tensor, index: Tensor, weight: Tensor, bias: Tensor, window: int
    ) -> Tensor:
        table = torch.cat((weight.detach().t(), bias.detach().unsqueeze(0)))  # (J + 1, U)
        out = table.new_empty(len(index), 2 * len(bias))
        argmax = np.empty((len(index), len(bias)), np.int32)
        for chunk, counts, _, features in _pool_chunks(observation, index, table, window):
            reduce_features(features.numpy(), window, counts, out[chunk].numpy(), argmax[chunk])
        ctx.save_for_backward(observation, index, table)
        ctx.window, ctx.argmax = window, argmax
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, None, Tensor, Tensor, None]:
        observation, index, table = ctx.saved_tensors
        gradient, argmax = gradients[0].contiguous().numpy(), ctx.argmax
        of_table = torch.zeros_like(table)
        of_features = table.new_empty(_POOL_CHUNK * ctx.window, table.shape[1])
        # The features are computed again: reading them back from memory would take as long.
        for chunk, counts, rows, features in _pool_chunks(observation, index, table, ctx.window):
            target = of_features[: len(rows)]
            expand_gradient(
                features.numpy(), ctx.window, counts, argmax[chunk], gradient[chunk], target.numpy()
            )
            of_table.addmm_(rows.t(), target)
        return None, None, of_table[:-1].t(), of_table[-1], None


def _pool_chunks(
    observation: Tensor, index: Tensor, table: Tensor, window: int
) -> Iterator[tuple[slice, NDArray[np.int32], Tensor, Tensor]]:
    """(states, jobs present, job rows with a 1 behind, their features before the relu), some states at a time."""
    rows = table.new_empty(_POOL_CHUNK * window, len(table))
    features = table.new_empty(_POOL_CHUNK * window, table.shape[1])
    counts = np.empty(_POOL_CHUNK, np.int32)
    source, states = observation.numpy(), index.numpy()
    for first in range(0, len(states), _POOL_CHUNK):
        chunk = slice(first, min(first + _POOL_CHUNK, len(states)))
        size = chunk.stop - first
        used, filled = rows[: size * window], features[: size * window]
        write_present_jobs(source, states[chunk], window, used.numpy(), counts[:size])
        torch.mm(used, table, out=filled)
        yield chunk, counts[:size], used, filled


class _AddStateTerms(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, terms: Tensor, row_state: Tensor, offsets: Tensor) -> Tensor:
        out = torch.empty_like(rows)
        add_to_rows(
            rows.detach().numpy(), terms.detach().contiguous().numpy(), row_state.numpy(), out.numpy()
        )
        ctx.save_for_backward(offsets)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None]:
        (offsets,) = ctx.saved_tensors
        of_rows = gradients[0].contiguous()
        of_terms = of_rows.new_empty(len(offsets) - 1, of_rows.shape[1])
        sum_rows(of_rows.numpy(), offsets.numpy(), of_terms.numpy())
        return of_rows, of_terms, None, None


class _SegmentCategorical(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, offsets: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
        states = len(offsets) - 1
        log_prob, entropy = logits.new_empty(states), logits.new_empty(states)
        probabilities = torch.empty_like(logits)
        segment_log_softmax(
            logits.detach().numpy(),
            offsets.numpy(),
            chosen.numpy(),
            log_prob.numpy(),
            entropy.numpy(),
            probabilities.numpy(),
        )
        ctx.save_for_backward(logits, offsets, chosen, entropy, probabilities)
        return log_prob, entropy

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        logits, offsets, chosen, entropy, probabilities = ctx.saved_tensors
        of_logits = torch.empty_like(logits)
        segment_log_softmax_backward(
            logits.detach().numpy(),
            offsets.numpy(),
            chosen.numpy(),
            entropy.detach().numpy(),
            probabilities.numpy(),
            gradients[0].contiguous().numpy(),
            gradients[1].contiguous().numpy(),
            of_logits.numpy(),
        )
        return of_logits, None, None


def pool_jobs(observation: Tensor, index: Tensor, weight: Tensor, bias: Tensor, window: int) -> Tensor:
    """Mean and maximum (B, 2 U) over the present jobs of relu(linear(job)), on the CPU.

    Torch's own operations would take (B, K, U) through main memory several times; this goes by chunks that fit
    the cache. Gradients flow to weight (U, J) and bias (U,), not to the observations.

    Args:
        observation: (M, D), contiguous.
        index: int64 (B,), which of the M states.
        weight: (U, J).
        bias: (U,).
        window: K.
    """
    pooled: Tensor = _PoolJobs.apply(observation, index, weight, bias, window)  # type: ignore[no-untyped-call]
    return pooled


def add_state_terms(rows: Tensor, terms: Tensor, states: PackedStates) -> Tensor:
    """Rows (R, H) plus the term (B, H) of each row's state."""
    if rows.device.type != "cpu":
        return rows + terms[states.row_state]
    summed: Tensor = _AddStateTerms.apply(  # type: ignore[no-untyped-call]
        rows.contiguous(), terms, states.row_state, states.offsets
    )
    return summed


def segment_categorical(logits: Tensor, states: PackedStates, chosen: Tensor) -> tuple[Tensor, Tensor]:
    """Log-probability (B,) of the chosen rows and entropy (B,) of the softmax within each state's rows."""
    if logits.device.type == "cpu":
        pair: tuple[Tensor, Tensor] = _SegmentCategorical.apply(  # type: ignore[no-untyped-call]
            logits.contiguous(), states.offsets, chosen
        )
        return pair
    return segment_categorical_by_scatter(logits, states, chosen)


def segment_categorical_by_scatter(
    logits: Tensor, states: PackedStates, chosen: Tensor
) -> tuple[Tensor, Tensor]:
    """`segment_categorical` of torch operations, for devices without the compiled pass.

    CUDA adds in no fixed order, so two runs there agree up to rounding only.
    """
    top = logits.new_full((len(states.offsets) - 1,), -torch.inf)
    top = top.scatter_reduce(0, states.row_state, logits.detach(), "amax")
    shifted = logits - top[states.row_state]
    weights = shifted.exp()
    total = torch.zeros_like(top).index_add(0, states.row_state, weights)
    weighted = torch.zeros_like(top).index_add(0, states.row_state, weights * shifted)
    return shifted[chosen] - total.log(), total.log() - weighted / total
