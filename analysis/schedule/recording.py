"""One episode, recorded: the schedule, and every state in which the scheduler was asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sched_rl.config.compose import ConfigSources
from sched_rl.config.load import load_command
from sched_rl.config.schema import Encoding, EnvConfig, PpoConfig
from sched_rl.envs.batch import ClusterBatch
from sched_rl.envs.layout import ObservationLayout, observation_layout
from sched_rl.errors import ConfigError
from sched_rl.evaluation.blocks import Block
from sched_rl.evaluation.loading import scheduler_of
from sched_rl.evaluation.runner import Episode, run_blocks
from sched_rl.evaluation.schedule_metrics import waits_and_slowdowns
from sched_rl.schedulers.base import Scheduler, SimulatingScheduler
from sched_rl.workloads.source import WorkloadSource

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Decisions:
    """Every state of an episode and what was done in it.

    Attributes:
        time_s: [D] the clock.
        actions: [D] 0 for the no-op, else the window slot from 1.
        observations: float32 [D, layout.size].
        masks: bool [D, K + 1].
    """

    time_s: FloatArray
    actions: IntArray
    observations: npt.NDArray[np.float32]
    masks: npt.NDArray[np.bool_]

    @property
    def has_choice(self) -> npt.NDArray[np.bool_]:
        """[D] whether some job fitted, so that waiting was not forced."""
        return np.asarray(self.masks[:, 1:].any(axis=1), np.bool_)


@dataclass(frozen=True)
class Recording:
    """A scheduler on one workload.

    Attributes:
        name: of the scheduler.
        env: the workload's family.
        seed: of the workload.
        num_gpus: of the cluster.
        episode: numbers and schedule.
        decisions: of the scheduler.
        layout: of the observations.
        scheduler: itself, to be asked again.
    """

    name: str
    env: EnvConfig
    seed: int
    num_gpus: int
    episode: Episode
    decisions: Decisions
    layout: ObservationLayout
    scheduler: Scheduler

    @property
    def end_s(self) -> float:
        """The clock at the end of the episode."""
        return float(self.episode.numbers["end_time"])

    @property
    def wait_s(self) -> FloatArray:
        """[jobs] waiting times; that of a job that never started lasts until the end."""
        return waits_and_slowdowns(self.episode.schedule, self.end_s)[0]


def record_schedule(
    overrides: Sequence[str], seed: int | None = None, on: EnvConfig | None = None
) -> Recording:
    """Play one workload and record it.

    Args:
        overrides: as `python -m sched_rl.evaluate` takes them: agent=NAME or checkpoint=FOLDER, env=..., and keys.
        seed: of the workload; None: the first one of val.
        on: the cluster and family to play on instead of the overrides' own.

    Raises:
        ConfigError: a configuration that is wrong, or no scheduler.
        CheckpointError: a checkpoint that is missing or damaged.
    """
    command = load_command("evaluate", overrides, ConfigSources())
    config, checkpoint = command.config, command.options["checkpoint"]
    if on is not None:
        config = replace(config, env=on)
    if isinstance(config.agent, PpoConfig):
        import torch

        torch.set_num_threads(config.threads)
    path = None if checkpoint is None else Path(checkpoint)
    scheduler = scheduler_of(config, path)
    workload_seed = config.eval.first_seed if seed is None else seed
    family = WorkloadSource(config.cluster, config.families).family(workload_seed)
    recorder = _Recorder(scheduler)
    block = Block("one", config.cluster, (workload_seed,))
    (episode,) = run_blocks(recorder, [block], config.families)
    name = config.agent.name if path is None else f"{config.agent.name} ({path.resolve().name})"
    return Recording(
        name,
        family,
        workload_seed,
        config.cluster.num_gpus,
        episode,
        recorder.decisions(),
        observation_layout(config.cluster, scheduler.encoding),
        scheduler,
    )


def check_same_jobs(first: Recording, second: Recording) -> None:
    """Refuse to put two schedules of other jobs side by side.

    Raises:
        ConfigError: other jobs or another cluster.
    """
    columns = ("submit_s", "duration_s")
    jobs = first.episode.schedule, second.episode.schedule
    same = len(jobs[0]) == len(jobs[1]) and all(np.array_equal(jobs[0][c], jobs[1][c]) for c in columns)
    if not same or first.num_gpus != second.num_gpus:
        raise ConfigError(
            f"{first.name} and {second.name} met other jobs or clusters; give both the same env= and seed="
        )


class _Recorder:
    """A scheduler that notes what it is asked and what it answers."""

    def __init__(self, inner: Scheduler) -> None:
        self._inner = inner
        self.encoding: Encoding = inner.encoding
        self._batch: ClusterBatch | None = None
        self._rows: list[tuple[float, int, Any, Any]] = []

    def watch(self, batch: ClusterBatch) -> None:
        """See `SimulatingScheduler.watch`; the clock is read from the clusters."""
        self._batch = batch
        if isinstance(self._inner, SimulatingScheduler):
            self._inner.watch(batch)

    def begin(self, families: Sequence[EnvConfig], seeds: Sequence[int]) -> None:
        """See `Scheduler.begin`."""
        self._inner.begin(families, seeds)

    def actions(
        self,
        observation: npt.NDArray[np.float32],
        action_mask: npt.NDArray[np.bool_],
        active: npt.NDArray[np.bool_],
    ) -> IntArray:
        """See `Scheduler.actions`."""
        chosen = self._inner.actions(observation, action_mask, active)
        batch = self._batch
        if batch is not None:
            now_s = float(batch.state.clusters[0]["now_s"])
            self._rows.append((now_s, int(chosen[0]), observation[0].copy(), action_mask[0].copy()))
        return chosen

    def decisions(self) -> Decisions:
        """What was noted."""
        time_s, actions, observations, masks = zip(*self._rows, strict=True)
        return Decisions(
            np.array(time_s), np.array(actions, np.int64), np.stack(observations), np.stack(masks)
        )
