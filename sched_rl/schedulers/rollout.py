"""One step of policy improvement by simulation: try every legal action, follow a heuristic after it, take the best.

Source: rollout, Bertsekas, Tsitsiklis and Wu (Journal of Heuristics 3, 1997). With the future known and the simulation
run to the end, no episode earns less than the heuristic would: what an action is worth is at least what the heuristic
earns from here, and that was at least what it earned from the step before.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from sched_rl.config.schema import Encoding, EnvConfig, RolloutConfig
from sched_rl.envs.batch import ClusterBatch
from sched_rl.errors import SimulationError
from sched_rl.kernels import num_processors
from sched_rl.schedulers.ranking import ranking_of
from sched_rl.schedulers.simulation import (
    add_returns,
    best_action,
    choose_by_playing,
    choose_by_rank,
    rows_of_bytes,
)
from sched_rl.seeding import stream
from sched_rl.simulator.arriving import replace_arriving
from sched_rl.simulator.state import allocate, rules_of
from sched_rl.workloads.future import FutureSampler


class Rollout:
    """Simulates; so it needs the clusters themselves, which `watch` hands over, and not their observations alone.

    With `future="oracle"` it simulates the arrivals that will really come: a ceiling for schedulers that forecast.
    With `future="known"` it simulates only once every job of the episode has arrived, when nothing is left to
    foresee, and does as the heuristic does before.
    With `future="model"` it never looks at them: it draws futures from the workload family given what has arrived, the
    same ones for every action, and averages. Its draws belong to the episode's seed, whatever episodes run beside it.
    """

    encoding: Encoding = "playbook"

    def __init__(self, config: RolloutConfig) -> None:
        """Take the heuristic to follow and the futures to follow it in."""
        self._ranking = tuple(ranking_of(config.base_agent))
        self._resamples, self._only_known = config.future == "model", config.future == "known"
        self._num_futures = config.num_futures if self._resamples else 1
        self._horizon_s = np.inf if config.horizon_s is None else config.horizon_s
        self._helper = ThreadPoolExecutor(1, "second half") if num_processors() > 1 else None
        self._batch: ClusterBatch | None = None
        self._samplers: list[FutureSampler] = []

    def watch(self, batch: ClusterBatch) -> None:
        """Schedule for these clusters from the next `begin` on; row i of `actions` is cluster i."""
        num_jobs = batch.state.jobs.shape[1]
        self._batch = batch
        self._futures = allocate(self._num_futures, num_jobs, batch.capacity, track_gpus=False)
        scratches = (allocate(1, num_jobs, batch.capacity, track_gpus=False) for _ in range(2))
        self._scratches = [(tuple(scratch), rows_of_bytes(scratch)) for scratch in scratches]
        self._future_bytes, self._cluster_bytes = rows_of_bytes(self._futures), rows_of_bytes(batch.state)

    def begin(self, families: Sequence[EnvConfig], seeds: Sequence[int]) -> None:
        """See `Scheduler.begin`."""
        self._rules = tuple(rules_of(families[0], track_gpus=False))  # the families of a batch share them
        if self._resamples:
            self._samplers = [
                FutureSampler(family, stream(seed, "rollout"))
                for family, seed in zip(families, seeds, strict=True)
            ]

    def actions(
        self, observation: NDArray[np.float32], action_mask: NDArray[np.bool_], active: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        """See `Scheduler.actions`."""
        batch, chosen = self._watched(), np.zeros(len(action_mask), np.int64)
        choices = active & action_mask[:, 1:].any(axis=1)
        if self._resamples:
            for row in np.flatnonzero(choices).tolist():
                chosen[row] = best_action(*self.action_returns(row))
            return chosen
        if self._only_known:
            is_known = batch.state.clusters["num_arriving"] == 0
            choose_by_rank(
                tuple(batch.state),
                np.flatnonzero(choices & ~is_known),
                self._rules,
                self._ranking,
                int(batch.capacity[0]),
                action_mask,
                chosen,
            )
            choices &= is_known
        self._play(batch, np.flatnonzero(choices), action_mask, chosen)
        return chosen

    def _play(
        self,
        batch: ClusterBatch,
        rows: NDArray[np.int64],
        action_mask: NDArray[np.bool_],
        chosen: NDArray[np.int64],
    ) -> None:
        """Half of the rows beside the other half, where there are two processors; no row knows of another."""
        halves = (rows,) if self._helper is None else (rows[::2].copy(), rows[1::2].copy())
        jobs = [
            (
                self._cluster_bytes,
                half,
                scratch,
                self._rules,
                self._ranking,
                self._horizon_s,
                batch.capacity,
                action_mask,
                chosen,
            )
            for half, scratch in zip(halves, self._scratches, strict=False)
        ]
        beside = None
        if self._helper is not None and len(jobs[1][1]):
            beside = self._helper.submit(choose_by_playing, *jobs[1])
        choose_by_playing(*jobs[0])
        if beside is not None:
            beside.result()

    def action_returns(self, row: int) -> tuple[NDArray[np.float64], int]:
        """What every action of a cluster's present state leads to: the targets of a teacher.

        Args:
            row: which cluster.

        Returns:
            float64 (K + 1,), the mean return from here on over the futures, -inf where the action is illegal; and the
            action that the heuristic takes by itself.

        Raises:
            SimulationError: before `watch`.
        """
        batch = self._watched()
        num_futures = self._imagine(batch, row)
        mask = batch.action_mask[row]
        returns = np.where(mask, 0.0, -np.inf)
        own = add_returns(
            self._future_bytes,
            0,
            num_futures,
            self._scratches[0],
            self._rules,
            self._ranking,
            self._horizon_s,
            batch.capacity,
            mask,
            returns,
        )
        return returns / num_futures, own

    def _watched(self) -> ClusterBatch:
        if self._batch is None:
            raise SimulationError(
                "a rollout simulates the cluster that it schedules: call watch(batch) first"
            )
        return self._batch

    def _imagine(self, batch: ClusterBatch, row: int) -> int:
        """Put the present, each time with a future of its own, on the clusters to come; returns how many differ."""
        cluster = batch.state.clusters[row]
        is_drawn = self._resamples and cluster["num_arriving"] > 0
        num_futures = self._num_futures if is_drawn else 1
        for name, array in self._futures._asdict().items():
            if name != "gpu_job":
                array[:num_futures] = getattr(batch.state, name)[row]
        if is_drawn:
            to_come = batch.state.queue[row, cluster["queue_tail"] :]
            jobs = np.delete(batch.state.jobs[row], to_come)
            sampler = self._samplers[row]
            for future in range(num_futures):
                arriving = sampler.sample(jobs["submit_s"], jobs["work"], float(cluster["now_s"]))
                replace_arriving(self._futures, future, arriving, sampler.env, batch.capacity)
        return num_futures
