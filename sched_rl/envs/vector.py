"""The training environment: N clusters with endless episodes, same-step autoreset, final observations kept apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sched_rl.config.schema import Encoding, EnvConfig, SchedulingEnvConfig
from sched_rl.envs.layout import ObservationLayout
from sched_rl.envs.make_batch import AnyBatch, make_batch, make_source
from sched_rl.errors import SimulationError
from sched_rl.seeding import (
    TRAINING_SEED_HIGH,
    TRAINING_SEED_LOW,
    generator_state,
    load_generator_state,
    stream,
)
from sched_rl.simulator.state import restore_array


@dataclass(frozen=True)
class FinishedEpisode:
    """An episode that ended in the last step."""

    env_index: int
    family: str
    seed: int
    total_return: float
    steps: int
    noop_steps: int
    noop_feasible_steps: int
    invalid_steps: int
    terminated: bool
    end_s: float


class VectorClusterEnv:
    """N clusters stepping together, each with its own stream of workload seeds.

    An episode that ends is followed at once by the next: `observation` and `action_mask` are then the first of the
    new episode, and `final_observation` holds the last of the old one (rows where `terminated | truncated`).

    Every array is written in place by the next step: copy what is to be kept.

    Attributes:
        final_observation: float32 (N, layout.size).
        final_action_mask: bool (N, K + 1), of `final_observation`.
        finished: episodes that ended in the last step, in the order of the clusters.
        potential_before: float64 (N,), of the states that the last step left; there only `with_potential`.
        potential_after: float64 (N,), of the states that it led to, before any reset; 0 where terminated.
        draw_seed: draws the workload seed of a new episode, given the seed stream of its cluster.
    """

    def __init__(
        self,
        env: SchedulingEnvConfig,
        encoding: Encoding,
        num_envs: int,
        *,
        seed: int,
        families: Mapping[str, EnvConfig] | None = None,
        with_potential: bool = False,
        track_gpus: bool = False,
    ) -> None:
        """Allocate; call `reset` before the first step.

        Args:
            env: the workload family or mixture.
            encoding: which observation to write.
            num_envs: N.
            seed: the run's seed; workload seeds are drawn from [2**31, 2**32), away from every evaluation split.
            families: configs of the families of a mixture.
            with_potential: have `potential_before` and `potential_after`; a learner that shapes its rewards wants
                them.
            track_gpus: number the GPUs even where the observation does not need it (for pictures).
        """
        self._batch: AnyBatch = make_batch(env, encoding, num_envs, track_gpus=track_gpus)
        self._source: Any = make_source(env, families or {})
        self._seed_streams = [stream(seed, "workload", index) for index in range(num_envs)]
        self._episode_seeds = np.zeros(num_envs, np.int64)
        self._is_reset = False
        self.draw_seed: Callable[[np.random.Generator], int] = fresh_seed
        self._with_potential = with_potential
        if with_potential:
            self.potential_before = np.zeros(num_envs, np.float64)
            self.potential_after = np.zeros(num_envs, np.float64)
        self.num_envs = num_envs
        self.final_observation = np.zeros((num_envs, self.layout.size), np.float32)
        self.final_action_mask = np.zeros((num_envs, self.layout.num_actions), np.bool_)
        self.finished: list[FinishedEpisode] = []

    @property
    def layout(self) -> ObservationLayout:
        """The parts of an observation."""
        return self._batch.layout

    @property
    def batch(self) -> AnyBatch:
        """The clusters themselves, to look at."""
        return self._batch

    @property
    def observation(self) -> NDArray[np.float32]:
        """float32 (N, layout.size): the states to act on."""
        return self._batch.observation

    @property
    def action_mask(self) -> NDArray[np.bool_]:
        """bool (N, K + 1): the legal actions of `observation`."""
        return self._batch.action_mask

    @property
    def reward(self) -> NDArray[np.float64]:
        """float64 (N,): of the last step."""
        return self._last_step("reward")

    @property
    def dt_s(self) -> NDArray[np.float64]:
        """float64 (N,): simulated seconds that the last step took."""
        return self._last_step("dt_s")

    @property
    def terminated(self) -> NDArray[np.bool_]:
        """bool (N,): the last step completed every job of its episode."""
        return self._last_step("terminated")

    @property
    def truncated(self) -> NDArray[np.bool_]:
        """bool (N,): the last step reached the horizon or the step limit; never together with terminated."""
        return self._last_step("truncated")

    @property
    def invalid_action(self) -> NDArray[np.bool_]:
        """bool (N,): the last action was illegal and acted as a no-op."""
        return self._last_step("invalid_action")

    @property
    def noop_feasible(self) -> NDArray[np.bool_]:
        """bool (N,): the last step's effective action was a no-op although some job fitted."""
        return self._last_step("noop_feasible")

    @property
    def episode_seeds(self) -> NDArray[np.int64]:
        """int64 (N,): workload seeds of the episodes in progress."""
        return self._episode_seeds

    @property
    def episode_returns(self) -> NDArray[np.float64]:
        """float64 (N,): what they have returned so far."""
        returns: NDArray[np.float64] = self._batch.state.clusters["total_return"].astype(np.float64)
        return returns

    def family_of(self, seed: int) -> str:
        """The name of the workload family that a seed draws."""
        return str(self._source.family(seed).name)

    def _last_step(self, name: str) -> NDArray[Any]:
        # The simulator's records themselves: copying all six would take longer than stepping a small batch.
        column: NDArray[Any] = self._batch.state.clusters[name]
        return column

    def reset(self, seeds: Mapping[int, int] | None = None) -> None:
        """Begin a new episode on every cluster.

        Args:
            seeds: workload seeds of some clusters, by index. Such a cluster goes on from there as a fresh
                environment of that seed would; the others draw from their streams.
        """
        for index in range(self.num_envs):
            seed = None if seeds is None else seeds.get(index)
            if seed is not None:
                self._seed_streams[index] = np.random.default_rng(seed)  # as `gymnasium.Env.reset` does
            self._begin(index, seed)
        clusters = self._batch.state.clusters
        for name in ("reward", "dt_s", "terminated", "truncated", "invalid_action", "noop_feasible"):
            clusters[name] = 0
        self.finished = []
        self._is_reset = True

    def stagger(self, num_steps: int, seed: int) -> None:
        """Spread the episodes over their phases, so that a rollout is not all beginnings and the next all ends.

        Every cluster plays at random, feasibly, and begins anew at a step of its own, spread evenly over `num_steps`.

        Args:
            num_steps: the length of a typical episode, in steps.
            seed: the run's seed.
        """
        draws = stream(seed, "stagger")
        begins = np.arange(self.num_envs) * num_steps // self.num_envs
        for step in range(num_steps):
            for index in np.flatnonzero(begins == step).tolist():
                self._begin(index, None)
            self.step(random_feasible_actions(self.action_mask, draws))

    def step(
        self,
        actions: NDArray[np.int64],
        observation: NDArray[np.float32] | None = None,
        action_mask: NDArray[np.bool_] | None = None,
    ) -> None:
        """Step every cluster and replace finished episodes by new ones.

        Args:
            actions: int64 (N,).
            observation: C-contiguous float32 (N, layout.size), a slot of a rollout buffer: written and used from
                now on, without a copy.
            action_mask: C-contiguous bool (N, K + 1), likewise.

        Raises:
            SimulationError: before the first reset, or when an array has another shape or type.
        """
        if not self._is_reset:
            raise SimulationError(
                "step before the first reset: call reset() once, episodes then follow by themselves"
            )
        if self._with_potential:
            self._batch.write_potential(self.potential_before)
        num_finished = self._batch.step(actions, observation, action_mask)
        if self._with_potential:
            self._batch.write_potential(self.potential_after)
            self.potential_after[self.terminated] = 0.0
        self.finished = []
        if num_finished:
            for index in np.flatnonzero(self._batch.state.clusters["finished"]).tolist():
                self.finished.append(self._finished_episode(index))
                self.final_observation[index] = self.observation[index]
                self.final_action_mask[index] = self.action_mask[index]
                self._begin(index, None)

    def _begin(self, index: int, seed: int | None) -> None:
        if seed is None:
            seed = self.draw_seed(self._seed_streams[index])
        self._episode_seeds[index] = seed
        self._batch.begin(index, *self._source.workload(seed))

    def _finished_episode(self, index: int) -> FinishedEpisode:
        cluster, seed = self._batch.state.clusters[index], int(self._episode_seeds[index])
        return FinishedEpisode(
            env_index=index,
            family=self._source.family(seed).name,
            seed=seed,
            total_return=float(cluster["total_return"]),
            steps=int(cluster["steps"]),
            noop_steps=int(cluster["noop_steps"]),
            noop_feasible_steps=int(cluster["noop_feasible_steps"]),
            invalid_steps=int(cluster["invalid_steps"]),
            terminated=bool(cluster["terminated"]),
            end_s=float(cluster["now_s"]),
        )

    def state(self) -> dict[str, Any]:
        """Everything that changes: clusters, seeds of the episodes in progress, and the seed streams."""
        return {
            "batch": self._batch.snapshot(),
            "episode_seeds": self._episode_seeds.copy(),
            "seed_streams": [generator_state(generator) for generator in self._seed_streams],
            "is_reset": self._is_reset,
        }

    def load_state(self, saved: dict[str, Any]) -> None:
        """Continue where `state` was taken, to the bit."""
        self._batch.restore(saved["batch"])
        restore_array(self._episode_seeds, "episode_seeds", saved)
        for generator, value in zip(self._seed_streams, saved["seed_streams"], strict=True):
            load_generator_state(generator, value)
        self.finished = []
        self._is_reset = bool(saved["is_reset"])


def fresh_seed(generator: np.random.Generator) -> int:
    """A workload seed of the training range."""
    return int(generator.integers(TRAINING_SEED_LOW, TRAINING_SEED_HIGH))


def random_feasible_actions(action_mask: NDArray[np.bool_], draws: np.random.Generator) -> NDArray[np.int64]:
    """A job that fits, uniformly, for each row of a mask bool (N, K + 1); the no-op where none does. int64 (N,)."""
    keys = np.where(action_mask[:, 1:], draws.random(action_mask[:, 1:].shape), -1.0)
    return np.where(action_mask[:, 1:].any(axis=1), keys.argmax(axis=1) + 1, 0)
