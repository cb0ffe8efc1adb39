"""What grows in the scaling benchmark, one thing at a time, and what is held still meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

#: Clusters side by side wherever their number is not what grows.
NUM_ENVS = 64
#: Steps of an episode in which every job arrives, starts and completes, and some are no-ops.
_STEPS_PER_JOB = 4


@dataclass(frozen=True)
class Axis:
    """One thing that grows.

    Attributes:
        key: in files and on the command line.
        label: of the figure's axis.
        held: what stays the same, in words.
        values: from small to large.
        small: two values that take no time.
        overrides: config overrides of a value.
        grows_clusters: the value is the number of clusters.
    """

    key: str
    label: str
    held: str
    values: tuple[int, ...]
    small: tuple[int, int]
    overrides: Callable[[int], tuple[str, ...]]
    grows_clusters: bool = False

    def num_envs(self, value: int) -> int:
        """Clusters side by side."""
        return value if self.grows_clusters else NUM_ENVS


def _jobs(count: int) -> tuple[str, ...]:
    return (f"env.jobs_per_episode={count}", f"env.max_episode_steps={_STEPS_PER_JOB * count}")


def _window(window: int) -> tuple[str, ...]:
    return (*_jobs(1000), f"env.max_queue_size={window}")


def _clusters(_: int) -> tuple[str, ...]:
    return ()


def _longer_episodes(count: int) -> tuple[str, ...]:
    """Bursts of 25 jobs that are served before the next one comes: episodes grow in length and in nothing else."""
    burst, spread_s, gap_s = 25, 500.0, 5000.0
    span_s = gap_s * count
    return (
        *_jobs(count),
        "env.duration_mode=uniform",
        f"env.arrival_span={span_s}",
        f"env.num_bursts={max(1, count // burst)}",
        "env.burst_prob=1.0",
        f"env.burst_std_frac={spread_s / span_s}",
    )


def _wider_jobs(num_gpus: int) -> tuple[str, ...]:
    """Jobs take the same shares of a larger cluster, so that as many run and as many wait."""
    return (f"env.num_gpus={num_gpus}", f"env.max_gpus_per_job={num_gpus}")


def _more_running(num_gpus: int) -> tuple[str, ...]:
    """Jobs stay as wide as they are, so that ever more of them run at once."""
    return (*_jobs(2000), f"env.num_gpus={num_gpus}", "env.max_gpus_per_job=8")


_GPUS = (8, 64, 512, 4096)

AXES = (
    Axis(
        "window",
        "window K (visible jobs)",
        "64 clusters, 8 GPUs, 1000 jobs an episode",
        (16, 32, 64, 128, 256),
        (4, 8),
        _window,
    ),
    Axis(
        "clusters",
        "clusters N side by side",
        "K = 50, 8 GPUs, 400 jobs an episode",
        (1, 4, 16, 64, 256, 1024),
        (1, 2),
        _clusters,
        grows_clusters=True,
    ),
    Axis(
        "jobs",
        "jobs per episode, arriving as densely",
        "64 clusters, K = 50, 8 GPUs, as many jobs run and wait",
        (100, 300, 1000, 3000, 10_000),
        (25, 50),
        _longer_episodes,
    ),
    Axis(
        "gpus",
        "GPUs, jobs as wide as the cluster",
        "64 clusters, K = 50, 400 jobs, as many run and wait",
        _GPUS,
        (8, 32),
        _wider_jobs,
    ),
    Axis(
        "gpus_more_running",
        "GPUs, jobs of at most 8",
        "64 clusters, K = 50, 2000 jobs; the jobs that run at once grow",
        _GPUS,
        (8, 32),
        _more_running,
    ),
)
