"""Bad starts of a learner: a policy that is sure of nothing it learned, and one that a fixed scheduler taught."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from sched_rl.agents.distributions import masked_log_softmax
from sched_rl.agents.networks import ActorCritic
from sched_rl.agents.ppo import PPO
from sched_rl.config.pathologies import ClonedStartConfig, PeakedStartConfig
from sched_rl.config.schema import Config, PpoConfig, PriorityRuleConfig
from sched_rl.envs.vector import VectorClusterEnv
from sched_rl.errors import ConfigError
from sched_rl.schedulers.registry import build_scheduler
from sched_rl.seeding import stream

#: Samples of a minibatch and learning rate of the imitation.
_BATCH = 256
_LR = 3e-3


def spoil_start(config: Config, agent: PpoConfig, ppo: PPO) -> None:
    """Change the weights of an untrained learner as the run's pathology says; nothing where it says nothing.

    Raises:
        ConfigError: a start that the network cannot have.
    """
    start = config.pathology.start if config.pathology is not None else None
    if isinstance(start, PeakedStartConfig):
        sharpen(ppo.network, start.logit_scale)
    elif isinstance(start, ClonedStartConfig):
        imitate(config, agent, ppo.network, start)


@torch.no_grad()
def sharpen(network: ActorCritic, factor: float) -> None:
    """Scale what the policy's logits end in, and so the differences between them; the no-op stays the last choice."""
    policy = network.policy
    head, noop_bias = getattr(policy, "head", None), getattr(policy, "noop_bias", None)
    if not isinstance(head, torch.nn.Linear):
        raise ConfigError("pathology.start.kind=peaked_start: this network's policy has no linear head")
    head.weight.mul_(factor)
    head.bias.mul_(factor)
    if isinstance(noop_bias, torch.nn.Parameter):
        noop_bias.mul_(factor)


def imitate(config: Config, agent: PpoConfig, network: ActorCritic, start: ClonedStartConfig) -> None:
    """Behaviour cloning: maximise the likelihood of a fixed scheduler's choices on training workloads.

    The scheduler reads the playbook encoding, the network its own: two environments of one seed see the same states.
    """
    actions, observations, masks = _demonstrations(config, agent, start)
    has_choice = np.flatnonzero(masks.sum(1) > 1)
    device = next(network.parameters()).device
    data = [torch.from_numpy(array[has_choice]).to(device) for array in (observations, masks, actions)]
    optimizer = torch.optim.Adam(network.policy.parameters(), lr=_LR)
    draws = stream(config.seed, "imitation")
    for _ in range(start.num_epochs):
        order = torch.from_numpy(draws.permutation(len(has_choice)))
        for samples in order.split(_BATCH):
            observation, mask, action = (array[samples] for array in data)
            loss = functional.nll_loss(masked_log_softmax(network.logits(observation), mask), action)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def _demonstrations(
    config: Config, agent: PpoConfig, start: ClonedStartConfig
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.bool_]]:
    """What the teacher did: actions int64 (M,), the network's observations (M, D) and masks (M, K + 1)."""
    rule = PriorityRuleConfig(kind="priority_rule", name=start.teacher, priority=start.teacher, mode="greedy")
    teacher, everyone = build_scheduler(rule), np.ones(agent.num_envs, np.bool_)
    teacher_env, env = (
        VectorClusterEnv(config.cluster, encoding, agent.num_envs, seed=config.seed, families=config.families)
        for encoding in (teacher.encoding, agent.network.observation)
    )
    teacher_env.reset()
    env.reset()
    steps = []
    for _ in range(start.num_rollouts * agent.rollout_steps):
        actions = teacher.actions(teacher_env.observation, teacher_env.action_mask, everyone)
        steps.append((actions, env.observation.copy(), env.action_mask.copy()))
        teacher_env.step(actions)
        env.step(actions)
    actions, observations, masks = (np.concatenate(column) for column in zip(*steps, strict=True))
    return actions, observations, masks
