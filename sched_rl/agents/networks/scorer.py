"""One network scores every job given a context of the whole state; the no-op is one more row of it.

A row's logit depends on its own features and the shared context alone, so that scoring a subset of the rows
gives those rows the same logits.
"""

from __future__ import annotations

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
    relu_stack,
    split_observation,
)
from sched_rl.agents.networks.packed_ops import add_state_terms
from sched_rl.agents.networks.pooled_value import PooledValue
from sched_rl.agents.networks.pooling import JobPool
from sched_rl.config.schema import ScorerConfig
from sched_rl.envs.layout import ObservationLayout


class ScorerPolicy(PackablePolicy):
    """Rows (job features, is-no-op) beside a shared context, through one head.

    The first layer of the head is split into the part of the row and the part of the context, so that the
    context's is computed once a state. The no-op's row has zeros for a job and 1 in the is-no-op column; a
    bias of its own, which starts below 0, keeps the initial greedy policy from waiting while a job fits.
    """

    def __init__(
        self, config: ScorerConfig, layout: ObservationLayout, generator: torch.Generator, *, fused: bool
    ) -> None:
        super().__init__()
        self.layout = layout
        self.pool = JobPool(layout, config.pool_size, generator, fused=fused)
        width = 2 * config.pool_size + layout.profile_features + layout.context_features
        self.context = linear(width, config.context_size, generator)
        first, *rest = config.hidden_sizes
        columns = layout.job_features + 1 + config.context_size
        self.entry_weight = orthogonal(first, columns, HIDDEN_GAIN, generator)
        self.entry_bias = nn.Parameter(torch.zeros(first))
        self.body = relu_stack(first, rest, generator)
        self.head = linear(config.hidden_sizes[-1], 1, generator, POLICY_GAIN)
        self.noop_bias = nn.Parameter(torch.tensor(NOOP_INITIAL_BIAS))

    def _state_terms(self, pooled: Tensor, shared: Tensor) -> Tensor:
        """The context's part of the first layer, (B, first hidden size)."""
        context = torch.relu(self.context(torch.cat((pooled, shared), 1)))
        return F.linear(context, self.entry_weight[:, self.layout.job_features + 1 :], self.entry_bias)

    def _score(self, hidden: Tensor) -> Tensor:
        scores: Tensor = self.head(self.body(hidden)).squeeze(-1)
        return scores

    def forward(self, observation: Tensor) -> Tensor:
        """Logits (B, K + 1), unmasked."""
        parts = split_observation(observation, self.layout)
        terms = self._state_terms(self.pool(observation), parts.shared)
        rows = F.linear(parts.jobs, self.entry_weight[:, : self.layout.job_features])
        noop = self.entry_weight[:, self.layout.job_features].expand(len(rows), 1, -1)
        hidden = torch.relu(torch.cat((noop, rows), 1) + terms.unsqueeze(1))
        scores = self._score(hidden)
        return torch.cat((scores[:, :1] + self.noop_bias, scores[:, 1:]), 1)

    def packed_logits(self, states: PackedStates, pooled: Tensor) -> Tensor:
        """Logits (R,) of the legal rows, given the pooled jobs."""
        terms = self._state_terms(pooled, states.shared)
        rows = F.linear(states.rows, self.entry_weight[:, : self.layout.job_features + 1])
        hidden = torch.relu(add_state_terms(rows, terms, states))
        return self._score(hidden) + self.noop_bias * states.rows[:, -1]


def build_scorer(
    config: ScorerConfig, layout: ObservationLayout, generator: torch.Generator, *, fused: bool
) -> PackableActorCritic:
    """The actor-critic of `agent/network=scorer`."""
    policy = ScorerPolicy(config, layout, generator, fused=fused)
    value = PooledValue(layout, config.pool_size, config.value_hidden_sizes, generator, fused=fused)
    return PackableActorCritic(layout, policy, value)
