"""From the records of a trace to the jobs that a cluster serves: which rule drops or repairs what, and how often.

Two sets of rules: `textbook`, for schedulers by the book, and `game`, those of the committed-job game (RLScheduler,
SC'20), whose published figures rest on them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sched_rl.errors import WorkloadError
from sched_rl.workloads.swf import SwfTrace

TraceRules = Literal["textbook", "game"]
#: What the game takes a negative run time for, in seconds.
_GAME_UNKNOWN_RUN_S = 10.0


@dataclass(frozen=True)
class TraceJobs:
    """Jobs ready to be scheduled, and the machine; by submit time (textbook) or by job id (game).

    Attributes:
        job_id: int64 (n,), the trace's.
        submit_s: float64 (n,), on the trace's clock.
        run_s: float64 (n,), true run times.
        requested_s: float64 (n,), what the scheduler may count on.
        nodes: int64 (n,), whole nodes that a job takes.
        procs: int64 (n,), processors that it asked for.
        user: int64 (n,), -1 where unknown.
        num_nodes: of the machine.
        procs_per_node: processors of a node.
        notes: how many jobs were dropped or repaired, by reason.
        priority: int64 (n,), larger is more important; 1 where the trace has none.
        others: int64 (n, R - 1), what a job takes of further resources.
        other_capacity: (R - 1,), how much of them the machine has.
    """

    job_id: NDArray[np.int64]
    submit_s: NDArray[np.float64]
    run_s: NDArray[np.float64]
    requested_s: NDArray[np.float64]
    nodes: NDArray[np.int64]
    procs: NDArray[np.int64]
    user: NDArray[np.int64]
    num_nodes: int
    procs_per_node: float
    notes: Mapping[str, int]
    priority: NDArray[np.int64]
    others: NDArray[np.int64]
    other_capacity: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.job_id)

    @property
    def demand(self) -> NDArray[np.int64]:
        """int64 (n, R): nodes, then the further resources."""
        return np.concatenate((self.nodes[:, None], self.others), axis=1)

    @property
    def capacity(self) -> NDArray[np.int64]:
        """int64 (R,): of the machine."""
        return np.array((self.num_nodes, *self.other_capacity), np.int64)

    def sequence(self, start: int, count: int) -> TraceJobs:
        """`count` jobs from index `start`.

        Raises:
            WorkloadError: when the trace does not reach that far.
        """
        if start < 0 or count < 1 or start + count > len(self):
            raise WorkloadError(
                f"env.trace.starts={start} with env.trace.count={count}: the trace has {len(self)} usable jobs; "
                f"a start may be 0 to {len(self) - count}"
            )
        rows = slice(start, start + count)
        per_job = (
            "job_id",
            "submit_s",
            "run_s",
            "requested_s",
            "nodes",
            "procs",
            "user",
            "priority",
            "others",
        )
        part: dict[str, Any] = {name: getattr(self, name)[rows] for name in per_job}
        return dataclasses.replace(self, **part)

    def report(self) -> str:
        """What was dropped and repaired, in one line; empty where nothing was."""
        return "; ".join(f"{reason}: {count:,}" for reason, count in self.notes.items())


def jobs_of(trace: SwfTrace, rules: TraceRules = "textbook", *, kill_overruns: bool = False) -> TraceJobs:
    """The jobs of a trace under a set of rules.

    textbook: jobs without a positive run time or processor count are dropped, and those wider than the machine; jobs
    go by submit time. game: a negative run time is 10 s, a run time of 0 is dropped, a job wider than the machine is
    an error, jobs go by id. Both: an unknown requested time is the run time, processors are the larger of allocated
    and requested ones, and a job takes whole nodes.

    Args:
        trace: as read.
        rules: which set.
        kill_overruns: a job that runs longer than requested is killed then; otherwise it runs on.

    Raises:
        WorkloadError: no machine size in the header, no usable job, or (game) a job wider than the machine.
    """
    num_nodes, procs_per_node = _machine(trace)
    notes: dict[str, int] = dict(trace.repairs)
    run_s = trace.column("run_s").copy()
    procs = np.maximum(trace.column("allocated_procs"), trace.column("requested_procs"))
    if rules == "game":
        _note(notes, "negative run time, taken for 10 s", run_s < 0)
        run_s[run_s < 0] = _GAME_UNKNOWN_RUN_S
    nodes = np.ceil(procs / procs_per_node)
    unusable = {
        "dropped, run time 0": run_s == 0,
        "dropped, run time unknown": run_s < 0,
        "dropped, no processors": procs <= 0,
    }
    wide = nodes > num_nodes
    if rules == "game" and wide.any():
        first = int(np.flatnonzero(wide)[0])
        raise WorkloadError(
            f"{trace.path}: job {int(trace.column('job_id')[first])} asks for {int(procs[first])} processors, the "
            f"machine has {num_nodes * procs_per_node:.0f}; env.keys=textbook drops such jobs"
        )
    unusable["dropped, wider than the machine"] = wide
    dropped = np.zeros(len(trace), np.bool_)
    for reason, members in unusable.items():
        _note(notes, reason, members & ~dropped)
        dropped |= members
    kept = np.flatnonzero(~dropped)
    if not len(kept):
        raise WorkloadError(
            f"{trace.path}: no usable job ({'; '.join(f'{k}: {v}' for k, v in notes.items())})"
        )
    order = kept[_order(trace, kept, rules, notes)]
    requested_s = np.where(trace.column("requested_s") < 0, run_s, trace.column("requested_s"))[order]
    run_s = run_s[order]
    over = run_s > requested_s
    _note(notes, "runs longer than requested" + (", killed then" if kill_overruns else ""), over)
    if kill_overruns:
        run_s = np.minimum(run_s, requested_s)
    return TraceJobs(
        trace.column("job_id")[order].astype(np.int64),
        trace.column("submit_s")[order].copy(),
        run_s,
        requested_s,
        nodes[order].astype(np.int64),
        procs[order].astype(np.int64),
        trace.column("user")[order].astype(np.int64),
        num_nodes,
        procs_per_node,
        notes,
        priority=np.ones(len(order), np.int64),
        others=np.zeros((len(order), 0), np.int64),
    )


def _order(
    trace: SwfTrace, kept: NDArray[np.int64], rules: TraceRules, notes: dict[str, int]
) -> NDArray[np.int64]:
    job_id, submit_s = trace.column("job_id")[kept], trace.column("submit_s")[kept]
    if rules == "game":
        return np.argsort(job_id, kind="stable")
    _note(notes, "out of submit order, sorted", np.diff(submit_s) < 0)
    return np.lexsort((job_id, submit_s))


def _machine(trace: SwfTrace) -> tuple[int, float]:
    """Nodes, and processors of a node; a header with one of the two numbers means nodes of one processor."""
    nodes, procs = trace.number("MaxNodes"), trace.number("MaxProcs")
    if nodes is None and procs is None:
        raise WorkloadError(
            f"{trace.path}: neither MaxNodes nor MaxProcs in the header; add `; MaxProcs: NUMBER`"
        )
    nodes = nodes or procs or 0
    return nodes, (procs or nodes) / nodes


def _note(notes: dict[str, int], reason: str, members: NDArray[np.bool_]) -> None:
    if count := int(np.count_nonzero(members)):
        notes[reason] = notes.get(reason, 0) + count
