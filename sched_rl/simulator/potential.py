"""How much a state is worth, roughly: the potential that a learner may shape its rewards with.

Adding potential(next) - potential(now) to every reward changes no optimal policy (Ng, Harada and Russell, ICML 1999),
but it says at once what a start or a wait is worth. The potential is what a fluid cluster would still earn that serves
its backlog A at full rate G and splits work at will, with the arrivals that are really to come: what
`evaluation.fluid_bound` says of a whole workload, from the middle of an episode (W = total work, T = horizon, s_* the
reward's scales):

    s_progress * work of the jobs that are not complete / W          the progress still to come
    - s_time * integral of A dt / (T W)                              the time pressure of draining the backlog
    + s_early * (T - time at which it is drained) / T                the bonus

What remains of a step's reward is the cost of the GPUs that stood idle during it. That the potential knows what no
policy can see, the arrivals, is the point: their randomness leaves the rewards, and no action changes it (Mao et al.,
Variance reduction for reinforcement learning in input-driven environments, ICLR 2019).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sched_rl.kernels import kernel, subkernel
from sched_rl.simulator.queue import work_at
from sched_rl.simulator.state import QUEUE_FEATURES, SUBMIT_S, ClusterState, Plain


@kernel
def write_potential(arrays: Plain, capacity: NDArray[np.int32], out: NDArray[np.float64]) -> None:
    """The potential of every cluster's state.

    Args:
        arrays: `ClusterState` of the clusters, plain.
        capacity: int32 (R,), units of each resource.
        out: float64 (N,), written, in units of a return. A terminal state's must be 0 to shape with; that is left to
            the caller, who knows which state is one.
    """
    state, num_gpus = ClusterState(*arrays), np.float64(capacity[0])
    for c in range(out.shape[0]):
        cluster, incomplete, left = state.clusters[c], 0.0, 0.0
        for i in range(cluster.num_running):
            running = state.running[c, i]
            left += (running.end_s - cluster.now_s) * running.gpus
            incomplete += running.work
        incomplete += cluster.queued_work + cluster.arriving_work
        backlog_s, end_s = _drain(state, c, cluster.queued_work + left, num_gpus)
        out[c] = (
            cluster.progress_scale * incomplete / cluster.total_work
            - cluster.time_pressure_scale * backlog_s / (cluster.horizon_s * cluster.total_work)
            + cluster.early_finish_bonus_scale * (1.0 - end_s / cluster.horizon_s)
        )


@subkernel
def _drain(state: ClusterState, c: int, backlog: float, num_gpus: float) -> tuple[float, float]:
    """The integral of the backlog until the fluid cluster has served all, and when it has."""
    cluster = state.clusters[c]
    clock_s, integral = cluster.now_s, 0.0
    for place in range(cluster.queue_tail, state.queue.shape[1]):
        submit_s = np.float64(state.queue_features[c, QUEUE_FEATURES * place + SUBMIT_S])
        busy_s = min(submit_s - clock_s, backlog / num_gpus)
        integral += busy_s * (backlog - 0.5 * busy_s * num_gpus)
        backlog += work_at(state, c, place) - busy_s * num_gpus
        clock_s = submit_s
    return integral + 0.5 * backlog * backlog / num_gpus, clock_s + backlog / num_gpus
