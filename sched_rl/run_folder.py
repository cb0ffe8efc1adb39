"""A run's folder: made exclusively, so that two runs never write into one."""

from __future__ import annotations

import itertools
import secrets
import string
from datetime import datetime
from pathlib import Path

from sched_rl.checkpoint import CheckpointStore
from sched_rl.config.record import CONFIG_FILE, config_digest, load_config_file
from sched_rl.config.schema import Config
from sched_rl.errors import RunFolderError

#: Where runs go by default, relative to the working directory.
RUNS = Path("runs")

_ALPHABET = string.ascii_lowercase + string.digits


def create_run_folder(config: Config, default: Path | None = None) -> Path:
    """The folder of a new run.

    A fresh folder is made exclusively. Of two runs that are given one empty folder, the run record, which
    locks it, lets one in.

    Args:
        config: the run's configuration; `run.folder` names the folder.
        default: the folder where `run.folder` is null (a multirun's job); None: a fresh one below `runs/`.

    Returns:
        The folder's path, as given or relative to the working directory.

    Raises:
        RunFolderError: when the folder is not empty or cannot be made.
    """
    if config.run.folder is not None:
        return claim_folder(Path(config.run.folder))
    return create_fresh_folder() if default is None else claim_folder(default)


def create_fresh_folder(parent: Path = RUNS) -> Path:
    """A folder nobody else has: time of start and six random characters.

    Raises:
        RunFolderError: when it cannot be made.
    """
    try:
        parent.mkdir(parents=True, exist_ok=True)
        while True:
            started = datetime.now().strftime("%Y%m%d-%H%M%S")
            folder = parent / f"{started}-{''.join(secrets.choice(_ALPHABET) for _ in range(6))}"
            try:
                folder.mkdir()
            except FileExistsError:
                continue
            return folder
    except OSError as error:
        raise RunFolderError(f"{parent}: no run folder can be made in it ({error.strerror})") from error


def claim_folder(folder: Path) -> Path:
    """A folder that a user named, made where it is missing.

    Raises:
        RunFolderError: when it is not empty or cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        is_empty = not any(folder.iterdir())
    except (FileExistsError, NotADirectoryError) as error:
        raise RunFolderError(f"run.folder={folder}: is or lies below a file; give a new folder") from error
    except OSError as error:
        raise RunFolderError(f"run.folder={folder}: cannot be made ({error.strerror})") from error
    if not is_empty:
        is_run = (folder / CONFIG_FILE).exists()
        remedy = f"continue it with resume={folder}" if is_run else "give a new or empty folder"
        raise RunFolderError(f"run.folder={folder}: not empty; {remedy}")
    return folder


def check_resumable(folder: Path) -> None:
    """Refuse a folder that no run can be continued from.

    Raises:
        RunFolderError: when it is missing or is no run folder.
    """
    if not folder.exists():
        raise RunFolderError(f"resume={folder}: no such folder")
    if not folder.is_dir():
        raise RunFolderError(f"resume={folder}: is a file; give the run's folder")
    if not (folder / CONFIG_FILE).is_file():
        raise RunFolderError(f"resume={folder}: not a run folder, there is no {CONFIG_FILE} in it")


def resume_started_job(folder: Path, config: Config) -> bool:
    """Prepare the folder of a job that a batch system may have started before.

    Args:
        folder: of the job. What a start without a checkpoint left in it is set aside, not deleted; a run of another
            configuration is left alone, for `create_run_folder` to refuse.
        config: of the job.

    Returns:
        Whether the folder holds a run to continue.

    Raises:
        RunFolderError: when it cannot be moved.
        ConfigError: when its configuration cannot be read.
    """
    recorded = folder / CONFIG_FILE
    if not recorded.is_file() or config_digest(load_config_file(recorded)) != config_digest(config):
        return False
    if CheckpointStore(folder / "checkpoints").latest_path() is not None:
        return True
    try:
        aside = (folder.with_name(f"{folder.name}.cut_short_{n}") for n in itertools.count(1))
        folder.rename(next(path for path in aside if not path.exists()))
        folder.mkdir()
    except OSError as error:
        raise RunFolderError(f"{folder}: cannot be set aside ({error.strerror})") from error
    return False
