"""Curves from a run folder, from MLflow, or from a CSV of other people's code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sched_rl.diagnosis.curves import BaselineScores, EvaluationTable, FloatArray, RunCurves
from sched_rl.errors import RunFolderError
from sched_rl.tracking.reading import read_baselines, read_config, read_evaluations, read_report
from sched_rl.tracking.record import BASELINES, CONFIG, EVALUATIONS, METRICS, REPORT
from sched_rl.tracking.tables import parse_numbers, read_table

#: Columns of an episode that name it rather than measure it.
_EPISODE_KEYS = ("update", "block", "seed")


def read_run_folder(folder: Path) -> RunCurves:
    """Everything that a run folder knows; only metrics.csv must be there.

    Raises:
        RunFolderError: no such folder, no metrics.csv, no rows yet, or a malformed file.
    """
    if not folder.is_dir():
        raise RunFolderError(f"run={folder}: no such run folder; give a CSV file with csv=")
    columns = _numeric_columns(folder / METRICS, torn_tail=True)
    absent = tuple(name for name in (EVALUATIONS, BASELINES, CONFIG) if not (folder / name).is_file())
    config = None if CONFIG in absent else read_config(folder)
    return RunCurves(
        name=folder.resolve().name,
        columns=columns,
        evaluations=None if EVALUATIONS in absent else evaluation_table(read_evaluations(folder)),
        baselines=baseline_scores(read_baselines(folder), folder),
        fresh=_reported(folder, config or {}),
        config=config,
        folder=folder,
        absent=absent,
    )


def read_bare_csv(path: Path) -> RunCurves:
    """A table of somebody else's, with the playbook's column names; columns of text are left out.

    Raises:
        RunFolderError: missing, malformed, or without a single row.
    """
    if not path.is_file():
        raise RunFolderError(f"csv={path}: no such file")
    columns = _numeric_columns(path, torn_tail=False)
    return RunCurves(name=path.name, columns=columns, absent=(EVALUATIONS, BASELINES, CONFIG))


def evaluation_table(columns: Mapping[str, np.ndarray[Any, Any]]) -> EvaluationTable | None:
    """Rows of evaluations.csv, episode by episode, as one matrix a measurement; None without episodes."""
    if not len(columns.get("update", ())) or "return" not in columns:
        return None
    _, blocks = np.unique(columns["block"], return_inverse=True)
    pairs, column_of = np.unique(np.stack([blocks, columns["seed"]]), axis=1, return_inverse=True)
    updates, row_of = np.unique(columns["update"], return_inverse=True)
    column_of = column_of.reshape(-1)
    values: dict[str, FloatArray] = {}
    for name, cells in columns.items():
        if name not in _EPISODE_KEYS and cells.dtype.kind in "fiub":
            values[name] = np.full((len(updates), pairs.shape[1]), np.nan)
            values[name][row_of, column_of] = cells
    return EvaluationTable(updates.astype(np.int64), pairs[0], pairs[1], values)


def baseline_scores(
    judged: Mapping[str, Any], where: Path, file: str = BASELINES
) -> dict[str, BaselineScores]:
    """The schedulers of baselines.json, or of another file of evaluations.

    Raises:
        RunFolderError: an entry that is not an evaluation.
    """
    scores = {}
    for name, entry in judged.items():
        try:
            episodes = {
                (int(episode["block"]), int(episode["seed"])): {
                    key: float(value) for key, value in episode.items() if isinstance(value, (int, float))
                }
                for episode in entry.get("episodes", ())
            }
            mean, worst = float(entry["eval_mean_return"]), float(entry["eval_min_block_return"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RunFolderError(f"{where / file}: {name} is not an evaluation ({error})") from error
        scores[name] = BaselineScores(mean, worst, episodes)
    return scores


def _reported(folder: Path, config: Mapping[str, Any]) -> dict[str, BaselineScores]:
    """The final report, where the run has one: its seeds chose nothing, so that they are fresh ones."""
    scores = baseline_scores(read_report(folder), folder, REPORT)
    agent = (config.get("agent") or {}).get("name")
    return {"self" if name == agent else name: score for name, score in scores.items()}


def _numeric_columns(path: Path, *, torn_tail: bool) -> dict[str, FloatArray]:
    table = read_table(path, torn_tail=torn_tail)
    columns = {}
    for name, cells in table.items():
        try:
            columns[name.strip()] = parse_numbers([cell.strip() for cell in cells], path, name)
        except RunFolderError:
            if torn_tail:
                raise
    if not columns or not len(next(iter(columns.values()))):
        raise RunFolderError(f"{path}: no rows yet; wait for the first update")
    return columns
