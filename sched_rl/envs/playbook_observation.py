"""The playbook's flat observation: per window job four numbers, the look-ahead segment, idle and busy shares."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sched_rl.kernels import kernel, subkernel
from sched_rl.simulator.queue import num_visible
from sched_rl.simulator.state import QUEUE_FEATURES, SUBMIT_S, ClusterState, Ints, Plain, Rules

_PER_GPU, _SORTED, _CDF = 1, 2, 3  # positions in simulator.state.LOOKAHEAD_MODES


@kernel
def observe_playbook(
    arrays: Plain, plain_rules: Plain, capacity: Ints, first: int, last: int, out: NDArray[np.float32]
) -> None:
    """Write the observations of clusters first..last-1.

    Args:
        arrays: `ClusterState` of the clusters, plain.
        plain_rules: `Rules` of the batch, plain: window, look-ahead mode and normalisers.
        capacity: int32 (R,).
        first: the first cluster.
        last: one past the last cluster.
        out: float32 (N, 4 K + G + 2).
    """
    state, rules = ClusterState(*arrays), Rules(*plain_rules)
    num_gpus, segment_start = capacity[0], 4 * rules.window
    for c in range(first, last):
        row = out[c]
        _write_jobs(state, rules, c, row)
        segment = row[segment_start : segment_start + num_gpus]
        if rules.lookahead == _PER_GPU:
            _write_per_gpu(state, rules, c, segment)
        elif rules.lookahead == _SORTED:
            _write_sorted(state, rules, c, segment)
        elif rules.lookahead == _CDF:
            _write_cdf(state, rules, c, segment)
        else:
            segment[:] = np.float32(0.0)
        row[segment_start + num_gpus] = state.idle[c, 0] / num_gpus
        row[segment_start + num_gpus + 1] = (num_gpus - state.idle[c, 0]) / num_gpus


@subkernel
def _write_jobs(state: ClusterState, rules: Rules, c: int, row: NDArray[np.float32]) -> None:
    """Shares of duration, priority and GPUs, and the waiting time over the horizon, of each window job."""
    cluster = state.clusters[c]
    head, now_s, a_second = cluster.queue_head, cluster.now_s, 1.0 / max(1e-6, cluster.horizon_s)
    visible = num_visible(state, rules, c)
    features = state.queue_features[c, QUEUE_FEATURES * head : QUEUE_FEATURES * (head + visible)]
    for slot in range(visible):
        of = QUEUE_FEATURES * slot
        row[4 * slot] = features[of]
        row[4 * slot + 1] = features[of + 1]
        row[4 * slot + 2] = features[of + 2]
        row[4 * slot + 3] = min((now_s - features[of + SUBMIT_S]) * a_second, 1.0)
    row[4 * visible : 4 * rules.window] = np.float32(0.0)


@subkernel
def _remaining(state: ClusterState, rules: Rules, c: int, i: int) -> np.float32:
    """Time left of a running job over max_duration, clipped, in float32 as the study had it."""
    left = (state.running[c, i].end_s - state.clusters[c].now_s) / rules.max_duration_s
    return np.float32(min(max(left, 0.0), 1.0))


@subkernel
def _write_per_gpu(state: ClusterState, rules: Rules, c: int, segment: NDArray[np.float32]) -> None:
    segment[:] = np.float32(0.0)
    for i in range(int(state.clusters[c].num_running)):
        left = _remaining(state, rules, c, i)
        for gpu in range(segment.shape[0]):
            if state.gpu_job[c, gpu] == state.running[c, i].job:
                segment[gpu] = left


@subkernel
def _write_sorted(state: ClusterState, rules: Rules, c: int, segment: NDArray[np.float32]) -> None:
    position = state.idle[c, 0]  # idle GPUs have nothing remaining and come first
    segment[:position] = np.float32(0.0)
    for i in range(int(state.clusters[c].num_running)):
        left = _remaining(state, rules, c, i)
        for _ in range(state.running[c, i].gpus):
            segment[position] = left
            position += 1


@subkernel
def _write_cdf(state: ClusterState, rules: Rules, c: int, segment: NDArray[np.float32]) -> None:
    """Element j is the share of GPUs whose remaining time is at most (j + 1) / G."""
    num_gpus, num_running, i = segment.shape[0], state.clusters[c].num_running, 0
    counted = state.idle[c, 0]
    for j in range(num_gpus):
        threshold = np.float32((j + 1) / num_gpus)
        while i < num_running and _remaining(state, rules, c, i) <= threshold:
            counted += state.running[c, i].gpus
            i += 1
        segment[j] = counted / num_gpus
