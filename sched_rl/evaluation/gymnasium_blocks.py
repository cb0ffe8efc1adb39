"""Seed blocks of `env=gymnasium`: a seed is what an episode is reset with; nothing is known but returns and lengths."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sched_rl.config.schema import GymnasiumEnvConfig
from sched_rl.envs.gymnasium_env import GymnasiumEpisode
from sched_rl.evaluation.schedule_metrics import SCHEDULE_METRICS
from sched_rl.schedulers.base import Scheduler

#: Environments that play side by side; the others wait for one to be free. A score does not depend on it.
MAX_SIDE_BY_SIDE = 128

#: What an episode of a cluster also has.
_ABSENT = (*SCHEDULE_METRICS, "end_time", "horizon", "fluid_bound")


def play_gymnasium(
    config: GymnasiumEnvConfig, seeds: Sequence[int], scheduler: Scheduler
) -> list[dict[str, Any]]:
    """Play an episode a seed to its end.

    Args:
        config: which environment.
        seeds: of the resets.
        scheduler: a policy over raw observations.

    Returns:
        The numbers of an episode, in the order of the seeds; what only schedules have is nan.
    """
    numbers: list[dict[str, Any]] = []
    episodes = [GymnasiumEpisode(config) for _ in range(min(len(seeds), MAX_SIDE_BY_SIDE))]
    for first in range(0, len(seeds), len(episodes)):
        group = list(zip(episodes, seeds[first : first + len(episodes)], strict=False))
        for episode, seed in group:
            episode.begin(seed)
        _play_out([episode for episode, _ in group], scheduler)
        numbers += [_numbers(episode, config) for episode, _ in group]
    for episode in episodes:
        episode.close()
    return numbers


def _play_out(episodes: Sequence[GymnasiumEpisode], scheduler: Scheduler) -> None:
    active = list(episodes)
    while active:
        observation = np.stack([episode.observation for episode in active])
        mask = np.stack([episode.action_mask for episode in active])
        actions = scheduler.actions(observation, mask, np.ones(len(active), np.bool_))
        for episode, action in zip(active, actions.tolist(), strict=True):
            episode.step(action)
        active = [episode for episode in active if not episode.is_over]


def _numbers(episode: GymnasiumEpisode, config: GymnasiumEnvConfig) -> dict[str, Any]:
    return {
        "family": config.name,
        "seed": episode.seed,
        "return": episode.total_return,
        "steps": len(episode.actions),
        "noop_steps": 0,
        "noop_feasible_steps": 0,
        "feasible_steps": 0,
        "invalid_steps": episode.invalid_steps,
        "terminated": episode.terminated,
        **dict.fromkeys(_ABSENT, math.nan),
    }


def probe_gymnasium(
    config: GymnasiumEnvConfig, seeds: Sequence[int], draws: np.random.Generator, num_states: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """States with a choice that a random player meets: observations (M, D) and masks (M, K + 1), M <= num_states."""
    episode = GymnasiumEpisode(config)
    observations: list[NDArray[np.float32]] = []
    masks: list[NDArray[np.bool_]] = []
    per_episode = -(-num_states // len(seeds))
    for seed in seeds:
        episode.begin(seed)
        wanted = min(len(masks) + per_episode, num_states)
        while len(masks) < wanted and not episode.is_over:
            legal = np.flatnonzero(episode.action_mask)
            if len(legal) > 1:
                observations.append(episode.observation)
                masks.append(episode.action_mask)
            if not len(legal):
                break  # the learner, which is asked to act there, says what is wrong
            episode.step(int(draws.choice(legal)))
    episode.close()
    if not masks:
        empty = np.empty((0, episode.layout.size), np.float32)
        return empty, np.empty((0, episode.layout.num_actions), np.bool_)
    return np.stack(observations), np.stack(masks)
