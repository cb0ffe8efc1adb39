"""Jobs attend to the profile: the playbook's look-ahead segment or the rich encoding's run-out profile.

Each job is a query, so is the no-op; queries do not see each other except through the pooled summary, so
any subset of the rows can be scored. A token of the profile is (p, p^2, one-hot position): p and p^2 let a
query look for a level of the profile, the position for a GPU or an instant. Keys and values are linear in
the token, hence products with keys are taken feature by feature and no (B, P, E) tensor is built.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sched_rl.agents.networks.base import PackableActorCritic, PackablePolicy, PackedStates
from sched_rl.agents.networks.layers import (
    HIDDEN_GAIN,
    NOOP_INITIAL_BIAS,
    POLICY_GAIN,
    linear,
    orthogonal,
    split_observation,
)
from sched_rl.agents.networks.packed_ops import add_state_terms
from sched_rl.agents.networks.pooled_value import PooledValue
from sched_rl.agents.networks.pooling import JobPool
from sched_rl.config.schema import AttentionConfig
from sched_rl.envs.layout import ObservationLayout

_LEVEL_FEATURES = 2  # p and p^2


def level_features(profile: Tensor) -> Tensor:
    """(..., P) to (..., P, 2): p and p^2."""
    return torch.stack((profile, profile.square()), -1)


class ProfileAttention(nn.Module):
    """Pre-norm cross-attention from rows to profile tokens, then a feed-forward part, both residual."""

    def __init__(
        self, embed_size: int, num_heads: int, profile_features: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.attention_norm = nn.LayerNorm(embed_size)
        self.query = linear(embed_size, embed_size, generator, 1.0)
        self.key_weight = orthogonal(embed_size, _LEVEL_FEATURES + profile_features, 1.0, generator)
        self.value_weight = orthogonal(embed_size, _LEVEL_FEATURES + profile_features, 1.0, generator)
        self.output = linear(embed_size, embed_size, generator, 1.0)
        self.forward_norm = nn.LayerNorm(embed_size)
        self.widen = linear(embed_size, 2 * embed_size, generator)
        self.narrow = linear(2 * embed_size, embed_size, generator, 1.0)

    def _attend(self, rows: Tensor, levels: Tensor) -> Tensor:
        heads = self.num_heads
        # One product with a block-diagonal matrix is faster than a small product a head, though it adds zeros; and as
        # query and output are linear too, each is multiplied with its matrix first: one product a row instead of two.
        keys = torch.block_diag(*self.key_weight.chunk(heads))  # (E, H (2 + P)), a block (d, 2 + P) a head
        keys = keys / math.sqrt(len(keys) // heads)
        values = torch.block_diag(*self.value_weight.chunk(heads))
        products = F.linear(rows, keys.t() @ self.query.weight, self.query.bias @ keys)
        products = products.unflatten(-1, (heads, -1))  # (..., H, 2 + P)
        by_level, by_position = products.split((_LEVEL_FEATURES, products.shape[-1] - _LEVEL_FEATURES), -1)
        # Two multiply-adds a level: as matrix products of such small matrices they would take most of the time.
        first, second = levels.unsqueeze(-3).unbind(-1)  # p and p^2, (..., 1, P)
        scores = by_position + by_level[..., :1] * first + by_level[..., 1:] * second
        weights = torch.softmax(scores, -1)  # (..., H, P)
        seen_levels = [(weights * level).sum(-1, keepdim=True) for level in (first, second)]
        seen = torch.cat((*seen_levels, weights), -1)
        return F.linear(seen.flatten(-2), self.output.weight @ values, self.output.bias)

    def forward(self, rows: Tensor, levels: Tensor) -> Tensor:
        """Rows (..., E) and levels (..., P, 2), broadcast against each other, to rows (..., E)."""
        attended = rows + self._attend(self.attention_norm(rows), levels)
        widened = torch.relu(self.widen(self.forward_norm(attended)))
        result: Tensor = attended + self.narrow(widened)
        return result


class AttentionPolicy(PackablePolicy):
    """Embedded rows plus a state term, layers of profile attention, one head for jobs and no-op alike."""

    def __init__(
        self, config: AttentionConfig, layout: ObservationLayout, generator: torch.Generator, *, fused: bool
    ) -> None:
        super().__init__()
        self.layout = layout
        size = config.embed_size
        self.pool = JobPool(layout, size, generator, fused=fused)
        self.state_term = linear(2 * size + layout.context_features, size, generator, 1.0)
        self.row_weight = orthogonal(size, layout.job_features + 1, HIDDEN_GAIN, generator)
        self.layers = nn.ModuleList(
            ProfileAttention(size, config.num_heads, layout.profile_features, generator)
            for _ in range(config.num_layers)
        )
        self.norm = nn.LayerNorm(size)
        self.head = linear(size, 1, generator, POLICY_GAIN)
        self.noop_bias = nn.Parameter(torch.tensor(NOOP_INITIAL_BIAS))

    def _state_terms(self, pooled: Tensor, shared: Tensor) -> Tensor:
        context = shared[:, self.layout.profile_features :]
        terms: Tensor = self.state_term(torch.cat((pooled, context), 1))
        return terms

    def _score(self, rows: Tensor, levels: Tensor) -> Tensor:
        for layer in self.layers:
            rows = layer(rows, levels)
        scores: Tensor = self.head(self.norm(rows)).squeeze(-1)
        return scores

    def forward(self, observation: Tensor) -> Tensor:
        """Logits (B, K + 1), unmasked."""
        parts = split_observation(observation, self.layout)
        jobs = F.linear(parts.jobs, self.row_weight[:, : self.layout.job_features])
        noop = self.row_weight[:, self.layout.job_features].expand(len(jobs), 1, -1)
        terms = self._state_terms(self.pool(observation), parts.shared)
        rows = torch.cat((noop, jobs), 1) + terms.unsqueeze(1)
        scores = self._score(rows, level_features(parts.profile).unsqueeze(1))
        return torch.cat((scores[:, :1] + self.noop_bias, scores[:, 1:]), 1)

    def packed_logits(self, states: PackedStates, pooled: Tensor) -> Tensor:
        """Logits (R,) of the legal rows, given the pooled jobs."""
        terms = self._state_terms(pooled, states.shared)
        rows = add_state_terms(F.linear(states.rows, self.row_weight), terms, states)
        profile = states.shared[:, : self.layout.profile_features]
        scores = self._score(rows, level_features(profile)[states.row_state])
        return scores + self.noop_bias * states.rows[:, -1]


def build_attention(
    config: AttentionConfig, layout: ObservationLayout, generator: torch.Generator, *, fused: bool
) -> PackableActorCritic:
    """The actor-critic of `agent/network=attention`."""
    policy = AttentionPolicy(config, layout, generator, fused=fused)
    value = PooledValue(layout, config.embed_size, config.value_hidden_sizes, generator, fused=fused)
    return PackableActorCritic(layout, policy, value)
