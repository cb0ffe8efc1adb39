"""`python -m sched_rl.train [group=option ...] [key=value ...] [-m] [resume=RUN_FOLDER]`: a recorded run."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sched_rl.command_line import Arguments, run_command
from sched_rl.errors import ConfigError
from sched_rl.quick_import import quick_import

if TYPE_CHECKING:
    from sched_rl.config.compose import ConfigSources
    from sched_rl.config.load import Command
    from sched_rl.config.schema import Config
    from sched_rl.observers import TrainingObserver
    from sched_rl.trainer import TrainResult


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return run_command("train", argv, _start)


def run_training(
    command: Command, default_folder: Path | None = None, observers: Sequence[TrainingObserver] = ()
) -> TrainResult:
    """One run, in a folder of its own or, with `resume=`, in the folder that it continues.

    Args:
        command: the checked configuration and `resume`.
        default_folder: where a new run without `run.folder` goes; None: a fresh folder below `runs/`.
        observers: watch the training, and may end it.

    Raises:
        ConfigError: when the device is not there.
        RunFolderError: when the folder is taken or cannot be continued.
    """
    from sched_rl.run_folder import check_resumable, create_run_folder

    check_device(command.config)
    check_environment(command.config)
    check_tracking(command.config)
    if command.config.guard.kind != "none":
        from sched_rl.diagnosis.guards import check_guard

        check_guard(command.config)
    given = command.options["resume"]
    resume = Path(given) if given is not None else None
    if resume is not None:
        check_resumable(resume)
    elif interrupted := _train_teachers(command.teachers):
        return interrupted
    folder = create_run_folder(command.config, default_folder) if resume is None else resume
    with quick_import("sched_rl.trainer"):
        from sched_rl.trainer import train

    watching = [*_watching(command.config, folder), *observers]
    # The jobs of a multirun are grouped by its folder's name.
    tags = {} if default_folder is None else {"sweep_id": default_folder.parent.name}
    return train(command.config, folder, resume, watching, tags)


def _train_teachers(teachers: Sequence[Config]) -> TrainResult | None:
    if not teachers:
        return None
    from sched_rl.config.load import Command
    from sched_rl.teacher_training import train_teachers

    def train(config: Config, resume: Path | None) -> TrainResult:
        return run_training(Command(config, {"resume": None if resume is None else str(resume)}))

    return train_teachers(teachers, train)


def _watching(config: Config, folder: Path) -> list[TrainingObserver]:
    """The playbook's rules beside a training, unless `diagnosis=none`, and the guard that acts on them.

    Fixed schedulers have nothing to watch.
    """
    is_silent, is_guarded = config.diagnosis.kind == "none", config.guard.kind != "none"
    if config.agent.kind != "ppo" or (is_silent and not is_guarded):
        return []
    from sched_rl.diagnosis.live import LiveDiagnosis

    watch = LiveDiagnosis(config, folder)
    observers: list[TrainingObserver] = [] if is_silent else [watch]
    if is_guarded:
        from sched_rl.diagnosis.guards import make_guard

        guard = make_guard(config, watch, is_silent=is_silent)
        observers += [] if guard is None else [guard]
    return observers


def check_device(config: Config) -> None:
    """Refuse a device that the machine does not have; the one check that needs the tensor library.

    Raises:
        ConfigError: for `device=cuda` without CUDA.
    """
    if config.device != "cuda":
        return
    import torch

    if not torch.cuda.is_available():
        raise ConfigError("device=cuda: this machine or this build of torch has no CUDA; write device=cpu")


def check_environment(config: Config) -> None:
    """Refuse an environment of Gymnasium's or a trace that cannot be used, before a folder is made.

    Says what of a trace was dropped or repaired.

    Raises:
        ConfigError: naming `env.id` and what is allowed.
        WorkloadError: naming the trace's file and line, or what it lacks.
    """
    from sched_rl.config.schema import GymnasiumEnvConfig
    from sched_rl.config.sites import SiteConfig

    if isinstance(config.env, SiteConfig):
        from sched_rl.workloads.site_source import check_site, site_report

        check_site(config.env, trains=config.agent.kind == "ppo")
        if report := site_report(config.env):
            print(report)
    if isinstance(config.env, GymnasiumEnvConfig):
        from sched_rl.envs.gymnasium_env import gymnasium_layout

        gymnasium_layout(config.env)


def check_tracking(config: Config) -> None:
    """Refuse an address that no tracking store can have, before a folder is made; start the process that writes to it.

    Raises:
        TrackingError: naming `tracking.uri` and what is allowed, or that MLflow is not installed.
    """
    if config.tracking.kind == "mlflow":
        from sched_rl.tracking.mlflow_store import check_mlflow_installed, resolve_uri
        from sched_rl.tracking.process_writer import start_early

        check_mlflow_installed()
        start_early(resolve_uri(config.tracking.uri))  # its libraries take as long to import as ours


def _start(arguments: Arguments, sources: ConfigSources) -> int:
    from sched_rl.config.load import load_command
    from sched_rl.multirun import asks_for_multirun, run_multirun

    if arguments.is_multirun or asks_for_multirun("train", arguments.overrides, sources):
        # Under `python -m` this module is __main__, which a launcher's workers cannot import.
        from sched_rl import train

        return run_multirun(arguments.overrides, sources, train.run_training, train.check_device)
    return run_training(load_command("train", arguments.overrides, sources)).exit_code


if __name__ == "__main__":
    sys.exit(main())
