"""Sequences of a trace, or generated ones, played to their end: schedules on the trace's clock and their metrics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sched_rl.config.schema import Encoding
from sched_rl.config.sites import SiteConfig
from sched_rl.envs.sites.batch import SiteBatch
from sched_rl.envs.vector import random_feasible_actions
from sched_rl.evaluation.schedule_metrics import schedule_metrics
from sched_rl.schedulers.base import Scheduler, WrittenScheduler
from sched_rl.workloads.sequences import JobSequence
from sched_rl.workloads.site_source import site_source

if TYPE_CHECKING:
    from sched_rl.evaluation.blocks import Block

#: A job of a finished schedule: what `simulator.state.JOB` has of it, and what only traces know.
SCHEDULED = np.dtype(
    [
        ("job_id", np.int64),
        ("submit_s", np.float64),
        ("start_s", np.float64),
        ("duration_s", np.float64),
        ("requested_s", np.float64),
        ("due_s", np.float64),
        ("user", np.int64),
        ("scored", np.bool_),
    ]
)
#: Metrics that leave warm-up and cool-down out; the others are of the whole schedule.
_TRIMMED = ("mean_wait_s", "p95_wait_s", "max_wait_s", "mean_bounded_slowdown")
Parts = tuple[dict[str, Any], NDArray[Any], NDArray[np.int32]]


def play_site_blocks(
    env: SiteConfig, scheduler: Scheduler, blocks: Sequence[Block], max_batch: int
) -> Iterator[Parts]:
    """Play every sequence of every block.

    Args:
        env: of all blocks.
        scheduler: who decides; a written one goes by all waiting jobs, a learned one by those that are visible.
        blocks: seeds are places in the trace, or of generated sequences.
        max_batch: most sequences side by side; a score does not depend on it.

    Yields:
        The numbers, schedule and processors of each episode, in order.
    """
    places = [(number, block.name, seed) for number, block in enumerate(blocks) for seed in block.seeds]
    source = site_source(env)
    for first in range(0, len(places), max_batch):
        group = places[first : first + max_batch]
        batch = SiteBatch(env, scheduler.encoding, len(group))
        for index, (_, _, seed) in enumerate(group):
            batch.begin(index, env, source.sequence(seed))
        _play_out(env, scheduler, batch)
        for index, (number, name, _) in enumerate(group):
            yield _episode(batch, index, number, name)


def _play_out(env: SiteConfig, scheduler: Scheduler, batch: SiteBatch) -> None:
    if isinstance(scheduler, WrittenScheduler):
        from sched_rl.schedulers.sites import play_sites

        play_sites(scheduler.config, batch, env)
        return
    active = ~batch.state.clusters["finished"]
    while active.any():
        batch.step(scheduler.actions(batch.observation, batch.action_mask, active))
        active = ~batch.state.clusters["finished"]


def _episode(batch: SiteBatch, index: int, block: int, block_name: str) -> Parts:
    site, jobs = batch.state.clusters[index], batch.sequence(index)
    schedule = _schedule(jobs, batch.state.start_s[index])
    procs, end_s = jobs.procs.astype(np.int32), float(site["now_s"])
    scored = schedule["scored"]
    metrics = schedule_metrics(schedule, procs, end_s, jobs.num_procs)
    if not scored.all():
        trimmed = schedule_metrics(schedule[scored], procs[scored], end_s, jobs.num_procs)
        metrics |= {name: trimmed[name] for name in _TRIMMED}
    turnaround_s = schedule["start_s"] + schedule["duration_s"] - schedule["submit_s"]
    numbers: dict[str, Any] = {
        "block": block,
        "block_name": block_name,
        "family": jobs.family,
        "seed": jobs.seed,
        "start": jobs.start,
        "return": float(site["total_return"]),
        **{
            name: int(site[name]) for name in ("steps", "noop_steps", "noop_feasible_steps", "feasible_steps")
        },
        "invalid_steps": int(site["invalid_steps"]),
        "terminated": bool(site["terminated"]),
        "end_time": end_s,
        "horizon": float(site["horizon_s"]),
        "fluid_bound": -float(batch.reward.slowdown_scale),  # every job starts when it arrives
        "mean_turnaround_s": float(np.nanmean(turnaround_s[scored])),
        "makespan_s": end_s - float(jobs.submit_s[0]),
        **metrics,
    }
    return numbers, schedule, procs


def _schedule(jobs: JobSequence, start_s: NDArray[np.float64]) -> NDArray[Any]:
    schedule = np.zeros(jobs.num_jobs, SCHEDULED)
    columns = {"job_id": jobs.job_id, "submit_s": jobs.submit_s, "start_s": start_s, "duration_s": jobs.run_s}
    columns |= {"requested_s": jobs.requested_s, "user": jobs.user}
    for name, values in columns.items():
        schedule[name] = values
    schedule["due_s"] = np.inf
    schedule["scored"][jobs.scored] = True
    return schedule


def probe_sites(
    env: SiteConfig,
    blocks: Sequence[Block],
    encoding: Encoding,
    draws: np.random.Generator,
    num_states: int,
    steps_between: int,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """States with a choice that a random player meets: observations (M, D) and masks (M, K + 1), M <= num_states."""
    seeds, source = [seed for block in blocks for seed in block.seeds], site_source(env)
    batch = SiteBatch(env, encoding, len(seeds))
    for index, seed in enumerate(seeds):
        batch.begin(index, env, source.sequence(seed))
    observations, masks, gathered, step = [], [], 0, 0
    while gathered < num_states and not batch.state.clusters["finished"].all():
        if step % steps_between == 0:
            rows = ~batch.state.clusters["finished"] & (batch.action_mask[:, 1:].sum(axis=1) >= 2)
            observations.append(batch.observation[rows].copy())
            masks.append(batch.action_mask[rows].copy())
            gathered += int(rows.sum())
        batch.step(random_feasible_actions(batch.action_mask, draws))
        step += 1
    return np.concatenate(observations)[:num_states], np.concatenate(masks)[:num_states]
