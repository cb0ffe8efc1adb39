"""The state of N sites, as arrays: what a policy steps through, job by job.

Axes: N sites, n jobs of a sequence in the order of arrival, R resources (0 = nodes, or GPUs). Times are float64 on the
trace's own clock. Estimates (`requested_s`) are what schedulers may know, true run times end jobs.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sched_rl.config.sites import SiteConfig
from sched_rl.errors import WorkloadError
from sched_rl.workloads.sequences import JobSequence

#: Scalars of a site; those that every runner of episodes reads have the names of `simulator.state.CLUSTER`.
SITE: Final = np.dtype(
    [
        ("now_s", np.float64),
        ("horizon_s", np.float64),  # about when the last job completes; a scale, never a limit
        ("total_return", np.float64),
        ("reward", np.float64),  # of the last step
        ("dt_s", np.float64),  # of the last step
        ("settled", np.float64),  # bounded slowdowns of the jobs that have started, summed
        ("accrued", np.float64),  # of all that have arrived, those that wait as if they started now
        ("settled_wait", np.float64),  # what the waits of the jobs that have started cost, summed
        ("accrued_wait", np.float64),  # what the waits so far of all that have arrived cost
        ("shadow_s", np.float64),  # when the reserved job can start by the estimates
        ("queued", np.int64),
        ("arrived", np.int64),
        ("num_running", np.int64),
        ("num_started", np.int64),
        ("reserved", np.int64),  # row of the job that has the reservation at this instant, -1 for none
        ("num_feasible", np.int64),  # visible jobs that could start now
        ("steps", np.int64),
        ("noop_steps", np.int64),
        ("noop_feasible_steps", np.int64),
        ("feasible_steps", np.int64),
        ("invalid_steps", np.int64),
        ("finished", np.bool_),
        ("terminated", np.bool_),
        ("truncated", np.bool_),
        ("invalid_action", np.bool_),
        ("noop_feasible", np.bool_),
    ],
    align=True,
)
BACKFILLS: Final = ("none", "easy", "game")
#: Run times below this count as this in the bounded slowdown, in seconds.
SLOWDOWN_THRESHOLD_S: Final = 10.0

Doubles = NDArray[np.float64]
Integers = NDArray[np.int64]
Plain = tuple[Any, ...]


class SiteRules(NamedTuple):
    """What all sites of a batch share; plain numbers, so that kernels take them as arguments."""

    window: int
    max_steps: int
    commits: bool
    backfill: int  # its place in BACKFILLS
    may_block: bool  # a job that does not fit may be chosen, and the site waits for it until the next event
    longest_s: float  # requested time that counts as 1 in observations
    slowdown_scale: float  # of the mean bounded slowdown


class SiteState(NamedTuple):
    """Everything that changes."""

    clusters: NDArray[Any]  # (N,) of SITE
    submit_s: Doubles  # (N, n), ascending
    run_s: Doubles  # (N, n)
    requested_s: Doubles  # (N, n)
    start_s: Doubles  # (N, n), nan until the job starts
    share: Doubles  # (N, n): of the machine, by the resource that the job takes most of
    log_requested: Doubles  # (N, n): ln of the requested time, at least 1 s
    log_share: Doubles  # (N, n): ln of the share
    demand: Integers  # (N, n, R)
    priority: Integers  # (N, n)
    window_rank: Integers  # (N, n): the order in which waiting jobs are visible
    wait_cost: Doubles  # (N, n): of a second of waiting beside the slowdown, in units of n returns
    cost_order: Integers  # (N, n): rows by what they would cost others, the cheapest first; of the potential
    idle: Integers  # (N, R)
    extra: Integers  # (N, R): left over at the shadow time by the reserved job
    queue: Integers  # (N, n): rows that wait, in the order of window_rank
    running: Integers  # (N, n): rows by true end, the earliest last


def site_rules(env: SiteConfig) -> SiteRules:
    """The rules of an env config."""
    return SiteRules(
        window=env.max_queue_size,
        max_steps=env.max_episode_steps,
        commits=env.step == "commit",
        backfill=BACKFILLS.index(env.backfill),
        may_block=env.may_block or env.backfill == "easy" or env.step == "commit",
        longest_s=env.max_duration,
        slowdown_scale=env.reward.slowdown_scale,
    )


def allocate_sites(num_sites: int, num_jobs: int, num_resources: int) -> SiteState:
    """Arrays for sequences of up to `num_jobs` jobs; every site is finished until a sequence is loaded."""
    rows, resources = (num_sites, num_jobs), (num_sites, num_resources)
    state = SiteState(
        clusters=np.zeros(num_sites, SITE),
        submit_s=np.zeros(rows),
        run_s=np.zeros(rows),
        requested_s=np.zeros(rows),
        start_s=np.full(rows, np.nan),
        share=np.zeros(rows),
        log_requested=np.zeros(rows),
        log_share=np.zeros(rows),
        demand=np.zeros((*rows, num_resources), np.int64),
        priority=np.zeros(rows, np.int64),
        window_rank=np.zeros(rows, np.int64),
        wait_cost=np.zeros(rows),
        cost_order=np.zeros(rows, np.int64),
        idle=np.zeros(resources, np.int64),
        extra=np.zeros(resources, np.int64),
        queue=np.zeros(rows, np.int64),
        running=np.zeros(rows, np.int64),
    )
    state.clusters["finished"] = True
    return state


def load_sequence(state: SiteState, c: int, jobs: JobSequence, env: SiteConfig) -> None:
    """Put a sequence on site c; `steps.begin_sequence` then starts it.

    Raises:
        WorkloadError: of another length, or with a job that the machine could never run.
    """
    if jobs.demand.shape != state.demand.shape[1:]:
        raise WorkloadError(
            f"sequence from job {jobs.start}: {jobs.demand.shape[0]} jobs on {jobs.demand.shape[1]} resources; these "
            f"sites were made for {state.demand.shape[1]} on {state.demand.shape[2]}"
        )
    if np.any(jobs.demand > jobs.capacity):
        raise WorkloadError(
            f"sequence from job {jobs.start}: a job is wider than the machine {jobs.capacity}"
        )
    state.submit_s[c], state.run_s[c], state.requested_s[c] = jobs.submit_s, jobs.run_s, jobs.requested_s
    state.demand[c], state.priority[c] = jobs.demand, jobs.priority
    state.share[c] = (jobs.demand / jobs.capacity).max(axis=1)
    state.log_requested[c] = np.log(np.maximum(jobs.requested_s, 1.0))
    state.log_share[c] = np.log(np.maximum(state.share[c], 1e-9))
    area = state.share[c] * jobs.run_s
    weighted = env.reward.area_wait_scale * area / max(area.mean(), 1e-9)
    state.wait_cost[c] = (env.reward.wait_scale + weighted) / 3600.0
    # Smith's rule for slowdowns: area over weight, where a second of waiting weighs 1 / max(run, 10).
    cost = area * np.maximum(jobs.run_s, SLOWDOWN_THRESHOLD_S)
    state.cost_order[c] = np.argsort(cost, kind="stable")
    order = visible_order(jobs, state.share[c]) if env.visible == "smallest" else np.arange(len(cost))
    state.window_rank[c, order] = np.arange(len(cost))
    state.idle[c] = jobs.capacity
    state.clusters[c]["horizon_s"] = jobs.horizon_s


def visible_order(jobs: JobSequence, share: Doubles) -> Integers:
    """Rows by requested time times share of the machine, the smallest first, ties by arrival, int64 (n,)."""
    order: Integers = np.argsort(jobs.requested_s * share, kind="stable")
    return order
