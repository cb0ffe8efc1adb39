"""The textbook's schedulers on clusters of the playbook's kind, whose state they read: observations lack the clock.

They order the jobs of the window by a priority and serve them strictly, greedily, or with EASY or conservative
backfilling; durations are known, so estimates are perfect. Where steps are decisions (`env.step=decision`) that is the
book's schedule; where every start lets the next event happen (`env.step=event`), it is followed one start at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sched_rl.config.schema import Encoding, EnvConfig, PriorityRuleConfig
from sched_rl.envs.batch import ClusterBatch
from sched_rl.errors import SimulationError
from sched_rl.simulator.plans import reservation, starts_now
from sched_rl.simulator.state import DURATION_S, QUEUE_FEATURES, SUBMIT_S
from sched_rl.simulator.textbook import Priority, priorities_at

#: The textbook's name of a priority, whichever of its names a config uses.
TEXTBOOK_NAMES: Final[dict[str, Priority]] = {
    "fifo": "fcfs", "fcfs": "fcfs", "sjf": "sjf", "least_work": "saf", "saf": "saf", "f1": "f1", "wfp3": "wfp3",
    "unicep": "unicep",
}  # fmt: skip
_NOOP = 0


class _Waiting(NamedTuple):
    """The jobs of a window in the order of arrival."""

    submit_s: NDArray[np.float64]
    requested_s: NDArray[np.float64]
    demand: NDArray[np.int64]
    importance: NDArray[np.float64]


class TextbookScheduler:
    """A priority in a mode. It knows the clusters themselves, which `watch` hands over."""

    encoding: Encoding = "playbook"

    def __init__(self, config: PriorityRuleConfig) -> None:
        """Take the order and the mode that the config names."""
        self.config = config
        self._mode = config.mode or "greedy"
        self._batch: ClusterBatch | None = None

    def watch(self, batch: ClusterBatch) -> None:
        """Schedule for these clusters; row i of `actions` is cluster i."""
        self._batch = batch

    def begin(self, families: Sequence[EnvConfig], seeds: Sequence[int]) -> None:
        """Nothing to prepare: an order has no memory."""

    def actions(
        self, observation: NDArray[np.float32], action_mask: NDArray[np.bool_], active: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        """See `Scheduler.actions`."""
        chosen = np.zeros(len(action_mask), np.int64)
        for row in np.flatnonzero(active & action_mask[:, 1:].any(axis=1)).tolist():
            chosen[row] = self._choose(row, action_mask[row, 1:])
        return chosen

    def _choose(self, row: int, fits: NDArray[np.bool_]) -> int:
        state = self._watched().state
        cluster = state.clusters[row]
        window = slice(cluster["queue_head"], min(cluster["queue_tail"], cluster["queue_head"] + len(fits)))
        features = state.queue_features[row].reshape(-1, QUEUE_FEATURES)[window].astype(np.float64)
        waiting = _Waiting(
            submit_s=features[:, SUBMIT_S],
            requested_s=features[:, DURATION_S],
            demand=state.queue_demand[row][:, window].T.astype(np.int64),
            importance=state.jobs[row]["priority"][state.queue[row, window]].astype(np.float64),
        )
        order = np.argsort(self._keys(waiting, float(cluster["now_s"])), kind="stable")  # ties by arrival
        if self._mode == "greedy":
            return int(order[fits[order]][0]) + 1
        if self._mode != "conservative" and fits[order[0]]:
            return int(order[0]) + 1
        if self._mode == "strict":
            return _NOOP
        allowed = order[self._may_start(row, waiting, order) & fits[order]]
        return int(allowed[0]) + 1 if allowed.size else _NOOP

    def _keys(self, waiting: _Waiting, now_s: float) -> NDArray[np.float64]:
        """What the window's jobs are ordered by, the smallest first."""
        priority = self.config.priority
        if priority == "priority":
            return -waiting.importance
        if priority == "longest":
            return -waiting.requested_s
        gpus = waiting.demand[:, 0]
        if priority == "narrowest":
            return gpus.astype(np.float64)
        return priorities_at(now_s, waiting.submit_s, waiting.requested_s, gpus, TEXTBOOK_NAMES[priority])

    def _may_start(self, row: int, waiting: _Waiting, order: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which jobs, in their order, a plan lets start, or the reservation of the head, which does not fit."""
        batch = self._watched()
        running = batch.state.running[row][: batch.state.clusters[row]["num_running"]]  # by completion
        ends_s, now_s = running["end_s"].copy(), float(batch.state.clusters[row]["now_s"])
        held = batch.state.demand[row][running["job"]].astype(np.int64)
        idle = batch.state.idle[row].astype(np.int64)
        requested_s, demand = waiting.requested_s[order], waiting.demand[order]
        if self._mode == "conservative":
            return starts_now(idle, ends_s, held, requested_s, demand, now_s)
        shadow_s, extra = reservation(idle, ends_s, held, demand[0], now_s)
        return np.asarray((now_s + requested_s <= shadow_s) | (demand <= extra).all(axis=1))

    def _watched(self) -> ClusterBatch:
        if self._batch is None:
            raise SimulationError(
                f"agent={self.config.name}: reads the clusters that it schedules, which one observation does not "
                "hold: call watch(batch) first"
            )
        return self._batch
