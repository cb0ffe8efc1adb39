"""Environments of the peers whose first episodes begin in different phases, as `VectorClusterEnv.stagger` has it.

Otherwise a short benchmark would measure beginnings of episodes only: the queue fills, and everything fits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.benchmarks.peers.task import Task
from analysis.benchmarks.python_env.env import PythonClusterEnv
from sched_rl.envs.adapters.vector import ClusterVectorEnv
from sched_rl.seeding import stream


class LatePythonEnv(PythonClusterEnv):
    """Plays `head_start` random feasible steps in its first reset."""

    def __init__(self, task: Task, index: int) -> None:
        super().__init__(task.env, task.agent.network.observation, families=task.config.families)
        self._head_start = index * task.typical_episode_steps // task.agent.num_envs
        self._draws = stream(task.config.seed, "stagger", index)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin an episode; the first time, somewhere in it."""
        observation, info = super().reset(seed=seed, options=options)
        head_start, self._head_start = self._head_start, 0
        for _ in range(head_start):
            feasible = np.flatnonzero(self.action_masks()[1:])
            action = int(self._draws.choice(feasible)) + 1 if len(feasible) else 0
            observation, _, terminated, truncated, _ = self.step(action)
            if terminated or truncated:
                observation, info = super().reset()
        return observation, info


def late_python_envs(task: Task) -> Sequence[Callable[[], LatePythonEnv]]:
    """Makers of the Python environments of a task."""
    return [partial(LatePythonEnv, task, index) for index in range(task.agent.num_envs)]


class LateVectorEnv(ClusterVectorEnv):
    """The compiled clusters, staggered at every reset."""

    def __init__(self, task: Task) -> None:
        config = task.config
        super().__init__(
            config.cluster,
            task.agent.network.observation,
            task.agent.num_envs,
            families=config.families,
            seed=config.seed,
        )
        self._task = task

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin an episode on every cluster, somewhere in it."""
        super().reset(seed=seed, options=options)
        self._clusters.stagger(self._task.typical_episode_steps, self._task.config.seed)
        return self._clusters.observation.copy(), self._masked(
            "action_mask", self._clusters.action_mask.copy()
        )
