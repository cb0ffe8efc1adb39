"""One cluster as a `gymnasium.Env`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
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
from sched_rl.envs.make_batch import AnyBatch, make_batch, make_source
from sched_rl.seeding import (
    TRAINING_SEED_HIGH,
    TRAINING_SEED_LOW,
    generator_state,
    load_generator_state,
    stream,
)


class ClusterEnv(gymnasium.Env[NDArray[np.float32], np.int64]):
    """A cluster whose queue the agent schedules.

    Observations are one flat float32 vector (see `envs.layout`), in [0, 1] for the `playbook` encoding and in [-1, 1]
    for the `rich` one. Action 0 is the no-op, action i starts the i-th job of the window; anything else, whether out
    of range or a job that does not fit, counts as invalid and acts as a no-op.

    `info["action_mask"]` is bool (K + 1,), the legal actions of the observation that comes with it;
    `step` adds `info["invalid_action"]`.

    An episode terminates when every job is complete; it is truncated at the horizon and at `env.max_episode_steps`.

    `reset(seed=s)` plays the workload of exactly that seed, 0 to 2**32 - 1; `reset()` draws the next one from
    [2**31, 2**32), away from every evaluation's seeds.
    """

    metadata = {"render_modes": list(RENDER_MODES), "render_fps": 10}  # noqa: RUF012 - gymnasium's own convention

    def __init__(
        self,
        env: SchedulingEnvConfig,
        encoding: Encoding,
        *,
        families: Mapping[str, EnvConfig] | None = None,
        seed: int | None = None,
        render_mode: str | None = None,
    ) -> None:
        """Allocate; call `reset` before the first step.

        Args:
            env: the workload family or mixture.
            encoding: which observation to give.
            families: configs of the families of a mixture.
            seed: of the draws of `reset()` until it is given a seed; None for the operating system's.
            render_mode: `ansi`, `rgb_array` or None.

        Raises:
            ConfigError: on an unknown render mode.
        """
        self.render_mode = check_render_mode(render_mode, env)
        self._batch: AnyBatch = make_batch(env, encoding, 1, track_gpus=render_mode is not None)
        self._source: Any = make_source(env, families or {})
        self._longest_s = float(env.max_duration)
        self._action = np.zeros(1, np.int64)
        self._is_reset = False
        self.observation_space = observation_space(self._batch.layout)
        self.action_space = action_space(self._batch.layout)
        if seed is not None:
            self.np_random = stream(seed, "workload")

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin an episode.

        Args:
            seed: of the workload; None draws one.
            options: none are taken.

        Returns:
            The first observation, and `action_mask`.

        Raises:
            SimulationError: on a seed out of range, or on options.
        """
        check_options(options)
        super().reset(seed=None if seed is None else check_seed(seed))
        if seed is None:
            seed = int(self.np_random.integers(TRAINING_SEED_LOW, TRAINING_SEED_HIGH))
        self._batch.begin(0, *self._source.workload(int(seed)))
        self._is_reset = True
        return self._batch.observation[0].copy(), {"action_mask": self._batch.action_mask[0].copy()}

    def step(self, action: np.int64 | int) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Take one action.

        Args:
            action: 0 for the no-op, i to start the i-th job of the window.

        Returns:
            Observation, reward, terminated, truncated, and info with `action_mask` and `invalid_action`.

        Raises:
            ResetNeeded: before the first `reset` and after the end of an episode.
        """
        cluster = self._batch.state.clusters[0]
        if not self._is_reset or cluster["finished"]:
            raise gymnasium.error.ResetNeeded("no episode in progress: call reset() before step()")
        number = int(action)
        # What int64 cannot hold is as invalid as -1, and as a fraction of an action.
        self._action[0] = number if number == action and 0 <= number < self._batch.layout.num_actions else -1
        self._batch.step(self._action)
        info = {
            "action_mask": self._batch.action_mask[0].copy(),
            "invalid_action": bool(cluster["invalid_action"]),
        }
        observation, reward = self._batch.observation[0].copy(), float(cluster["reward"])
        return observation, reward, bool(cluster["terminated"]), bool(cluster["truncated"]), info

    def render(self) -> Any:
        """The cluster as text (`ansi`) or as an image, uint8 (360, 480, 3) (`rgb_array`); None without a mode."""
        if self.render_mode is None:
            return None
        if not self._is_reset:
            raise gymnasium.error.ResetNeeded("no episode to draw: call reset() before render()")
        return render_cluster(self._batch, 0, self._longest_s, self.render_mode)

    def state(self) -> dict[str, Any]:
        """Everything that changes, copied."""
        return {
            "batch": self._batch.snapshot(),
            "seed_stream": generator_state(self.np_random),
            "is_reset": self._is_reset,
        }

    def load_state(self, saved: dict[str, Any]) -> None:
        """Continue where `state` was taken, to the bit.

        Raises:
            SimulationError: when the state is of another shape.
        """
        self._batch.restore(saved["batch"])
        load_generator_state(self.np_random, saved["seed_stream"])
        self._is_reset = bool(saved["is_reset"])
