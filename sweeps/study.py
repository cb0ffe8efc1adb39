"""What a sweep keeps in its Optuna study: the names, the addresses, and how to read them without writing.

A sweep is known by its name. The name is the study's name in the storage and the last part of the sweep's
folder, `runs/sweeps/NAME`; trial k trains in `runs/sweeps/NAME/k`. Without `sweep.storage` the storage is the
file `study.db` in that folder. Everything below is JSON in user attributes, so any tool of Optuna's shows it.

User attributes of the study, written once when the sweep begins (`run_tags` by whoever tags trials):

| attribute | what |
| --- | --- |
| `recipe` | option of the group `sweep`, such as `ppo_core` |
| `command` | what was typed after `python -m sched_rl.train`, a list; typed again it resumes the sweep |
| `base_overrides` | overrides that, without `sweep=`, train with the sweep's fixed settings, a list |
| `agent`, `env` | names of the agent and the env |
| `folder` | absolute folder of the sweep on the host that began it |
| `space` | key to `{"values": grammar, "when": "key=a,b" or null}` |
| `objectives` | names of the objectives, in the order of the study's directions |
| `constraints` | measure to its upper bound |
| `sampler`, `pruner`, `n_trials` | as configured; `n_trials` is that of the last command |
| `config`, `digest` | the settings that every command of this sweep must share, and their SHA-256 |
| `started_at` | ISO 8601, UTC |
| `run_tags` | tags for the tracked run of every trial; absent: none |

User attributes of a trial. Those from `seed` to `pruned_at` are one attribute, `outcome`, a mapping, since writing
each by itself takes longer than a short trial; `host` is in `process`. `TrialInfo.attrs` has them beside the others:

| attribute | what |
| --- | --- |
| `overrides` | what the sampler chose, as typed, a list such as `["agent.lr=0.001"]` |
| `folder` | the run folder (absolute), once the job has begun |
| `pid`, `host` | process that answers for the trial: of the sweep until the job begins, then of the job |
| `seed` | training seed |
| `block_scores` | block name to mean return at the best evaluation |
| `min_block_return`, `mean_return` | of the best evaluation: the objective, and its mean over blocks |
| `last_min_block_return`, `last_mean_return` | of the last evaluation |
| `steps`, `updates`, `wall_s` | steps, updates, seconds of training; a resumed trial counts the earlier ones too |
| `invalid_frac` | largest share of invalid actions in any update or evaluation |
| `noop_feasible_frac` | share of no-ops at the best evaluation where some job fitted |
| `pruned_at` | share of the training done when the pruner ended it, in [0, 1] |
| `retry_of`, `retries` | trial that died and is repeated; how many attempts came before |
| `resume_folder` | run folder of the earlier attempt, whose checkpoint is continued |
| `interrupted` | true: stopped in order by a signal, continued by a later trial |
| `surplus` | true: another worker was quicker, nothing ran |
| `error` | why the trial failed |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sched_rl.errors import SchedRLError
from sched_rl.run_folder import RUNS

if TYPE_CHECKING:
    from datetime import datetime

    from optuna import Study
    from optuna.trial import FrozenTrial

#: Where sweeps go, relative to the working directory.
SWEEPS = RUNS / "sweeps"

#: Name of the default storage in a sweep's folder.
STUDY_FILE = "study.db"

_SERVERS = ("postgresql", "mysql", "mariadb")


class SweepError(SchedRLError):
    """A sweep that cannot begin, go on or be read."""


@dataclass(frozen=True)
class SweepInfo:
    """The study's attributes; see the module's table."""

    name: str
    recipe: str
    command: tuple[str, ...]
    base_overrides: tuple[str, ...]
    agent: str
    env: str
    folder: Path
    space: dict[str, dict[str, str | None]]
    objectives: tuple[str, ...]
    maximize: tuple[bool, ...]
    constraints: dict[str, float]
    sampler: str
    pruner: str
    n_trials: int
    config: dict[str, Any]
    digest: str
    started_at: str
    run_tags: dict[str, str]


@dataclass(frozen=True)
class TrialInfo:
    """A trial in plain values.

    Attributes:
        number: of the trial, and the name of its folder.
        state: `COMPLETE`, `PRUNED`, `RUNNING`, `WAITING`, `FAIL`.
        values: of the objectives; empty while unknown. A pruned trial has its best so far.
        is_feasible: every constraint holds; true where there are none.
        params: what the sampler chose, key to value.
        attrs: the trial's user attributes, those of its outcome among them; see the module's table.
        began: local time of its start.
        ended: local time of its end.
    """

    number: int
    state: str
    values: tuple[float, ...]
    is_feasible: bool
    params: dict[str, Any]
    attrs: dict[str, Any]
    began: datetime | None
    ended: datetime | None

    @property
    def overrides(self) -> list[str]:
        """What the sampler chose, as typed."""
        return list(self.attrs.get("overrides", []))

    @property
    def folder(self) -> Path | None:
        """The run folder, once the job has one."""
        return Path(self.attrs["folder"]) if "folder" in self.attrs else None


def storage_address(storage: str | None, folder: Path) -> str:
    """The absolute address of a storage.

    Args:
        storage: `sweep.storage`: null, a path, `sqlite:///PATH` or a database server's address.
        folder: of the sweep; holds the default storage.

    Raises:
        SweepError: when no storage can have the address.
    """
    if storage is None:
        return f"sqlite:///{(folder / STUDY_FILE).absolute()}"
    scheme, separator, rest = storage.partition("://")
    if not separator:
        return f"sqlite:///{Path(storage).absolute()}"
    if scheme.partition("+")[0] == "sqlite":
        path = rest.removeprefix("/")
        if not path or path == ":memory:":
            raise SweepError(f"sweep.storage={storage}: names no file; write sqlite:///FILE.db")
        return f"sqlite:///{Path(path).absolute()}"
    if scheme.partition("+")[0] in _SERVERS:
        return storage
    raise SweepError(
        f"sweep.storage={storage}: must be null, a file, sqlite:///FILE.db or postgresql://USER@HOST/DATABASE"
    )


def sqlite_file(address: str) -> Path | None:
    """The file of a sqlite address, None for a server's."""
    return Path(address.removeprefix("sqlite:///")) if address.startswith("sqlite:///") else None


def open_study(address: str, name: str | None = None) -> Study:
    """Open a study to read it; nothing is created, and a sqlite file is opened read-only.

    Args:
        address: of the storage, absolute.
        name: of the study; None where the storage holds just one.

    Raises:
        SweepError: when the storage or the study is not there.
    """
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    file = sqlite_file(address)
    if file is not None and not file.is_file():
        raise SweepError(f"{file}: no such file; a sweep writes it when it begins")
    url = address if file is None else f"sqlite:///file:{file}?mode=ro&uri=true"
    try:
        storage = optuna.storages.RDBStorage(url, skip_table_creation=True)
        names = optuna.get_all_study_names(storage)
    except (SQLAlchemyError, ImportError, RuntimeError) as error:
        raise SweepError(f"{_shown(address)}: cannot be opened ({_first_line(error)})") from error
    if name is None and len(names) == 1:
        name = names[0]
    if name not in names:
        known = ", ".join(sorted(names)) or "none"
        asked = f"no sweep {name}" if name else "several sweeps: name one"
        raise SweepError(f"{_shown(address)}: {asked}; there are {known}")
    return optuna.load_study(study_name=name, storage=storage)


def find_study(reference: str | None) -> Study:
    """Open the study that a person means, to read it.

    Args:
        reference: a sweep's name, its folder, a study file, or `ADDRESS` or `ADDRESS#NAME` of a storage; None: the
            sweep below `runs/sweeps` that was written last.

    Raises:
        SweepError: when there is none.
    """
    if reference is None:
        files = sorted(SWEEPS.glob(f"*/{STUDY_FILE}"), key=lambda file: file.stat().st_mtime)
        if not files:
            raise SweepError(f"no sweeps below {SWEEPS}; start one with python -m sched_rl.train sweep=NAME")
        return open_study(f"sqlite:///{files[-1].absolute()}")
    if "://" in reference:
        address, _, name = reference.partition("#")
        return open_study(storage_address(address, SWEEPS), name or None)
    for place in (SWEEPS / reference / STUDY_FILE, Path(reference) / STUDY_FILE, Path(reference)):
        if place.is_file():
            return open_study(f"sqlite:///{place.absolute()}")
    names = ", ".join(sorted(file.parent.name for file in SWEEPS.glob(f"*/{STUDY_FILE}"))) or "none"
    raise SweepError(
        f"{reference}: no sweep of that name below {SWEEPS} (there are {names}), no folder, no file"
    )


def sweep_info(study: Study) -> SweepInfo:
    """The study's attributes.

    Raises:
        SweepError: when the study was not made by a sweep of ours.
    """
    from optuna.study import StudyDirection

    attrs = study.user_attrs
    try:
        return SweepInfo(
            name=study.study_name,
            recipe=attrs["recipe"],
            command=tuple(attrs["command"]),
            base_overrides=tuple(attrs["base_overrides"]),
            agent=attrs["agent"],
            env=attrs["env"],
            folder=Path(attrs["folder"]),
            space=attrs["space"],
            objectives=tuple(attrs["objectives"]),
            maximize=tuple(each == StudyDirection.MAXIMIZE for each in study.directions),
            constraints=attrs["constraints"],
            sampler=attrs["sampler"],
            pruner=attrs["pruner"],
            n_trials=int(attrs["n_trials"]),
            config=attrs["config"],
            digest=attrs["digest"],
            started_at=attrs["started_at"],
            run_tags=dict(attrs.get("run_tags", {})),
        )
    except KeyError as error:
        raise SweepError(f"{study.study_name}: not a sweep of sched_rl, it has no {error}") from error


def trial_infos(study: Study) -> list[TrialInfo]:
    """Every trial by number, whatever its state."""
    return [trial_info(trial) for trial in study.get_trials(deepcopy=False)]


def trial_info(trial: FrozenTrial) -> TrialInfo:
    """A trial of Optuna's in plain values."""
    constraints: Mapping[str, float] = trial.constraints
    return TrialInfo(
        number=trial.number,
        state=trial.state.name,
        values=tuple(trial.values or ()),
        is_feasible=all(value <= 0 for value in constraints.values()),
        params=dict(trial.params),
        attrs={
            **trial.user_attrs,
            **trial.user_attrs.get("process", {}),
            **trial.user_attrs.get("outcome", {}),
        },
        began=trial.datetime_start,
        ended=trial.datetime_complete,
    )


def best_trials(study: Study) -> list[TrialInfo]:
    """Complete, feasible trials, the best first; with several objectives the Pareto front, in its first objective.

    Pruned trials are not among them: a trial that was cut short is no candidate.
    """
    maximize = sweep_info(study).maximize
    done = [
        trial
        for trial in trial_infos(study)
        if trial.state == "COMPLETE" and trial.is_feasible and trial.values
    ]
    if len(maximize) > 1:
        signs = [1 if up else -1 for up in maximize]
        done = [trial for trial in done if not any(_dominates(other, trial, signs) for other in done)]
    return sorted(done, key=lambda trial: -trial.values[0] if maximize[0] else trial.values[0])


def _dominates(one: TrialInfo, other: TrialInfo, signs: list[int]) -> bool:
    pairs = [(sign * a, sign * b) for sign, a, b in zip(signs, one.values, other.values, strict=True)]
    return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)


def _shown(address: str) -> str:
    from sched_rl.tracking.redaction import redact

    return redact(address)


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]
