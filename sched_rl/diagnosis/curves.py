"""What a diagnosis looks at: the columns of a run, its evaluations' episodes, its baselines and its settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

#: Columns that count updates or steps, the first that is there names the place on the curves.
STEP_COLUMNS = ("update", "timesteps")

#: Measurements of an episode that rules read.
MEASURED = (
    "return",
    "mean_wait_s",
    "mean_bounded_slowdown",
    "throughput_jobs_per_hour",
    "completed_jobs",
)


@dataclass(frozen=True)
class EvaluationTable:
    """The episodes of all evaluations, one row an evaluation, one column a fixed (block, seed).

    Attributes:
        updates: int64 [E], increasing.
        blocks: int64 [P], the block of each episode.
        seeds: int64 [P].
        values: measurement to float64 [E, P], `return` among them; NaN where an evaluation lacks the episode.
    """

    updates: IntArray
    blocks: IntArray
    seeds: IntArray
    values: Mapping[str, FloatArray]

    @property
    def returns(self) -> FloatArray:
        """[E, P] episode returns."""
        return self.values["return"]


@dataclass(frozen=True)
class BaselineScores:
    """A heuristic on the same blocks.

    Attributes:
        mean: mean over blocks of the blocks' mean returns.
        worst: the worst block's mean return.
        episodes: (block, seed) to the measurements of the episode, `return` among them; empty where unknown.
    """

    mean: float
    worst: float
    episodes: Mapping[tuple[int, int], Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class RunCurves:
    """A run, as far as it is known.

    Attributes:
        name: for people.
        columns: metrics by name, float64 [rows], NaN where a cell is empty; all of one length.
        evaluations: the episodes behind the eval columns; None where only block returns are known.
        baselines: by name.
        fresh: the best checkpoint (under `self`) and baselines on seeds that selected nothing; empty where unknown.
        config: the recorded configuration as nested containers; None where unknown.
        folder: the run's folder; None for curves without one.
        absent: files that a run folder has and these curves lack.
    """

    name: str
    columns: Mapping[str, FloatArray]
    evaluations: EvaluationTable | None = None
    baselines: Mapping[str, BaselineScores] = field(default_factory=dict)
    fresh: Mapping[str, BaselineScores] = field(default_factory=dict)
    config: Mapping[str, Any] | None = None
    folder: Path | None = None
    absent: tuple[str, ...] = ()

    @property
    def num_rows(self) -> int:
        """Rows of the metrics table."""
        return len(next(iter(self.columns.values()), ()))

    @property
    def step_column(self) -> str | None:
        """The column that places are given in; None: the row's number, from 0."""
        return next((name for name in STEP_COLUMNS if name in self.columns), None)

    @property
    def steps(self) -> IntArray:
        """[rows] update (or timesteps, or row number) of every row."""
        name = self.step_column
        return (np.arange(self.num_rows) if name is None else self.columns[name]).astype(np.int64)

    def column(self, name: str) -> FloatArray:
        """[rows] a column; all NaN where the run has none of that name."""
        return self.columns.get(name, np.full(self.num_rows, np.nan))

    def has(self, name: str) -> bool:
        """Whether a column is there with at least one finite value."""
        return bool(np.isfinite(self.column(name)).any())
