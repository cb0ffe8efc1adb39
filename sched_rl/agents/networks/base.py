"""What every actor-critic offers: logits and values that share no parameter, logits of legal rows alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn

from sched_rl.envs.layout import ObservationLayout


class PackedStates(NamedTuple):
    """States of which only the legal actions are scored. Rows of one state lie together, states in order.

    Attributes:
        observation: (B, D).
        rows: (R, J + 1), the job features of each legal action and 1 in the last column for the no-op.
        row_state: int64 (R,), the state that a row belongs to.
        row_action: int64 (R,), the action that a row stands for.
        offsets: int64 (B + 1,), rows of state b are offsets[b] .. offsets[b + 1] - 1.
    """

    observation: Tensor
    rows: Tensor
    row_state: Tensor
    row_action: Tensor
    offsets: Tensor

    def to(self, device: torch.device) -> PackedStates:
        """The same on a device."""
        return PackedStates(*(field.to(device) for field in self))


class PolicyPath(nn.Module, ABC):
    """Scores actions. `forward` and `packed_logits` are the same function of a state and an action."""

    @abstractmethod
    def forward(self, observation: Tensor) -> Tensor:
        """Logits (B, K + 1) of observations (B, D), unmasked, no-op first."""

    @abstractmethod
    def packed_logits(self, states: PackedStates) -> Tensor:
        """Logits (R,) of the legal rows."""


class ActorCritic(nn.Module):
    """A policy and a value path without a shared parameter, so that each can have its own learning rate."""

    def __init__(self, layout: ObservationLayout, policy: PolicyPath, value: nn.Module) -> None:
        super().__init__()
        self.layout = layout
        self.policy = policy
        self.value = value

    def logits(self, observation: Tensor) -> Tensor:
        """Logits (B, K + 1) of observations (B, D), unmasked."""
        logits: Tensor = self.policy(observation)
        return logits

    def values(self, observation: Tensor) -> Tensor:
        """State values (B,), in the units of the critic's targets."""
        values: Tensor = self.value(observation)
        return values

    @torch.no_grad()
    def non_finite_parameter(self) -> str | None:
        """The name of the first parameter that holds a NaN or an infinity, if any."""
        for name, parameter in self.named_parameters():
            if not bool(torch.isfinite(parameter).all()):
                return name
        return None
