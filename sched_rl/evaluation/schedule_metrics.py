"""What a schedule did to its jobs: waits, slowdowns, utilization, due times, by width too.

A job that arrived but had not started when the episode was cut off waits until the end of the episode, so that
leaving jobs behind never makes the waits look better; its slowdown counts its full run time on top.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Run times below this are raised to it in the bounded slowdown (the field's convention), in seconds.
SLOWDOWN_THRESHOLD_S = 10.0
#: Names of the metrics of one episode, in the order of the tables.
SCHEDULE_METRICS = (
    "mean_wait_s",
    "p95_wait_s",
    "max_wait_s",
    "mean_bounded_slowdown",
    "utilization",
    "due_miss_frac",
    "throughput_jobs_per_hour",
    "completed_jobs",
    "unstarted_jobs",
)


def schedule_metrics(
    jobs: NDArray[Any], gpus: NDArray[np.int32], end_s: float, num_gpus: int
) -> dict[str, float]:
    """The metrics of one finished episode.

    Args:
        jobs: records of `simulator.state.JOB` (n,).
        gpus: int32 (n,), GPUs of each job.
        end_s: the clock at the end of the episode.
        num_gpus: GPUs of the cluster.

    Returns:
        The values of `SCHEDULE_METRICS`; nan where no job counts (no due times, nothing arrived).
    """
    arrived = jobs["submit_s"] <= end_s
    started = ~np.isnan(jobs["start_s"])
    complete_s = np.where(started, jobs["start_s"] + jobs["duration_s"], np.inf)
    wait_s, slowdown = waits_and_slowdowns(jobs, end_s)
    due = np.isfinite(jobs["due_s"])
    missed = due & (np.minimum(complete_s, end_s) > jobs["due_s"]) & (complete_s > jobs["due_s"])
    first_s = float(jobs["submit_s"].min())
    span_s = max(end_s - first_s, 1e-9)
    served_s = np.clip(np.minimum(complete_s, end_s) - jobs["start_s"], 0.0, None)
    completed = int((complete_s <= end_s).sum())
    waits = wait_s[arrived]
    return {
        "mean_wait_s": float(waits.mean()) if waits.size else float("nan"),
        "p95_wait_s": float(np.percentile(waits, 95)) if waits.size else float("nan"),
        "max_wait_s": float(waits.max()) if waits.size else float("nan"),
        "mean_bounded_slowdown": float(slowdown[arrived].mean()) if waits.size else float("nan"),
        "utilization": float((served_s[started] * gpus[started]).sum()) / (num_gpus * span_s),
        "due_miss_frac": float(missed.sum() / due.sum()) if due.any() else float("nan"),
        "throughput_jobs_per_hour": 3600.0 * completed / span_s,
        "completed_jobs": float(completed),
        "unstarted_jobs": float(len(jobs) - int(started.sum())),
    }


def waits_and_slowdowns(jobs: NDArray[Any], end_s: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Wait in seconds and bounded slowdown of each job, (n,) each; unstarted jobs wait until the end."""
    start_s = np.where(np.isnan(jobs["start_s"]), end_s, jobs["start_s"])
    wait_s = np.maximum(start_s - jobs["submit_s"], 0.0)
    run_s = jobs["duration_s"]
    slowdown = np.maximum(1.0, (wait_s + run_s) / np.maximum(run_s, SLOWDOWN_THRESHOLD_S))
    return wait_s, slowdown


def metrics_by_width(
    jobs: NDArray[Any], gpus: NDArray[np.int32], end_s: float
) -> dict[str, dict[str, float]]:
    """Jobs, mean wait and mean bounded slowdown by width class: 1, 2-3, 4-7, 8-15, ... GPUs, arrived jobs only."""
    wait_s, slowdown = waits_and_slowdowns(jobs, end_s)
    arrived = jobs["submit_s"] <= end_s
    classes: dict[str, dict[str, float]] = {}
    for power in range(int(gpus.max()).bit_length()):
        low, high = 2**power, 2 ** (power + 1) - 1
        members = arrived & (gpus >= low) & (gpus <= high)
        if members.any():
            classes[str(low) if low == high else f"{low}-{high}"] = {
                "jobs": float(members.sum()),
                "mean_wait_s": float(wait_s[members].mean()),
                "mean_bounded_slowdown": float(slowdown[members].mean()),
            }
    return classes


#: Classes of run times, each up to its limit in seconds.
LENGTH_CLASSES = {
    "<1min": 60.0,
    "<10min": 600.0,
    "<1h": 3600.0,
    "<6h": 21600.0,
    "<24h": 86400.0,
    ">=24h": np.inf,
}


def metrics_by_length(jobs: NDArray[Any], end_s: float) -> dict[str, dict[str, float]]:
    """Jobs, mean wait and mean bounded slowdown by class of run time, arrived jobs only."""
    limits = np.array(list(LENGTH_CLASSES.values()))
    return _metrics_by_class(
        jobs, end_s, np.array(list(LENGTH_CLASSES))[np.searchsorted(limits, jobs["duration_s"], "right")]
    )


def metrics_by_user(jobs: NDArray[Any], end_s: float) -> dict[str, dict[str, float]]:
    """As `metrics_by_length`, by user; those that the trace does not name are `unknown`."""
    return _metrics_by_class(jobs, end_s, np.where(jobs["user"] < 0, "unknown", jobs["user"].astype(str)))


def _metrics_by_class(
    jobs: NDArray[Any], end_s: float, label: NDArray[np.str_]
) -> dict[str, dict[str, float]]:
    wait_s, slowdown = waits_and_slowdowns(jobs, end_s)
    arrived = jobs["submit_s"] <= end_s
    return {
        str(name): {
            "jobs": float(members.sum()),
            "mean_wait_s": float(wait_s[members].mean()),
            "mean_bounded_slowdown": float(slowdown[members].mean()),
        }
        for name in np.unique(label[arrived])
        if (members := arrived & (label == name)).any()
    }
