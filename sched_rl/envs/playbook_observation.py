"""The playbook's flat observation: per window job four numbers, the look-ahead segment, idle and busy shares."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sched_rl.kernels import kernel
from sched_rl.simulator.state import ClusterState, Rules

_PER_GPU, _SORTED, _CDF = 1, 2, 3  # positions in simulator.state.LOOKAHEAD_MODES


@kernel
def observe_playbook(
    state: ClusterState, rules: Rules, capacity: NDArray[np.int32], first: int, last: int, out: NDArray[np.float32]
) -> None:
    """Write the observations of clusters first..last-1.

    Args:
        state: the clusters.
        rules: window, look-ahead mode and normalisers.
        capacity: int32 (R,).
        first: the first cluster.
        last: one past the last cluster.
        out: float32 (N, 4 K + G + 2).
    """
    num_gpus = capacity[0]
    for c in range(first, last):
        row, cluster = out[c], state.clusters[c]
        row[:] = np.float32(0.0)
        head, a_second = cluster.queue_head, 1.0 / max(1e-6, cluster.horizon_s)
        for slot in range(min(rules.window, cluster.queue_tail - head)):
            job = state.jobs[c, state.queue[c, head + slot]]
            row[4 * slot] = job.duration_share
            row[4 * slot + 1] = job.priority_share
            row[4 * slot + 2] = job.gpu_share
            row[4 * slot + 3] = min((cluster.now_s - job.submit_s) * a_second, 1.0)
        segment = row[4 * rules.window : 4 * rules.window + num_gpus]
        if rules.lookahead == _PER_GPU:
            _write_per_gpu(state, rules, c, segment)
        elif rules.lookahead == _SORTED or rules.lookahead == _CDF:
            _write_sorted(state, rules, c, state.idle[c, 0], segment)
            if rules.lookahead == _CDF:
                _turn_into_cdf(segment)
        row[-2] = state.idle[c, 0] / num_gpus
        row[-1] = (num_gpus - state.idle[c, 0]) / num_gpus


@kernel
def _remaining(end_s: float, now_s: float, longest_s: float) -> float:
    return min(max((end_s - now_s) / longest_s, 0.0), 1.0)


@kernel
def _write_per_gpu(state: ClusterState, rules: Rules, c: int, segment: NDArray[np.float32]) -> None:
    for gpu in range(segment.shape[0]):
        job = state.gpu_job[c, gpu]
        if job >= 0:
            end_s = state.jobs[c, job].start_s + state.jobs[c, job].duration_s
            segment[gpu] = _remaining(end_s, state.clusters[c].now_s, rules.max_duration_s)


@kernel
def _write_sorted(
    state: ClusterState, rules: Rules, c: int, num_idle: int, segment: NDArray[np.float32]
) -> None:
    position = num_idle  # idle GPUs have nothing remaining and come first
    for i in range(state.clusters[c].num_running):
        left = _remaining(state.running[c, i].end_s, state.clusters[c].now_s, rules.max_duration_s)
        for _ in range(state.running[c, i].gpus):
            segment[position] = left
            position += 1


@kernel
def _turn_into_cdf(segment: NDArray[np.float32]) -> None:
    """Element j becomes the share of GPUs whose remaining time is at most (j + 1) / G; the input is ascending."""
    num_gpus = segment.shape[0]
    counts, counted = np.empty(num_gpus, np.float32), 0
    for j in range(num_gpus):
        threshold = np.float32((j + 1) / num_gpus)
        while counted < num_gpus and segment[counted] <= threshold:
            counted += 1
        counts[j] = counted / num_gpus
    segment[:] = counts
