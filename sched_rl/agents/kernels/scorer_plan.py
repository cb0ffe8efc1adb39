"""What the compiled passes of the scorer read and write, as named tuples of arrays."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[Any]  # float32 or float64, alike in all arguments of a call
Ints = NDArray[np.int64]
#: The fields of a named tuple: numba unpacks a plain tuple in a third of the time.
Plain = tuple[Any, ...]


class ScorerPlan(NamedTuple):
    """Where the parameters lie in the flat arrays, and the sizes of an observation; layers as in `layers`.

    Attributes:
        window: K.
        columns: J, features of a job.
        policy_pool: int64 (4,).
        value_pool: int64 (4,).
        context: int64 (1, 4).
        entry: int64 (4,); its inputs are a row (J + 1) and the context.
        body: int64 (L, 4).
        head: int64 (4,).
        noop: where the no-op's bias lies.
        value_body: int64 (M, 4).
        value_head: int64 (4,).
    """

    window: int
    columns: int
    policy_pool: Ints
    value_pool: Ints
    context: Ints
    entry: Ints
    body: Ints
    head: Ints
    noop: int
    value_body: Ints
    value_head: Ints


class Parameters(NamedTuple):
    """What a pass reads: all parameters as torch lays them out, the same transposed, and pools side by side.

    Attributes:
        flat: (P,).
        transposed: (P,).
        pool_weight: (J, U), of the pools that the pass takes.
        pool_bias: (U,).
    """

    flat: Floats
    transposed: Floats
    pool_weight: Floats
    pool_bias: Floats


class Gradients(NamedTuple):
    """What a backward pass adds to: transposed (P,), and pools side by side (J, U) and (U,)."""

    transposed: Floats
    pool_weight: Floats
    pool_bias: Floats


class Scratch(NamedTuple):
    """Room for a chunk of S states with up to R = S (K + 1) legal rows; flat unless a shape is given.

    Names as in the networks; `of_x` is the gradient for x.
    """

    jobs: Floats
    job_offsets: Ints  # (S + 1,)
    features: Floats
    argmax: NDArray[np.int32]
    pooled: Floats
    of_pooled: Floats
    value_input: Floats
    of_value_input: Floats
    value_hidden: Floats
    of_value_hidden: Floats
    context_input: Floats
    of_context_input: Floats
    context: Floats
    of_context: Floats
    terms: Floats
    of_terms: Floats
    rows: Floats
    row_action: Ints  # (R,)
    row_offsets: Ints  # (S + 1,)
    entry: Floats
    of_entry: Floats
    hidden: Floats
    of_hidden: Floats
    logits: Floats  # (R,)
    of_logits: Floats  # (R,)
    probabilities: Floats  # (R,)
    part: Floats
