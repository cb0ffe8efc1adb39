"""Instances whose best schedule is known: rectangles of GPUs and time, cut into jobs that fill them without a gap."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from sched_rl.errors import WorkloadError
from sched_rl.seeding import stream
from sched_rl.workloads.workload import Workload


@dataclass(frozen=True)
class Packing:
    """A workload with a schedule that no other can beat.

    Attributes:
        workload: the jobs, all there at time 0.
        num_gpus: GPUs of the cluster that they fill.
        makespan_s: when the last job completes; total work / GPUs, the least that any schedule can reach.
        actions: the schedule, as actions of `step=decision` with the whole queue in the window.
    """

    workload: Workload
    num_gpus: int
    makespan_s: float
    actions: tuple[int, ...]


@dataclass(frozen=True)
class _Piece:
    """Part of the rectangle: some GPUs (how many counts, not which) from start to end, whole seconds."""

    gpus: int
    start_s: int
    end_s: int

    @property
    def num_cuts(self) -> int:
        return (self.gpus - 1) + (self.end_s - self.start_s - 1)

    def cut(self, place: int) -> tuple[_Piece, _Piece]:
        """Two pieces; places count the cuts between GPUs first, then those between seconds."""
        if place < self.gpus - 1:
            parts = (place + 1, self.gpus - place - 1)
            return _Piece(parts[0], self.start_s, self.end_s), _Piece(parts[1], self.start_s, self.end_s)
        middle_s = self.start_s + place - (self.gpus - 1) + 1
        return _Piece(self.gpus, self.start_s, middle_s), _Piece(self.gpus, middle_s, self.end_s)


def perfect_packing(num_gpus: int, makespan_s: int, num_jobs: int, seed: int) -> Packing:
    """Cut a rectangle at random until it has as many pieces as jobs are wanted.

    Whatever the seed, the schedule given keeps every GPU busy until the makespan, so that no schedule completes the
    jobs earlier; with rewards for progress and for an early finish alone, none has a larger return.

    Args:
        num_gpus: width of the rectangle.
        makespan_s: its length in seconds.
        num_jobs: pieces, at most num_gpus * makespan_s.
        seed: of the cuts and of the order of the jobs.

    Raises:
        WorkloadError: when there are not as many pieces.
    """
    if not 1 <= num_jobs <= num_gpus * makespan_s:
        raise WorkloadError(
            f"num_jobs={num_jobs}: must be from 1 to num_gpus * makespan_s = {num_gpus * makespan_s}"
        )
    draws, pieces = stream(seed, "toy"), [_Piece(num_gpus, 0, makespan_s)]
    while len(pieces) < num_jobs:
        cuts = np.array([piece.num_cuts for piece in pieces])
        piece = pieces.pop(int(draws.choice(len(pieces), p=cuts / cuts.sum())))
        pieces += piece.cut(int(draws.integers(piece.num_cuts)))
    pieces = [pieces[i] for i in draws.permutation(num_jobs)]
    return Packing(_as_workload(pieces, seed), num_gpus, float(makespan_s), _actions(pieces))


def _as_workload(pieces: Sequence[_Piece], seed: int) -> Workload:
    duration_s = np.array([piece.end_s - piece.start_s for piece in pieces], np.float32)
    gpus = np.array([piece.gpus for piece in pieces], np.int32)
    total_work = float((duration_s * gpus).sum())
    return Workload(
        family="toy",
        seed=seed,
        duration_s=duration_s,
        demand=gpus[:, None],
        priority=np.ones(len(pieces), np.int32),
        submit_s=np.zeros(len(pieces), np.float32),
        due_s=np.full(len(pieces), np.inf),
        total_work=total_work,
        horizon_s=2.0 * max(piece.end_s for piece in pieces),
    )


def _actions(pieces: Sequence[_Piece]) -> tuple[int, ...]:
    """Starts in the order of time, each as the job's place in the queue at that moment."""
    queue, actions = _arrival_order(len(pieces)), []
    for job in sorted(queue, key=lambda job: pieces[job].start_s):
        actions.append(queue.index(job) + 1)
        queue.remove(job)
    return tuple(actions)


@dataclass(order=True)
class _Arrival:
    time_s: float
    job: int = field(compare=False)


def _arrival_order(num_jobs: int) -> list[int]:
    """The order in which the cluster's heap hands out arrivals of one instant: heapq's, not the jobs'."""
    heap: list[_Arrival] = []
    for job in range(num_jobs):
        heapq.heappush(heap, _Arrival(0.0, job))
    return [heapq.heappop(heap).job for _ in range(num_jobs)]
