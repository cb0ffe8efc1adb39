"""The jobs of one episode, as columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Workload:
    """The jobs of one episode on one cluster; index j is the job id, in submission-list order (not sorted by time).

    Attributes:
        family: name of the workload family.
        seed: the seed that made it.
        duration_s: float32 (n,), true run time in seconds, positive.
        demand: int32 (n, R), units of each resource; resource 0 is GPUs.
        priority: int32 (n,), larger is more important.
        submit_s: float32 (n,), arrival time in seconds.
        due_s: float64 (n,), time by which the job should be complete; inf where it has none.
        total_work: GPU-seconds of all jobs, summed in float64.
        horizon_s: time at which the episode is cut off.
    """

    family: str
    seed: int
    duration_s: NDArray[np.float32]
    demand: NDArray[np.int32]
    priority: NDArray[np.int32]
    submit_s: NDArray[np.float32]
    due_s: NDArray[np.float64]
    total_work: float
    horizon_s: float

    @property
    def num_jobs(self) -> int:
        """How many jobs the episode has."""
        return int(self.duration_s.shape[0])

    def offered_load(self, num_gpus: int, arrival_span_s: float) -> float:
        """Work brought a second of the arrival span, over what the cluster can serve a second."""
        return self.total_work / (num_gpus * arrival_span_s)
