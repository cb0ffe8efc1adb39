"""Running episodes: all of an evaluation in one batch, each to its end, and what became of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sched_rl.config.schema import EnvConfig, GymnasiumEnvConfig
from sched_rl.config.sites import SiteConfig
from sched_rl.envs.batch import ClusterBatch
from sched_rl.evaluation.blocks import Block, block_workloads
from sched_rl.evaluation.fluid_bound import fluid_bound
from sched_rl.evaluation.schedule_metrics import metrics_by_width, schedule_metrics
from sched_rl.schedulers.base import Scheduler, SimulatingScheduler
from sched_rl.workloads.workload import Workload

#: Most clusters in one batch; more episodes run batch after batch. A score does not depend on the grouping.
MAX_BATCH = 256


@dataclass(frozen=True)
class Episode:
    """One episode of an evaluation: its numbers (names of the evaluation JSON) and its schedule."""

    numbers: dict[str, Any]
    schedule: NDArray[Any]
    gpus: NDArray[np.int32]

    @property
    def by_width(self) -> dict[str, dict[str, float]]:
        """Waits and slowdowns by width class; computed when asked for, since curves do not need them."""
        if not self.gpus.size:  # no jobs: not a cluster's
            return {}
        jobs = self.scored
        return metrics_by_width(self.schedule[jobs], self.gpus[jobs], self.numbers["end_time"])

    @property
    def scored(self) -> NDArray[np.bool_]:
        """bool (n,): the jobs that metrics count, without the warm-up and cool-down of a trace."""
        if "scored" in (self.schedule.dtype.names or ()):
            return np.asarray(self.schedule["scored"])
        return np.ones(len(self.schedule), np.bool_)


@dataclass(frozen=True)
class _Task:
    block: int
    block_name: str
    family: EnvConfig
    workload: Workload


def run_blocks(
    scheduler: Scheduler, blocks: Sequence[Block], families: Mapping[str, EnvConfig]
) -> list[Episode]:
    """Run every episode of every block to its end.

    Args:
        scheduler: who decides.
        blocks: from `blocks.make_blocks`.
        families: configs of the families that a mixture draws from.

    Returns:
        Episodes in the order of the blocks and of their seeds.
    """
    if isinstance(blocks[0].env, GymnasiumEnvConfig):
        return _run_gymnasium(blocks[0].env, scheduler, blocks)
    if isinstance(blocks[0].env, SiteConfig):
        from sched_rl.evaluation.site_blocks import play_site_blocks

        return [Episode(*parts) for parts in play_site_blocks(blocks[0].env, scheduler, blocks, MAX_BATCH)]
    tasks = [
        _Task(number, blocks[number].name, family, workload)
        for number, family, workload in block_workloads(blocks, families)
    ]
    episodes: list[Episode] = []
    for first in range(0, len(tasks), MAX_BATCH):
        episodes += _run_batch(scheduler, tasks[first : first + MAX_BATCH])
    return episodes


def _run_gymnasium(env: GymnasiumEnvConfig, scheduler: Scheduler, blocks: Sequence[Block]) -> list[Episode]:
    from sched_rl.evaluation.gymnasium_blocks import play_gymnasium

    places = [(number, block.name) for number, block in enumerate(blocks) for _ in block.seeds]
    played = play_gymnasium(env, [seed for block in blocks for seed in block.seeds], scheduler)
    nobody = np.empty(0, np.int32)
    return [
        Episode({"block": number, "block_name": name, **numbers}, nobody, nobody)
        for (number, name), numbers in zip(places, played, strict=True)
    ]


def _run_batch(scheduler: Scheduler, tasks: Sequence[_Task]) -> list[Episode]:
    batch = ClusterBatch(tasks[0].family, scheduler.encoding, len(tasks))
    for index, task in enumerate(tasks):
        batch.begin(index, task.family, task.workload)
    if isinstance(scheduler, SimulatingScheduler):
        scheduler.watch(batch)
    scheduler.begin([task.family for task in tasks], [task.workload.seed for task in tasks])
    active = ~batch.state.clusters["finished"]
    while active.any():
        batch.step(scheduler.actions(batch.observation, batch.action_mask, active))
        active = ~batch.state.clusters["finished"]
    return [_episode(batch, index, task) for index, task in enumerate(tasks)]


def _episode(batch: ClusterBatch, index: int, task: _Task) -> Episode:
    cluster = batch.state.clusters[index]
    schedule = batch.state.jobs[index].copy()  # row j is job j of the workload
    gpus = task.workload.demand[:, 0]
    end_s, num_gpus = float(cluster["now_s"]), int(batch.capacity[0])
    numbers: dict[str, Any] = {
        "block": task.block,
        "block_name": task.block_name,
        "family": task.family.name,
        "seed": task.workload.seed,
        "return": float(cluster["total_return"]),
        "steps": int(cluster["steps"]),
        "noop_steps": int(cluster["noop_steps"]),
        "noop_feasible_steps": int(cluster["noop_feasible_steps"]),
        "feasible_steps": int(cluster["feasible_steps"]),
        "invalid_steps": int(cluster["invalid_steps"]),
        "terminated": bool(cluster["terminated"]),
        "end_time": end_s,
        "horizon": float(cluster["horizon_s"]),
        "fluid_bound": fluid_bound(task.workload, num_gpus),
        **schedule_metrics(schedule, gpus, end_s, num_gpus),
    }
    return Episode(numbers, schedule, gpus)
