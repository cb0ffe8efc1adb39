"""What an action leads to: take it on a copy of a cluster, then follow a heuristic to the end of the episode.

The heuristic reads the simulator's state, in the float32 in which the playbook's observation would show it, so that it
decides as it does where it schedules by itself; no observation is written.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sched_rl.kernels import kernel, subkernel
from sched_rl.schedulers.ranking import Ranking, is_before, rank_of
from sched_rl.simulator.dynamics import step_cluster
from sched_rl.simulator.potential import write_potential
from sched_rl.simulator.queue import num_visible, write_action_mask
from sched_rl.simulator.state import QUEUE_FEATURES, SUBMIT_S, ClusterState, Ints, Plain, Rules

#: The arrays of a `ClusterState` as rows of bytes, for copies of whole clusters.
Bytes = tuple[NDArray[np.uint8], ...]


def rows_of_bytes(state: ClusterState) -> Bytes:
    """The state's arrays as uint8 (N, bytes of a row), sharing its memory; GPUs are not numbered."""
    arrays = [array for name, array in state._asdict().items() if name != "gpu_job"]
    return tuple(array.view(np.uint8).reshape(len(array), -1) for array in arrays)


@kernel
def add_returns(
    futures: Bytes,
    num_futures: int,
    scratch: tuple[Plain, Bytes],
    plain_rules: Plain,
    plain_ranking: Plain,
    horizon_s: float,
    capacity: Ints,
    action_mask: NDArray[np.bool_],
    returns: NDArray[np.float64],
) -> int:
    """Add to each legal action's return what it earns in every future.

    Args:
        futures: one cluster a future, all in the same present; only read.
        num_futures: how many of them count.
        scratch: a cluster of the same shape to play on, and its bytes.
        plain_rules: `Rules`, plain; they number no GPUs.
        plain_ranking: `Ranking` that is followed after the action, plain.
        horizon_s: stop after so many simulated seconds, inf for the end of the episode; the fluid potential stands
            for the rest.
        capacity: int32 (R,).
        action_mask: bool (K + 1,), of the present.
        returns: float64 (K + 1,), added to where the action is legal.

    Returns:
        The action that the ranking itself takes in the first future.
    """
    arrays, scratch_bytes = scratch
    state, rules, ranking = ClusterState(*arrays), Rules(*plain_rules), Ranking(*plain_ranking)
    mask, rest = action_mask.copy(), np.zeros(1)
    _copy_row(futures, 0, scratch_bytes)
    own = _first_by_rank(state, rules, ranking, capacity[0], action_mask)
    for future in range(num_futures):
        for action in range(action_mask.shape[0]):
            if action_mask[action]:
                _copy_row(futures, future, scratch_bytes)
                returns[action] += _play(state, rules, ranking, action, horizon_s, capacity[0], mask)
                if not state.clusters[0].finished:
                    write_potential(arrays, plain_rules, capacity, rest)
                    returns[action] += rest[0]
    return int(own)


@subkernel
def _copy_row(source: Bytes, row: int, target: Bytes) -> None:
    for i in range(len(source)):
        values, copied = source[i][row], target[i][0]
        for j in range(copied.shape[0]):
            copied[j] = values[j]


@subkernel
def _play(
    state: ClusterState,
    rules: Rules,
    ranking: Ranking,
    action: int,
    horizon_s: float,
    num_gpus: int,
    mask: NDArray[np.bool_],
) -> float:
    """The return on cluster 0 of an action and then the ranking, to the end or until the horizon is passed."""
    cluster = state.clusters[0]
    until_s, cluster.total_return = cluster.now_s + horizon_s, 0.0
    while True:
        step_cluster(state, rules, 0, action)
        if cluster.finished or cluster.now_s >= until_s:
            return float(cluster.total_return)
        write_action_mask(state, rules, 0, mask)
        action = 0
        if cluster.num_feasible > 0:
            action = _first_by_rank(state, rules, ranking, num_gpus, mask)


@subkernel
def _first_by_rank(
    state: ClusterState, rules: Rules, ranking: Ranking, num_gpus: int, mask: NDArray[np.bool_]
) -> int:
    """The action of the ranking on cluster 0; numbers as `envs.playbook_observation` writes them."""
    cluster, best, chosen = state.clusters[0], (np.inf, np.inf), 0
    a_second, idle = 1.0 / max(1e-6, cluster.horizon_s), np.float32(state.idle[0, 0] / num_gpus)
    for slot in range(num_visible(state, rules, 0)):
        if mask[slot + 1]:
            of = QUEUE_FEATURES * (cluster.queue_head + slot)
            job = state.queue_features[0, of : of + QUEUE_FEATURES]
            wait = np.float32(min((cluster.now_s - job[SUBMIT_S]) * a_second, 1.0))
            rank = rank_of(ranking, job[0], job[1], job[2], wait, idle)
            if is_before(rank, best) and rank[0] <= ranking.threshold:
                best, chosen = rank, slot + 1
    return chosen
