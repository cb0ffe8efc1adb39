"""A run as figures need it: the metric columns, the baselines' scores and a few values of the config."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sched_rl.errors import RunFolderError
from sched_rl.tracking.reading import read_baselines, read_config, read_events, read_metrics

FloatArray = npt.NDArray[np.float64]

#: Events of a guard, in words.
_GUARD_WORDS = {"guard_stop": "guard: stopped", "guard_rollback": "guard: back to the best"}


@dataclass(frozen=True)
class BaselineScore:
    """What a baseline scored on the run's evaluation blocks."""

    mean: float
    worst: float


@dataclass(frozen=True)
class RunCurves:
    """A run's curves.

    Attributes:
        title: the run in a few words.
        columns: metrics.csv by column, [updates]; NaN where a cell is empty.
        baselines: scores by name.
        target_kl: the run's KL limit; None where there is none.
        guards: what a guard did, by update.
    """

    title: str
    columns: dict[str, FloatArray]
    baselines: dict[str, BaselineScore]
    target_kl: float | None
    guards: dict[int, str] = field(default_factory=dict)

    def column(self, name: str) -> FloatArray:
        """A column; all NaN where the run has none of that name."""
        return self.columns.get(name, np.full(len(self.steps), np.nan))

    @property
    def steps(self) -> FloatArray:
        """Environment steps of every row; its update where there is no `timesteps` column."""
        return self.columns["timesteps" if "timesteps" in self.columns else "update"]

    @property
    def best_row(self) -> int | None:
        """The row of the best evaluation: by worst block, mean, then the earlier; None before the first."""
        worst = np.nan_to_num(self.column("eval_min_block_return"), nan=-np.inf)
        mean = np.nan_to_num(self.column("eval_mean_return"), nan=-np.inf)
        row = int(np.lexsort((-mean, -worst))[0])
        return row if np.isfinite(worst[row]) else None


def read_run(folder: Path) -> RunCurves:
    """Read a run folder, or a metrics.csv alone; baselines and config may be missing.

    Raises:
        RunFolderError: no such folder, no metrics.csv, no rows yet, or a malformed file.
    """
    columns = read_metrics(folder)
    if not columns["update"].size:
        raise RunFolderError(f"{folder}: metrics.csv has no rows yet; wait for the first update")
    config = read_config(folder) if (folder / "config.yaml").is_file() else {}
    agent, env = config.get("agent") or {}, config.get("env") or {}
    named = {"agent": agent.get("name"), "env": env.get("name"), "seed": config.get("seed")}
    target_kl = float(agent.get("target_kl") or 0.0)
    return RunCurves(
        title="  ".join(
            [folder.resolve().name, *(f"{key}={value}" for key, value in named.items() if config)]
        ),
        columns=columns,
        baselines={name: _score(folder, name, entry) for name, entry in read_baselines(folder).items()},
        target_kl=target_kl if target_kl > 0 else None,
        guards={
            int(event["update"]): _GUARD_WORDS[event["kind"]]
            for event in (read_events(folder) if folder.is_dir() else ())
            if event.get("kind") in _GUARD_WORDS and isinstance(event.get("update"), int)
        },
    )


def _score(folder: Path, name: str, evaluation: Mapping[str, Any]) -> BaselineScore:
    try:
        return BaselineScore(
            float(evaluation["eval_mean_return"]), float(evaluation["eval_min_block_return"])
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RunFolderError(
            f"{folder / 'baselines.json'}: {name} is not an evaluation with eval_mean_return and"
            " eval_min_block_return; delete the file or evaluate the baselines again"
        ) from error
