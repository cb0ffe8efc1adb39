"""One environment of Gymnasium's registry as the learner wants it: a flat observation, a mask, actions from 0."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from sched_rl.config.schema import GymnasiumEnvConfig
from sched_rl.config.suggest import did_you_mean
from sched_rl.envs.layout import ObservationLayout
from sched_rl.errors import ConfigError, SimulationError

_FLAT = (spaces.Box, spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary)
_LIST = "python -c 'import gymnasium; gymnasium.pprint_registry()' lists them"


class GymnasiumEpisode:
    """An environment and the episode that it plays.

    Attributes:
        layout: raw: no jobs, the whole observation is context; K + 1 is the number of actions.
        observation: float32 (layout.size,), of the state to act on; after the last step, of the final state.
        action_mask: bool (K + 1,), `info["action_mask"]`, or everything where there is none.
        seed: of the episode.
        actions: taken so far; with the seed they make the episode again.
        total_return: sum of the rewards so far.
        invalid_steps: actions outside the mask so far.
        reward, terminated, truncated, invalid_action: of the last step.
    """

    def __init__(self, config: GymnasiumEnvConfig) -> None:
        """Make the environment; `begin` starts an episode.

        Raises:
            ConfigError: no such environment, actions that are not discrete, observations that are no flat vector, or
                episodes without an end.
        """
        self._env = _make(config)
        self._actions, self._space = _spaces(config, self._env)
        if config.max_episode_steps is None and (
            self._env.spec is None or self._env.spec.max_episode_steps is None
        ):
            raise ConfigError(
                f"env.id={config.id}: says nowhere when an episode ends; give env.max_episode_steps=STEPS"
            )
        window = int(self._actions.n) - 1
        self.layout = ObservationLayout("raw", window, 0, 0, spaces.flatdim(self._space))
        self._legal = np.ones(self.layout.num_actions, np.bool_)

    def begin(self, seed: int) -> None:
        """Start the episode of a seed."""
        observation, info = self._env.reset(seed=seed)
        self.seed, self.actions = seed, list[int]()
        self.total_return, self.invalid_steps = 0.0, 0
        self.reward, self.terminated, self.truncated, self.invalid_action = 0.0, False, False, False
        self._look(observation, info)

    def step(self, action: int) -> None:
        """Take an action, counted from 0.

        Raises:
            SimulationError: an observation or mask of another shape than the environment promised.
        """
        self.invalid_action = not self.action_mask[action]
        observation, reward, terminated, truncated, info = self._env.step(action + self._actions.start)
        self.actions.append(action)
        self.reward, self.terminated, self.truncated = float(reward), bool(terminated), bool(truncated)
        self.total_return += self.reward
        self.invalid_steps += self.invalid_action
        self._look(observation, info)

    @property
    def is_over(self) -> bool:
        """Whether the episode has ended, either way."""
        return self.terminated or self.truncated

    def replay(self, seed: int, actions: list[int]) -> None:
        """Bring the episode of a seed to where some actions lead."""
        self.begin(seed)
        for action in actions:
            self.step(action)

    def close(self) -> None:
        """Let go of what the environment holds."""
        self._env.close()

    def _look(self, observation: Any, info: dict[str, Any]) -> None:
        if isinstance(self._space, spaces.Box):
            self.observation = np.asarray(observation, np.float32).ravel()
        else:
            self.observation = np.asarray(spaces.flatten(self._space, observation), np.float32)
        mask = info.get("action_mask")
        self.action_mask = self._legal if mask is None else np.asarray(mask, np.bool_)
        if self.observation.shape != (self.layout.size,) or self.action_mask.shape != self._legal.shape:
            raise SimulationError(
                f"observation {self.observation.shape}, info['action_mask'] {self.action_mask.shape}: this environment "
                f"promised {(self.layout.size,)} and {self._legal.shape}"
            )


def gymnasium_layout(config: GymnasiumEnvConfig) -> ObservationLayout:
    """The layout of an environment's observations; see `GymnasiumEpisode` for what it raises."""
    episode = GymnasiumEpisode(config)
    episode.close()
    return episode.layout


def _make(config: GymnasiumEnvConfig) -> gymnasium.Env[Any, Any]:
    options = {} if config.max_episode_steps is None else {"max_episode_steps": config.max_episode_steps}
    try:
        return gymnasium.make(config.id, disable_env_checker=True, **options)
    except (gymnasium.error.Error, ImportError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        known = sorted(gymnasium.registry)
        raise ConfigError(
            f"env.id={config.id}: {reason}{did_you_mean(config.id, known)}; must be a registered environment such as "
            f"CartPole-v1 or Acrobot-v1, {_LIST}"
        ) from error


def _spaces(
    config: GymnasiumEnvConfig, env: gymnasium.Env[Any, Any]
) -> tuple[spaces.Discrete, spaces.Space[Any]]:
    if not isinstance(env.action_space, spaces.Discrete):
        raise ConfigError(
            f"env.id={config.id}: its actions are {env.action_space}; must be Discrete, such as CartPole-v1's"
        )
    if not isinstance(env.observation_space, _FLAT):
        allowed = ", ".join(space.__name__ for space in _FLAT[:-1])
        raise ConfigError(
            f"env.id={config.id}: its observations are a {type(env.observation_space).__name__}; must be {allowed} or "
            f"{_FLAT[-1].__name__}; register it with gymnasium.wrappers.FlattenObservation around it"
        )
    return env.action_space, env.observation_space
