"""What every objective sees of a rollout: which workload each step was of, and what it came to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from sched_rl.agents.rollout import RolloutBuffer
from sched_rl.errors import ConfigError


class SeededEpisode(Protocol):
    """An episode that ended."""

    @property
    def env_index(self) -> int:
        """Which of the N environments it was in."""

    @property
    def seed(self) -> int:
        """Of its workload."""

    @property
    def total_return(self) -> float:
        """Undiscounted sum of the rewards, raw."""


@runtime_checkable
class SeededEnvironment(Protocol):
    """A vector environment whose episodes are workloads of a seed."""

    @property
    def episode_seeds(self) -> NDArray[np.int64]:
        """int64 (N,), of the episodes in progress."""

    @property
    def episode_returns(self) -> NDArray[np.float64]:
        """float64 (N,), what they have returned so far, raw."""

    def family_of(self, seed: int) -> str:
        """The workload family that a seed draws."""


class Objective(ABC):
    """Weighs the steps of rollouts, or chooses what is played next.

    Args:
        shape: (T, N) of a rollout.

    Attributes:
        columns: of metrics.csv.
        seeds: int64 (T, N), of the episode that each step of the last rollout was of.
    """

    columns: ClassVar[tuple[str, ...]]

    def __init__(self, shape: tuple[int, int]) -> None:
        self.seeds = np.zeros(shape, np.int64)

    def note_step(self, t: int, env: object) -> None:
        """Remember whose step t is; called before it is taken."""
        if not isinstance(env, SeededEnvironment):
            raise ConfigError(
                "agent/objective: this environment has no workload seeds; write agent/objective=mean"
            )
        self.seeds[t] = env.episode_seeds

    @abstractmethod
    def weigh(
        self, buffer: RolloutBuffer, env: SeededEnvironment, finished: Sequence[Any], critic_scale: float
    ) -> NDArray[np.float32] | None:
        """Learn from a rollout, and say what its steps count for.

        Args:
            buffer: with values and advantages.
            env: after the rollout.
            finished: `SeededEpisode`s that ended in it, in the order of their ends.
            critic_scale: raw reward in a unit of the critic.

        Returns:
            float32 (T, N), factors of the normalised advantages, 1 on average; None: all 1.
        """

    @abstractmethod
    def metrics(self) -> dict[str, float]:
        """Values of `columns`."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """Everything that changes."""

    @abstractmethod
    def load_state(self, state: dict[str, Any]) -> None:
        """Continue where `state` was taken."""


def stretches(
    buffer: RolloutBuffer, finished: Sequence[Any]
) -> Iterator[tuple[int, slice, SeededEpisode | None]]:
    """The parts of a rollout that are of one episode each: environment, steps, and the episode if it ended there.

    Args:
        buffer: the rollout.
        finished: episodes that ended in it, in the order of their ends.
    """
    ends, first = buffer.terminated | buffer.truncated, np.zeros(buffer.num_envs, np.int64)
    for (t, n), episode in zip(np.argwhere(ends).tolist(), finished, strict=True):
        yield n, slice(int(first[n]), t + 1), episode
        first[n] = t + 1
    for n in np.flatnonzero(first < buffer.num_steps).tolist():
        yield n, slice(int(first[n]), buffer.num_steps), None
