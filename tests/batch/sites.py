"""Small sites for tests: a trace file, its config, and policies that go by a priority."""

from __future__ import annotations

import numpy as np

from sched_rl.config.load import load_config
from sched_rl.workloads.sequences import JobSequence
from sched_rl.workloads.swf import record_columns, write_swf


def write_trace(path, jobs, num_procs):
    """A SWF file of jobs, dicts of submit, run, requested and procs."""
    columns = {
        "job_id": np.arange(1, len(jobs) + 1),
        "submit_s": [job["submit"] for job in jobs],
        "run_s": [job["run"] for job in jobs],
        "requested_s": [job["requested"] for job in jobs],
        "allocated_procs": [job["procs"] for job in jobs],
    }
    write_swf(path, record_columns(len(jobs), **columns), machine_procs=num_procs)
    return path


def random_jobs(count, num_procs, seed=0):
    draws = np.random.default_rng(seed)
    submits = np.cumsum(draws.integers(0, 30, count))
    runs = draws.integers(1, 200, count)
    requested = np.maximum(runs + draws.integers(-20, 100, count), 1)
    procs = draws.integers(1, num_procs + 1, count)
    rows = zip(submits, runs, requested, procs, strict=True)
    return [
        {"submit": float(a), "run": float(b), "requested": float(c), "procs": int(d)} for a, b, c, d in rows
    ]


def site_env(*overrides, primary="evaluate"):
    chosen = [] if any(each.startswith("env=") for each in overrides) else ["env=trace"]
    return load_config(primary, ["agent=fcfs", "tracking=none", *chosen, *overrides]).env


def sequence(jobs, capacity, demand=None):
    count = len(jobs)
    procs = np.array([job["procs"] for job in jobs], np.int64)
    return JobSequence(
        family="test",
        seed=0,
        start=0,
        job_id=np.arange(count),
        submit_s=np.array([job["submit"] for job in jobs], np.float64),
        run_s=np.array([job["run"] for job in jobs], np.float64),
        requested_s=np.array([job["requested"] for job in jobs], np.float64),
        demand=procs[:, None] if demand is None else demand,
        procs=procs,
        priority=np.ones(count, np.int64),
        user=np.full(count, -1, np.int64),
        capacity=np.array(capacity, np.int64),
        num_procs=int(capacity[0]),
        scored=slice(0, count),
    )
