"""Pooled summaries of the jobs in the window, and the value path built on them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sched_rl.agents.networks.layers import VALUE_GAIN, linear, relu_stack, split_observation
from sched_rl.agents.networks.packed_ops import pool_jobs
from sched_rl.envs.layout import ObservationLayout


class JobPool(nn.Module):
    """One linear layer and a relu per job, then the mean and the maximum over the jobs that are present.

    A slot is empty when its column 0 is 0: `present` of the rich encoding, the duration of the playbook's.
    """

    def __init__(
        self, layout: ObservationLayout, pool_size: int, generator: torch.Generator, *, fused: bool
    ) -> None:
        super().__init__()
        self.layout = layout
        self.fused = fused
        self.layer = linear(layout.job_features, pool_size, generator)

    def forward(self, observation: Tensor) -> Tensor:
        """Pooled features (B, 2 * pool_size) of observations (B, D): means, then maxima; 0 without jobs."""
        if self.fused and observation.device.type == "cpu":
            return pool_jobs(observation, self.layer.weight, self.layer.bias, self.layout.window)
        jobs = split_observation(observation, self.layout).jobs
        present = (jobs[..., 0] > 0).to(jobs.dtype)
        features = torch.relu(self.layer(jobs)) * present.unsqueeze(-1)
        mean = features.sum(1) / present.sum(1, keepdim=True).clamp(min=1)
        return torch.cat((mean, features.amax(1)), 1)


class PooledValue(nn.Module):
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

    def forward(self, observation: Tensor) -> Tensor:
        """Values (B,)."""
        shared = split_observation(observation, self.layout).shared
        features = torch.cat((self.pool(observation), shared), 1)
        values: Tensor = self.head(self.body(features)).squeeze(-1)
        return values
