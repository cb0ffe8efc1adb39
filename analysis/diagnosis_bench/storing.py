"""Runs small enough to be kept in the repository: what the rules read, rounded, in one compressed file each.

`python -m analysis.diagnosis_bench.storing OUTPUT_FOLDER RUN_FOLDER [...]` writes them; `read_stored` gives them back
as curves, without a run folder, checkpoints or a training.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from analysis.diagnosis_bench.judging import with_fresh_seeds
from analysis.diagnosis_bench.plan import HALVES, planned_runs
from sched_rl.diagnosis.curves import MEASURED, BaselineScores, EvaluationTable, FloatArray, RunCurves
from sched_rl.diagnosis.reading import read_run_folder
from sched_rl.errors import RunFolderError, SchedRLError

_DIGITS = 5


def store(folder: Path, path: Path) -> None:
    """Write a finished run of the benchmark as one file.

    Raises:
        RunFolderError: a folder without evaluations or without a recorded pathology.
    """
    curves = with_fresh_seeds(read_run_folder(folder), folder)
    table, config = curves.evaluations, curves.config
    if table is None or config is None or not config.get("pathology"):
        raise RunFolderError(f"{folder}: needs evaluations.csv and a config.yaml with a pathology")
    document = {
        "command": command_of(folder.name),
        "run": folder.name,
        "columns": {name: _rounded(values) for name, values in curves.columns.items()},
        "evaluations": {
            "updates": table.updates.tolist(),
            "blocks": table.blocks.tolist(),
            "seeds": table.seeds.tolist(),
            "values": {name: [_rounded(row) for row in table.values[name]] for name in MEASURED},
        },
        "baselines": _scores(curves.baselines),
        "fresh": _scores(curves.fresh),
        "config": {key: value for key, value in config.items() if key != "baseline_agents"},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(document, separators=(",", ":"), allow_nan=False)
    # No time of day in the file: equal runs give equal files.
    path.write_bytes(gzip.compress(text.encode(), mtime=0))


def command_of(name: str) -> str:
    """The training that made a run of the benchmark, by its folder's name.

    Raises:
        RunFolderError: no run of the plan.
    """
    planned = {run.folder.name: run for half in HALVES for run in planned_runs(half)}
    if name not in planned:
        raise RunFolderError(f"{name}: must be a run of the benchmark's plan, as {next(iter(planned))}")
    return " ".join(["python -m sched_rl.train", *planned[name].overrides])


def read_stored(path: Path) -> RunCurves:
    """The curves of a stored run; its config holds the declared pathology."""
    document = json.loads(gzip.decompress(path.read_bytes()))
    evaluations = document["evaluations"]
    return RunCurves(
        name=document["run"],
        columns={name: _array(values) for name, values in document["columns"].items()},
        evaluations=EvaluationTable(
            updates=np.array(evaluations["updates"]),
            blocks=np.array(evaluations["blocks"]),
            seeds=np.array(evaluations["seeds"]),
            values={
                name: np.stack([_array(row) for row in rows]) for name, rows in evaluations["values"].items()
            },
        ),
        baselines=_from_scores(document["baselines"]),
        fresh=_from_scores(document["fresh"]),
        config=document["config"],
    )


def _rounded(values: FloatArray) -> list[float | None]:
    return [float(f"{value:.{_DIGITS}g}") if np.isfinite(value) else None for value in values.tolist()]


def _array(values: Sequence[float | None]) -> FloatArray:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _scores(scores: Mapping[str, BaselineScores]) -> dict[str, Any]:
    return {
        name: {
            "mean": score.mean,
            "worst": score.worst,
            "places": [list(place) for place in score.episodes],
            "values": {
                key: _rounded(np.array([episode[key] for episode in score.episodes.values()]))
                for key in MEASURED
                if all(key in episode for episode in score.episodes.values())
            },
        }
        for name, score in scores.items()
    }


def _from_scores(stored: Mapping[str, Any]) -> dict[str, BaselineScores]:
    return {
        name: BaselineScores(
            entry["mean"],
            entry["worst"],
            {
                (block, seed): {key: values[index] for key, values in entry["values"].items()}
                for index, (block, seed) in enumerate(entry["places"])
            },
        )
        for name, entry in stored.items()
    }


def main(arguments: Sequence[str]) -> int:
    """Store runs; returns the exit code."""
    if len(arguments) < 2 or arguments[0].startswith("-"):
        print(__doc__)
        return 2
    output = Path(arguments[0])
    try:
        for argument in arguments[1:]:
            path = output / f"{Path(argument).name}.json.gz"
            store(Path(argument), path)
            print(f"{path}: {path.stat().st_size / 1024:.1f} kB")
    except SchedRLError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
