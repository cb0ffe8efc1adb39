"""Observations of a `PythonCluster`: the playbook's and the rich encoding, vectorised over the visible jobs.

What of a job never changes is laid out once an episode; a step copies those rows and fills in the rest.
"""

from __future__ import annotations

import math
from itertools import accumulate
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from analysis.benchmarks.python_env.cluster import PythonCluster
from sched_rl.config.schema import Encoding, EnvConfig
from sched_rl.envs.layout import RICH_NEXT_ENDS, RICH_PROFILE_POINTS, observation_layout
from sched_rl.workloads.playbook import arrival_span_s

Floats = NDArray[np.float32]
_LEAST_SPARE_SHARE = math.exp(-6.0)


class Encoder(Protocol):
    """Writes observations of one cluster."""

    def begin(self, cluster: PythonCluster) -> None:
        """Lay out what the episode's jobs keep."""

    def encode(self, cluster: PythonCluster) -> Floats:
        """A new float32 (D,)."""


def make_encoder(env: EnvConfig, encoding: Encoding) -> Encoder:
    """The encoder of that name."""
    return PlaybookEncoder(env) if encoding == "playbook" else RichEncoder(env)


def _idle_after(cluster: PythonCluster) -> NDArray[np.int64]:
    """int64 (running + 1,): GPUs idle after 0, 1, 2, ... completions if nothing else starts."""
    return np.array([*accumulate(cluster.widths, initial=cluster.idle)])


def _shares(cluster: PythonCluster) -> tuple[Floats, Floats, Floats]:
    """Shares of duration, GPUs and priority, float32 (n,) each."""
    env, workload = cluster.env, cluster.workload
    duration = np.minimum(cluster.duration_s / float(env.max_duration), 1.0).astype(np.float32)
    gpus = (cluster.gpus / cluster.num_gpus).astype(np.float32)
    return duration, gpus, (workload.priority / env.max_priority).astype(np.float32)


class PlaybookEncoder:
    """4 K + G + 2 numbers: four a job, the look-ahead segment, idle and busy shares."""

    def __init__(self, env: EnvConfig) -> None:
        self._layout = observation_layout(env, "playbook")
        self._lookahead = env.lookahead
        num_gpus = env.num_gpus
        self._thresholds = ((np.arange(num_gpus) + 1) / num_gpus).astype(np.float32)

    def begin(self, cluster: PythonCluster) -> None:
        """Lay out what the episode's jobs keep."""
        duration, gpus, priority = _shares(cluster)
        self._rows = np.stack((duration, priority, gpus, np.zeros_like(gpus)), 1)
        self._submit_s = cluster.workload.submit_s.astype(np.float64)

    def encode(self, cluster: PythonCluster) -> Floats:
        """A new float32 (D,)."""
        layout, window, num_gpus = self._layout, cluster.window, cluster.num_gpus
        observation = np.zeros(layout.size, np.float32)
        jobs = observation[: 4 * len(window)].reshape(-1, 4)
        jobs[:] = self._rows[window]
        a_second = 1.0 / max(1e-6, cluster.workload.horizon_s)
        jobs[:, 3] = np.minimum((cluster.now_s - self._submit_s[window]) * a_second, 1.0)
        segment = 4 * layout.window
        self._look_ahead(cluster, observation[segment : segment + num_gpus])
        observation[-2] = cluster.idle / num_gpus
        observation[-1] = (num_gpus - cluster.idle) / num_gpus
        return observation

    def _look_ahead(self, cluster: PythonCluster, segment: Floats) -> None:
        left, idle = cluster.remaining_shares(), cluster.idle
        if self._lookahead == "cdf":
            free = _idle_after(cluster)[left.searchsorted(self._thresholds, "right")]
            segment[:] = free / cluster.num_gpus
        elif self._lookahead == "sorted":
            segment[idle:] = np.repeat(left, cluster.widths)
        elif self._lookahead == "per_gpu":
            by_job = dict(zip(cluster.running, left.tolist(), strict=True))
            segment[:] = [by_job.get(job, 0.0) for job in cluster.gpu_job]


class RichEncoder:
    """A job matrix, a run-out profile and a context vector; see `sched_rl.envs.rich_observation`."""

    def __init__(self, env: EnvConfig) -> None:
        self._layout = observation_layout(env, "rich")
        points = (np.arange(RICH_PROFILE_POINTS) + 1) * (1.0 / RICH_PROFILE_POINTS)
        self._profile_s = float(env.max_duration) * points * points

    def begin(self, cluster: PythonCluster) -> None:
        """Lay out what the episode's jobs keep."""
        duration, gpus, priority = _shares(cluster)
        workload, rows = cluster.workload, np.zeros((len(gpus), self._layout.job_features), np.float32)
        rows[:, 0] = 1.0
        rows[:, 2] = duration
        # Logarithms in double precision, then rounded: NumPy's own in float32 are a digit less exact.
        rows[:, 3] = _log_column(duration)
        rows[:, 4] = gpus
        rows[:, 5] = duration * gpus
        rows[:, 7] = priority
        rows[:, 11] = 1.0
        self._rows = rows
        self._submit_s = workload.submit_s.astype(np.float64)
        self._slack_s = (workload.due_s - self._submit_s).astype(np.float32).astype(np.float64)
        self._has_due_times = bool(np.isfinite(self._slack_s).any())
        self._a_second = 1.0 / workload.horizon_s
        self._a_duration = 1.0 / float(cluster.env.max_duration)
        self._served = workload.horizon_s * cluster.num_gpus

    def encode(self, cluster: PythonCluster) -> Floats:
        """A new float32 (D,)."""
        layout, env, num_gpus = self._layout, cluster.env, cluster.num_gpus
        observation = np.zeros(layout.size, np.float32)
        left_s = np.array(cluster.ends_s) - cluster.now_s
        idle_after = _idle_after(cluster)
        jobs_end = layout.window * layout.job_features
        self._write_jobs(cluster, left_s, idle_after, observation)
        profile = observation[jobs_end : jobs_end + RICH_PROFILE_POINTS]
        reached = np.array(cluster.ends_s).searchsorted(cluster.now_s + self._profile_s, "right")
        profile[:] = idle_after[reached] * (1.0 / num_gpus)
        self._write_context(cluster, left_s, env, observation[jobs_end + RICH_PROFILE_POINTS :])
        return observation

    def _write_jobs(
        self,
        cluster: PythonCluster,
        left_s: NDArray[np.float64],
        idle_after: NDArray[np.int64],
        observation: Floats,
    ) -> None:
        window, now_s = cluster.window, cluster.now_s
        width = self._layout.job_features
        rows = observation[: width * len(window)].reshape(-1, width)
        rows[:] = self._rows[window]
        gpus, duration_s = cluster.gpus[window], cluster.duration_s[window]
        waited_s = now_s - self._submit_s[window]
        waits = np.zeros(len(left_s) + 1, np.float32)
        waits[1:] = np.minimum(left_s / cluster.env.max_duration, 1.0)
        rows[:, 1] = cluster.fits
        rows[:, 6] = np.minimum(waited_s * self._a_second, 1.0)
        rows[:, 8] = (cluster.idle - gpus) * (1.0 / cluster.num_gpus)
        rows[:, 9] = waits[idle_after.searchsorted(gpus)]
        rows[:, 10] = np.maximum(1.0 - (now_s + duration_s) * self._a_second, -1.0)
        if self._has_due_times:
            spare_s = self._slack_s[window] - waited_s - duration_s
            shares = spare_s * self._a_duration
            near = 1.0 + np.log(np.clip(shares, _LEAST_SPARE_SHARE, 1.0)) * (1.0 / 6.0)
            rows[:, 11] = np.where(shares < 0.0, -1.0, near)
        idle_next = np.full(len(gpus), cluster.idle)
        if len(left_s):
            outlasts = now_s + duration_s > cluster.ends_s[0]
            idle_next[outlasts] += cluster.widths[0] - gpus[outlasts]
        rows[:, 12] = idle_next * (1.0 / cluster.num_gpus)
        rows[:, 13] = np.sort(gpus).searchsorted(idle_next, "right") * (1.0 / max(len(gpus), 1))

    def _write_context(
        self, cluster: PythonCluster, left_s: NDArray[np.float64], env: EnvConfig, context: Floats
    ) -> None:
        num_jobs, visible, num_gpus = cluster.workload.num_jobs, len(cluster.window), cluster.num_gpus
        horizon_s, now_s, longest_s = cluster.workload.horizon_s, cluster.now_s, env.max_duration
        visible_work = float(cluster.work[cluster.window].sum())
        running_work, first, last = 0.0, 0.0, 0.0
        if cluster.running:
            running_work = float(left_s @ cluster.widths)
            first, last = min(left_s[0] / longest_s, 1.0), min(left_s[-1] / longest_s, 1.0)
        unseen_work = max(cluster.queued_work - visible_work, 0.0)
        time_left_s = max(horizon_s - now_s, 1e-6)
        ends = context[len(context) - 2 * RICH_NEXT_ENDS :].reshape(-1, 2)
        ends[:] = (1.0, 0.0)
        shares = np.maximum(left_s[:RICH_NEXT_ENDS] / longest_s, math.exp(-12.0))
        ends[: len(shares), 0] = 1.0 + np.log(shares) / 6.0
        ends[: len(shares), 1] = np.array(cluster.widths[:RICH_NEXT_ENDS]) / num_gpus
        context[: len(context) - 2 * RICH_NEXT_ENDS] = (
            cluster.idle / num_gpus,
            min(now_s / horizon_s, 1.0),
            cluster.steps / env.max_episode_steps,
            visible / env.max_queue_size,
            math.log1p(cluster.queue_length - visible) / math.log1p(num_jobs),
            min(visible_work / self._served, 1.0),
            min(unseen_work / self._served, 1.0),
            min(running_work / (longest_s * num_gpus), 1.0),
            cluster.num_arriving / num_jobs,
            len(cluster.running) / num_gpus,
            first,
            last,
            min((cluster.queued_work + running_work) / (num_gpus * time_left_s), 4.0) / 4.0,
            *_arrivals_end(cluster, env),
        )


def _arrivals_end(cluster: PythonCluster, env: EnvConfig) -> tuple[float, float, float]:
    """How long jobs will still arrive, on a scale of logarithms, and the share of jobs and GPUs that run longer."""
    end_s, left = cluster.now_s, -1.0
    if cluster.num_arriving > 0:
        end_s = max(arrival_span_s(env), end_s)
        share = (end_s - cluster.now_s) / env.max_duration
        left = min(1.0 + math.log(max(share, math.exp(-12.0))) / 6.0, 1.0)
    gpus = [width for ends_s, width in zip(cluster.ends_s, cluster.widths, strict=True) if ends_s > end_s]
    return left, len(gpus) / cluster.num_gpus, sum(gpus) / cluster.num_gpus


def _log_column(duration_share: Floats) -> NDArray[np.float64]:
    logs = np.log(duration_share.astype(np.float64)).astype(np.float32)
    return np.maximum(1.0 + logs.astype(np.float64) * (1.0 / 6.0), -1.0)
