"""Make a cell that is not there yet: evaluations as JSON files, trainings as run folders that can be resumed.

The configuration's digest is part of every name: with other defaults a cell is made anew, and nothing stale is read.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from analysis.results.plan import Cell, teacher_key
from sched_rl.checkpoint import write_atomically
from sched_rl.config.compose import ConfigSources
from sched_rl.config.load import load_command
from sched_rl.config.overrides import path_override
from sched_rl.config.record import CONFIG_FILE, config_digest
from sched_rl.config.schema import Config
from sched_rl.errors import RunFolderError
from sched_rl.evaluation.blocks import make_blocks
from sched_rl.evaluation.loading import scheduler_of
from sched_rl.evaluation.summary import evaluate, evaluation_json
from sched_rl.interrupts import Interrupts
from sched_rl.run_folder import resume_started_job
from sched_rl.tracking.grid_record import job_outcome
from sched_rl.tracking.provenance import collect_provenance
from sched_rl.tracking.reading import read_metrics, read_provenance, read_report
from sched_rl.tracking.record import json_ready

_TRAINED = ("tracking=none", "progress=off")


@dataclass(frozen=True)
class Result:
    """A finished cell.

    Attributes:
        evaluations: scheduler to its evaluation JSON on the report blocks (of an evaluation, on its split), the cell's
            own first; none of a training without a final report.
        provenance: where it comes from.
        metrics: columns of metrics.csv; empty for an evaluation.
        minutes: of training and evaluating, as the run's own clock had it; nan for an evaluation.
    """

    evaluations: Mapping[str, Mapping[str, Any]]
    provenance: Mapping[str, Any]
    metrics: Mapping[str, np.ndarray[Any, np.dtype[np.float64]]]
    minutes: float

    @property
    def own(self) -> Mapping[str, Any]:
        """The evaluation of the cell's own scheduler."""
        return next(iter(self.evaluations.values()))


class Maker:
    """Makes cells below one folder."""

    def __init__(self, folder: Path, more: Sequence[str]) -> None:
        """Take the folder, and overrides for every cell; those of agent are for what learns."""
        self._folder, self._more, self._sources = folder, tuple(more), ConfigSources()
        self._more_played = tuple(each for each in more if not each.startswith(("agent.", "agent/")))

    def read(self, cell: Cell) -> Result | None:
        """A cell's result, None where it is not finished.

        Raises:
            ConfigError, RunFolderError: overrides or files that cannot be used.
        """
        path = self._place(cell, self._config(cell))
        if cell.seed is not None:
            return None if job_outcome(path).trouble else _read_run(path)
        if not path.is_file():
            return None
        document = json.loads(path.read_bytes())
        return Result({document["agent"]: document}, document["provenance"], {}, np.nan)

    def make(self, cell: Cell, interrupts: Interrupts) -> None:
        """Make a cell that `read` does not find.

        Raises:
            ConfigError, RunFolderError: overrides or folders that cannot be used; a training that failed.
        """
        config = self._config(cell)
        path = self._place(cell, config)
        path.parent.mkdir(parents=True, exist_ok=True)
        if cell.seed is None:
            _evaluate(config, path, self._checkpoint(cell))
        else:
            self._train(cell, config, path, interrupts)

    def _config(self, cell: Cell) -> Config:
        primary, always = ("evaluate", ()) if cell.seed is None else ("train", _TRAINED)
        played: list[str] = []
        if cell.training is not None:
            folder = self._place(cell.training, self._config(cell.training))
            if not (folder / CONFIG_FILE).is_file():
                return self._config(cell.training)  # not to be evaluated yet; its digest is nobody's
            played = [path_override("checkpoint", folder)]
        else:
            teachers = self._teachers(cell)
            if not any(job_outcome(folder).trouble for folder in teachers.values()):
                played = [path_override(key, folder) for key, folder in teachers.items()]
        more = self._more_played if cell.seed is None else self._more
        return load_command(primary, [*cell.overrides, *played, *always, *more], self._sources).config

    def _place(self, cell: Cell, config: Config) -> Path:
        digest = config_digest(config)[:8]
        if cell.seed is None:
            return self._folder / "evaluations" / f"{cell.name}-{digest}.json"
        return self._folder / "runs" / f"{cell.name}-seed{cell.seed}-{digest}"

    def _teachers(self, cell: Cell) -> dict[str, Path]:
        """The folders of the trainings that a training imitates, by the key that names them."""
        return {
            teacher_key(family): self._place(teacher, self._config(teacher))
            for family, teacher in cell.teachers
        }

    def _checkpoint(self, cell: Cell) -> Path | None:
        if cell.training is None:
            return None
        folder = self._place(cell.training, self._config(cell.training))
        _refuse_unfinished(folder)
        return folder

    def _train(self, cell: Cell, config: Config, folder: Path, interrupts: Interrupts) -> None:
        teachers = self._teachers(cell)
        for teacher in teachers.values():
            _refuse_unfinished(teacher)
        taught = [path_override(key, path) for key, path in teachers.items()]
        arguments = [*cell.overrides, *taught, *_TRAINED, *self._more, path_override("run.folder", folder)]
        if resume_started_job(folder, config):
            arguments = [path_override("resume", folder)]
        with folder.with_suffix(".log").open("ab") as log:
            # In a session of its own: Ctrl-C reaches this process alone, which passes it on once.
            process = subprocess.Popen(
                [sys.executable, "-m", "sched_rl.train", *arguments],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            while process.poll() is None:
                try:
                    process.wait(timeout=0.5)
                except subprocess.TimeoutExpired:
                    if interrupts.requested:
                        process.terminate()
                        process.wait()
        if process.returncode != 0 and not interrupts.requested:
            raise RunFolderError(f"{folder}: its training failed; see {log.name}")


def _refuse_unfinished(training: Path) -> None:
    if job_outcome(training).trouble:
        raise RunFolderError(f"{training}: is not trained to its end; make it first")


def _evaluate(config: Config, path: Path, checkpoint: Path | None) -> None:
    blocks = make_blocks(config.eval, config.env, config.families, config.eval.split)
    evaluation = evaluate(scheduler_of(config, checkpoint), blocks, config.families)
    document = evaluation_json(
        evaluation, agent=config.agent.name, env=config.env.name, split=config.eval.split
    )
    provenance = collect_provenance(
        seed=config.seed, threads=config.threads, device=config.device, config_digest=config_digest(config)
    )
    text = json.dumps(json_ready({**document, "provenance": provenance}), allow_nan=False)
    write_atomically(path, text.encode())


def _read_run(folder: Path) -> Result:
    metrics = read_metrics(folder)
    timings = read_metrics(folder / "timings.csv")
    per_update = np.diff(metrics["timesteps"]) / timings["steps_per_s"][1:] + timings["eval_s"][1:]
    return Result(read_report(folder), read_provenance(folder), metrics, float(np.nansum(per_update) / 60.0))
