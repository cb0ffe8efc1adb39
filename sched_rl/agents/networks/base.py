"""What every actor-critic offers: logits and values that share no parameter, logits of legal rows alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn

from sched_rl.agents.networks.pooling import JobPool, pool_together
from sched_rl.envs.layout import ObservationLayout


class PackedStates(NamedTuple):
    """States of which only the legal actions are scored. Rows of one state lie together, states in order.

    Attributes:
        source: (M, D), observations that the states are among; not copied.
        source_row: int64 (B,), which of them.
        shared: (B, P + C), their profiles and contexts.
        rows: (R, J + 1), the job features of each legal action and 1 in the last column for the no-op.
        row_state: int64 (R,), the state that a row belongs to, counted among the B.
        row_action: int64 (R,), the action that a row stands for.
        offsets: int64 (B + 1,), rows of state b are offsets[b] .. offsets[b + 1] - 1.
    """

    source: Tensor
    source_row: Tensor
    shared: Tensor
    rows: Tensor
    row_state: Tensor
    row_action: Tensor
    offsets: Tensor

    @property
    def observation(self) -> Tensor:
        """(B, D), copied."""
        return self.source.index_select(0, self.source_row)

    def to(self, device: torch.device) -> PackedStates:
        """The same on a device."""
        if device.type == "cpu":
            return self
        alone = self._replace(source=self.observation, source_row=torch.arange(len(self.source_row)))
        return PackedStates(*(field.to(device) for field in alone))


class PackablePolicy(nn.Module, ABC):
    """Scores each action by itself, given the state. `forward` and `packed_logits` are the same function.

    Attributes:
        pool: summarises the jobs of a state.
    """

    pool: JobPool

    @abstractmethod
    def forward(self, observation: Tensor) -> Tensor:
        """Logits (B, K + 1) of observations (B, D), unmasked, no-op first."""

    @abstractmethod
    def packed_logits(self, states: PackedStates, pooled: Tensor) -> Tensor:
        """Logits (R,) of the legal rows, given what `pool` makes of the states."""


class PackableValue(nn.Module, ABC):
    """Values states. `forward` and `packed_values` are the same function.

    Attributes:
        pool: summarises the jobs of a state.
    """

    pool: JobPool

    @abstractmethod
    def forward(self, observation: Tensor) -> Tensor:
        """Values (B,) of observations (B, D)."""

    @abstractmethod
    def packed_values(self, states: PackedStates, pooled: Tensor) -> Tensor:
        """Values (B,), given what `pool` makes of the states."""


class ActorCritic(nn.Module):
    """A policy and a value path without a shared parameter, so that each can have its own learning rate.

    Args:
        layout: how an observation is divided.
        policy: observations (B, D) to logits (B, K + 1), unmasked, no-op first.
        value: observations (B, D) to values (B,).
    """

    def __init__(self, layout: ObservationLayout, policy: nn.Module, value: nn.Module) -> None:
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


class PackableActorCritic(ActorCritic):
    """An actor-critic that can score the legal actions alone."""

    policy: PackablePolicy
    value: PackableValue

    def packed_logits_and_values(self, states: PackedStates) -> tuple[Tensor, Tensor]:
        """Logits (R,) of the legal rows and values (B,); both paths' pools in one pass over the jobs."""
        pools = (self.policy.pool, self.value.pool)
        for_policy, for_value = pool_together(pools, states.source, states.source_row)
        return self.policy.packed_logits(states, for_policy), self.value.packed_values(states, for_value)


def packed_logits(policy: PackablePolicy, states: PackedStates) -> Tensor:
    """Logits (R,) of the legal rows."""
    (pooled,) = pool_together((policy.pool,), states.source, states.source_row)
    return policy.packed_logits(states, pooled)
