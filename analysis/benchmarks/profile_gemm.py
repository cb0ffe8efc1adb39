"""How fast this machine multiplies matrices of given shapes, in this process, on one thread."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch

#: Rows of a product at once: all of a minibatch's, or few enough to stay in the second-level cache.
_BLOCKS = (128, 512, 2048)
_ROUND_S = 0.004
_ROUNDS = 5


@lru_cache(maxsize=512)
def gemm_rate(rows: int, inputs: int, outputs: int) -> float:
    """Floating-point operations a second of (rows, inputs) @ (inputs, outputs).

    The best of torch's library and NumPy's, of blocks of rows, and of rounds: what nobody who uses either could beat.

    Args:
        rows: of a minibatch; more than a few thousand are as fast as these.
        inputs: I.
        outputs: O.
    """
    blocks = sorted({min(rows, block) for block in _BLOCKS})
    return max(_best_rate(max(block, 1), inputs, outputs) for block in blocks)


@lru_cache(maxsize=512)
def _best_rate(rows: int, inputs: int, outputs: int) -> float:
    left = np.random.default_rng(0).random((rows, inputs), np.float32)
    right = np.random.default_rng(1).random((inputs, outputs), np.float32)
    out = np.empty((rows, outputs), np.float32)
    of_torch = tuple(torch.from_numpy(array) for array in (left, right, out))

    def by_torch() -> None:
        torch.mm(of_torch[0], of_torch[1], out=of_torch[2])

    def by_numpy() -> None:
        np.dot(left, right, out)

    flops = 2.0 * rows * inputs * outputs
    return flops / min(_seconds(by_torch), _seconds(by_numpy))


def _seconds(multiply: Callable[[], None]) -> float:
    """CPU seconds of one product, of the fastest round."""
    multiply()
    start_s = time.thread_time()
    multiply()
    repeats = max(1, int(_ROUND_S / max(time.thread_time() - start_s, 1e-7)))
    fastest = float("inf")
    for _ in range(_ROUNDS):
        start_s = time.thread_time()
        for _ in range(repeats):
            multiply()
        fastest = min(fastest, (time.thread_time() - start_s) / repeats)
    return max(fastest, 1e-9)
