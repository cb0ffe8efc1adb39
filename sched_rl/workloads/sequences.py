"""A sequence of jobs for a site, as columns: part of a trace, or generated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class JobSequence:
    """Jobs in the order of their arrival; times are on the trace's own clock.

    Attributes:
        family: name of the environment.
        seed: the seed that made it; of a trace's sequence the same as start.
        start: index of its first job among the usable ones of the trace; 0 of a generated one.
        job_id: int64 (n,), the trace's.
        submit_s: float64 (n,), ascending.
        run_s: float64 (n,), true run times, positive.
        requested_s: float64 (n,), what a scheduler may count on.
        demand: int64 (n, R), units of each resource; resource 0 is nodes or GPUs.
        procs: int64 (n,), processors or GPUs that each job asked for.
        priority: int64 (n,), larger is more important; 1 where the trace has none.
        user: int64 (n,), -1 where unknown.
        capacity: int64 (R,), of the machine.
        num_procs: processors of the machine.
        scored: the jobs that metrics are taken over, without warm-up and cool-down.
    """

    family: str
    seed: int
    start: int
    job_id: NDArray[np.int64]
    submit_s: NDArray[np.float64]
    run_s: NDArray[np.float64]
    requested_s: NDArray[np.float64]
    demand: NDArray[np.int64]
    procs: NDArray[np.int64]
    priority: NDArray[np.int64]
    user: NDArray[np.int64]
    capacity: NDArray[np.int64]
    num_procs: int
    scored: slice

    @property
    def num_jobs(self) -> int:
        """How many jobs the sequence has."""
        return len(self.submit_s)

    @property
    def horizon_s(self) -> float:
        """A generous guess of when the last job completes: a scale for observations."""
        work_s = float((self.run_s * (self.demand / self.capacity).max(axis=1)).sum())
        return float(self.submit_s[-1] + 2.0 * work_s + self.run_s.max())
