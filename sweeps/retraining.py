"""Train the finalists again, as a multirun of any launcher, and judge each on blocks that chose nothing."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sched_rl.checkpoint import write_atomically
from sched_rl.config.load import load_command
from sched_rl.config.overrides import path_override
from sched_rl.config.record import CONFIG_FILE, config_digest, load_config_file
from sched_rl.config.schema import Config
from sched_rl.errors import RunFolderError
from sched_rl.evaluation.baselines import judge_baselines
from sched_rl.evaluation.blocks import Split, make_blocks
from sched_rl.evaluation.loading import scheduler_of
from sched_rl.evaluation.summary import evaluate, evaluation_json
from sched_rl.run_folder import resume_started_job
from sched_rl.tracking.grid_record import job_outcome
from sched_rl.tracking.record import json_ready

if TYPE_CHECKING:
    from sched_rl.config.compose import ConfigSources
    from sched_rl.config.load import Command
    from sched_rl.trainer import TrainResult
    from sweeps.finalists import Retraining

#: Keys of the evaluation JSON that a promotion keeps.
_KEPT = ("eval_mean_return", "eval_min_block_return", "blocks", "episodes")


@dataclass(frozen=True)
class Judged:
    """A finished retraining and its scores.

    Attributes:
        retraining: which.
        val_score: best worst val block of the fresh training.
        evaluation: the evaluation JSON of its best checkpoint on the judging blocks.
    """

    retraining: Retraining
    val_score: float
    evaluation: dict[str, Any]


def run_missing(
    planned: Sequence[Retraining],
    fixed: Sequence[str],
    steering: Sequence[str],
    folder: Path,
    sources: ConfigSources,
) -> int:
    """Train what is not finished; a training that was cut short goes on from its checkpoint.

    Args:
        planned: all retrainings.
        fixed: overrides for every one of them.
        steering: the choice of a launcher and its settings.
        folder: for what the launcher writes; tracked runs are grouped by its name.
        sources: where the options are.

    Returns:
        0, or the exit code of the first training that failed; the others have run.

    Raises:
        ConfigError: a configuration or launcher that cannot be used.
        RunFolderError: a folder that holds something else.
    """
    from sched_rl.multirun import launch_jobs
    from sched_rl.train import check_device

    jobs = []
    for retraining in planned:
        own = [*retraining.finalist.overrides, *fixed, "eval.final_report=false", "baselines=[]"]
        own += [f"seed={retraining.seed}", path_override("run.folder", retraining.folder)]
        config = load_command("train", own, sources).config
        check_device(config)
        _refuse_another(retraining.folder, config)
        if not job_outcome(retraining.folder).trouble:
            continue
        is_begun = resume_started_job(retraining.folder, config)
        jobs.append([path_override("resume", retraining.folder)] if is_begun else own)
    if not jobs:
        return 0
    print(f"{len(jobs)} of {len(planned)} trainings to do")
    return launch_jobs(jobs, steering, folder, sources, retrain)


def retrain(command: Command, folder: Path) -> TrainResult:
    """One training, its output in its folder, a line about it on the screen; called by launchers, by name.

    Args:
        command: the checked configuration.
        folder: of the job, where the configuration names none.
    """
    from sched_rl.train import run_training

    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        result = run_training(command, folder)
    write_text(result.folder / "output.txt", output.getvalue())
    print(
        f"  {result.folder.parent.name}/{result.folder.name}: best worst block {result.best_min_block_return:.4f} on "
        f"val, {result.wall_s:.0f} s",
        flush=True,
    )
    return result


def _refuse_another(folder: Path, config: Config) -> None:
    """A sweep that was removed and begun again has other trials of the same numbers."""
    if (folder / CONFIG_FILE).is_file() and _training_digest(retrained_config(folder)) != _training_digest(
        config
    ):
        raise RunFolderError(
            f"{folder}: holds a training of another configuration; move it away, or give another folder="
        )


def _training_digest(config: Config) -> str:
    """Of what decides the training: the baselines do not."""
    return config_digest(dataclasses.replace(config, baselines=(), baseline_agents={}))


def judge_all(planned: Sequence[Retraining], split: Split) -> list[Judged]:
    """Judge the best checkpoint of every finished retraining; what was judged before is read back.

    Args:
        planned: all retrainings; unfinished ones are left out.
        split: which blocks.

    Raises:
        RunFolderError: a judgement that cannot be read or written.
    """
    judged = []
    for retraining in planned:
        outcome = job_outcome(retraining.folder)
        if not outcome.trouble:
            judged.append(Judged(retraining, outcome.worst, _judge(retraining.folder, split)))
    return judged


def judge_fixed(config: Config, folder: Path, split: Split) -> dict[str, dict[str, Any]]:
    """The baselines of a configuration on the judging blocks, by name; judged once.

    Args:
        config: the default's: its baselines, env and eval.
        folder: of the promotion; keeps the judgement.
        split: which blocks.

    Raises:
        RunFolderError: a judgement that cannot be read or written.
    """
    path = folder / f"baselines_{split}.json"
    if not path.exists():
        blocks = make_blocks(config.eval, config.env, config.families, split)
        rows = judge_baselines(config, blocks, split)
        _write(path, {name: _kept(row) for name, row in rows.items()})
    return _read(path)


def retrained_config(folder: Path) -> Config:
    """The recorded configuration of a retraining."""
    return load_config_file(folder / CONFIG_FILE)


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all.

    Raises:
        RunFolderError: when it cannot be written.
    """
    try:
        write_atomically(path, text.encode())
    except OSError as error:
        raise RunFolderError(f"{path}: cannot be written ({error.strerror})") from error


def _judge(folder: Path, split: Split) -> dict[str, Any]:
    path = folder / f"judged_{split}.json"
    if not path.exists():
        config = retrained_config(folder)
        blocks = make_blocks(config.eval, config.env, config.families, split)
        evaluation = evaluate(scheduler_of(config, folder), blocks, config.families)
        row = evaluation_json(evaluation, agent=config.agent.name, env=config.env.name, split=split)
        _write(path, _kept(row))
    return _read(path)


def _kept(row: dict[str, Any]) -> dict[str, Any]:
    return {key: row[key] for key in _KEPT}


def _write(path: Path, document: dict[str, Any]) -> None:
    write_text(path, json.dumps(json_ready(document), allow_nan=False) + "\n")


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise RunFolderError(f"{path}: cannot be read ({error}); remove it to judge anew") from error
    if not isinstance(document, dict):
        raise RunFolderError(f"{path}: not a judgement; remove it to judge anew")
    return document
