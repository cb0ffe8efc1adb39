"""Workloads that no cluster could run."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from sched_rl.errors import WorkloadError
from tests.simulator.instances import CompiledCluster, playbook, workload


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"duration_s": [1, 0]}, r"job 1 has duration_s=0.0: must be finite and positive"),
        ({"duration_s": [np.nan, 1]}, r"job 0 has duration_s=nan: must be finite and positive"),
        ({"submit_s": [0, -1]}, r"job 1 has submit_s=-1.0: must be finite and not negative"),
        ({"submit_s": [np.inf, 0]}, r"job 0 has submit_s=inf: must be finite and not negative"),
        ({"due_s": [np.inf, np.nan]}, r"job 1 has due_s=nan: must be a time, inf for none"),
        ({"demand": [[5, 1], [1, 1]]}, r"job 0 has demand=\[5, 1\]: must fit the cluster \[4, 2\]"),
        ({"demand": [[1, 1], [1, 3]]}, r"job 1 has demand=\[1, 3\]: must fit the cluster \[4, 2\]"),
        (
            {"demand": [[0, 1], [1, 1]]},
            r"job 0 has demand=\[0, 1\]: must be at least 1 GPU, and not negative",
        ),
        (
            {"demand": [[1, 1], [1, -1]]},
            r"job 1 has demand=\[1, -1\]: must be at least 1 GPU, and not negative",
        ),
        ({"demand": [[1], [1]]}, r"demand has shape \(2, 1\): must be \(2, 2\)"),
        ({"horizon_s": 0.0}, r"horizon_s=0.0, total_work=2.0: both must be finite and positive"),
        ({"total_work": np.nan}, r"total_work=nan: both must be finite and positive"),
    ],
)
def test_an_impossible_workload_is_refused_by_name(change, message):
    jobs = workload([(0, 1, (1, 1)), (0, 1, (1, 1))])
    arrays = ("duration_s", "submit_s", "due_s", "demand")
    columns = {
        name: np.array(value, getattr(jobs, name).dtype) if name in arrays else value
        for name, value in change.items()
    }
    env = playbook(num_gpus=4, jobs_per_episode=2, max_queue_size=3)
    with pytest.raises(WorkloadError, match=f"workload test seed 0: .*{message}"):
        CompiledCluster(env, dataclasses.replace(jobs, **columns), (4, 2))
