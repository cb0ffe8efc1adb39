"""The value path of the networks that pool jobs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sched_rl.agents.networks.base import PackableValue, PackedStates
from sched_rl.agents.networks.layers import VALUE_GAIN, linear, relu_stack, split_observation
from sched_rl.agents.networks.pooling import JobPool
from sched_rl.envs.layout import ObservationLayout


class PooledValue(PackableValue):
    """Its own pool of the jobs, beside profile and context, through a stack to one value."""

    def __init__(
        self,
        layout: ObservationLayout,
        pool_size: int,
        hidden_sizes: Sequence[int],
        generator: torch.Generator,
        *,
        fused: bool,
    ) -> None:
        super().__init__()
        self.layout = layout
        self.pool = JobPool(layout, pool_size, generator, fused=fused)
        width = 2 * pool_size + layout.profile_features + layout.context_features
        self.body = relu_stack(width, hidden_sizes, generator)
        self.head = linear(hidden_sizes[-1] if hidden_sizes else width, 1, generator, VALUE_GAIN)

    def _value(self, pooled: Tensor, shared: Tensor) -> Tensor:
        values: Tensor = self.head(self.body(torch.cat((pooled, shared), 1))).squeeze(-1)
        return values

    def forward(self, observation: Tensor) -> Tensor:
        """Values (B,)."""
        return self._value(self.pool(observation), split_observation(observation, self.layout).shared)

    def packed_values(self, states: PackedStates, pooled: Tensor) -> Tensor:
        """Values (B,), given the pooled jobs."""
        return self._value(pooled, states.shared)
