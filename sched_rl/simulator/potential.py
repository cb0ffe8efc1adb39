"""How much a state is worth, roughly: the potential that a learner may shape its rewards with.

Adding gamma * potential(next) - potential(now) to every reward changes no optimal policy (Ng, Harada and Russell,
ICML 1999), but it says at once what a start or a wait is worth. The potential is that of a fluid cluster, which serves
its backlog A at full rate G (W = total work, T = horizon, s_* the reward's scales):

    s_progress * work of the jobs that are not complete / W          the progress still to come
    - s_time * A^2 / (2 G T W)                                       the time pressure of draining the backlog
    + s_early * (T - now - (A + work still to arrive) / G) / T       the bonus if nothing were ever left idle

What remains of a step's reward is close to the cost of the GPUs that stood idle during it, and of what arrived.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sched_rl.kernels import kernel
from sched_rl.simulator.state import ClusterState, Plain


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
        backlog = cluster.queued_work + left
        pressure = backlog * backlog / (2.0 * num_gpus * cluster.horizon_s * cluster.total_work)
        end_s = cluster.now_s + (backlog + cluster.arriving_work) / num_gpus
        out[c] = (
            cluster.progress_scale * incomplete / cluster.total_work
            - cluster.time_pressure_scale * pressure
            + cluster.early_finish_bonus_scale * (1.0 - end_s / cluster.horizon_s)
        )
