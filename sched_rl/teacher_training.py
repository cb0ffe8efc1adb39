"""Teachers that a run asks for (`agent.warm_start.family_teachers.FAMILY=trained`), trained before it begins.

Each is a run like any other, in the folder that its configuration names. What is finished there is used, what was
stopped goes on; of two runs that want the same teacher at once, one trains it and the other waits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import filelock

from sched_rl.config.schema import Config
from sched_rl.errors import RunFolderError
from sched_rl.run_folder import resume_started_job
from sched_rl.tracking.grid_record import job_outcome
from sched_rl.trainer import TrainResult

#: Trains a configuration, or goes on with the run in a folder.
Train = Callable[[Config, Path | None], TrainResult]


def train_teachers(teachers: Sequence[Config], train: Train) -> TrainResult | None:
    """Train what is not there yet.

    Args:
        teachers: with the folders of their runs.
        train: trains one.

    Returns:
        None when all of them are there; the result of one that was interrupted.

    Raises:
        RunFolderError: when a folder cannot be made.
    """
    for number, config in enumerate(teachers, start=1):
        folder = Path(str(config.run.folder))
        with _alone(folder):
            if not job_outcome(folder).trouble:
                print(f"teacher {number} of {len(teachers)}, {folder}: trained before")
                continue
            is_begun = resume_started_job(folder, config)
            print(
                f"teacher {number} of {len(teachers)}, {folder}: {'goes on' if is_begun else 'is trained first'}"
            )
            result = train(config, folder if is_begun else None)
        if result.exit_code:
            print("the same command goes on from here")
            return result
    return None


def _alone(folder: Path) -> AbstractContextManager[filelock.BaseFileLock]:
    """A held lock on what happens to a folder; leaving it once lets go."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder.with_name(f"{folder.name}.lock"))
        try:
            return lock.acquire(timeout=0)
        except filelock.Timeout:
            print(f"waits for the run that trains {folder}")
            return lock.acquire()
    except OSError as error:
        raise RunFolderError(
            f"{folder}: no run folder can be made in its place ({error.strerror})"
        ) from error
