"""Pooled summaries of the jobs in the window."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sched_rl.agents.networks.layers import linear, split_observation
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
            everyone = torch.arange(len(observation))
            return pool_jobs(
                observation.contiguous(), everyone, self.layer.weight, self.layer.bias, self.layout.window
            )
        jobs = split_observation(observation, self.layout).jobs
        present = (jobs[..., 0] > 0).to(jobs.dtype)
        features = torch.relu(self.layer(jobs)) * present.unsqueeze(-1)
        mean = features.sum(1) / present.sum(1, keepdim=True).clamp(min=1)
        return torch.cat((mean, features.amax(1)), 1)


def pool_together(pools: Sequence[JobPool], source: Tensor, index: Tensor) -> list[Tensor]:
    """What each pool makes of states index (B,) among source (M, D), in one pass over the jobs on the CPU."""
    if source.device.type != "cpu":
        observation = source.index_select(0, index)
        return [pool(observation) for pool in pools]
    weight = torch.cat([pool.layer.weight for pool in pools])
    bias = torch.cat([pool.layer.bias for pool in pools])
    means, maxima = pool_jobs(source, index, weight, bias, pools[0].layout.window).chunk(2, 1)
    sizes = [len(pool.layer.bias) for pool in pools]
    pairs = zip(means.split(sizes, 1), maxima.split(sizes, 1), strict=True)
    return [torch.cat(pair, 1) for pair in pairs]
