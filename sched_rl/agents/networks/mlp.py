"""Two separate multilayer perceptrons over the flat observation."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sched_rl.agents.networks.base import ActorCritic
from sched_rl.agents.networks.layers import NOOP_INITIAL_BIAS, POLICY_GAIN, VALUE_GAIN, linear, relu_stack
from sched_rl.config.schema import MlpConfig
from sched_rl.envs.layout import ObservationLayout


class MlpPolicy(nn.Module):
    """Flat observation to one logit an action. The no-op's bias, where there is one, starts below the others'."""

    def __init__(self, config: MlpConfig, layout: ObservationLayout, generator: torch.Generator) -> None:
        super().__init__()
        self.body = relu_stack(layout.size, config.hidden_sizes, generator)
        width = config.hidden_sizes[-1] if config.hidden_sizes else layout.size
        self.head = linear(width, layout.num_actions, generator, POLICY_GAIN)
        if layout.encoding != "raw":  # whose first action is like the others
            with torch.no_grad():
                self.head.bias[0] = NOOP_INITIAL_BIAS

    def forward(self, observation: Tensor) -> Tensor:
        """Logits (B, K + 1), unmasked."""
        logits: Tensor = self.head(self.body(observation))
        return logits


class MlpValue(nn.Module):
    """Flat observation to one value."""

    def __init__(self, config: MlpConfig, layout: ObservationLayout, generator: torch.Generator) -> None:
        super().__init__()
        self.body = relu_stack(layout.size, config.hidden_sizes, generator)
        width = config.hidden_sizes[-1] if config.hidden_sizes else layout.size
        self.head = linear(width, 1, generator, VALUE_GAIN)

    def forward(self, observation: Tensor) -> Tensor:
        """Values (B,)."""
        values: Tensor = self.head(self.body(observation)).squeeze(-1)
        return values


def build_mlp(config: MlpConfig, layout: ObservationLayout, generator: torch.Generator) -> ActorCritic:
    """The actor-critic of `agent/network=mlp`."""
    policy = MlpPolicy(config, layout, generator)
    return ActorCritic(layout, policy, MlpValue(config, layout, generator))
