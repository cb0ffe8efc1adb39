"""A finished schedule as a trace in the Standard Workload Format, waits filled in, for other tools to read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sched_rl.config.schema import AnyEnvConfig
from sched_rl.config.sites import SiteConfig
from sched_rl.errors import WorkloadError
from sched_rl.evaluation.runner import Episode
from sched_rl.workloads.site_source import site_source
from sched_rl.workloads.swf import record_columns, write_swf

#: How the name of such a file ends.
SUFFIXES = (".swf", ".swf.gz")


def write_schedule_swf(path: Path, episodes: Sequence[Episode], env: AnyEnvConfig) -> None:
    """Write the schedule of an evaluation of one sequence.

    Args:
        path: of the new file.
        episodes: one.
        env: a batch cluster.

    Raises:
        WorkloadError: several schedules, another kind of environment, or a file that exists.
    """
    if not isinstance(env, SiteConfig):
        raise WorkloadError(
            f"schedule_output={path}: SWF is for batch clusters, not env={env.name}; name a .csv"
        )
    if len(episodes) != 1:
        raise WorkloadError(
            f"schedule_output={path}: SWF holds one schedule, this evaluation has {len(episodes)}; name a .csv, or one "
            "sequence with env.trace.starts=[N]"
        )
    jobs, procs = episodes[0].schedule, episodes[0].gpus
    started = ~np.isnan(jobs["start_s"])
    records = record_columns(
        len(jobs),
        job_id=jobs["job_id"],
        submit_s=jobs["submit_s"],
        wait_s=np.where(started, jobs["start_s"] - jobs["submit_s"], -1),
        run_s=np.where(started, jobs["duration_s"], -1),
        allocated_procs=procs,
        requested_procs=procs,
        requested_s=jobs["requested_s"],
        status=started,
        user=jobs["user"],
    )
    write_swf(path, records, machine_procs=int(site_source(env).capacity[0]))
