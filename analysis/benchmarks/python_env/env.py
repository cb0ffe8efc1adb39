"""The Python cluster as a `gymnasium.Env`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from analysis.benchmarks.python_env.cluster import PythonCluster
from analysis.benchmarks.python_env.encodings import make_encoder
from sched_rl.config.schema import Encoding, EnvConfig
from sched_rl.envs.adapters.spaces import action_space, observation_space
from sched_rl.envs.layout import observation_layout
from sched_rl.seeding import TRAINING_SEED_HIGH, TRAINING_SEED_LOW
from sched_rl.workloads.source import WorkloadSource


class PythonClusterEnv(gymnasium.Env[NDArray[np.float32], np.int64]):
    """Behaves as `sched_rl.envs.adapters.single.ClusterEnv` does, to the digit, without a compiled line.

    `action_masks()` gives the mask, as sb3-contrib wants it; the info is empty, as nothing reads it.
    """

    def __init__(
        self, env: EnvConfig, encoding: Encoding, *, families: Mapping[str, EnvConfig] | None = None
    ) -> None:
        """Prepare; call `reset` before the first step.

        Args:
            env: the workload family or mixture; with event steps.
            encoding: which observation to give.
            families: configs of the families of a mixture.

        Raises:
            ConfigError: on decision steps.
        """
        layout = observation_layout(env, encoding)
        self._cluster = PythonCluster(env)
        self._encoder = make_encoder(env, encoding)
        self._source = WorkloadSource(env, families or {})
        self._num_actions = layout.num_actions
        self.observation_space = observation_space(layout)
        self.action_space = action_space(layout)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin an episode: the workload of the seed, or one that is drawn."""
        super().reset(seed=seed)
        if seed is None:
            seed = int(self.np_random.integers(TRAINING_SEED_LOW, TRAINING_SEED_HIGH))
        self._cluster.begin(*self._source.workload(seed))
        self._encoder.begin(self._cluster)
        return self._encoder.encode(self._cluster), {}

    def step(self, action: np.int64 | int) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Take one action: 0 waits, i starts the i-th job of the window."""
        cluster = self._cluster
        cluster.step(int(action))
        return self._encoder.encode(cluster), cluster.reward, cluster.terminated, cluster.truncated, {}

    def action_masks(self) -> NDArray[np.bool_]:
        """bool (K + 1,), the no-op first and always legal."""
        mask = np.zeros(self._num_actions, np.bool_)
        mask[0] = True
        mask[1 : len(self._cluster.fits) + 1] = self._cluster.fits
        return mask
