"""What a sweep prints: a line a trial with the numbers that matter, and a table at the end."""

from __future__ import annotations

import sys
import threading
import time
from datetime import datetime, timedelta

from optuna import Study

from sched_rl.tracking.redaction import redact
from sweeps.plan import SweepPlan
from sweeps.study import TrialInfo, best_trials, sweep_info, trial_infos
from sweeps.summary import print_summary, resume_command

_ENDED = ("COMPLETE", "PRUNED", "FAIL")


class SweepLines:
    """Prints to the stream that was there when it was made, so that a trial's redirected output stays apart."""

    def __init__(self, plan: SweepPlan, study: Study) -> None:
        self._plan = plan
        self._study = study
        self._out = sys.stdout
        self._lock = threading.Lock()
        self._seen = {trial.number for trial in trial_infos(study) if trial.state in _ENDED}
        self._waiting = -1
        self._started_s = time.monotonic()
        self._begun_with = self._done(trial_infos(study))

    def begin(self) -> None:
        """Which sweep, where, and how far it is."""
        plan = self._plan
        done = self._begun_with
        state = f"{done} of {plan.n_trials} trials finished, going on" if done else f"{plan.n_trials} trials"
        self.say(f"sweep {plan.name}: {state}; {plan.sweep.sampler}, pruner {plan.sweep.pruner}")
        self.say(f"  folder {plan.folder}")
        self.say(f"  storage {redact(plan.storage)}")

    def finished(self) -> None:
        """A line for every trial that has ended since the last call."""
        with self._lock:
            trials = trial_infos(self._study)
            fresh = [trial for trial in trials if trial.state in _ENDED and trial.number not in self._seen]
            for trial in fresh:
                self._seen.add(trial.number)
                self.say(self._line(trial, trials))

    def waiting(self, running: int) -> None:
        """Other workers have the rest."""
        if running != self._waiting:
            self._waiting = running
            self.say(f"waiting for {running} trials of other workers")

    def interrupted(self) -> None:
        """How to go on."""
        self.finished()
        self.say(f"sweep {self._plan.name} stopped; nothing is lost. To go on:\n  {self._command()}")

    def summary(self) -> None:
        """The table at the end, the best setting as a command."""
        self.finished()
        print_summary(self._study, self._out)

    def say(self, text: str) -> None:
        """A line, at once."""
        print(text, file=self._out, flush=True)

    def _line(self, trial: TrialInfo, trials: list[TrialInfo]) -> str:
        number = f"trial {trial.number:>3}"
        if trial.attrs.get("surplus"):
            return f"{number}  not needed, another worker was quicker"
        if trial.attrs.get("interrupted"):
            return f"{number}  stopped, to be continued"
        took = f"{trial.attrs.get('wall_s', 0.0):.1f} s"
        values = "  ".join(
            f"{name.removeprefix('eval_')} {value:.4f}"
            for name, value in zip(self._plan.sweep.objectives, trial.values, strict=False)
        )
        if trial.state == "FAIL":
            outcome = f"failed: {trial.attrs.get('error', 'its process died')}"
        elif trial.state == "PRUNED":
            outcome = f"{values}  pruned at {trial.attrs.get('pruned_at', 0.0):.0%}  {took}"
        else:
            outcome = f"{values}{'' if trial.is_feasible else '  infeasible'}  {took}"
        return "  ".join([number, outcome, *self._standing(trial, trials), " ".join(trial.overrides)])

    def _standing(self, trial: TrialInfo, trials: list[TrialInfo]) -> list[str]:
        words: list[str] = []
        if len(self._plan.sweep.objectives) == 1:
            best = best_trials(self._study)
            if best:
                words.append(
                    "the best" if best[0].number == trial.number else f"best {best[0].values[0]:.4f}"
                )
        done = self._done(trials)
        fresh, left = done - self._begun_with, self._plan.n_trials - done
        if fresh > 0 and left > 0:
            eta_s = left * (time.monotonic() - self._started_s) / fresh
            at = datetime.now() + timedelta(seconds=eta_s)
            words.append(f"{done}/{self._plan.n_trials}, done about {at:%H:%M:%S}")
        return words

    def _done(self, trials: list[TrialInfo]) -> int:
        return sum(trial.state in ("COMPLETE", "PRUNED") for trial in trials)

    def _command(self) -> str:
        return resume_command(sweep_info(self._study))
