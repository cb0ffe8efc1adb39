"""Writing to a sweep's study: opened once a process, safe against a second writer who was quicker.

Whatever needs Optuna's storage rather than its study is in here: the end of a trial is one compare-and-set in the
database, so of a worker that was given up and its successor exactly one is heard.
"""

from __future__ import annotations

import os
import socket
import time
import warnings
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import filelock
import optuna
from optuna.exceptions import DuplicatedStudyError, ExperimentalWarning, UpdateFinishedTrialError
from optuna.storages._heartbeat import BaseHeartbeat
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from sched_rl.tracking.redaction import redact
from sweeps.study import SweepError, sqlite_file

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import RDBStorage

#: How long a writer of sqlite waits for another.
_BUSY_S = 60.0

#: A trial without a sign of life for so many heartbeats is dead.
SILENT_HEARTBEATS = 3

#: Attempts at the first opening of a database server's tables, which several workers may create at once.
_ATTEMPTS = 6

_NETWORK_FILESYSTEMS = (
    "nfs",
    "nfs4",
    "cifs",
    "smb",
    "smb2",
    "smb3",
    "lustre",
    "gpfs",
    "beegfs",
    "fuse.sshfs",
    "afs",
)


@lru_cache(maxsize=8)
def open_storage(address: str) -> RDBStorage:
    """The storage, its tables made where they are missing.

    Raises:
        SweepError: when it cannot be reached or made.
    """
    return _open(address)


@lru_cache(maxsize=8)
def _open_with_heartbeat(address: str, heartbeat_s: int, max_retries: int) -> RDBStorage:
    def callback(study: Study, trial: FrozenTrial) -> None:
        _try_again(study, trial, max_retries)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return _open(
            address,
            heartbeat_interval=heartbeat_s,
            grace_period=SILENT_HEARTBEATS * heartbeat_s,
            heartbeat_stale_trial_callback=callback,
        )


def open_or_create_study(
    address: str, name: str, directions: Sequence[Literal["minimize", "maximize"]]
) -> Study:
    """The study of a sweep, made by whoever is first.

    Raises:
        SweepError: when the storage cannot be reached or made.
    """
    storage = open_storage(address)
    try:
        return optuna.create_study(storage=storage, study_name=name, directions=directions)
    except DuplicatedStudyError:
        return optuna.load_study(storage=storage, study_name=name)


def load_trial(address: str, name: str, number: int) -> Trial:
    """A running trial, for the job that trains it; nothing is sampled there."""
    sampler = optuna.samplers.RandomSampler()
    study = optuna.load_study(storage=open_storage(address), study_name=name, sampler=sampler)
    return Trial(study, trial_id(study, number))


def trial_id(study: Study, number: int) -> int:
    """The storage's key of a trial."""
    return study._storage.get_trial_id_from_study_id_trial_number(study._study_id, number)


def beat(study: Study, number: int) -> None:
    """A sign of life of a running trial."""
    storage = study._storage
    if isinstance(storage, BaseHeartbeat):
        storage.record_heartbeat(trial_id(study, number))


def note(study: Study, number: int, attrs: Mapping[str, Any]) -> bool:
    """Add user attributes to a trial that has not ended; False: it has, somebody else ended it."""
    key = trial_id(study, number)
    try:
        for name, value in attrs.items():
            study._storage.set_trial_user_attr(key, name, value)
    except UpdateFinishedTrialError:
        return False
    return True


def finish(study: Study, number: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
    """End a trial; False: somebody else has, and this word comes too late."""
    try:
        return bool(study._storage.set_trial_state_values(trial_id(study, number), state, values))
    except UpdateFinishedTrialError:
        return False


def fail(study: Study, number: int, error: str) -> bool:
    """End a trial as failed, with the reason; False: it has ended already."""
    return note(study, number, {"error": redact(error)}) and finish(study, number, TrialState.FAIL)


def enqueue_again(study: Study, trial: FrozenTrial, *, retries: int) -> None:
    """Queue a dead or interrupted trial's values; the next attempt continues its checkpoint where there is one."""
    attrs = trial.user_attrs
    kept: dict[str, Any] = {name: attrs[name] for name in ("overrides", "grid_point") if name in attrs}
    folder = {"resume_folder": attrs["folder"]} if "folder" in attrs else {}
    earlier = {"resume_folder": attrs["resume_folder"]} if "resume_folder" in attrs else {}
    study.add_trial(
        create_trial(
            state=TrialState.WAITING,
            params=trial.params,
            distributions=trial.distributions,
            user_attrs={**kept, **earlier, **folder, "retry_of": trial.number, "retries": retries},
        )
    )


def claim(study: Study, number: int) -> None:
    """Say which process answers for a trial: the sweep that asked for it, then the job that trains it."""
    note(study, number, {"pid": os.getpid(), "process": _process_space()})


def fail_dead_trials(address: str, name: str, heartbeat_s: int, max_retries: int) -> None:
    """End trials whose process or heartbeat stopped, and queue them again, at most `max_retries` times each."""
    storage = _open_with_heartbeat(address, heartbeat_s, max_retries)
    study = optuna.load_study(storage=storage, study_name=name, sampler=optuna.samplers.RandomSampler())
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if _is_gone(trial) and finish(study, trial.number, TrialState.FAIL):
            _try_again(study, trial, max_retries)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        optuna.storages.fail_stale_trials(study)


def network_filesystem(path: Path) -> str | None:
    """The kind of network file system that a path lies on; None on a local one or where nobody can tell."""
    try:
        mounts = Path("/proc/mounts").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    real = str(path.absolute().resolve())
    kinds = {fields[1]: fields[2] for fields in map(str.split, mounts) if len(fields) > 2}
    holding = [point for point in kinds if real == point or real.startswith(point.rstrip("/") + "/")]
    kind = kinds[max(holding, key=len)] if holding else ""
    return kind if kind in _NETWORK_FILESYSTEMS else None


def _try_again(study: Study, trial: FrozenTrial, max_retries: int) -> None:
    retries = trial.user_attrs.get("retries", 0)
    if retries < max_retries:
        enqueue_again(study, trial, retries=retries + 1)


def _is_gone(trial: FrozenTrial) -> bool:
    """Whether the process that answers for a trial ran here and runs no more; elsewhere only the heartbeat tells."""
    pid = trial.user_attrs.get("pid")
    if pid is None or trial.user_attrs.get("process") != _process_space():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _process_space() -> dict[str, str]:
    """Where a process number means the same process: this host, and on it this container."""
    try:
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        space = ""
    return {"host": socket.gethostname(), "pid_space": space}


def _open(address: str, **heartbeat: Any) -> RDBStorage:
    from sqlalchemy.exc import SQLAlchemyError

    file = sqlite_file(address)
    options: dict[str, Any] = (
        {"pool_pre_ping": True} if file is None else {"connect_args": {"timeout": _BUSY_S}}
    )
    try:
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            with filelock.FileLock(f"{file}.lock", timeout=_BUSY_S):
                return optuna.storages.RDBStorage(address, engine_kwargs=options, **heartbeat)
        return _open_server(address, options, heartbeat)
    except ImportError as error:
        raise SweepError(
            f"sweep.storage={redact(address)}: its driver is not installed ({error}); "
            "for PostgreSQL: pip install psycopg[binary], and postgresql+psycopg://..."
        ) from error
    except (SQLAlchemyError, OSError, filelock.Timeout) as error:
        reason = redact(str(error).partition("\n")[0])
        raise SweepError(f"sweep.storage={redact(address)}: cannot be opened ({reason})") from error


def _open_server(address: str, options: dict[str, Any], heartbeat: Mapping[str, Any]) -> RDBStorage:
    """Workers that start together all find no tables and all make them; all but one must look again."""
    from sqlalchemy.exc import IntegrityError, ProgrammingError

    for attempt in range(_ATTEMPTS):
        try:
            return optuna.storages.RDBStorage(address, engine_kwargs=options, **heartbeat)
        except (IntegrityError, ProgrammingError):
            if attempt == _ATTEMPTS - 1:
                raise
            time.sleep(0.1 * 2**attempt + os.getpid() % 7 * 0.02)
    raise AssertionError("unreachable")
