"""N clusters as a `gymnasium.vector.VectorEnv`."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from sched_rl.config.schema import Encoding, EnvConfig, SchedulingEnvConfig
from sched_rl.envs.adapters.spaces import (
    RENDER_MODES,
    action_space,
    check_options,
    check_render_mode,
    check_seed,
    observation_space,
    render_cluster,
)
from sched_rl.envs.vector import VectorClusterEnv
from sched_rl.errors import ConfigError, SimulationError

_Step = tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]


class ClusterVectorEnv(VectorEnv[NDArray[np.float32], NDArray[np.int64], NDArray[Any]]):
    """N clusters that step together in compiled code; each behaves as a `ClusterEnv` does, to the bit.

    An episode that ends is followed by the next in the same step (`AutoresetMode.SAME_STEP`): the observation and
    `info["action_mask"]` are then the new episode's, the old one's last are in `info["final_obs"]` and
    `info["final_info"]`, with gymnasium's masks of the same names after an underscore.
    """

    metadata = {  # noqa: RUF012 - gymnasium's own convention
        "render_modes": list(RENDER_MODES),
        "render_fps": 10,
        "autoreset_mode": AutoresetMode.SAME_STEP,
    }

    def __init__(
        self,
        env: SchedulingEnvConfig,
        encoding: Encoding,
        num_envs: int,
        *,
        families: Mapping[str, EnvConfig] | None = None,
        seed: int | None = None,
        render_mode: str | None = None,
    ) -> None:
        """Allocate; call `reset` before the first step.

        Args:
            env: the workload family or mixture.
            encoding: which observation to give.
            num_envs: N.
            families: configs of the families of a mixture.
            seed: of the draws of `reset()` until it is given a seed; None for the operating system's.
            render_mode: `ansi`, `rgb_array` or None.

        Raises:
            ConfigError: on an unknown render mode, or fewer than one cluster.
        """
        if num_envs < 1:
            raise ConfigError(f"{num_envs=}: must be at least 1")
        self.render_mode = check_render_mode(render_mode, env)
        self.num_envs = num_envs
        seed, track_gpus = secrets.randbits(32) if seed is None else seed, render_mode is not None
        self._clusters = VectorClusterEnv(
            env, encoding, num_envs, seed=seed, families=families, track_gpus=track_gpus
        )
        self._longest_s = float(env.max_duration)
        self._is_reset = False
        self.single_observation_space = observation_space(self._clusters.layout)
        self.single_action_space = action_space(self._clusters.layout)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin an episode on every cluster.

        Args:
            seed: s for the workloads s, s + 1, ..., one a cluster; or a list, None where a cluster draws its own.
            options: none are taken.

        Returns:
            The first observations, and `action_mask`, bool (N, K + 1).

        Raises:
            SimulationError: on seeds out of range or of another number, or on options.
        """
        check_options(options)
        if seed is None:
            seeds: list[int | None] = [None] * self.num_envs
        elif isinstance(seed, (int, np.integer)):
            super().reset(seed=check_seed(seed))
            seeds = [int(seed) + index for index in range(self.num_envs)]
        else:
            seeds = list(seed)
        if len(seeds) != self.num_envs:
            raise SimulationError(
                f"reset(seed=...): got {len(seeds)} seeds, must be {self.num_envs}, one a cluster"
            )
        given = {index: check_seed(each) for index, each in enumerate(seeds) if each is not None}
        self._clusters.reset(given)
        self._is_reset = True
        return self._clusters.observation.copy(), self._masked(
            "action_mask", self._clusters.action_mask.copy()
        )

    def step(self, actions: NDArray[np.int64]) -> _Step:
        """Take one action on every cluster.

        Args:
            actions: whole numbers (N,).

        Returns:
            Observations, rewards, terminated, truncated, and infos with `action_mask`, `invalid_action` and, where
            an episode ended, `final_obs` and `final_info`.

        Raises:
            ResetNeeded: before the first `reset`.
            SimulationError: when the actions are of another number or not whole.
        """
        if not self._is_reset:
            raise gymnasium.error.ResetNeeded("no episodes in progress: call reset() before step()")
        chosen = np.asarray(actions)
        if chosen.dtype.kind not in "iu":
            raise SimulationError(f"actions are {chosen.dtype}: must be whole numbers, one a cluster")
        clusters = self._clusters
        if chosen.dtype == np.uint64:  # what int64 cannot hold is as invalid as what it can, but far out
            chosen = np.minimum(chosen, np.uint64(2**62))
        clusters.step(chosen.astype(np.int64, order="C"))
        terminated, truncated = clusters.terminated.copy(), clusters.truncated.copy()
        info = self._infos(terminated | truncated)
        return clusters.observation.copy(), clusters.reward.copy(), terminated, truncated, info

    def _infos(self, ended: NDArray[np.bool_]) -> dict[str, Any]:
        """What `SyncVectorEnv` would have gathered from N single environments."""
        clusters = self._clusters
        infos = self._masked("action_mask", clusters.action_mask.copy())
        invalid = clusters.invalid_action.copy()
        if not ended.any():
            return infos | self._masked("invalid_action", invalid)
        final_observation = np.full(self.num_envs, None, object)
        final_mask = np.zeros_like(clusters.action_mask)
        for index in np.flatnonzero(ended).tolist():
            final_observation[index] = clusters.final_observation[index].copy()
            final_mask[index] = clusters.final_action_mask[index]
        final_info = self._masked("action_mask", final_mask, ended)
        final_info |= self._masked("invalid_action", invalid & ended, ended)
        infos |= self._masked("final_obs", final_observation, ended)
        infos |= self._masked("final_info", final_info, ended)
        if not ended.all():
            infos |= self._masked("invalid_action", invalid & ~ended, ~ended)
        return infos

    def _masked(self, key: str, value: Any, where: NDArray[np.bool_] | None = None) -> dict[str, Any]:
        """A value with gymnasium's mask of the clusters that have one."""
        return {key: value, f"_{key}": np.ones(self.num_envs, np.bool_) if where is None else where.copy()}

    def render(self) -> tuple[Any, ...] | None:
        """A picture of each cluster; None without a mode."""
        if self.render_mode is None:
            return None
        if not self._is_reset:
            raise gymnasium.error.ResetNeeded("no episodes to draw: call reset() before render()")
        batch = self._clusters.batch
        return tuple(
            render_cluster(batch, c, self._longest_s, self.render_mode) for c in range(self.num_envs)
        )

    def state(self) -> dict[str, Any]:
        """Everything that changes, copied."""
        return {"clusters": self._clusters.state(), "is_reset": self._is_reset}

    def load_state(self, saved: dict[str, Any]) -> None:
        """Continue where `state` was taken, to the bit.

        Raises:
            SimulationError: when the state is of another shape.
        """
        self._clusters.load_state(saved["clusters"])
        self._is_reset = bool(saved["is_reset"])
