"""`VectorClusterEnv` as a vector environment of stable-baselines3, without a copy that could be spared."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv

from analysis.benchmarks.peers.task import Task
from sched_rl.envs.adapters.spaces import action_space, observation_space
from sched_rl.envs.vector import VectorClusterEnv

_Step = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]


class CompiledVecEnv(VecEnv):  # type: ignore[misc]  # skipped by mypy
    """The compiled clusters, staggered at the reset.

    The library keeps the last observation until it has the next: so the clusters write into two arrays in turn, and
    the library's own copy into its rollout buffer is the only one. Its infos are empty but where an episode ended.
    """

    def __init__(self, task: Task) -> None:
        config, agent = task.config, task.agent
        self._task = task
        self._clusters = VectorClusterEnv(
            config.cluster,
            agent.network.observation,
            agent.num_envs,
            seed=config.seed,
            families=config.families,
        )
        layout = self._clusters.layout
        shape = (agent.num_envs, layout.size)
        self._next, self._after = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        self._actions = np.zeros(agent.num_envs, np.int64)
        self._no_infos: list[dict[str, Any]] = [{} for _ in range(agent.num_envs)]
        super().__init__(agent.num_envs, observation_space(layout), action_space(layout))

    def reset(self) -> NDArray[np.float32]:
        """Begin an episode on every cluster, somewhere in it."""
        self._clusters.reset()
        self._clusters.stagger(self._task.typical_episode_steps, self._task.config.seed)
        return self._clusters.observation.copy()

    def step_async(self, actions: NDArray[np.int64]) -> None:
        """Remember the actions."""
        self._actions = actions

    def step_wait(self) -> _Step:
        """Take them."""
        clusters = self._clusters
        clusters.step(self._actions, self._next)
        observation, self._next, self._after = self._next, self._after, self._next
        infos = self._no_infos
        if clusters.finished:
            infos = infos.copy()
            for episode in clusters.finished:
                infos[episode.env_index] = {
                    "terminal_observation": clusters.final_observation[episode.env_index].copy(),
                    "TimeLimit.truncated": not episode.terminated,
                }
        # Both are kept, and the rewards written to, by the library.
        reward, done = clusters.reward.astype(np.float32), clusters.terminated | clusters.truncated
        return observation, reward, done, infos

    def env_method(
        self, method_name: str, *arguments: Any, indices: Any = None, **options: Any
    ) -> NDArray[np.bool_]:
        """`action_masks` of all clusters, a row each; the library stacks, and thereby copies, them."""
        self._refuse_unless_masks(method_name)
        return self._clusters.action_mask

    def get_attr(self, attr_name: str, indices: Any = None) -> Sequence[Any]:
        """What the library asks for: whether there are masks, and no render mode."""
        if attr_name != "render_mode":
            self._refuse_unless_masks(attr_name)
        return [None] * self.num_envs

    def _refuse_unless_masks(self, name: str) -> None:
        if name != "action_masks":
            raise AttributeError(name)

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Nothing can be set."""
        raise AttributeError(attr_name)

    def env_is_wrapped(self, wrapper_class: type, indices: Any = None) -> Iterable[bool]:
        """No cluster is."""
        return [False] * self.num_envs

    def close(self) -> None:
        """Nothing to close."""
