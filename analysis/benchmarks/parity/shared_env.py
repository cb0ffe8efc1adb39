"""This project's vector environments, clusters and Gymnasium's alike, as stable-baselines3 wants them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv

from sched_rl.agents.environment import VectorEnvironment

_Step = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]


class SharedVecEnv(VecEnv):  # type: ignore[misc]  # skipped by mypy
    """The very environment that this project's learner plays, with copies of what the library keeps."""

    def __init__(self, env: VectorEnvironment) -> None:
        self._shared = env
        layout = env.layout
        self._actions = np.zeros(env.num_envs, np.int64)
        space = gymnasium.spaces.Box(-np.inf, np.inf, (layout.size,), np.float32)
        super().__init__(env.num_envs, space, gymnasium.spaces.Discrete(layout.num_actions))

    def reset(self) -> NDArray[np.float32]:
        """Begin an episode everywhere."""
        self._shared.reset()
        return self._shared.observation.copy()

    def step_async(self, actions: NDArray[np.int64]) -> None:
        """Remember the actions."""
        self._actions = actions

    def step_wait(self) -> _Step:
        """Take them."""
        env = self._shared
        env.step(self._actions)
        done = env.terminated | env.truncated
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for n in np.flatnonzero(done).tolist():
            infos[n] = {
                "terminal_observation": env.final_observation[n].copy(),
                "TimeLimit.truncated": bool(env.truncated[n] and not env.terminated[n]),
            }
        return env.observation.copy(), env.reward.astype(np.float32), done, infos

    def env_method(
        self, method_name: str, *arguments: Any, indices: Any = None, **options: Any
    ) -> NDArray[np.bool_]:
        """`action_masks` of all environments, a row each."""
        return self._shared.action_mask.copy()

    def get_attr(self, attr_name: str, indices: Any = None) -> Sequence[Any]:
        """What the library asks for: whether there are masks, and no render mode."""
        if attr_name not in ("render_mode", "action_masks"):
            raise AttributeError(attr_name)
        return [None] * self.num_envs

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Nothing can be set."""
        raise AttributeError(attr_name)

    def env_is_wrapped(self, wrapper_class: type, indices: Any = None) -> Iterable[bool]:
        """No environment is."""
        return [False] * self.num_envs

    def close(self) -> None:
        """Nothing to close."""
