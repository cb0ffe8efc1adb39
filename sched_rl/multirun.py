"""Several runs from one command line (`-m`), through Hydra's own sweepers and launchers.

Hydra decides which jobs there are and where they run; every job comes back through the same boundary as a
single run. Each grid has a fresh folder, its jobs have folders 0, 1, 2 ... in it. A sweep (`sweep=NAME`) is
driven by a sweeper plugin, which chooses the folder and gives each job an observer (`sched_rl.sweep_job`).
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra._internal.callbacks import Callbacks
from hydra._internal.hydra import Hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from sched_rl.command_line import report
from sched_rl.config.choices import check_choice, is_choice
from sched_rl.config.compose import Composition, ConfigSources, one_line, search_path
from sched_rl.config.grid import Grid, check_grid
from sched_rl.config.launchers import agree_on_signals
from sched_rl.config.load import load_command
from sched_rl.config.overrides import parse_overrides, path_override
from sched_rl.config.safety import refuse_arguments
from sched_rl.config.schema import Config
from sched_rl.errors import ConfigError, LaunchError, SchedRLError
from sched_rl.interrupts import EXIT_CODES, REQUEUE_EXIT_CODE
from sched_rl.reporting.grid_views import print_comparison
from sched_rl.run_folder import RUNS, claim_folder, create_fresh_folder, resume_started_job
from sched_rl.sweep_job import SweepEnd, SweepJob
from sched_rl.tracking.grid_record import GridJob, write_grid
from sched_rl.tracking.redaction import redact

if TYPE_CHECKING:
    from sched_rl.config.load import Command
    from sched_rl.trainer import TrainResult

_PRIMARY = "train"
_BASIC_SWEEPER = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"
_SWEEPER_PACKAGE = "hydra_plugins.sched_rl_sweeper."


@dataclass(frozen=True)
class JobFailure:
    """What a job returns instead of a result when an error of the user's or a signal ended it.

    Attributes:
        message: one line, with the job's number.
        exit_code: of the error or the signal.
        is_reported: the person who started the multirun has seen it.
    """

    message: str
    exit_code: int
    is_reported: bool


def asks_for_multirun(primary: str, overrides: Sequence[str], sources: ConfigSources) -> bool:
    """Whether a chosen file (a sweep) asks for a multirun, so that nobody has to remember -m.

    Raises:
        ConfigError: as loading a configuration would.
    """
    parsed = parse_overrides(overrides)
    refuse_arguments(parsed)
    outline = _outline(primary, parsed, sources)
    return outline.is_multirun or outline.tree.get("sweep") is not None


def run_multirun(
    overrides: Sequence[str],
    sources: ConfigSources,
    run: Callable[[Command, Path], TrainResult],
    check: Callable[[Config], None],
) -> int:
    """Run every job of the command line.

    Args:
        overrides: the command line's, sweeps included.
        sources: where the options are.
        run: runs one job in the folder given; importable by name, since launchers may send it to other processes.
        check: refuses, before the first job starts, what a configuration asks of the machine in vain.

    Returns:
        0, or the exit code of the first job that failed; the others have run.

    Raises:
        ConfigError: before the first job starts, when any job's configuration is wrong.
        RunFolderError: when the multirun's folder is not empty.
    """
    parsed = parse_overrides(overrides)
    refuse_arguments(parsed)
    _refuse_resume(parsed)
    outline = _outline(_PRIMARY, parsed, sources)
    if outline.tree.get("sweep") is not None:
        return _run_sweep(parsed, outline, sources, SweepJob(run, check, sources.config_dirs))
    grid = _check_jobs(parsed, outline, sources, check) if outline.sweeper == _BASIC_SWEEPER else None
    folder, parsed = _sweep_folder(parsed)
    print(f"multirun in {folder}")
    if grid is not None:
        _write_jobs(folder, grid)
    task = partial(_run_job, run=run, config_dirs=sources.config_dirs, starter=_process())
    texts = [str(override.input_line) for override in parsed]
    exit_code = _exit_code(partial(_sweep, task, texts, folder.absolute(), sources))
    if grid is not None and len(grid.jobs) > 1:
        print_comparison(folder)
    return exit_code


def _exit_code(sweep: Callable[[], Any]) -> int:
    """Run all jobs; report what those in other processes could not, each once."""
    try:
        results = sweep()
    except SystemExit as interrupted:
        return int(interrupted.code or 0)
    except LaunchError as error:
        report(error)
        return error.exit_code
    failures = [value for value in _values(results) if isinstance(value, JobFailure)]
    for failure in failures:
        if not failure.is_reported:
            report(SchedRLError(failure.message))
    return failures[0].exit_code if failures else 0


def _outline(primary: str, parsed: Sequence[Override], sources: ConfigSources) -> Composition:
    """The composition without values and sweeps: which sweeper, and whether a file asks for a multirun."""
    texts: list[str] = []
    for override in parsed:
        group = override.key_or_group
        if override.is_sweep_override():
            continue
        if is_choice(override, sources) and (override.is_hydra_override() or "/" not in group):
            option = check_choice(override, sources)
            texts.append(f"{group}={'null' if option is None else option}")
        elif override.is_hydra_override():
            texts.append(str(override.input_line))
    return sources.compose(primary, texts)


def _run_sweep(
    parsed: Sequence[Override], outline: Composition, sources: ConfigSources, job: SweepJob
) -> int:
    """Let the sweeper plugin search; it knows its folder, its jobs and what to print."""
    if not outline.sweeper.startswith(_SWEEPER_PACKAGE):
        raise ConfigError(
            f"sweep={outline.chosen.get('sweep')}: {outline.sweeper} knows nothing of sweeps; the file needs "
            "`override /hydra/sweeper: sched_optuna` in its defaults (begin it as conf/sweep/ppo_core.yaml does)"
        )
    texts = [str(override.input_line) for override in parsed]
    try:
        end = _sweep(job, texts, RUNS.absolute(), sources)
    except SystemExit as interrupted:
        return int(interrupted.code or 0)
    return end.exit_code if isinstance(end, SweepEnd) else 0


def _refuse_resume(parsed: Sequence[Override]) -> None:
    for override in parsed:
        if override.key_or_group == "resume" and override.input_line != "resume=null":
            raise ConfigError(f"{override.input_line}: continues one run; leave -m out")


def _check_jobs(
    parsed: Sequence[Override], outline: Composition, sources: ConfigSources, check: Callable[[Config], None]
) -> Grid:
    from_files = parse_overrides([f"{key}={value}" for key, value in outline.sweeper_params.items()])
    task = [override for override in (*from_files, *parsed) if not override.is_hydra_override()]
    return check_grid(task, sources, check)


def _write_jobs(folder: Path, grid: Grid) -> None:
    shown = [tuple(redact(text) for text in job) for job in grid.jobs]
    write_grid(folder, [GridJob(number, grid.values(number), job) for number, job in enumerate(shown)])


def _sweep_folder(parsed: list[Override]) -> tuple[Path, list[Override]]:
    """The multirun's folder; `run.folder`, unless swept itself, names it rather than every job's."""
    folders = [override for override in parsed if override.key_or_group == "run.folder"]
    named = folders[-1].value() if folders and not folders[-1].is_sweep_override() else None
    if named is None:
        return create_fresh_folder(), parsed
    folder = claim_folder(Path(str(named)))
    return folder, [override for override in parsed if override not in folders]


def launch_jobs(
    jobs: Sequence[Sequence[str]],
    steering: Sequence[str],
    folder: Path,
    sources: ConfigSources,
    run: Callable[[Command, Path], TrainResult],
) -> int:
    """Run jobs that are no grid, through any launcher.

    Args:
        jobs: the overrides of each, checked; `run.folder` or `resume` among them, else it runs in FOLDER/NUMBER.
        steering: the choice of a launcher and its settings.
        folder: for what Hydra and its launcher write.
        sources: where the options are.
        run: runs one job; importable by name.

    Returns:
        0, or the exit code of the first job that failed; the others have run.

    Raises:
        ConfigError: when the launcher is not there or not set right.
    """
    parsed = parse_overrides(steering)
    refuse_arguments(parsed)
    _outline(_PRIMARY, parsed, sources)
    task = partial(_run_job, run=run, config_dirs=sources.config_dirs, starter=_process())

    def launch(hydra: Hydra) -> Any:
        overrides = [*steering, *_steering(folder)]
        config = hydra.compose_config(_PRIMARY, overrides, RunMode.MULTIRUN, with_log_configuration=False)
        launcher = Plugins.instance().instantiate_launcher(
            hydra_context=HydraContext(config_loader=hydra.config_loader, callbacks=Callbacks()),
            task_function=task,
            config=config,
        )
        return [launcher.launch(jobs, initial_job_idx=0)]

    return _exit_code(partial(_with_hydra, launch, folder, sources))


def _sweep(task: Any, overrides: list[str], folder: Path, sources: ConfigSources) -> Any:
    def sweep(hydra: Hydra) -> Any:
        texts = [*overrides, *_steering(folder)]
        return hydra.multirun(_PRIMARY, task, texts, with_log_configuration=False)

    return _with_hydra(sweep, folder, sources)


def _steering(folder: Path) -> list[str]:
    return [
        "hydra.mode=MULTIRUN",
        path_override("hydra.sweep.dir", folder),
        "hydra.sweep.subdir=${hydra.job.num}",
        "hydra.output_subdir=null",
        "hydra.job.chdir=false",
        "hydra/hydra_logging=none",
        "hydra/job_logging=none",
    ]


def _with_hydra(use: Callable[[Hydra], Any], folder: Path, sources: ConfigSources) -> Any:
    agree_on_signals()
    with _own_global_hydra():
        try:
            return use(Hydra.create_main_hydra2(_PRIMARY, search_path(sources.config_dirs)))
        except (HydraException, OmegaConfBaseException) as error:
            raise ConfigError(one_line(error)) from error
        except Exception as error:
            # A launcher's worker that was killed, a batch system that refused: each engine has its own errors.
            if not _is_launchers(error):
                raise
            reason = " ".join(str(error).split())[:300]
            raise LaunchError(f"the launcher gave up: {reason}; what finished is in {folder}") from error


@contextmanager
def _own_global_hydra() -> Iterator[None]:
    """Hydra's multirun registers itself globally; the caller may be a Hydra application itself."""
    instance = GlobalHydra.instance()
    outer = instance.hydra
    instance.clear()
    try:
        yield
    finally:
        instance.hydra = outer


def _is_launchers(error: Exception) -> bool:
    """Whether an error comes from the machinery between this process and the jobs rather than from a job."""
    return type(error).__module__.partition(".")[0] in ("joblib", "submitit", "ray")


def _process() -> str:
    """This process, told apart from those of other hosts."""
    return f"{socket.gethostname()}:{os.getpid()}"


def _run_job(
    config: DictConfig,
    *,
    run: Callable[[Command, Path], TrainResult],
    config_dirs: tuple[Path, ...],
    starter: str,
) -> TrainResult | JobFailure:
    """One job, in this process or in a launcher's worker, through the same checks as a single run."""
    node = HydraConfig.get()
    overrides, number = [str(text) for text in node.overrides.task], node.job.num
    folder = Path(node.runtime.output_dir)
    is_here = _process() == starter
    _hide_passwords(folder.parent / "multirun.yaml")
    print(f"job {number}: {redact(' '.join(overrides))}", flush=True)
    try:
        sources = ConfigSources(config_dirs)
        command = load_command(_PRIMARY, overrides, sources)
        own_folder = Path(command.config.run.folder or folder)
        if not is_here and resume_started_job(own_folder, command.config):  # requeued by a batch system
            command = load_command(_PRIMARY, [path_override("resume", own_folder)], sources)
        result = run(command, folder)
    except SchedRLError as error:
        message = f"job {number}: {error}"
        if is_here:
            report(type(error)(message))
        return JobFailure(message, error.exit_code, is_reported=is_here)
    if not result.exit_code:
        return result
    if is_here:
        # Whoever interrupts one job means all of them.
        sys.exit(result.exit_code)
    ask_for_requeue(result.exit_code)
    name = next(name for name, code in EXIT_CODES.items() if code == result.exit_code)
    return JobFailure(f"job {number}: stopped by {name}", result.exit_code, is_reported=False)


def ask_for_requeue(exit_code: int) -> None:
    """Hand the batch system's signal, on which the training has saved, to the launcher that requeues the job."""
    if exit_code == REQUEUE_EXIT_CODE and callable(signal.getsignal(signal.SIGUSR1)):
        signal.raise_signal(signal.SIGUSR1)


def _hide_passwords(path: Path) -> None:
    """Hydra writes the command line as it was given, the address of a tracking store included."""
    if path.is_file():
        text = path.read_text(encoding="utf-8")
        if redact(text) != text:
            path.write_text(redact(text), encoding="utf-8")


def _values(results: Any) -> Iterator[Any]:
    """The jobs' return values, where the sweeper hands them back."""
    for batch in results if isinstance(results, list) else []:
        for job in batch if isinstance(batch, (list, tuple)) else []:
            yield getattr(job, "return_value", None)
