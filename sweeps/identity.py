"""Begin a sweep or go on with it: the same name must mean the same search."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import filelock

from sched_rl.config.changes import differences, shortened
from sched_rl.tracking.redaction import redact
from sweeps.measures import MINIMIZED
from sweeps.plan import SweepPlan
from sweeps.storage import network_filesystem, open_or_create_study
from sweeps.study import SweepError, sqlite_file

if TYPE_CHECKING:
    from optuna import Study


def begin_or_resume(plan: SweepPlan) -> Study:
    """Open the plan's study, new or with earlier trials of the same search.

    Raises:
        SweepError: when the name belongs to another search, key by key.
    """
    file = sqlite_file(plan.storage)
    if file is not None and (kind := network_filesystem(file.parent)):
        print(
            f"warning: {file} lies on a network file system ({kind}), where sqlite can lose writes of several "
            "hosts; for more than one host take sweep.storage=postgresql://...",
            file=sys.stderr,
        )
    directions = ["minimize" if name in MINIMIZED else "maximize" for name in plan.sweep.objectives]
    study = open_or_create_study(plan.storage, plan.name, directions)  # type: ignore[arg-type]
    if "digest" not in study.user_attrs:
        with _one_at_a_time(plan):
            if "digest" not in study.user_attrs:
                _refuse_strange_trials(plan, study)
                _describe(plan, study)
    recorded = study.user_attrs
    if recorded["digest"] != plan.digest:
        raise SweepError(_refusal(plan, differences(recorded["config"], plan.shared)))
    study.set_user_attr("n_trials", plan.n_trials)
    return study


@contextmanager
def _one_at_a_time(plan: SweepPlan) -> Iterator[None]:
    """Of several commands that begin one sweep together, each on this file system sees what the first one wrote."""
    plan.folder.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(plan.folder / ".begin.lock"):
        yield


def _refusal(plan: SweepPlan, changed: list[str]) -> str:
    return (
        f"sweep {plan.name} in {plan.folder} was begun with other settings: {shortened(changed)}. "
        "Type them as before to go on with it, or begin another with sweep.name=NAME"
    )


def _refuse_strange_trials(plan: SweepPlan, study: Study) -> None:
    if study.get_trials(deepcopy=False):
        raise SweepError(
            f"sweep.storage: the study {plan.name} there is not one of ours; give another sweep.name"
        )
    strange = [path.name for path in plan.folder.glob("[0-9]*") if path.is_dir()]
    if strange:
        raise SweepError(
            f"{plan.folder}: holds {len(strange)} trials of a sweep that {redact(plan.storage)} does not know; "
            "give sweep.name=NAME, or the storage that it was begun with"
        )


def _describe(plan: SweepPlan, study: Study) -> None:
    """The study's own record; `digest` last, so that whoever sees it sees all."""
    described = {
        "recipe": plan.recipe,
        "command": [redact(text) for text in plan.command],
        "base_overrides": list(plan.base_overrides),
        "agent": plan.config.agent.name,
        "env": plan.config.env.name,
        "folder": str(plan.folder),
        "space": {
            dimension.key: {
                "values": dimension.text,
                "when": None
                if dimension.condition is None
                else f"{dimension.condition.key}={','.join(dimension.condition.allowed)}",
            }
            for dimension in plan.space.dimensions
        },
        "objectives": list(plan.sweep.objectives),
        "constraints": {
            key: bound for key, bound in vars(plan.sweep.constraints).items() if bound is not None
        },
        "sampler": plan.sweep.sampler,
        "pruner": plan.sweep.pruner,
        "n_trials": plan.n_trials,
        "config": plan.shared,
        "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "digest": plan.digest,
    }
    for key, value in described.items():
        study.set_user_attr(key, value)
