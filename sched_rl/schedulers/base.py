"""What every scheduler, written or learned, offers to whoever runs episodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from sched_rl.config.schema import Encoding, EnvConfig, FixedSchedulerConfig
from sched_rl.envs.batch import ClusterBatch


class Scheduler(Protocol):
    """Chooses an action for each of N episodes at once."""

    @property
    def encoding(self) -> Encoding:
        """The observation that `actions` wants."""
        ...

    def begin(self, families: Sequence[EnvConfig], seeds: Sequence[int]) -> None:
        """N new episodes start; row i belongs to workload `seeds[i]` of `families[i]`."""
        ...

    def actions(
        self, observation: NDArray[np.float32], action_mask: NDArray[np.bool_], active: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        """The actions of all rows.

        Args:
            observation: float32 (N, layout.size).
            action_mask: bool (N, K + 1).
            active: bool (N,), rows whose episode still runs; the actions of others are ignored.

        Returns:
            int64 (N,), 0 = no-op.
        """
        ...


@runtime_checkable
class SimulatingScheduler(Scheduler, Protocol):
    """One that needs the clusters themselves, to try its actions on copies of them."""

    def watch(self, batch: ClusterBatch) -> None:
        """Schedule for these clusters from the next `begin` on; row i of `actions` is cluster i."""
        ...


@runtime_checkable
class WrittenScheduler(Protocol):
    """One that follows from its config alone, and which batch clusters therefore play by themselves."""

    @property
    def config(self) -> FixedSchedulerConfig:
        """What it goes by."""
        ...
