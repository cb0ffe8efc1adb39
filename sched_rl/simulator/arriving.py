"""Other jobs in the place of those that are still to arrive: the same present with another future."""

from __future__ import annotations

import numpy as np

from sched_rl.config.schema import EnvConfig
from sched_rl.simulator.loading import fill_queue
from sched_rl.simulator.state import QUEUE_FEATURES, ClusterState, Ints
from sched_rl.workloads.workload import Workload


def replace_arriving(state: ClusterState, c: int, arriving: Workload, env: EnvConfig, capacity: Ints) -> None:
    """Put other jobs in the place of those of cluster c that have not arrived.

    Nothing of the jobs that stood there is left: the horizon and the total work become those of the new future too,
    and the heap that decides ties is built anew from it when it is next needed.

    Args:
        state: the clusters.
        c: which cluster, in the middle of an episode.
        arriving: as many jobs as are still to come, submitted no earlier than now; its total_work and horizon_s are
            those of the whole episode.
        env: the family: normalisers of the jobs' features.
        capacity: int32 (R,), units of each resource.
    """
    cluster = state.clusters[c]
    tail = int(cluster["queue_tail"])
    # Which numbers they have; sorted, so that nothing is left of their order of arrival.
    waiting = np.sort(state.queue[c, tail:])
    jobs, work = state.jobs[c], arriving.duration_s.astype(np.float64) * arriving.demand[:, 0]
    for name in ("duration_s", "submit_s", "due_s", "priority"):
        jobs[name][waiting] = getattr(arriving, name)
    jobs["work"][waiting] = work
    state.demand[c, waiting] = arriving.demand
    state.queue[c, tail:] = waiting[np.argsort(arriving.submit_s)]
    queue = (
        state.queue[c, tail:],
        state.queue_demand[c, :, tail:],
        state.queue_features[c, QUEUE_FEATURES * tail :],
    )
    fill_queue(jobs, state.demand[c], queue, tail, capacity, float(env.max_duration), env.max_priority)
    cluster["arriving_work"] = work.sum()
    cluster["total_work"], cluster["horizon_s"] = arriving.total_work, arriving.horizon_s
    cluster["heap_events"] = -1
