"""The queue in arrival order, and its window: the first K jobs, which are what can be started.

Loops run from zero over slices, not over head + i: the compiler then knows that no index is negative, and turns
them into copies and comparisons of whole registers (measured: ten times faster).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sched_rl.kernels import subkernel
from sched_rl.simulator.state import DURATION_S, QUEUE_FEATURES, ClusterState, Rules


@subkernel
def work_at(state: ClusterState, c: int, place: int) -> float:
    """Work of the job at a place of the order of arrival."""
    duration_s = np.float64(state.queue_features[c, QUEUE_FEATURES * place + DURATION_S])
    return float(duration_s * state.queue_demand[c, 0, place])


@subkernel
def join_queue(state: ClusterState, c: int) -> None:
    """The next job in the order of arrival stands behind all others."""
    cluster = state.clusters[c]
    work = work_at(state, c, cluster.queue_tail)
    cluster.queue_tail += 1
    cluster.num_arriving -= 1
    cluster.queued_work += work
    cluster.arriving_work -= work


@subkernel
def leave_queue(state: ClusterState, c: int, slot: int) -> int:
    """Take the job of a window slot out of the queue and return it.

    Earlier jobs move up by one, which costs at most the window; later ones stay where they are.
    """
    cluster = state.clusters[c]
    head = cluster.queue_head
    job, work = state.queue[c, head + slot], work_at(state, c, head + slot)
    _move_up(state.queue[c, head : head + slot + 1], 1)
    for r in range(state.queue_demand.shape[1]):
        _move_up(state.queue_demand[c, r, head : head + slot + 1], 1)
    first, last = QUEUE_FEATURES * head, QUEUE_FEATURES * (head + slot + 1)
    _move_up(state.queue_features[c, first:last], QUEUE_FEATURES)
    cluster.queue_head = head + 1
    cluster.queued_work -= work
    if cluster.queue_head == cluster.queue_tail:
        cluster.queued_work = 0.0  # no rounding left over
    return int(job)


@subkernel
def _move_up(values: NDArray[Any], by: int) -> None:
    """Overwrite the last `by` values with those before them, and so on to the front."""
    source, target = values[: values.shape[0] - by], values[by:]
    for i in range(source.shape[0] - 1, -1, -1):
        target[i] = source[i]


@subkernel
def slot_fits(state: ClusterState, c: int, slot: int) -> bool:
    """Whether the job of a window slot fits the idle units of every resource."""
    place = state.clusters[c].queue_head + slot
    for r in range(state.idle.shape[1]):
        if state.queue_demand[c, r, place] > state.idle[c, r]:
            return False
    return True


@subkernel
def num_visible(state: ClusterState, rules: Rules, c: int) -> int:
    """How many jobs the window holds."""
    return int(min(rules.window, state.clusters[c].queue_tail - state.clusters[c].queue_head))


@subkernel
def anything_fits(state: ClusterState, rules: Rules, c: int) -> bool:
    """Whether some window job fits."""
    for slot in range(num_visible(state, rules, c)):
        if slot_fits(state, c, slot):
            return True
    return False


@subkernel
def write_action_mask(state: ClusterState, rules: Rules, c: int, row: NDArray[np.bool_]) -> None:
    """The legal actions of cluster c: the no-op always, a window job where it fits the idle units; counts them."""
    head, visible, feasible = state.clusters[c].queue_head, num_visible(state, rules, c), 0
    row[0] = True
    row[visible + 1 :] = False
    slots = row[1 : visible + 1]
    _compare(state.queue_demand[c, 0, head : head + visible], state.idle[c, 0], slots)
    for r in range(1, state.idle.shape[1]):
        demand, idle = state.queue_demand[c, r, head : head + visible], state.idle[c, r]
        for slot in range(visible):
            slots[slot] &= demand[slot] <= idle
    for slot in range(visible):
        feasible += slots[slot]
    state.clusters[c].num_feasible = feasible


@subkernel
def _compare(demand: NDArray[np.int32], idle: int, slots: NDArray[np.bool_]) -> None:
    for slot in range(demand.shape[0]):
        slots[slot] = demand[slot] <= idle
