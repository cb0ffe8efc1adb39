"""A warm start: before it learns from rewards, the policy learns to choose as a fixed scheduler does.

Behaviour cloning (Pomerleau 1991): maximise the likelihood of the teacher's choices on training workloads. On the
overloaded cluster PPO settles well below a good rule when it starts at random, and does not when it starts from that
rule. A teacher may also be simulated: it then tries every action to the episode's end and names the best, which no
observation shows; what the policy can learn of that takes PPO beyond the rule (analysis/results/learning.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from sched_rl.agents.distributions import masked_log_softmax
from sched_rl.agents.environment import TYPICAL_STEPS_PER_JOB
from sched_rl.agents.networks import ActorCritic
from sched_rl.agents.rollout import forbid_voluntary_waits
from sched_rl.config.schema import (
    Config,
    EnvConfig,
    LearnedTeacherConfig,
    PpoConfig,
    RolloutConfig,
    TeacherConfig,
)
from sched_rl.envs.batch import ClusterBatch
from sched_rl.envs.vector import VectorClusterEnv
from sched_rl.errors import ConfigError
from sched_rl.schedulers.base import Scheduler, SimulatingScheduler
from sched_rl.schedulers.registry import build_scheduler
from sched_rl.seeding import stream

#: Samples of a minibatch.
_BATCH = 256


#: Loads a learned teacher.
LoadPolicy = Callable[[LearnedTeacherConfig], Scheduler]


@dataclass(frozen=True)
class Imitated:
    """What an imitation did.

    Environment steps that the teacher took, and the share of its last choices that the
    network would have made as well, before it learned from them.
    """

    teacher_steps: int
    agreement: float


def imitate(
    config: Config,
    agent: PpoConfig,
    network: ActorCritic,
    teacher: TeacherConfig,
    *,
    family_teachers: Mapping[str, TeacherConfig] | None = None,
    simulate: Literal["none", "known"] = "none",
    num_rollouts: int,
    num_epochs: int,
    lr: float,
    lr_end_frac: float = 1.0,
    load_policy: LoadPolicy | None = None,
    progress: Callable[[int, float], None] = lambda done, agreement: None,
) -> Imitated:
    """Teach a network's policy what a fixed scheduler chooses, a rollout of the agent's size at a time.

    A scheduler reads an encoding of its own: environments of one seed see the same states.

    Args:
        config: of the run, whose clusters and seed are played.
        agent: sizes of a rollout, and the network's encoding.
        network: whose policy is changed, in place; the critic stays as it is.
        teacher: the scheduler, fixed or learned.
        family_teachers: schedulers for families of a mixture, by name, instead; the policy is not told the family.
        simulate: `known`: once all jobs have arrived, try every action to the episode's end, a fixed teacher being
            followed after it, and teach the best.
        num_rollouts: rollouts that the teacher plays.
        num_epochs: passes over each of them.
        lr: learning rate of the imitation at its start.
        lr_end_frac: at its end, to which it falls exponentially; share of it.
        load_policy: loads a learned teacher, from the run folder or checkpoint that it names.
        progress: told after each rollout how many are done, and of the share of choices as in `Imitated`.
    """
    optimizer = torch.optim.Adam(network.policy.parameters(), lr=lr)
    draws = stream(config.seed, "imitation")
    device = next(network.parameters()).device
    agreement = float("nan")
    shown = demonstrations(config, agent, teacher, family_teachers or {}, num_rollouts, simulate, load_policy)
    for rollout, (actions, observations, masks) in enumerate(shown):
        for group in optimizer.param_groups:
            group["lr"] = lr * lr_end_frac ** (rollout / max(num_rollouts - 1, 1))
        chosen = np.flatnonzero(masks.sum(1) > 1)
        data = [torch.from_numpy(array[chosen]).to(device) for array in (observations, masks, actions)]
        agreement = _agreement(network, *data)
        for _ in range(num_epochs):
            order = torch.from_numpy(draws.permutation(len(chosen))).to(device)
            for samples in order.split(_BATCH):
                observation, mask, action = (array[samples] for array in data)
                loss = functional.nll_loss(masked_log_softmax(network.logits(observation), mask), action)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        progress(rollout + 1, agreement)
    return Imitated(num_rollouts * agent.rollout_steps * agent.num_envs, agreement)


@torch.no_grad()
def scale_logits(network: ActorCritic, factor: float) -> None:
    """Scale the differences between the policy's logits: below 1 it explores more, in the same order of preference.

    Raises:
        ConfigError: when the policy does not end in a linear layer.
    """
    head, noop_bias = getattr(network.policy, "head", None), getattr(network.policy, "noop_bias", None)
    if not isinstance(head, torch.nn.Linear):
        raise ConfigError("the logits of this network cannot be scaled: its policy has no linear head")
    head.weight.mul_(factor)
    head.bias.mul_(factor)
    if isinstance(noop_bias, torch.nn.Parameter):
        noop_bias.mul_(factor)


@torch.no_grad()
def _agreement(
    network: ActorCritic, observations: torch.Tensor, masks: torch.Tensor, actions: torch.Tensor
) -> float:
    same = [
        masked_log_softmax(network.logits(observation), mask).argmax(1) == action
        for observation, mask, action in zip(
            *(tensor.split(_BATCH) for tensor in (observations, masks, actions)), strict=True
        )
    ]
    return float(torch.cat(same).float().mean())


def _no_policy(teacher: LearnedTeacherConfig) -> Scheduler:
    raise ConfigError(f"{teacher.name}: nobody here can load a learned teacher")


def _scheduler(
    teacher: TeacherConfig, simulate: Literal["none", "known"], load_policy: LoadPolicy
) -> Scheduler:
    if isinstance(teacher, LearnedTeacherConfig):
        return load_policy(teacher)
    if simulate == "none":
        return build_scheduler(teacher)
    name = teacher.name
    return build_scheduler(
        RolloutConfig(
            kind="rollout",
            name=name,
            base=name,
            future=simulate,
            num_futures=1,
            horizon_s=None,
            base_agent=teacher,
        )
    )


def demonstrations(
    config: Config,
    agent: PpoConfig,
    teacher: TeacherConfig,
    family_teachers: Mapping[str, TeacherConfig],
    num_rollouts: int,
    simulate: Literal["none", "known"] = "none",
    load_policy: LoadPolicy | None = None,
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.bool_]]]:
    """What the teachers do on training workloads, a rollout at a time, in arrays that the next one overwrites.

    Args: see `imitate`.

    Yields:
        What the teachers did, int64 (M,), and the network's observations, float32 (M, D), and masks, bool (M, A).
    """
    teachers = [
        _scheduler(each, simulate, load_policy or _no_policy) for each in (teacher, *family_teachers.values())
    ]
    number = {family: index for index, family in enumerate(family_teachers, start=1)}
    whose = np.zeros(agent.num_envs, np.int64)
    encodings = dict.fromkeys((agent.network.observation, *(each.encoding for each in teachers)))
    envs = {
        encoding: VectorClusterEnv(
            config.scheduling, encoding, agent.num_envs, seed=config.seed, families=config.families
        )
        for encoding in encodings
    }
    env = envs[agent.network.observation]
    family_of = cache(env.family_of)  # an episode has hundreds of steps
    for each in envs.values():
        each.reset()
        if agent.stagger_starts:
            each.stagger(TYPICAL_STEPS_PER_JOB * config.scheduling.jobs_per_episode, config.seed)
    for scheduler in teachers:
        batch = envs[scheduler.encoding].batch
        if (
            isinstance(scheduler, SimulatingScheduler)
            and isinstance(batch, ClusterBatch)
            and isinstance(config.env, EnvConfig)
        ):
            scheduler.watch(batch)
            scheduler.begin([config.env], [config.seed])
    steps, width = agent.rollout_steps, agent.num_envs
    actions = np.empty((steps, width), np.int64)
    observations = np.empty((steps, width, env.layout.size), np.float32)
    masks = np.empty((steps, width, env.layout.num_actions), np.bool_)
    for _ in range(num_rollouts):
        for step in range(steps):
            if number:
                whose = np.array([number.get(family_of(seed), 0) for seed in env.episode_seeds.tolist()])
            for index in np.unique(whose).tolist():
                seen, theirs = envs[teachers[index].encoding], whose == index
                mask = seen.action_mask.copy()
                if simulate != "none" and not agent.voluntary_waits:
                    forbid_voluntary_waits(mask)
                actions[step, theirs] = teachers[index].actions(seen.observation, mask, theirs)[theirs]
            observations[step], masks[step] = env.observation, env.action_mask
            for each in envs.values():
                each.step(actions[step])
        yield actions.reshape(-1), observations.reshape(steps * width, -1), masks.reshape(steps * width, -1)
