"""The least time that a training's arithmetic takes: its useful operations at the rates of this machine's products."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.benchmarks.profile_flops import Product, RowCounts, flops
from analysis.benchmarks.profile_gemm import gemm_rate
from sched_rl.config.schema import PpoConfig

#: Rows that a weight's gradient adds up at once, at most: more are no faster.
_LONGEST_INNER = 2048


@dataclass
class Arithmetic:
    """Useful work of a phase.

    Attributes:
        flops: floating-point operations.
        least_s: seconds at the measured rates.
    """

    flops: float = 0.0
    least_s: float = 0.0

    def add(self, flops: float, least_s: float) -> None:
        """Count some more."""
        self.flops += flops
        self.least_s += least_s


def acting(parts: Sequence[Product], counts: RowCounts, agent: PpoConfig) -> Arithmetic:
    """The policy path, forward, step by step of a rollout."""
    return _forward(parts, "policy", counts, agent.rollout_steps)


def valuing(parts: Sequence[Product], counts: RowCounts) -> Arithmetic:
    """The value path, forward, on all states at once."""
    return _forward(parts, "value", counts, 1)


def learning(parts: Sequence[Product], counts: RowCounts, agent: PpoConfig, passes: float) -> Arithmetic:
    """Both paths, forward and backward, minibatch by minibatch.

    Args:
        parts: of the network.
        counts: rows of a rollout.
        agent: how many minibatches there are.
        passes: over the rollout; not a whole number where an update stopped early.
    """
    total = Arithmetic()
    for part in parts:
        rows = counts.of(part.rows)
        batch = max(1, rows // agent.num_minibatches)
        times = passes * agent.num_minibatches
        total.add(passes * flops(part, rows, learning=True), times * _with_gradients_s(part, batch))
    return total


def _forward(parts: Sequence[Product], path: str, counts: RowCounts, pieces: int) -> Arithmetic:
    total = Arithmetic()
    for part in parts:
        if part.path == path:
            rows = counts.of(part.rows)
            amount = flops(part, rows, learning=False)
            total.add(amount, amount / gemm_rate(max(1, rows // pieces), part.inputs, part.outputs))
    return total


def _with_gradients_s(part: Product, batch: int) -> float:
    """Seconds of a product and its gradients on the rows of a minibatch, each at the rate of its own shape."""
    once, inner = flops(part, batch, learning=False), min(batch, _LONGEST_INNER)
    seconds = once / gemm_rate(batch, part.inputs, part.outputs)
    seconds += once / gemm_rate(part.inputs, inner, part.outputs)  # of the weight
    if part.learns_before:
        seconds += once / gemm_rate(batch, part.outputs, part.inputs)
    return seconds
