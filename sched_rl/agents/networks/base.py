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


class PolicyPath(nn.Module, ABC):
    """Scores actions. `forward` and `packed_logits` are the same function of a state and an action.

    Attributes:
        pool: pools the jobs of a state, if the network does.
    """

    pool: JobPool | None

    @abstractmethod
    def forward(self, observation: Tensor) -> Tensor:
        """Logits (B, K + 1) of observations (B, D), unmasked, no-op first."""

    @abstractmethod
    def packed_logits(self, states: PackedStates, pooled: Tensor | None) -> Tensor:
        """Logits (R,) of the legal rows, given what `pool` makes of the states."""


class ValuePath(nn.Module, ABC):
    """Values states. `forward` and `packed_values` are the same function.

    Attributes:
        pool: pools the jobs of a state, if the network does.
    """

    pool: JobPool | None

    @abstractmethod
    def forward(self, observation: Tensor) -> Tensor:
        """Values (B,) of observations (B, D)."""

    @abstractmethod
    def packed_values(self, states: PackedStates, pooled: Tensor | None) -> Tensor:
        """Values (B,), given what `pool` makes of the states."""


class ActorCritic(nn.Module):
    """A policy and a value path without a shared parameter, so that each can have its own learning rate."""

    def __init__(self, layout: ObservationLayout, policy: PolicyPath, value: ValuePath) -> None:
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

    def packed_logits(self, states: PackedStates) -> Tensor:
        """Logits (R,) of the legal rows."""
        return packed_logits(self.policy, states)

    def packed_logits_and_values(self, states: PackedStates) -> tuple[Tensor, Tensor]:
        """Logits (R,) of the legal rows and values (B,); both paths' pools in one pass over the jobs."""
        policy_pool, value_pool = self.policy.pool, self.value.pool
        if policy_pool is None or value_pool is None:
            return self.policy.packed_logits(states, None), self.value.packed_values(states, None)
        for_policy, for_value = pool_together((policy_pool, value_pool), states.source, states.source_row)
        return self.policy.packed_logits(states, for_policy), self.value.packed_values(states, for_value)

    @torch.no_grad()
    def non_finite_parameter(self) -> str | None:
        """The name of the first parameter that holds a NaN or an infinity, if any."""
        for name, parameter in self.named_parameters():
            if not bool(torch.isfinite(parameter).all()):
                return name
        return None


def packed_logits(policy: PolicyPath, states: PackedStates) -> Tensor:
    """Logits (R,) of the legal rows."""
    if policy.pool is None:
        return policy.packed_logits(states, None)
    (pooled,) = pool_together((policy.pool,), states.source, states.source_row)
    return policy.packed_logits(states, pooled)
