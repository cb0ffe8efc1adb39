"""Dense layers in compiled code: weights and gradients in one flat array each, products in blocks for the caches.

A layer is a row of int64: inputs, outputs, where its weight starts in the flat array, where its bias does. Weights
of the flat arrays called `transposed` lie as (inputs, outputs), those of torch as (outputs, inputs), at the same
places; biases alike in both.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sched_rl.kernels import kernel

Floats = NDArray[Any]  # float32 or float64, alike in all arguments of a call
Ints = NDArray[np.int64]

INPUTS, OUTPUTS, WEIGHT, BIAS = range(4)

#: Multiply-adds of one product. OpenBLAS has a faster kernel for products up to about this size (measured: 105
#: against 65 GFLOP/s on a Zen 4 core), and up to here it asks for no second thread.
_PRODUCT_SIZE = 1 << 18
_LEAST_ROWS = 8


@kernel
def _block_rows(inputs: int, outputs: int) -> int:
    return max(_LEAST_ROWS, _PRODUCT_SIZE // max(1, inputs * outputs))


@kernel
def multiply(rows: Floats, weight: Floats, out: Floats) -> None:
    """Out (R, O) = rows (R, I) @ weight (I, O), all contiguous."""
    step = _block_rows(weight.shape[0], weight.shape[1])
    for first in range(0, rows.shape[0], step):
        last = min(first + step, rows.shape[0])
        np.dot(rows[first:last], weight, out[first:last])


@kernel
def add_products(rows: Floats, of_out: Floats, part: Floats, out: Floats) -> None:
    """Out (I, O) += transposed rows (R, I) @ of_out (R, O); part (I, O) is overwritten."""
    step = _block_rows(rows.shape[1], of_out.shape[1])
    for first in range(0, rows.shape[0], step):
        last = min(first + step, rows.shape[0])
        np.dot(rows[first:last].T, of_out[first:last], part)
        for i in range(out.shape[0]):
            for o in range(out.shape[1]):
                out[i, o] += part[i, o]


@kernel
def table(flat: Floats, start: Any, rows: Any, columns: Any) -> Floats:
    """A piece of a flat array as (rows, columns)."""
    return flat[start : start + rows * columns].reshape(rows, columns)


@kernel
def transpose_weights(layers: Ints, flat: Floats, out: Floats) -> None:
    """Weights as (outputs, inputs) to (inputs, outputs); everything else is copied."""
    out[:] = flat
    for index in range(layers.shape[0]):
        inputs, outputs, start = layers[index, INPUTS], layers[index, OUTPUTS], layers[index, WEIGHT]
        for o in range(outputs):
            for i in range(inputs):
                out[start + i * outputs + o] = flat[start + o * inputs + i]


@kernel
def restore_weights(layers: Ints, transposed: Floats, out: Floats) -> None:
    """The way back from `transpose_weights`."""
    out[:] = transposed
    for index in range(layers.shape[0]):
        inputs, outputs, start = layers[index, INPUTS], layers[index, OUTPUTS], layers[index, WEIGHT]
        for o in range(outputs):
            for i in range(inputs):
                out[start + o * inputs + i] = transposed[start + i * outputs + o]


@kernel
def add_bias_and_clip(out: Floats, bias: Floats) -> None:
    """Out (R, O) = relu(out + bias (O,)). A NaN stays one."""
    zero = out.dtype.type(0.0)
    for r in range(out.shape[0]):
        for o in range(out.shape[1]):
            value = out[r, o] + bias[o]
            out[r, o] = zero if value < zero else value


@kernel
def clip_gradient(activations: Floats, of_rows: Floats, of_bias: Floats) -> None:
    """Gradient (R, O) through a relu, in place, and its column sums added to of_bias (O,)."""
    zero = of_rows.dtype.type(0.0)
    total = np.zeros(of_bias.shape[0], of_bias.dtype)
    for r in range(of_rows.shape[0]):
        for o in range(of_rows.shape[1]):
            slope = of_rows[r, o] if activations[r, o] > zero else zero
            of_rows[r, o] = slope
            total[o] += slope
    for o in range(total.shape[0]):
        of_bias[o] += total[o]


@kernel
def forward_layers(layers: Ints, transposed: Floats, first: Floats, hidden: Floats) -> Floats:
    """Linear layers, each with a relu behind it.

    Args:
        layers: int64 (L, 4).
        transposed: weights and biases.
        first: (R, I), contiguous.
        hidden: flat, written: what each layer gives, one (R, O) behind another.

    Returns:
        What the last layer gives, a view of `hidden` (of `first` without layers).
    """
    source, start = first, 0
    for index in range(layers.shape[0]):
        inputs, outputs = layers[index, INPUTS], layers[index, OUTPUTS]
        target = table(hidden, start, first.shape[0], outputs)
        multiply(source, table(transposed, layers[index, WEIGHT], inputs, outputs), target)
        bias = layers[index, BIAS]
        add_bias_and_clip(target, transposed[bias : bias + outputs])
        source = target
        start += target.size
    return source


@kernel
def backward_layers(
    layers: Ints,
    flat: Floats,
    first: Floats,
    hidden: Floats,
    of_hidden: Floats,
    of_first: Floats,
    part: Floats,
    gradient: Floats,
) -> None:
    """Gradients of `forward_layers`.

    Args:
        layers: int64 (L, 4).
        flat: weights, as torch lays them out.
        first: (R, I), what the first layer was given.
        hidden: flat, what `forward_layers` wrote.
        of_hidden: flat, gradients for `hidden`; the last layer's are given, the others written.
        of_first: (R, I), written; given where there are no layers.
        part: flat, overwritten.
        gradient: transposed, added to.
    """
    rows = first.shape[0]
    start = 0
    for index in range(layers.shape[0]):
        start += rows * layers[index, OUTPUTS]
    for index in range(layers.shape[0] - 1, -1, -1):
        inputs, outputs = layers[index, INPUTS], layers[index, OUTPUTS]
        weight, bias = layers[index, WEIGHT], layers[index, BIAS]
        start -= rows * outputs
        of_out = table(of_hidden, start, rows, outputs)
        clip_gradient(table(hidden, start, rows, outputs), of_out, gradient[bias : bias + outputs])
        source, target = first, of_first
        if index > 0:
            source = table(hidden, start - rows * inputs, rows, inputs)
            target = table(of_hidden, start - rows * inputs, rows, inputs)
        add_products(
            source, of_out, table(part, 0, inputs, outputs), table(gradient, weight, inputs, outputs)
        )
        multiply(of_out, table(flat, weight, outputs, inputs), target)


@kernel
def forward_head(head: Ints, flat: Floats, rows: Floats, out: Floats) -> None:
    """One linear output a row: out (R,) = rows (R, I) @ weight + bias; head is a layer, int64 (4,)."""
    weight, bias = flat[head[WEIGHT] : head[WEIGHT] + head[INPUTS]], flat[head[BIAS]]
    step = max(_LEAST_ROWS, 8192 // head[INPUTS])  # OpenBLAS takes a second thread from 9216 elements on
    for first in range(0, rows.shape[0], step):
        last = min(first + step, rows.shape[0])
        np.dot(rows[first:last], weight, out[first:last])
    for r in range(out.shape[0]):
        out[r] += bias


@kernel
def backward_head(
    head: Ints, flat: Floats, rows: Floats, of_out: Floats, of_rows: Floats, gradient: Floats
) -> None:
    """Gradients of `forward_head`: of_rows (R, I) is written, gradient is added to."""
    size, start = head[INPUTS], head[WEIGHT]
    weight = flat[start : start + size]
    total = np.zeros(size, flat.dtype)
    of_bias = 0.0
    for r in range(rows.shape[0]):
        slope = of_out[r]
        of_bias += slope
        for i in range(size):
            of_rows[r, i] = slope * weight[i]
            total[i] += slope * rows[r, i]
    for i in range(size):
        gradient[start + i] += total[i]
    gradient[head[BIAS]] += of_bias
