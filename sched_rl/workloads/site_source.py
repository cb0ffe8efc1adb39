"""From a seed to a sequence of jobs for a site: parts of a trace, disjoint by split, or generated ones.

On a trace a seed below the training seeds is the place of the sequence's first job in the trace, so that an evaluation
names what it plays; a training seed draws a place among those that no evaluation of the run touches.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sched_rl.config.sites import SiteConfig, TraceConfig
from sched_rl.errors import WorkloadError
from sched_rl.seeding import TRAINING_SEED_LOW, stream
from sched_rl.workloads.sequences import JobSequence
from sched_rl.workloads.trace_files import read_trace
from sched_rl.workloads.trace_jobs import TraceJobs

#: The parts of a trace in the order of time, as `env.trace.split_fracs` has them.
SPLITS = ("train", "val", "promote", "report")


class SiteSource:
    """Makes sequences; the same seed gives the same jobs, whoever asks and in whatever order.

    Attributes:
        capacity: int64 (R,), of the machine.
        jobs: all usable jobs of the trace; None where sequences are generated.
    """

    def __init__(self, env: SiteConfig) -> None:
        """Read the trace, or prepare the generator.

        Raises:
            WorkloadError: no file, or one that cannot be used.
        """
        self._env = env
        self._training: NDArray[np.int64] | None = None
        self.jobs: TraceJobs | None = None
        if env.lublin is not None:
            self.capacity = np.array([env.lublin.num_procs], np.int64)
            return
        if env.trace.path is None:
            raise WorkloadError(
                f"env.trace.path: env={env.name} needs a trace; give env.trace.path=FILE (SWF, or CSV of GPU jobs)"
            )
        self.jobs = read_trace(Path(env.trace.path), env)
        self.capacity = self.jobs.capacity

    def sequence(self, seed: int) -> JobSequence:
        """The jobs of a seed.

        Raises:
            WorkloadError: a place from which the trace does not reach far enough.
        """
        if self.jobs is None:
            from sched_rl.workloads.lublin import lublin_sequence

            return lublin_sequence(self._env, seed)
        start = seed
        if seed >= TRAINING_SEED_LOW:
            if self._training is None:
                self._training = training_places(self._env.trace, len(self.jobs))
            start = int(self._training[stream(seed, "trace").integers(len(self._training))])
        return _cut(self._env, self.jobs, start, seed)

    def family(self, seed: int) -> SiteConfig:
        """The environment of every seed."""
        return self._env

    def workload(self, seed: int) -> tuple[SiteConfig, JobSequence]:
        """The environment of a seed and its jobs; see `sequence`."""
        return self._env, self.sequence(seed)

    def places(self, split: str, wanted: int) -> tuple[int, ...]:
        """Where `wanted` evaluation sequences of a split start, spread evenly over its part of the trace.

        They lie in that part alone; where there is not room for all of them side by side they overlap.

        Raises:
            WorkloadError: a part that is shorter than a sequence, or sequences that are generated.
        """
        if self.jobs is None:
            raise WorkloadError(f"env={self._env.name}: generated sequences have no places in a trace")
        first, last = split_range(self._env.trace, len(self.jobs), split)
        return tuple(np.linspace(first, last - self._env.trace.count, wanted).astype(int).tolist())


@lru_cache(maxsize=8)
def site_source(env: SiteConfig) -> SiteSource:
    """The source of an env config, read once a process.

    Raises:
        WorkloadError: a trace that cannot be used.
    """
    return SiteSource(env)


def split_range(trace: TraceConfig, num_jobs: int, split: str) -> tuple[int, int]:
    """The first job of a split and the one after its last.

    Raises:
        WorkloadError: when no sequence fits in.
    """
    ends = np.rint(np.cumsum((0.0, *trace.split_fracs)) * num_jobs).astype(int)
    number = SPLITS.index(split)
    first, last = int(ends[number]), int(ends[number + 1])
    if last - first < trace.count:
        raise WorkloadError(
            f"env.trace.count={trace.count}: {split} has {last - first} of the {num_jobs:,} usable jobs of "
            f"{trace.path} (env.trace.split_fracs); ask for shorter sequences or give {split} a larger share"
        )
    return first, last


def training_places(trace: TraceConfig, num_jobs: int) -> NDArray[np.int64]:
    """First jobs of all sequences that training may play: none shares a job with an evaluated one.

    With `env.trace.starts` training plays whatever lies wholly outside them; otherwise the training split.
    `env.trace.train_jobs` narrows both.

    Raises:
        WorkloadError: an overlap, or nothing left to train on.
    """
    first, last = (0, num_jobs) if trace.starts is not None else split_range(trace, num_jobs, "train")
    if trace.train_jobs is not None:
        first, last = trace.train_jobs
        if not 0 <= first < last <= num_jobs:
            raise WorkloadError(
                f"env.trace.train_jobs=[{first},{last}]: must be two places of the {num_jobs:,} usable jobs, "
                "the first and the one after the last"
            )
    places = np.arange(first, last - trace.count + 1)
    overlap = overlapping(trace, places, evaluated_ranges(trace, num_jobs))
    if trace.train_jobs is not None and overlap.any():
        raise WorkloadError(
            f"env.trace.train_jobs=[{first},{last}]: holds jobs of evaluated sequences, such as job "
            f"{int(places[overlap][0])}; leave it null, or choose a range without them"
        )
    if not (~overlap).any():
        raise WorkloadError(
            f"{trace.path}: no {trace.count} jobs in a row are left to train on beside the evaluated ones; shorten "
            "env.trace.count, evaluate fewer sequences, or train on env=lublin"
        )
    return places[~overlap]


def evaluated_ranges(trace: TraceConfig, num_jobs: int) -> list[tuple[int, int]]:
    """(first, one after the last) of everything that an evaluation of this run may play."""
    if trace.starts is not None:
        return [(start, start + trace.count) for start in trace.starts]
    ends = np.rint(np.cumsum((0.0, *trace.split_fracs)) * num_jobs).astype(int)
    return [(int(ends[1]), num_jobs)]


def overlapping(
    trace: TraceConfig, places: NDArray[np.int64], evaluated: list[tuple[int, int]]
) -> NDArray[np.bool_]:
    """Which sequences from these places share a job with an evaluated range."""
    shared = np.zeros(len(places), np.bool_)
    for first, last in evaluated:
        shared |= (places < last) & (places + trace.count > first)
    return shared


def _cut(env: SiteConfig, jobs: TraceJobs, start: int, seed: int) -> JobSequence:
    part, count, trace = jobs.sequence(start, env.trace.count), env.trace.count, env.trace
    return JobSequence(
        family=env.name,
        seed=seed,
        start=start,
        job_id=part.job_id,
        submit_s=part.submit_s,
        run_s=part.run_s,
        requested_s=part.requested_s,
        demand=part.demand,
        procs=part.procs,
        priority=part.priority,
        user=part.user,
        capacity=part.capacity,
        num_procs=round(part.num_nodes * part.procs_per_node),
        scored=scored_part(trace, count),
    )


def scored_part(trace: TraceConfig, count: int) -> slice:
    """The jobs that metrics count: all but the first and last shares of the sequence."""
    return slice(round(trace.warm_up_frac * count), count - round(trace.cool_down_frac * count))


def check_site(env: SiteConfig, *, trains: bool) -> None:
    """Refuse a trace that cannot be used, and training jobs that an evaluation plays too.

    Raises:
        WorkloadError: on the first thing that is wrong.
    """
    source = site_source(env)
    if source.jobs is None:
        return
    for start in env.trace.starts or ():
        source.jobs.sequence(start, env.trace.count)
    if env.trace.starts is None:
        split_range(env.trace, len(source.jobs), "val")
    if trains:
        training_places(env.trace, len(source.jobs))


def site_report(env: SiteConfig) -> str:
    """What of a trace was dropped or repaired, in one line; empty where nothing was."""
    jobs = site_source(env).jobs
    return "" if jobs is None or not jobs.notes else f"{env.trace.path}: {jobs.report()}"


def check_untrained(env: SiteConfig, trained: SiteConfig) -> None:
    """Refuse to evaluate a policy on jobs of the file that it was trained on.

    Args:
        env: what is to be evaluated.
        trained: the environment that the policy was trained in.

    Raises:
        WorkloadError: naming a job of both.
    """
    paths = [each.trace.path for each in (env, trained)]
    if None in paths or Path(str(paths[0])).resolve() != Path(str(paths[1])).resolve():
        return
    source, past = site_source(env), site_source(trained)
    if source.jobs is None or past.jobs is None:
        return
    rows = np.zeros(len(past.jobs), np.bool_)
    for place in training_places(trained.trace, len(past.jobs)):
        rows[place : place + trained.trace.count] = True
    seen = past.jobs.job_id[rows]
    for first, last in evaluated_ranges(env.trace, len(source.jobs)):
        shared = np.intersect1d(source.jobs.job_id[first:last], seen)
        if shared.size:
            raise WorkloadError(
                f"env.trace.starts={env.trace.starts}: the policy was trained on job {int(shared[0])} and "
                f"{shared.size - 1} more of what it is to be judged on; choose other sequences, or train beside these"
            )
