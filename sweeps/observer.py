"""The observer of a trial: reports at milestones, asks whether to go on, and answers with a stop."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError

from sched_rl.observers import Observation, Reaction, Stop
from sweeps.pruners import MILESTONES, passed, reports

if TYPE_CHECKING:
    from optuna import Trial

#: Kinds of stop.
PRUNED = "pruned"
SUPERSEDED = "superseded"


class TrialObserver:
    """Watches the training of one trial; see `sched_rl.observers.TrainingObserver`."""

    name = "trial"

    def __init__(self, trial: Trial, pruner: str, total_steps: int, tags: Mapping[str, str]) -> None:
        """Watch a trial.

        Args:
            trial: to report to, running.
            pruner: `sweep.pruner`.
            total_steps: environment steps of the whole training.
            tags: of the tracked run.
        """
        self._trial = trial
        self._pruner = pruner
        self._total_steps = total_steps
        self._tags = dict(tags)
        self._blocks: list[float] = []  # of the best checkpoint so far
        self._frac = 0.0  # of the training, at the last evaluation
        self._reported: list[tuple[int, float]] = []
        self._unsent: list[tuple[int, float]] = []
        self._earlier_s = 0.0
        self._started_s = time.perf_counter()

    @property
    def wall_s(self) -> float:
        """Seconds of training, those before a resume included."""
        return self._earlier_s + time.perf_counter() - self._started_s

    @property
    def frac(self) -> float:
        """Share of the training that was done at the last evaluation."""
        return self._frac

    def observe(self, observation: Observation) -> Reaction | None:
        """Report an evaluation; stop where the pruner says so or another attempt has taken over."""
        tags, self._tags = self._tags, {}
        if observation.evaluation is None:
            return Reaction(tags=tags) if tags else None
        now = observation.steps / self._total_steps
        milestones = list(passed(self._frac, now))
        self._frac = now
        # Milestones between two evaluations get what was known when they were passed.
        for milestone in milestones[:-1]:
            self._unsent += reports(self._pruner, milestone, self._blocks)
        if observation.is_best or not self._blocks:
            self._blocks = list(observation.evaluation.block_returns)
        for milestone in milestones[-1:]:
            self._unsent += reports(self._pruner, milestone, self._blocks)
        try:
            return Reaction(
                tags=tags, stop=self._ask(is_last=bool(milestones) and milestones[-1] == MILESTONES)
            )
        except UpdateFinishedTrialError:
            reason = f"trial {self._trial.number} was given up for dead, and another attempt has taken over"
            return Reaction(stop=Stop(SUPERSEDED, reason, with_summary=False))
        except StorageInternalError as error:
            # The training is worth more than its report; the next evaluation sends both.
            return Reaction(tags=tags, notes=(f"the sweep's storage did not answer: {error}",))

    def state(self) -> dict[str, Any]:
        """What a resumed trial reports again, under its own number."""
        return {
            "blocks": self._blocks,
            "frac": self._frac,
            "reports": [[step, value] for step, value in (*self._reported, *self._unsent)],
            "wall_s": self.wall_s,
        }

    def load_state(self, saved: dict[str, Any]) -> None:
        """Continue where `state` was taken."""
        self._blocks = [float(value) for value in saved["blocks"]]
        self._frac = float(saved["frac"])
        self._reported = []
        self._unsent = [(int(step), float(value)) for step, value in saved["reports"]]
        self._earlier_s = float(saved["wall_s"])
        self._started_s = time.perf_counter()

    def _ask(self, *, is_last: bool) -> Stop | None:
        if self._pruner == "none":
            self._unsent = []
            return None
        fresh = bool(self._unsent)
        while self._unsent:
            step, value = self._unsent[0]
            self._trial.report(value, step)
            self._reported.append(self._unsent.pop(0))
        if not fresh or is_last or not self._trial.should_prune():
            return None
        reason = f"behind the other trials of {self._trial.study.study_name} after {self._frac:.0%} of the training"
        return Stop(PRUNED, reason, with_summary=False)
