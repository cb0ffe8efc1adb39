"""Trace files by what they hold: SWF, plain or gzipped, or CSV of GPU jobs."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from sched_rl.config.sites import SiteConfig
from sched_rl.errors import WorkloadError
from sched_rl.workloads.swf import SwfTrace, read_swf
from sched_rl.workloads.trace_jobs import TraceJobs, jobs_of


def read_trace(path: Path, env: SiteConfig) -> TraceJobs:
    """The usable jobs of a trace, with the machine and the load that the config asks for.

    Args:
        path: the file; a name that ends in `.csv` (or `.csv.gz`) is a table of GPU jobs, any other is SWF.
        env: rules, machine, load factor and what becomes of overruns.

    Raises:
        WorkloadError: a file that cannot be read or used.
    """
    trace = env.trace
    if path.name.endswith((".csv", ".csv.gz")):
        from sched_rl.workloads.gpu_table import read_gpu_table

        jobs = read_gpu_table(path, trace.capacity, kill_overruns=trace.kill_overruns)
    else:
        jobs = jobs_of(_with_machine(read_swf(path), env), env.keys, kill_overruns=trace.kill_overruns)
    if trace.load_factor == 1.0:
        return jobs
    first_s = float(jobs.submit_s.min())
    submit_s = first_s + (jobs.submit_s - first_s) / trace.load_factor
    return dataclasses.replace(jobs, submit_s=np.asarray(submit_s, np.float64))


def _with_machine(trace: SwfTrace, env: SiteConfig) -> SwfTrace:
    """The header with the machine that the config names in place of its own, if it names one."""
    capacity = env.trace.capacity
    if capacity is None:
        return trace
    if len(capacity) != 1:
        raise WorkloadError(
            f"env.trace.capacity={list(capacity)}: SWF knows processors alone; give one number, or a table of GPU jobs"
        )
    size = str(capacity[0])
    return dataclasses.replace(trace, header={**trace.header, "MaxNodes": size, "MaxProcs": size})
