"""The fluid bound of an episode: the return of a server that splits work at will."""

from __future__ import annotations

import numpy as np

from sched_rl.workloads.workload import Workload


def fluid_bound(workload: Workload, num_gpus: int) -> float:
    """1 - integral of W dt / (T * total work) + max(0, T - t_end) / T.

    W(t) is the work that has arrived and is not yet served, served at rate G whenever W > 0; t_end is when W reaches
    0 after the last arrival. A close reference value, not a proven bound: the MDP takes the work at the right end of
    each interval (source: the playbook's MDP, "Fluid bound").

    Args:
        workload: the jobs.
        num_gpus: G, the rate of service in GPU-seconds a second.

    Returns:
        The bound, in units of an episode's return.
    """
    order = np.argsort(workload.submit_s, kind="stable")
    arrival_s = workload.submit_s[order].astype(np.float64)
    work = (workload.duration_s.astype(np.float64) * workload.demand[:, 0])[order]
    backlog, clock_s, integral = 0.0, 0.0, 0.0
    for at_s, brought in zip(arrival_s.tolist(), work.tolist(), strict=True):
        busy_s = min(at_s - clock_s, backlog / num_gpus)
        integral += busy_s * (backlog - 0.5 * busy_s * num_gpus)
        backlog += brought - busy_s * num_gpus
        clock_s = at_s
    integral += 0.5 * backlog * backlog / num_gpus
    end_s, horizon_s = clock_s + backlog / num_gpus, workload.horizon_s
    return 1.0 - integral / (horizon_s * workload.total_work) + max(0.0, horizon_s - end_s) / horizon_s
