"""The rules beside a training: after every evaluation, what has opened and what has closed."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sched_rl.config.convert import config_to_dict
from sched_rl.config.schema import Config
from sched_rl.diagnosis.curves import MEASURED, EvaluationTable, RunCurves
from sched_rl.diagnosis.engine import diagnose
from sched_rl.diagnosis.findings import HEALTHY, Diagnosis, Finding
from sched_rl.diagnosis.reading import baseline_scores, evaluation_table
from sched_rl.evaluation.summary import Evaluation
from sched_rl.observers import Observation, Reaction
from sched_rl.tracking.reading import read_baselines, read_evaluations, read_metrics


class LiveDiagnosis:
    """Asks every rule at every evaluation; warns when a finding opens or closes.

    Args:
        config: of the run.
        folder: of the run; the baselines' episodes are read from it, and after a resume the rows so far.

    Attributes:
        diagnosis: the last one; None before the first evaluation.
    """

    name = "diagnosis"

    def __init__(self, config: Config, folder: Path) -> None:
        self.diagnosis: Diagnosis | None = None
        self._limits = config.diagnosis
        self._tree = config_to_dict(config)
        self._folder = folder
        self._rows = _GrowingColumns()
        self._evaluations: _GrowingEvaluations | None = None
        self._open: dict[str, int] = {}
        self._has_failed = False
        self._baselines: Any = None

    def observe(self, observation: Observation) -> Reaction | None:
        """Take in the update; judge where it was evaluated."""
        self._rows.append(observation.row)
        if observation.evaluation is None:
            return None
        if self._evaluations is None:
            self._evaluations = _GrowingEvaluations(observation.evaluation)
        self._evaluations.append(observation.update, observation.evaluation)
        if self._baselines is None:
            self._baselines = baseline_scores(read_baselines(self._folder), self._folder)
        try:
            self.diagnosis = diagnose(self.curves, self._limits)
        except (
            Exception
        ) as error:  # a fault of ours must not cost a training; `sched_rl.diagnose` shows it whole
            if self._has_failed:
                return None
            self._has_failed = True
            fault = f"{type(error).__name__}: {error}"
            note = f"the diagnosis failed at update {observation.update} ({fault}); the training goes on"
            return Reaction((note,), ({"kind": "diagnosis_failed", "error": fault},), {})
        return self._reaction(self.diagnosis, observation.update)

    @property
    def curves(self) -> RunCurves:
        """The run so far."""
        return RunCurves(
            name=self._folder.name,
            columns=self._rows.columns(),
            evaluations=None if self._evaluations is None else self._evaluations.table(),
            baselines=self._baselines,
            config=self._tree,
            folder=self._folder,
        )

    def _reaction(self, diagnosis: Diagnosis, update: int) -> Reaction | None:
        found = {finding.id: finding for finding in diagnosis.findings if finding.id != HEALTHY}
        opened = [finding for name, finding in found.items() if name not in self._open]
        closed = [name for name in self._open if name not in found]
        notes = [_warning(finding, update) for finding in opened if finding.tier != "outcome"]
        notes += [f"{name}: closed at update {update}" for name in closed if name != "not_beating_baseline"]
        events: list[dict[str, Any]] = [_opening(finding) for finding in opened]
        events += [{"kind": "finding_closed", "id": name, "opened": self._open[name]} for name in closed]
        tags = {f"diagnosis.{finding.id}": f"open since update {update}" for finding in opened}
        tags |= {f"diagnosis.{name}": f"closed at update {update}" for name in closed}
        self._open = {name: self._open.get(name, update) for name in found}
        return Reaction(tuple(notes), tuple(events), {"diagnosis": diagnosis.primary, **tags})

    def state(self) -> dict[str, Any]:
        """What is open; the rows are in the run's folder."""
        return {"open": dict(self._open)}

    def load_state(self, saved: dict[str, Any]) -> None:
        """Continue where `state` was taken: the folder's tables have been wound back to that update."""
        self._open = {str(name): int(update) for name, update in saved["open"].items()}
        self._rows = _GrowingColumns(read_metrics(self._folder))
        table = evaluation_table(read_evaluations(self._folder))
        self._evaluations = None if table is None else _GrowingEvaluations(table)


class _GrowingColumns:
    """Columns to which rows are added; a column that comes later is NaN before."""

    def __init__(self, columns: Mapping[str, np.ndarray[Any, Any]] | None = None) -> None:
        self._columns = {name: array("d", values) for name, values in (columns or {}).items()}
        self._size = len(next(iter(self._columns.values()), ()))

    def append(self, row: Mapping[str, Any]) -> None:
        for name in row.keys() - self._columns.keys():
            self._columns[name] = array("d", [np.nan] * self._size)
        self._size += 1
        for name, values in self._columns.items():
            value = row.get(name)
            values.append(np.nan if value is None else float(value))

    def columns(self) -> dict[str, np.ndarray[Any, np.dtype[np.float64]]]:
        return {name: np.array(values) for name, values in self._columns.items()}


class _GrowingEvaluations:
    """The table of evaluations, a row added at each; the episodes are those of the first."""

    def __init__(self, first: Evaluation | EvaluationTable) -> None:
        self._updates: list[int] = []
        self._rows: dict[str, list[np.ndarray[Any, Any]]] = {name: [] for name in MEASURED}
        if isinstance(first, EvaluationTable):
            self._blocks, self._seeds = first.blocks, first.seeds
            self._updates = first.updates.tolist()
            self._rows = {name: list(first.values[name]) for name in MEASURED if name in first.values}
        else:
            keys = sorted((int(each["block"]), int(each["seed"])) for each in first.numbers())
            self._blocks, self._seeds = np.array(keys, np.int64).T

    def append(self, update: int, evaluation: Evaluation) -> None:
        episodes = {(int(each["block"]), int(each["seed"])): each for each in evaluation.numbers()}
        keys = zip(self._blocks.tolist(), self._seeds.tolist(), strict=True)
        ordered = [episodes[key] for key in keys]
        self._updates.append(update)
        for name, rows in self._rows.items():
            rows.append(np.array([float(each.get(name, np.nan)) for each in ordered]))

    def table(self) -> EvaluationTable:
        values = {name: np.stack(rows) for name, rows in self._rows.items()}
        return EvaluationTable(np.array(self._updates, np.int64), self._blocks, self._seeds, values)


def _warning(finding: Finding, update: int) -> str:
    return f"{finding.id} ({finding.severity}) at update {update}: {finding.summary}"


def _opening(finding: Finding) -> dict[str, Any]:
    return {
        "kind": "finding_opened",
        "id": finding.id,
        "severity": finding.severity,
        "confidence": round(finding.confidence, 3),
        "updates": list(finding.updates),
        "summary": finding.summary,
    }
