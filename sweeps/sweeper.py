"""The sweep itself: ask Optuna for trials, hand them to a Hydra launcher, until n_trials have finished.

Trials end themselves in their jobs (`sweeps.trial`), so this loop only reads the study: what a lost worker, a killed
batch or another worker of the same sweep did is in there. Any number of identical commands may share one storage.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING, Any

import optuna
from hydra.types import HydraContext
from omegaconf import DictConfig
from optuna.trial import Trial, TrialState

from sched_rl.errors import SchedRLError
from sched_rl.interrupts import EXIT_CODES
from sched_rl.sweep_job import SweepEnd, SweepJob
from sweeps.identity import begin_or_resume
from sweeps.launch import make_launcher
from sweeps.lines import SweepLines
from sweeps.plan import SweepPlan, make_plan
from sweeps.pruners import make_pruner
from sweeps.samplers import make_sampler
from sweeps.space import Dimension
from sweeps.storage import beat, claim, enqueue_again, fail, fail_dead_trials, finish, note
from sweeps.study import SweepError
from sweeps.tracker import SweepTracker

if TYPE_CHECKING:
    from hydra.plugins.launcher import Launcher
    from optuna import Study

#: How often to look for the trials of other workers; seconds.
_POLL_S = 2.0

_FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


def run_sweep(arguments: Sequence[str], job: SweepJob, config: DictConfig, context: HydraContext) -> SweepEnd:
    """Begin the sweep of a command line, or go on with it, to its end.

    Args:
        arguments: what was typed, Hydra's own overrides left out.
        job: how a trial runs.
        config: composed by Hydra, with its own node.
        context: composes jobs.

    Raises:
        SchedRLError: what a user can mend, in one line.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    plan = make_plan(arguments, job)
    study = begin_or_resume(plan)
    study.pruner = make_pruner(plan.sweep, plan.config.eval.num_blocks)
    study.sampler = make_sampler(plan.sweep, plan.space, study)
    with _signals_end_the_process():
        launcher = make_launcher(plan, job, config, context)
        tracker = SweepTracker(study, plan.config.tracking)
        return _Sweep(plan, study, launcher, SweepLines(plan, study), tracker).run()


@dataclass
class _Sweep:
    plan: SweepPlan
    study: Study
    launcher: Launcher
    lines: SweepLines
    tracker: SweepTracker

    def run(self) -> SweepEnd:
        """Trials until enough are finished; the summary."""
        self.lines.begin()
        self.tracker.begin()
        try:
            while self._missing() > 0:
                batch = self._ask()
                if batch:
                    self._launch(batch)
                    self._stop_at_failures()
                else:
                    self._wait()
        except SystemExit as interrupted:
            self.lines.interrupted()
            self.tracker.end("KILLED")
            return SweepEnd(int(interrupted.code or 0))
        except SchedRLError:
            self.tracker.end("FAILED")
            raise
        self.tracker.end("FINISHED")
        self.lines.summary()
        return SweepEnd(0)

    def _missing(self) -> int:
        plan = self.plan
        if self._trials(TrialState.RUNNING):  # none of ours: this is between two batches
            fail_dead_trials(plan.storage, plan.name, plan.sweep.heartbeat_s, plan.sweep.max_retries)
        self.lines.finished()
        self.tracker.update()
        return plan.n_trials - len(self._trials(*_FINISHED))

    def _trials(self, *states: TrialState) -> list[optuna.trial.FrozenTrial]:
        return self.study.get_trials(deepcopy=False, states=states)

    def _ask(self) -> list[_Asked]:
        """As many trials as are missing and nobody trains, at most `n_jobs`."""
        batch: list[_Asked] = []
        try:
            while len(batch) < self.plan.sweep.n_jobs:
                if len(self._trials(*_FINISHED, TrialState.RUNNING)) >= self.plan.n_trials:
                    break
                asked = self._ask_one()
                if asked is None:
                    break
                batch.append(asked)
        except BaseException:
            self._give_back(batch)
            raise
        return batch

    def _ask_one(self) -> _Asked | None:
        """A trial of ours, or None when other workers have begun all that are missing."""
        trial = self.study.ask()
        try:
            beat(self.study, trial.number)
            claim(self.study, trial.number)
            if self._is_surplus(trial.number):
                note(self.study, trial.number, {"surplus": True})
                finish(self.study, trial.number, TrialState.FAIL)
                return None
            chosen = self.plan.space.suggest(lambda dimension: _suggest(trial, dimension))
            overrides = self.plan.space.overrides(chosen)
            note(self.study, trial.number, {"overrides": overrides})
        except BaseException as error:
            fail(self.study, trial.number, f"not begun: {type(error).__name__} {error}".strip())
            raise
        return _Asked(trial.number, overrides)

    def _is_surplus(self, number: int) -> bool:
        """Of workers that ask at once, those with the lowest numbers stay: everybody counts alike."""
        before = [trial for trial in self._trials(*_FINISHED, TrialState.RUNNING) if trial.number < number]
        return len(before) >= self.plan.n_trials

    def _launch(self, batch: Sequence[_Asked]) -> None:
        jobs = [[*self.plan.fixed, *asked.overrides, *self._reference(asked.number)] for asked in batch]
        try:
            with self._alive(batch):
                results = self.launcher.launch(jobs, initial_job_idx=batch[0].number)
        except SystemExit:
            self._give_back(self._not_begun(batch))
            raise
        except Exception as error:
            # Engines have errors of their own: a killed worker, a lost batch job. The others' results are stored.
            self._lost(batch, f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")
            return
        for asked, result in zip(batch, results, strict=True):
            fail(self.study, asked.number, _reason(result))
        self.lines.finished()

    def _lost(self, batch: Sequence[_Asked], reason: str) -> None:
        """A launcher gave up. What it began is found dead or goes on; what it never began waits."""
        waiting = self._not_begun(batch)
        self._give_back(waiting)
        self.lines.finished()
        if len(waiting) == len(batch):
            raise SweepError(f"sweep {self.plan.name}: the launcher could not start a trial: {reason}")
        self.lines.say(f"the launcher gave up a batch: {reason}")

    def _not_begun(self, batch: Sequence[_Asked]) -> list[_Asked]:
        begun = {
            trial.number for trial in self.study.get_trials(deepcopy=False) if "folder" in trial.user_attrs
        }
        return [asked for asked in batch if asked.number not in begun]

    def _reference(self, number: int) -> list[str]:
        """What tells a job which trial it is."""
        quoted = self.plan.storage.replace("\\", "\\\\").replace('"', '\\"')
        return [
            f'trial.storage="{quoted}"',
            f"trial.study={self.plan.name}",
            f"trial.number={number}",
        ]

    @contextlib.contextmanager
    def _alive(self, batch: Sequence[_Asked]) -> Iterator[None]:
        """Signs of life for trials that wait in a launcher's queue; lines for those that end meanwhile."""
        done = threading.Event()

        def live() -> None:
            while not done.wait(self.plan.sweep.heartbeat_s):
                running = {trial.number for trial in self._trials(TrialState.RUNNING)}
                for asked in batch:
                    if asked.number in running:
                        with contextlib.suppress(Exception):  # a busy storage: the next beat will do
                            beat(self.study, asked.number)
                with contextlib.suppress(Exception):
                    self.lines.finished()

        thread = threading.Thread(target=live, name="heartbeat of the batch", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _give_back(self, batch: Sequence[_Asked]) -> None:
        """Trials that were asked for and never handed to the launcher wait for the next command."""
        for asked in batch:
            if note(self.study, asked.number, {"interrupted": True}):
                frozen = self.study.get_trials(deepcopy=False)[asked.number]
                if finish(self.study, asked.number, TrialState.FAIL):
                    enqueue_again(self.study, frozen, retries=frozen.user_attrs.get("retries", 0))

    def _wait(self) -> None:
        """Other workers train what is missing; should one die, its trial is ours."""
        self.lines.waiting(len(self._trials(TrialState.RUNNING)))
        time.sleep(_POLL_S)

    def _stop_at_failures(self) -> None:
        limit = self.plan.sweep.max_failures
        ended = [trial for trial in self._trials(*_FINISHED, TrialState.FAIL) if _counts(trial)]
        ended.sort(key=lambda trial: trial.datetime_complete or trial.datetime_start or 0)
        last = ended[-limit:]
        if len(last) == limit and all(trial.state == TrialState.FAIL for trial in last):
            error = last[-1].user_attrs.get("error", "its process died")
            raise SweepError(
                f"sweep {self.plan.name}: the last {limit} trials failed, the last one because: {error} (see "
                f"{self.plan.folder}); mend it and type the same command again, or allow more with sweep.max_failures"
            )


@dataclass(frozen=True)
class _Asked:
    """A trial that is to be launched."""

    number: int
    overrides: list[str]


def _reason(result: Any) -> str:
    """Why a job left its trial open; a trial that has ended hears nothing of it."""
    try:
        result.return_value  # noqa: B018  Hydra raises the job's exception here
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "its job ended without a word"


def _counts(trial: optuna.trial.FrozenTrial) -> bool:
    attrs = trial.user_attrs
    return not (attrs.get("surplus") or attrs.get("interrupted"))


def _suggest(trial: Trial, dimension: Dimension) -> Any:
    if dimension.choices:
        return trial.suggest_categorical(dimension.key, dimension.choices)
    step = dimension.step
    if dimension.is_int:
        low, high = int(dimension.low), int(dimension.high)
        return trial.suggest_int(dimension.key, low, high, step=int(step or 1), log=dimension.is_log)
    return trial.suggest_float(dimension.key, dimension.low, dimension.high, step=step, log=dimension.is_log)


@contextlib.contextmanager
def _signals_end_the_process() -> Iterator[None]:
    """Outside of a training, which takes them itself, signals unwind the stack like Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(number: int, frame: FrameType | None) -> None:
        sys.exit(EXIT_CODES[signal.Signals(number).name])

    previous = {
        number: signal.signal(number, leave) for number in map(signal.Signals.__getitem__, EXIT_CODES)
    }
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
