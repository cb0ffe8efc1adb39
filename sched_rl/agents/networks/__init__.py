"""Actor-critics by kind. Initial weights come from the seed's `network` stream alone."""

from __future__ import annotations

import torch

from sched_rl.agents.networks.attention import build_attention
from sched_rl.agents.networks.base import ActorCritic, PackableActorCritic, PackedStates
from sched_rl.agents.networks.mlp import build_mlp
from sched_rl.agents.networks.scorer import build_scorer
from sched_rl.config.schema import MlpConfig, NetworkConfig, ScorerConfig
from sched_rl.envs.layout import ObservationLayout
from sched_rl.seeding import stream

__all__ = ["ActorCritic", "PackableActorCritic", "PackedStates", "build_network"]


def build_network(
    config: NetworkConfig, layout: ObservationLayout, seed: int, *, fused: bool = False
) -> ActorCritic:
    """An initialised actor-critic on the CPU.

    Args:
        config: which network, with its sizes.
        layout: how the observation is divided; fixes the number of actions.
        seed: the run's seed. Torch's global generator is neither read nor advanced.
        fused: pool jobs in one compiled pass instead of several torch operations (same mathematics).

    Returns:
        The network, float32.
    """
    generator = torch.Generator()
    generator.manual_seed(int(stream(seed, "network").integers(2**63)))
    if isinstance(config, MlpConfig):
        return build_mlp(config, layout, generator)
    if isinstance(config, ScorerConfig):
        return build_scorer(config, layout, generator, fused=fused)
    return build_attention(config, layout, generator, fused=fused)
