"""What an action leads to: take it on a copy of a cluster, then follow a heuristic to the end of the episode.

The heuristic reads the simulator's state, in the float32 in which the playbook's observation would show it, so that it
decides as it does where it schedules by itself; no observation is written.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sched_rl.envs.rich_observation import spare_share
from sched_rl.kernels import kernel, kernel_without_gil, subkernel
from sched_rl.schedulers.ranking import Ranking, is_before, rank_of
from sched_rl.simulator.dynamics import step_cluster
from sched_rl.simulator.potential import write_potential
from sched_rl.simulator.queue import num_visible, write_action_mask
from sched_rl.simulator.state import (
    DURATION_S,
    QUEUE_FEATURES,
    SLACK_S,
    SUBMIT_S,
    ClusterState,
    Ints,
    Plain,
    Rules,
)

#: Returns that differ by less are equal: then the heuristic's own action is taken, else the earliest.
_TIE = 1e-9

#: The arrays of a `ClusterState` as rows of bytes, for copies of whole clusters.
Bytes = tuple[NDArray[np.uint8], ...]
Indices = NDArray[np.int64]


def rows_of_bytes(state: ClusterState) -> Bytes:
    """The state's arrays as uint8 (N, bytes of a row), sharing its memory; GPUs are not numbered."""
    arrays = [array for name, array in state._asdict().items() if name != "gpu_job"]
    return tuple(array.view(np.uint8).reshape(len(array), -1) for array in arrays)


@kernel_without_gil
def choose_by_playing(
    clusters: Bytes,
    rows: Indices,
    scratch: tuple[Plain, Bytes],
    plain_rules: Plain,
    plain_ranking: Plain,
    horizon_s: float,
    capacity: Ints,
    action_mask: NDArray[np.bool_],
    chosen: Indices,
) -> None:
    """Write the best action of some clusters, with the arrivals that will really come.

    Args:
        clusters: all of them; only read.
        rows: int64 (M,), which of them.
        scratch: as of `add_returns`.
        plain_rules: as of `add_returns`.
        plain_ranking: as of `add_returns`.
        horizon_s: as of `add_returns`.
        capacity: int32 (R,).
        action_mask: bool (N, K + 1), of all clusters.
        chosen: int64 (N,), written where a row is named.
    """
    for row in rows:
        returns = np.where(action_mask[row], 0.0, -np.inf)
        own = add_returns(
            clusters,
            row,
            row + 1,
            scratch,
            plain_rules,
            plain_ranking,
            horizon_s,
            capacity,
            action_mask[row],
            returns,
        )
        chosen[row] = best_action(returns, own)


@kernel
def best_action(returns: NDArray[np.float64], own: int) -> int:
    """The action of the largest return (K + 1,); of equal ones the heuristic's own, else the earliest."""
    least = returns.max() - _TIE
    return own if returns[own] >= least else int(np.argmax(returns >= least))


@kernel
def choose_by_rank(
    arrays: Plain,
    rows: Indices,
    plain_rules: Plain,
    plain_ranking: Plain,
    num_gpus: int,
    action_mask: NDArray[np.bool_],
    chosen: Indices,
) -> None:
    """Write what the heuristic itself takes in some clusters.

    Args:
        arrays: `ClusterState` of the clusters, plain; only read.
        rows: int64 (M,), which of them.
        plain_rules: `Rules`, plain.
        plain_ranking: `Ranking`, plain.
        num_gpus: of a cluster.
        action_mask: bool (N, K + 1), of all clusters.
        chosen: int64 (N,), written where a row is named.
    """
    state, rules, ranking = ClusterState(*arrays), Rules(*plain_rules), Ranking(*plain_ranking)
    for row in rows:
        chosen[row] = _first_by_rank(state, rules, ranking, row, num_gpus, action_mask[row])


@kernel
def add_returns(
    futures: Bytes,
    first: int,
    last: int,
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
        first: of the futures that count.
        last: the one after the last that counts.
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
    _copy_row(futures, first, scratch_bytes)
    own = _first_by_rank(state, rules, ranking, 0, capacity[0], action_mask)
    for future in range(first, last):
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
            action = _first_by_rank(state, rules, ranking, 0, num_gpus, mask)


@subkernel
def _first_by_rank(
    state: ClusterState, rules: Rules, ranking: Ranking, c: int, num_gpus: int, mask: NDArray[np.bool_]
) -> int:
    """The action of the ranking on cluster c; numbers as the observations have them that it reads."""
    cluster, best, chosen = state.clusters[c], (np.inf, np.inf), 0
    a_second, idle = 1.0 / max(1e-6, cluster.horizon_s), np.float32(state.idle[c, 0] / num_gpus)
    for slot in range(num_visible(state, rules, c)):
        if mask[slot + 1]:
            of = QUEUE_FEATURES * (cluster.queue_head + slot)
            job = state.queue_features[c, of : of + QUEUE_FEATURES]
            wait = np.float32(min((cluster.now_s - job[SUBMIT_S]) * a_second, 1.0))
            rank = rank_of(ranking, job[0], job[1], job[2], wait, idle)
            if ranking.by_laxity:
                rank = (_laxity_rank(job, cluster.now_s, rules.max_duration_s), rank[0])
                if is_before(rank, best):
                    best, chosen = rank, slot + 1
            elif is_before(rank, best) and rank[0] <= ranking.threshold:
                best, chosen = rank, slot + 1
    return chosen


@subkernel
def _laxity_rank(job: NDArray[np.float32], now_s: float, max_duration_s: float) -> float:
    """The time to spare as `LeastLaxity` reads it in the rich encoding: 0 to 1, and 2 for a job that is lost."""
    waited_s, duration_s = now_s - job[SUBMIT_S], np.float64(job[DURATION_S])
    spare = np.float32(spare_share((job[SLACK_S] - waited_s - duration_s) * (1.0 / max_duration_s)))
    return 2.0 if spare < 0.0 else float(spare)
