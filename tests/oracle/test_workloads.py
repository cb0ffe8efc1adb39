"""Our generator against workloads of an independent implementation, job by job."""

from __future__ import annotations

import numpy as np

from sched_rl.workloads.playbook import generate_workload


def test_every_job_equals_the_oracle(oracle, playbook_env):
    workloads = oracle("val_workloads.json")
    assert len(workloads) == 3
    for expected in workloads:
        workload = generate_workload(playbook_env, expected["seed"])
        np.testing.assert_array_equal(workload.duration_s, np.array(expected["duration"], np.float32))
        np.testing.assert_array_equal(workload.submit_s, np.array(expected["submit"], np.float32))
        np.testing.assert_array_equal(workload.demand[:, 0], expected["gpus"])
        np.testing.assert_array_equal(workload.priority, expected["priority"])
        assert workload.horizon_s == expected["horizon"]
        assert workload.total_work == expected["total_work"]
