"""Bad starts of a learner: a policy that is sure of nothing it learned, and one that a fixed scheduler taught."""

from __future__ import annotations

import dataclasses

from sched_rl.agents.imitation import imitate, scale_logits
from sched_rl.agents.ppo import PPO
from sched_rl.config.pathologies import ClonedStartConfig, PeakedStartConfig
from sched_rl.config.schema import Config, PpoConfig, PriorityRuleConfig

#: Learning rate of an imitation.
_LR = 3e-3


def spoil_start(config: Config, agent: PpoConfig, ppo: PPO) -> None:
    """Change the weights of an untrained learner as the run's pathology says; nothing where it says nothing.

    Raises:
        ConfigError: a start that the network cannot have.
    """
    start = config.pathology.start if config.pathology is not None else None
    if isinstance(start, PeakedStartConfig):
        scale_logits(ppo.network, start.logit_scale)
    elif isinstance(start, ClonedStartConfig):
        teacher = PriorityRuleConfig(
            kind="priority_rule", name=start.teacher, priority=start.teacher, mode="greedy"
        )
        imitate(
            config,
            dataclasses.replace(agent, stagger_starts=False),  # as the pathologies were declared
            ppo.network,
            teacher,
            num_rollouts=start.num_rollouts,
            num_epochs=start.num_epochs,
            lr=_LR,
        )
