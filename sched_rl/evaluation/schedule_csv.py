"""The schedules of an evaluation as CSV, a row a job: who ran when, on how much."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path

from sched_rl.evaluation.runner import Episode

HEADER = ("episode", "job_id", "submit_s", "start_s", "end_s", "processors", "requested_s")


def write_schedule_csv(path: Path, episodes: Sequence[Episode]) -> None:
    """Write the schedules; times unrounded on the workload's clock; start and end empty where a job never started.

    Args:
        path: the file; replaced if it exists.
        episodes: in the order of the evaluation JSON, which numbers them from 0.
    """
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        for number, episode in enumerate(episodes):
            of_trace = "job_id" in (episode.schedule.dtype.names or ())
            for place, (job, gpus) in enumerate(zip(episode.schedule, episode.gpus, strict=True)):
                job_id = int(job["job_id"]) if of_trace else place
                start_s, run_s = float(job["start_s"]), float(job["duration_s"])
                started = not math.isnan(start_s)
                times = (start_s, start_s + run_s) if started else ("", "")
                requested_s = float(job["requested_s"]) if of_trace else run_s
                writer.writerow([number, job_id, float(job["submit_s"]), *times, int(gpus), requested_s])
