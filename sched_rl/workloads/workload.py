"""The jobs of one episode, as columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sched_rl.errors import WorkloadError


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

    def check(self, capacity: NDArray[np.int32]) -> None:
        """Refuse a workload that the cluster could never finish.

        Args:
            capacity: int32 (R,), units of each resource of the whole cluster.

        Raises:
            WorkloadError: naming the job, what it has and what is allowed.
        """
        rules = (
            (~(np.isfinite(self.duration_s) & (self.duration_s > 0)), "duration_s", "must be finite and positive"),
            (~(np.isfinite(self.submit_s) & (self.submit_s >= 0)), "submit_s", "must be finite and not negative"),
            ((self.demand < 0).any(axis=1) | (self.demand[:, 0] < 1), "demand", "must be at least 1 GPU"),
            ((self.demand > capacity).any(axis=1), "demand", f"must fit the cluster {capacity.tolist()}"),
        )
        for broken, column, rule in rules:
            if broken.any():
                job = int(np.flatnonzero(broken)[0])
                got = np.asarray(getattr(self, column))[job].tolist()
                raise WorkloadError(f"workload {self.family} seed {self.seed}: job {job} has {column}={got}: {rule}")
