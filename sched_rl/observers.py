"""The seam beside the training loop: who watches a run, and what a watcher may ask of it.

An observer sees every recorded update and answers with data alone: lines for the person, events and tags for
the record, and at most one action. The trainer carries them out, so observers stay free of files, terminals
and signals. Sweeps (report a trial, prune it), live diagnosis and guards are observers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from sched_rl.evaluation.summary import Evaluation


@dataclass(frozen=True)
class Observation:
    """An update whose row is in metrics.csv.

    Attributes:
        update: of the run; 0 is the untrained policy.
        steps: environment steps so far.
        row: of metrics.csv, by column.
        evaluation: of the val blocks, at updates that were evaluated.
        is_best: whether that evaluation is the best so far.
    """

    update: int
    steps: int
    row: Mapping[str, Any]
    evaluation: Evaluation | None
    is_best: bool


@dataclass(frozen=True)
class Stop:
    """End the training here, in good order.

    Attributes:
        kind: of the event that records it, such as `pruned` or `guard`.
        reason: for people, a clause.
        with_summary: judge the best checkpoint and print the tables, as at the end of a whole run.
    """

    kind: str
    reason: str
    with_summary: bool


@dataclass(frozen=True)
class ReturnToBest:
    """Go on from the best checkpoint, with a smaller learning rate.

    Attributes:
        lr_factor: the learning rate from now on, on top of what schedule and earlier returns make of it.
        reason: for people, a clause.
    """

    lr_factor: float
    reason: str


@dataclass(frozen=True)
class Reaction:
    """What an observer answers.

    Attributes:
        notes: lines shown beside the progress.
        events: for events.jsonl; each has a `kind`.
        tags: of the tracked run.
        stop: ends the training.
        back: throws away what was learned since the best checkpoint; nothing after the last update.
    """

    notes: tuple[str, ...] = ()
    events: tuple[Mapping[str, Any], ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    stop: Stop | None = None
    back: ReturnToBest | None = None


class TrainingObserver(Protocol):
    """Watches a training.

    Attributes:
        name: under which checkpoints keep its state; one that a checkpoint does not know starts afresh.
    """

    name: str

    def observe(self, observation: Observation) -> Reaction | None:
        """Look at an update; None: nothing to say."""

    def state(self) -> dict[str, Any]:
        """What a resumed run must know of the updates before it: tensors, numbers and plain containers."""

    def load_state(self, saved: dict[str, Any]) -> None:
        """Continue where `state` was taken."""
