"""Diagnosing the finished runs, whole and evaluation by evaluation, and keeping what came out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from analysis.diagnosis_bench.labels import Label, label_of
from analysis.diagnosis_bench.onset import visible_at
from analysis.diagnosis_bench.plan import HEALTHY, PlannedRun
from analysis.diagnosis_bench.training import is_finished
from sched_rl.config.record import CONFIG_FILE, load_config_file
from sched_rl.diagnosis.checks.subject import Subject
from sched_rl.diagnosis.curves import EvaluationTable, RunCurves
from sched_rl.diagnosis.engine import diagnose, run_settings
from sched_rl.diagnosis.reading import read_run_folder
from sched_rl.diagnosis.signals import Signals
from sched_rl.errors import ConfigError


@dataclass(frozen=True)
class Verdict:
    """What the diagnosis made of a run.

    Attributes:
        run: which.
        expected: the declared primary finding; `healthy` for healthy runs.
        also: findings declared to belong to it.
        primary: what the diagnosis says.
        findings: all it says, in its order.
        visible: index of the evaluation at which the failure can first be seen; None: never, or healthy.
        opened: index of the first evaluation from then on at which the expected finding stands; None: at none.
        evaluations: how many the run had.
        label: of healthy runs.
    """

    run: PlannedRun
    expected: str
    also: tuple[str, ...]
    primary: str
    findings: tuple[str, ...]
    visible: int | None
    opened: int | None
    evaluations: int
    label: Label | None = None

    @property
    def is_right(self) -> bool:
        """Whether the primary finding is the declared one."""
        return self.primary == self.expected

    @property
    def delay(self) -> int | None:
        """Evaluations from the first at which it can be seen to the opening; None where either is missing."""
        return None if self.visible is None or self.opened is None else self.opened - self.visible


def judge_all(
    runs: Sequence[PlannedRun], root: Path, say: Callable[[str], None], *, with_delay: bool = True
) -> list[Verdict]:
    """Judge every finished run; those that failed or are missing are named and left out.

    Args:
        runs: the plan.
        root: the benchmark's folder.
        say: takes a line for the person.
        with_delay: also diagnose evaluation by evaluation.
    """
    verdicts = []
    for number, run in enumerate(runs, start=1):
        folder = root / run.folder
        if not (folder / "evaluations.csv").is_file() or not is_finished(folder):
            say(f"left out, not trained to its end: {run.folder}")
            continue
        verdict = judge(run, folder, with_delay=with_delay)
        verdicts.append(verdict)
        mark = "  " if verdict.is_right else "X "
        say(f"{mark}[{number}/{len(runs)}] {run.folder}: {', '.join(verdict.findings) or 'nothing'}")
    return verdicts


def judge(run: PlannedRun, folder: Path, *, with_delay: bool = True) -> Verdict:
    """Diagnose one run as `python -m sched_rl.diagnose run=FOLDER checks=true` does, and time the opening."""
    config = load_config_file(folder / CONFIG_FILE)
    if config.pathology is None:
        raise ConfigError(f"{folder}: records no pathology; it is no run of this benchmark")
    expected, onset = config.pathology.expected, config.pathology.onset_update
    curves = with_fresh_seeds(read_run_folder(folder), folder)
    diagnosis = diagnose(curves)
    table = curves.evaluations
    if table is None:
        raise ConfigError(f"{folder}: has no evaluations")
    visible = opened = None
    if run.kind != HEALTHY:
        visible = visible_at(table, expected, onset or 0)
        if with_delay and visible is not None:
            opened = first_open(curves, table, expected, visible)
    return Verdict(
        run=run,
        expected=expected,
        also=config.pathology.also,
        primary=diagnosis.primary,
        findings=diagnosis.ids,
        visible=visible,
        opened=opened,
        evaluations=len(table.updates),
        label=label_of(folder) if run.kind == HEALTHY else None,
    )


def with_fresh_seeds(curves: RunCurves, folder: Path) -> RunCurves:
    """The curves with the best checkpoint's episodes on seeds that chose nothing, as the command plays them."""
    from sched_rl.diagnosis.checks.played import fresh_scores
    from sched_rl.diagnosis.engine import default_thresholds

    config = load_config_file(folder / CONFIG_FILE)
    signals = Signals(curves, run_settings(curves), default_thresholds())
    return replace(curves, fresh=fresh_scores(Subject(signals, folder, config)))


def first_open(curves: RunCurves, table: EvaluationTable, expected: str, since: int) -> int | None:
    """The first evaluation from `since` on at which the expected finding stands, given the curves up to it."""
    for index in range(since, len(table.updates)):
        if expected in diagnose(up_to(curves, table, index)).ids:
            return index
    return None


def up_to(curves: RunCurves, table: EvaluationTable, index: int) -> RunCurves:
    """The curves as they stood after the evaluation of that index."""
    update = int(table.updates[index])
    rows = curves.column("update") <= update
    rounds = np.arange(len(table.updates)) <= index
    return replace(
        curves,
        columns={name: values[rows] for name, values in curves.columns.items()},
        evaluations=replace(
            table,
            updates=table.updates[rounds],
            values={name: values[rounds] for name, values in table.values.items()},
        ),
    )
