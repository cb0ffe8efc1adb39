"""Several runs from one command line (`-m`), through Hydra's own sweepers and launchers.

Hydra decides which jobs there are and where they run; every job comes back through the same boundary as a
single run. Each multirun has a fresh folder, its jobs have folders 0, 1, 2 ... in it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.hydra import Hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from sched_rl.command_line import report
from sched_rl.config.choices import check_choice, is_choice
from sched_rl.config.compose import Composition, ConfigSources, one_line, search_path
from sched_rl.config.load import load_command
from sched_rl.config.overrides import parse_overrides, refuse_unbounded_sweep
from sched_rl.config.safety import refuse_arguments
from sched_rl.config.schema import Config
from sched_rl.errors import ConfigError, SchedRLError
from sched_rl.run_folder import claim_folder, create_fresh_folder
from sched_rl.tracking.redaction import redact

if TYPE_CHECKING:
    from sched_rl.config.load import Command
    from sched_rl.trainer import TrainResult

_PRIMARY = "train"
_BASIC_SWEEPER = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"


@dataclass(frozen=True)
class JobFailure:
    """What a job returns instead of a result when an error of the user's ended it, reported already."""

    message: str
    exit_code: int


def asks_for_multirun(primary: str, overrides: Sequence[str], sources: ConfigSources) -> bool:
    """Whether a chosen file (a sweep) asks for a multirun, so that nobody has to remember -m.

    Raises:
        ConfigError: as loading a configuration would.
    """
    parsed = parse_overrides(overrides)
    refuse_arguments(parsed)
    return _outline(primary, parsed, sources).is_multirun


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
    if outline.sweeper == _BASIC_SWEEPER:
        _check_jobs(parsed, outline, sources, check)
    folder, parsed = _sweep_folder(parsed)
    print(f"multirun in {folder}")
    task = partial(_run_job, run=run, config_dirs=sources.config_dirs)
    try:
        results = _sweep(task, [str(override.input_line) for override in parsed], folder.absolute(), sources)
    except SystemExit as interrupted:
        return int(interrupted.code or 0)
    failures = [value for value in _values(results) if isinstance(value, JobFailure)]
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


def _refuse_resume(parsed: Sequence[Override]) -> None:
    for override in parsed:
        if override.key_or_group == "resume" and override.input_line != "resume=null":
            raise ConfigError(f"{override.input_line}: continues one run; leave -m out")


def _check_jobs(
    parsed: Sequence[Override], outline: Composition, sources: ConfigSources, check: Callable[[Config], None]
) -> None:
    """Refuse a bad job before the first one trains for an hour."""
    from_files = parse_overrides([f"{key}={value}" for key, value in outline.sweeper_params.items()])
    task = [override for override in (*from_files, *parsed) if not override.is_hydra_override()]
    for override in task:
        refuse_unbounded_sweep(override)
    for batch in BasicSweeper.split_arguments(task, max_batch_size=None):
        for job in batch:
            check(load_command(_PRIMARY, job, sources).config)


def _sweep_folder(parsed: list[Override]) -> tuple[Path, list[Override]]:
    """The multirun's folder; `run.folder`, unless swept itself, names it rather than every job's."""
    folders = [override for override in parsed if override.key_or_group == "run.folder"]
    named = folders[-1].value() if folders and not folders[-1].is_sweep_override() else None
    if named is None:
        return create_fresh_folder(), parsed
    folder = claim_folder(Path(str(named)))
    return folder, [override for override in parsed if override not in folders]


def _sweep(task: Any, overrides: list[str], folder: Path, sources: ConfigSources) -> Any:
    quoted = str(folder).replace("\\", "\\\\").replace('"', '\\"')
    steering = [
        "hydra.mode=MULTIRUN",
        f'hydra.sweep.dir="{quoted}"',
        "hydra.sweep.subdir=${hydra.job.num}",
        "hydra.output_subdir=null",
        "hydra.job.chdir=false",
        "hydra/hydra_logging=none",
        "hydra/job_logging=none",
    ]
    with _own_global_hydra():
        try:
            hydra = Hydra.create_main_hydra2(_PRIMARY, search_path(sources.config_dirs))
            return hydra.multirun(_PRIMARY, task, [*overrides, *steering], with_log_configuration=False)
        except (HydraException, OmegaConfBaseException) as error:
            raise ConfigError(one_line(error)) from error


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


def _run_job(
    config: DictConfig, *, run: Callable[[Command, Path], TrainResult], config_dirs: tuple[Path, ...]
) -> TrainResult | JobFailure:
    """One job, in this process or in a launcher's worker, through the same checks as a single run."""
    node = HydraConfig.get()
    overrides, number = [str(text) for text in node.overrides.task], node.job.num
    folder = Path(node.runtime.output_dir)
    _hide_passwords(folder.parent / "multirun.yaml")
    print(f"job {number}: {redact(' '.join(overrides))}")
    try:
        result = run(load_command(_PRIMARY, overrides, ConfigSources(config_dirs)), folder)
    except SchedRLError as error:
        report(type(error)(f"job {number}: {error}"))
        return JobFailure(str(error), error.exit_code)
    if result.exit_code:
        # Whoever interrupts one job means all of them.
        sys.exit(result.exit_code)
    return result


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
