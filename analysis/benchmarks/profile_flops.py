"""The useful arithmetic of a network, counted from its sizes: matrix products only, legal rows and present jobs only.

A product of R rows from I to O columns takes 2 R I O floating-point operations forward, as many for the gradient of
its weight, and as many again for the gradient of its input where something has to be learned before it. Everything
else (biases, relus, pools, softmax) is a few per cent and left out, so the bound stays a bound.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from itertools import pairwise
from statistics import fmean
from typing import Literal

from sched_rl.agents.rollout import RolloutBuffer
from sched_rl.config.schema import AttentionConfig, MlpConfig, NetworkConfig, ScorerConfig
from sched_rl.envs.layout import ObservationLayout

#: What a product has one row for: a state, a state with more than one legal action (a choice), a legal job or
#: action of a choice, a present job of a state or of a choice.
Rows = Literal["state", "choice", "legal job", "legal action", "job", "job of a choice"]
Part = Literal["pool", "policy", "value"]


@dataclass(frozen=True)
class Product:
    """A linear map inside a network.

    Attributes:
        part: of the network.
        path: `policy` or `value`: which of the two outputs needs it.
        rows: what it is applied to.
        inputs: I.
        outputs: O.
        learns_before: its input depends on parameters, so that its gradient is needed.
    """

    part: Part
    path: Literal["policy", "value"]
    rows: Rows
    inputs: int
    outputs: int
    learns_before: bool = True


@dataclass(frozen=True)
class RowCounts:
    """How many rows there are of each kind, in a rollout."""

    state: int
    choice: int
    legal_job: int
    job: int
    job_of_a_choice: int

    def of(self, rows: Rows) -> int:
        """Rows of a kind."""
        if rows == "legal action":
            return self.legal_job + self.choice
        return int(getattr(self, rows.replace(" ", "_")))


def count_rows(buffer: RolloutBuffer, layout: ObservationLayout) -> RowCounts:
    """The rows of a recorded rollout; a job is present where its first feature is not 0."""
    legal, observation = buffer.flat("mask").sum(1), buffer.flat("observation")
    present = (observation[:, : layout.window * layout.job_features : layout.job_features] > 0).sum(1)
    choice = legal > 1
    return RowCounts(
        state=len(legal),
        choice=int(choice.sum()),
        legal_job=int((legal[choice] - 1).sum()),
        job=int(present.sum()),
        job_of_a_choice=int(present[choice].sum()),
    )


def products(network: NetworkConfig, layout: ObservationLayout) -> list[Product]:
    """Every matrix product of a network, once."""
    if isinstance(network, MlpConfig):
        return list(_mlp(network, layout))
    if isinstance(network, ScorerConfig):
        return list(_scorer(network, layout))
    return list(_attention(network, layout))


def flops(product: Product, rows: int, *, learning: bool) -> float:
    """Floating-point operations of a product on some rows, forward alone or with both gradients."""
    once = 2.0 * rows * product.inputs * product.outputs
    return once * (2 + product.learns_before) if learning else once


def _stack(
    path: Literal["policy", "value"], rows: Rows, sizes: Sequence[int], *, learns_before: bool
) -> Iterator[Product]:
    for depth, (inputs, outputs) in enumerate(pairwise(sizes)):
        yield Product(path, path, rows, inputs, outputs, learns_before or depth > 0)


def _mlp(network: MlpConfig, layout: ObservationLayout) -> Iterator[Product]:
    policy = (layout.size, *network.hidden_sizes, layout.num_actions)
    yield from _stack("policy", "choice", policy, learns_before=False)
    yield from _stack("value", "state", (layout.size, *network.hidden_sizes, 1), learns_before=False)


def _scorer(network: ScorerConfig, layout: ObservationLayout) -> Iterator[Product]:
    first, context = network.hidden_sizes[0], network.context_size
    width = 2 * network.pool_size + layout.profile_features + layout.context_features
    yield Product("pool", "policy", "job of a choice", layout.job_features, network.pool_size, False)
    yield from _stack("policy", "choice", (width, context, first), learns_before=True)
    yield Product("policy", "policy", "legal job", layout.job_features, first, False)
    yield from _stack("policy", "legal action", (*network.hidden_sizes, 1), learns_before=True)
    yield from _pooled_value(network.pool_size, network.value_hidden_sizes, layout)


def _attention(network: AttentionConfig, layout: ObservationLayout) -> Iterator[Product]:
    size, seen = network.embed_size, network.num_heads * (layout.profile_features + 2)
    yield Product("pool", "policy", "job of a choice", layout.job_features, size, False)
    yield from _stack("policy", "choice", (2 * size + layout.context_features, size), learns_before=True)
    yield Product("policy", "policy", "legal job", layout.job_features, size, False)
    for _ in range(network.num_layers):
        # Query and keys are one matrix, so are values and output; then the part behind. Multiplying those matrices
        # once a minibatch is left out.
        for sizes in ((size, seen), (seen, size), (size, 2 * size, size)):
            yield from _stack("policy", "legal action", sizes, learns_before=True)
    yield from _stack("policy", "legal action", (size, 1), learns_before=True)
    yield from _pooled_value(size, network.value_hidden_sizes, layout)


def _pooled_value(
    pool_size: int, hidden_sizes: Sequence[int], layout: ObservationLayout
) -> Iterator[Product]:
    width = 2 * pool_size + layout.profile_features + layout.context_features
    yield Product("pool", "value", "job", layout.job_features, pool_size, False)
    yield from _stack("value", "state", (width, *hidden_sizes, 1), learns_before=True)


def mean_rows(counts: Sequence[RowCounts]) -> RowCounts:
    """Rows of a rollout, on average over several."""
    columns = zip(*(astuple(each) for each in counts), strict=True)
    return RowCounts(*(round(fmean(column)) for column in columns))
