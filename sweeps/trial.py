"""A trial in its job: train under an observer, keep the heart beating, write the outcome into the study.

The job itself ends its trial, so what is finished is in the storage even when the launcher loses the worker, the
batch or the parent. Nothing but the exit code travels back.
"""

from __future__ import annotations

import contextlib
import io
import shutil
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from optuna.trial import TrialState

from sched_rl.checkpoint import CheckpointStore
from sched_rl.config.compose import ConfigSources
from sched_rl.config.load import Command, load_command
from sched_rl.config.overrides import parse_overrides
from sched_rl.config.record import config_to_yaml
from sched_rl.config.schema import Config, PpoConfig, SweepConfig
from sched_rl.errors import CheckpointError, RunFolderError, SchedRLError
from sched_rl.tracking.description import varied_text
from sweeps.measures import measure, objective_values
from sweeps.observer import PRUNED, SUPERSEDED, TrialObserver
from sweeps.pruners import make_pruner
from sweeps.storage import beat, claim, enqueue_again, fail, finish, load_trial, note

if TYPE_CHECKING:
    from optuna import Trial

    from sched_rl.trainer import TrainResult

#: What a trial's training printed, in its run folder.
OUTPUT_FILE = "output.txt"


@dataclass(frozen=True)
class TrialTask:
    """What Hydra's launchers call for each trial, here or in another process.

    Attributes:
        run: trains in a folder, watched by observers.
        config_dirs: folders of others' YAML.
        heartbeat_s: seconds between signs of life.
    """

    run: Callable[..., TrainResult]
    config_dirs: tuple[Path, ...]
    heartbeat_s: int

    def __call__(self, config: DictConfig) -> int:
        """Play the trial that Hydra's own node describes.

        Returns:
            0: whatever became of the trial is in its study. A signal's exit code leaves as SystemExit.
        """
        node = HydraConfig.get()
        overrides = [str(text) for text in node.overrides.task]
        return _play(self, overrides, Path(node.runtime.output_dir))


def _play(task: TrialTask, overrides: list[str], folder: Path) -> int:
    trial = load_trial(*_reference(overrides))
    study, number = trial.study, trial.number
    if study.get_trials(deepcopy=False)[number].state != TrialState.RUNNING:
        return 0  # given up while it waited in a queue
    output = io.StringIO()
    claim(study, number)
    note(study, number, {"folder": str(folder)})
    try:
        with _heartbeat(trial, task.heartbeat_s), contextlib.redirect_stdout(output):
            _train(task, trial, overrides, folder)
    except SchedRLError as error:
        fail(study, number, str(error))
    except Exception as error:
        output.write(traceback.format_exc())
        fail(study, number, f"{type(error).__name__}: {error}")
    except BaseException:
        # A signal between two trainings, or one that ended this training in order.
        _interrupt(trial)
        raise
    finally:
        _keep(output, folder)
    return 0


def _train(task: TrialTask, trial: Trial, overrides: list[str], folder: Path) -> None:
    command = load_command("train", overrides, cached_sources(task.config_dirs))
    config, sweep = command.config, command.config.sweep
    if sweep is None:
        raise SchedRLError("the job's configuration has no sweep")
    trial.study.pruner = make_pruner(sweep, config.eval.num_blocks)
    result, observer = _run(task, trial, command, sweep, folder)
    if result.exit_code:
        raise SystemExit(result.exit_code)
    _tell(trial, config, sweep, result, observer)


def _run(
    task: TrialTask, trial: Trial, command: Command, sweep: SweepConfig, folder: Path
) -> tuple[TrainResult, TrialObserver]:
    """Train, from the earlier attempt's checkpoint where there is one."""
    observer = _observer(trial, command.config, sweep)
    if _continue_earlier(trial, command.config, folder):
        resuming = Command(command.config, {**command.options, "resume": str(folder)})
        try:
            return task.run(resuming, folder, [observer]), observer
        except (CheckpointError, RunFolderError):
            # The earlier attempt died while it wrote, say: begin again rather than give up.
            shutil.rmtree(folder)
            observer = _observer(trial, command.config, sweep)
    return task.run(command, folder, [observer]), observer


def _observer(trial: Trial, config: Config, sweep: SweepConfig) -> TrialObserver:
    total = config.agent.total_steps if isinstance(config.agent, PpoConfig) else 1
    return TrialObserver(trial, sweep.pruner, total, _run_tags(trial))


def _tell(
    trial: Trial, config: Config, sweep: SweepConfig, result: TrainResult, observer: TrialObserver
) -> None:
    study, number = trial.study, trial.number
    kind = result.stop.kind if result.stop is not None else None
    if kind == SUPERSEDED:
        return
    is_learned = isinstance(config.agent, PpoConfig)
    measured = measure(result, _block_names(config), observer.wall_s if is_learned else result.wall_s)
    if kind == PRUNED:
        measured["pruned_at"] = observer.frac
    note(study, number, {"outcome": {**measured, "seed": config.seed}})
    values, problem = objective_values(sweep.objectives, measured)
    if problem is not None:
        fail(study, number, problem)
        return
    bounds = sweep.constraints
    for name in ("invalid_frac", "noop_feasible_frac", "wall_s"):
        bound = getattr(bounds, name)
        if bound is not None:
            trial.set_constraint(name, float(measured[name]) - bound)
    finish(study, number, TrialState.PRUNED if kind == PRUNED else TrialState.COMPLETE, values)


def _interrupt(trial: Trial) -> None:
    """Hand the trial on: it ends here, and its values and its checkpoint wait for the next worker."""
    study, number = trial.study, trial.number
    if note(study, number, {"interrupted": True}) and finish(study, number, TrialState.FAIL):
        frozen = study.get_trials(deepcopy=False)[number]
        enqueue_again(study, frozen, retries=frozen.user_attrs.get("retries", 0))


def _continue_earlier(trial: Trial, config: Config, folder: Path) -> bool:
    """Whether the folder now holds a run to resume: a copy of what the earlier attempt left."""
    earlier = trial.user_attrs.get("resume_folder")
    if earlier is None or CheckpointStore(Path(earlier) / "checkpoints").latest_path() is None:
        return False
    shutil.copytree(earlier, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.lock", OUTPUT_FILE))
    (folder / "config.yaml").write_text(config_to_yaml(config), encoding="utf-8")
    return True


@contextlib.contextmanager
def _heartbeat(trial: Trial, every_s: int) -> Iterator[None]:
    """Signs of life from a thread, for as long as the training runs."""
    done = threading.Event()

    def live() -> None:
        while not done.wait(every_s):  # the sweep gave the first one, when it asked for the trial
            with contextlib.suppress(Exception):  # a busy storage: the next beat will do
                beat(trial.study, trial.number)

    thread = threading.Thread(target=live, name=f"heartbeat of trial {trial.number}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _reference(overrides: list[str]) -> tuple[str, str, int]:
    values = {override.key_or_group: override.value() for override in parse_overrides(overrides)}
    return str(values["trial.storage"]), str(values["trial.study"]), int(str(values["trial.number"]))


def _run_tags(trial: Trial) -> dict[str, str]:
    return {
        "sweep": trial.study.study_name,
        "trial": str(trial.number),
        "varied": varied_text(trial.params),
        **trial.study.user_attrs.get("run_tags", {}),
    }


def _block_names(config: Config) -> list[str]:
    from sched_rl.evaluation.blocks import make_blocks

    return [block.name for block in make_blocks(config.eval, config.env, config.families, "val")]


def _keep(output: io.StringIO, folder: Path) -> None:
    """What the training printed belongs to its folder, not between the sweep's lines."""
    text = output.getvalue()
    if text and folder.is_dir():
        with contextlib.suppress(OSError), (folder / OUTPUT_FILE).open("a", encoding="utf-8") as file:
            file.write(text)


@lru_cache(maxsize=8)
def cached_sources(config_dirs: tuple[Path, ...]) -> ConfigSources:
    """The options there are, read once a process: a worker plays many trials."""
    return ConfigSources(config_dirs)
