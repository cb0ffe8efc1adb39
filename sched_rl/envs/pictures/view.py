"""What a picture shows of one cluster, read from a batch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sched_rl.envs.batch import ClusterBatch


@dataclass(frozen=True)
class QueuedJob:
    """A job of the window."""

    job: int
    gpus: int
    duration_s: float
    waited_s: float
    priority: int
    fits: bool


@dataclass(frozen=True)
class RunningJob:
    """A running job and the GPUs it holds, counted from 0, ascending."""

    job: int
    gpus: tuple[int, ...]
    left_s: float


@dataclass(frozen=True)
class ClusterView:
    """One cluster at one moment.

    Attributes:
        longest_s: `env.max_duration`, the scale of everything that is drawn by its duration.
        window: jobs that can be chosen, in the order of the actions 1, 2, ...
        running: by the time they end.
        outcome: `running`, `terminated` or `truncated`.
    """

    now_s: float
    horizon_s: float
    longest_s: float
    steps: int
    total_return: float
    num_gpus: int
    num_idle: int
    window: tuple[QueuedJob, ...]
    num_queued: int
    num_arriving: int
    num_completed: int
    running: tuple[RunningJob, ...]
    outcome: str


def view_cluster(batch: ClusterBatch, c: int, longest_s: float) -> ClusterView:
    """Read cluster c of a batch that numbers its GPUs (`track_gpus`)."""
    state, cluster = batch.state, batch.state.clusters[c]
    now_s, head, tail = float(cluster["now_s"]), int(cluster["queue_head"]), int(cluster["queue_tail"])
    running = tuple(
        RunningJob(
            job=int(run["job"]),
            gpus=tuple(np.flatnonzero(state.gpu_job[c] == run["job"]).tolist()),
            left_s=float(run["end_s"]) - now_s,
        )
        for run in state.running[c, : cluster["num_running"]]
    )
    num_jobs = state.jobs.shape[1]
    num_arriving = int(cluster["num_arriving"])
    outcome = "terminated" if cluster["terminated"] else "truncated" if cluster["truncated"] else "running"
    return ClusterView(
        now_s=now_s,
        horizon_s=float(cluster["horizon_s"]),
        longest_s=longest_s,
        steps=int(cluster["steps"]),
        total_return=float(cluster["total_return"]),
        num_gpus=int(batch.capacity[0]),
        num_idle=int(state.idle[c, 0]),
        window=_window(batch, c),
        num_queued=tail - head,
        num_arriving=num_arriving,
        num_completed=num_jobs - num_arriving - (tail - head) - len(running),
        running=running,
        outcome=outcome if cluster["finished"] else "running",
    )


def _window(batch: ClusterBatch, c: int) -> tuple[QueuedJob, ...]:
    state, cluster = batch.state, batch.state.clusters[c]
    head, tail = int(cluster["queue_head"]), int(cluster["queue_tail"])
    jobs = state.queue[c, head : min(tail, head + batch.layout.window)].tolist()
    return tuple(
        QueuedJob(
            job=job,
            gpus=int(state.demand[c, job, 0]),
            duration_s=float(state.jobs[c, job]["duration_s"]),
            waited_s=float(cluster["now_s"] - state.jobs[c, job]["submit_s"]),
            priority=int(state.jobs[c, job]["priority"]),
            fits=bool(batch.action_mask[c, slot + 1]),
        )
        for slot, job in enumerate(jobs)
    )
