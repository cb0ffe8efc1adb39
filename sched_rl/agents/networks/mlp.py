"""Two separate multilayer perceptrons over the flat observation."""

from __future__ import annotations

import torch
from torch import Tensor

from sched_rl.agents.networks.base import ActorCritic, PackedStates, PolicyPath, ValuePath
from sched_rl.agents.networks.layers import NOOP_INITIAL_BIAS, POLICY_GAIN, VALUE_GAIN, linear, relu_stack
from sched_rl.config.schema import MlpConfig
from sched_rl.envs.layout import ObservationLayout


class MlpPolicy(PolicyPath):
    """Flat observation to one logit an action. The no-op's bias starts below the others'."""

    def __init__(self, config: MlpConfig, layout: ObservationLayout, generator: torch.Generator) -> None:
        super().__init__()
        self.pool = None
        self.body = relu_stack(layout.size, config.hidden_sizes, generator)
        width = config.hidden_sizes[-1] if config.hidden_sizes else layout.size
        self.head = linear(width, layout.num_actions, generator, POLICY_GAIN)
        with torch.no_grad():
            self.head.bias[0] = NOOP_INITIAL_BIAS

    def forward(self, observation: Tensor) -> Tensor:
        """Logits (B, K + 1), unmasked."""
        logits: Tensor = self.head(self.body(observation))
        return logits

    def packed_logits(self, states: PackedStates, pooled: Tensor | None) -> Tensor:
        """Logits (R,) of the legal rows."""
        return self(states.observation)[states.row_state, states.row_action]  # type: ignore[no-any-return]


class MlpValue(ValuePath):
    """Flat observation to one value."""

    def __init__(self, config: MlpConfig, layout: ObservationLayout, generator: torch.Generator) -> None:
        super().__init__()
        self.pool = None
        self.body = relu_stack(layout.size, config.hidden_sizes, generator)
        width = config.hidden_sizes[-1] if config.hidden_sizes else layout.size
        self.head = linear(width, 1, generator, VALUE_GAIN)

    def forward(self, observation: Tensor) -> Tensor:
        """Values (B,)."""
        values: Tensor = self.head(self.body(observation)).squeeze(-1)
        return values

    def packed_values(self, states: PackedStates, pooled: Tensor | None) -> Tensor:
        """Values (B,)."""
        return self(states.observation)  # type: ignore[no-any-return]


def build_mlp(config: MlpConfig, layout: ObservationLayout, generator: torch.Generator) -> ActorCritic:
    """The actor-critic of `agent/network=mlp`."""
    policy = MlpPolicy(config, layout, generator)
    return ActorCritic(layout, policy, MlpValue(config, layout, generator))
