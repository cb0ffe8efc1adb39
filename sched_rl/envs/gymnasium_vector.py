"""The training environment of `env=gymnasium`: N of them with endless episodes, reset in the step that ends one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sched_rl.config.schema import GymnasiumEnvConfig
from sched_rl.envs.gymnasium_env import GymnasiumEpisode
from sched_rl.errors import CheckpointError
from sched_rl.seeding import (
    TRAINING_SEED_HIGH,
    TRAINING_SEED_LOW,
    generator_state,
    load_generator_state,
    stream,
)


@dataclass(frozen=True)
class FinishedGymnasiumEpisode:
    """An episode that ended in the last step."""

    env_index: int
    seed: int
    total_return: float
    steps: int
    terminated: bool


class GymnasiumVectorEnv:
    """N environments of Gymnasium's side by side, each with its own stream of reset seeds; as `VectorClusterEnv`.

    There is no no-op and no simulated time: `noop_feasible` is false and `dt_s` 1, a step.

    Attributes:
        observation: float32 (N, layout.size), to act on.
        action_mask: bool (N, K + 1), of `observation`.
        reward: float64 (N,), of the last step; terminated, truncated and invalid_action alike, bool.
        final_observation: float32 (N, layout.size), before the reset; valid where an episode ended.
        finished: episodes that ended in the last step.
    """

    def __init__(self, config: GymnasiumEnvConfig, num_envs: int, *, seed: int) -> None:
        """Make the environments; call `reset` before the first step.

        Args:
            config: which environment.
            num_envs: N.
            seed: the run's; reset seeds are drawn from [2**31, 2**32), away from every evaluation split.

        Raises:
            ConfigError: an environment that cannot be used here; see `GymnasiumEpisode`.
        """
        self._config, self.num_envs = config, num_envs
        self._episodes = [GymnasiumEpisode(config) for _ in range(num_envs)]
        self.layout = self._episodes[0].layout
        self._seed_streams = [stream(seed, "workload", index) for index in range(num_envs)]
        self.observation = np.zeros((num_envs, self.layout.size), np.float32)
        self.action_mask = np.ones((num_envs, self.layout.num_actions), np.bool_)
        self.final_observation = np.zeros_like(self.observation)
        self.reward = np.zeros(num_envs)
        self.terminated, self.truncated = np.zeros(num_envs, np.bool_), np.zeros(num_envs, np.bool_)
        self.invalid_action, self.noop_feasible = np.zeros(num_envs, np.bool_), np.zeros(num_envs, np.bool_)
        self.dt_s = np.ones(num_envs)
        self.finished: list[FinishedGymnasiumEpisode] = []

    def reset(self) -> None:
        """Begin a new episode everywhere."""
        for index in range(self.num_envs):
            self._begin(index)
        self.finished = []

    def step(
        self,
        actions: NDArray[np.int64],
        observation: NDArray[np.float32] | None = None,
        action_mask: NDArray[np.bool_] | None = None,
    ) -> None:
        """Take an action everywhere; an episode that ends is followed by the next at once.

        Args:
            actions: int64 (N,).
            observation: float32 (N, layout.size), a slot of a rollout buffer: written and used from now on.
            action_mask: bool (N, K + 1), likewise.
        """
        self.observation = self.observation if observation is None else observation
        self.action_mask = self.action_mask if action_mask is None else action_mask
        self.finished = []
        for index, episode in enumerate(self._episodes):
            episode.step(int(actions[index]))
            self.reward[index], self.invalid_action[index] = episode.reward, episode.invalid_action
            self.terminated[index], self.truncated[index] = episode.terminated, episode.truncated
            if episode.is_over:
                self.final_observation[index] = episode.observation
                self.finished.append(
                    FinishedGymnasiumEpisode(
                        index, episode.seed, episode.total_return, len(episode.actions), episode.terminated
                    )
                )
                self._begin(index)
            else:
                self._show(index)

    def _begin(self, index: int) -> None:
        self._episodes[index].begin(
            int(self._seed_streams[index].integers(TRAINING_SEED_LOW, TRAINING_SEED_HIGH))
        )
        self._show(index)

    def _show(self, index: int) -> None:
        self.observation[index] = self._episodes[index].observation
        self.action_mask[index] = self._episodes[index].action_mask

    def state(self) -> dict[str, Any]:
        """What makes the episodes in progress again: their seeds and the actions taken; and the seed streams.

        No environment of Gymnasium's need be able to say its own state, but all promise to follow from the seed.
        """
        return {
            "seeds": [episode.seed for episode in self._episodes],
            "actions": [np.array(episode.actions, np.int64) for episode in self._episodes],
            "observation": self.observation.copy(),
            "seed_streams": [generator_state(generator) for generator in self._seed_streams],
        }

    def load_state(self, saved: dict[str, Any]) -> None:
        """Continue where `state` was taken, by playing the episodes in progress again.

        Raises:
            CheckpointError: they do not lead where they led: the environment does not follow from its seed.
        """
        for index, episode in enumerate(self._episodes):
            episode.replay(int(saved["seeds"][index]), saved["actions"][index].tolist())
            self._show(index)
        if not np.array_equal(self.observation, saved["observation"], equal_nan=True):
            raise CheckpointError(
                f"env.id={self._config.id}: the same seed and actions lead to another state than before, so its runs "
                "cannot be resumed; make the environment draw from self.np_random alone"
            )
        for generator, value in zip(self._seed_streams, saved["seed_streams"], strict=True):
            load_generator_state(generator, value)
        self.finished = []
