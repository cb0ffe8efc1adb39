"""The end of a plain grid: one row for each combination of the swept keys, over its training seeds."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sched_rl.statistics import Interval, mean_interval, paired_difference
from sched_rl.tracking.grid_record import GridJob, JobOutcome

#: The bootstrap's seed: the same runs always give the same table.
_SEED = 0


@dataclass(frozen=True)
class GridRow:
    """One combination of the swept keys but `seed`.

    Attributes:
        values: swept key to its value's text.
        seeds: training seeds with a result, in the order of their jobs.
        worst: best worst val block over the seeds; None without a result.
        mean: mean over val blocks of the same checkpoints.
        difference: of the worst block, this row minus the first row of its problem, paired on seeds; None in
            that row itself and where the two share no seed.
    """

    values: Mapping[str, str]
    seeds: tuple[int, ...]
    worst: Interval | None
    mean: Interval | None
    difference: Interval | None

    @property
    def label(self) -> str:
        """The row as overrides."""
        return " ".join(shlex.quote(f"{key}={value}") for key, value in self.values.items()) or "all runs"


@dataclass(frozen=True)
class GridTable:
    """A grid's comparison.

    Attributes:
        keys: the swept keys but `seed`.
        rows: in the order of the jobs.
        best: a sentence for each problem with two rows or more, naming its best row.
        troubles: a line for each job without a result.
        num_jobs: all jobs of the grid.
    """

    keys: tuple[str, ...]
    rows: tuple[GridRow, ...]
    best: tuple[str, ...]
    troubles: tuple[str, ...]
    num_jobs: int


def grid_table(jobs: Sequence[tuple[GridJob, JobOutcome]]) -> GridTable:
    """Compare the combinations of a grid across seeds.

    Rows of different problems (another `env`, `eval`, or one of their keys) are never subtracted.

    Args:
        jobs: every job of the grid with the outcome of its run.
    """
    keys = tuple(key for key in jobs[0][0].values if key != "seed") if jobs else ()
    groups: dict[tuple[str, ...], dict[int, JobOutcome]] = {}
    for job, outcome in jobs:
        scores = groups.setdefault(tuple(job.values[key] for key in keys), {})
        if not outcome.trouble and outcome.seed is not None:
            scores[outcome.seed] = outcome
    references: dict[tuple[str, ...], dict[int, JobOutcome]] = {}
    rows, problems = [], []
    for combination, scores in groups.items():
        values = dict(zip(keys, combination, strict=True))
        problem = tuple(value for key, value in values.items() if _is_problem(key))
        reference = references.setdefault(problem, scores)
        rows.append(_row(values, scores, None if reference is scores else reference))
        problems.append((problem, scores))
    return GridTable(
        keys=keys,
        rows=tuple(rows),
        best=tuple(_best_sentences(rows, problems)),
        troubles=tuple(
            f"job {job.number} ({' '.join(f'{key}={value}' for key, value in job.values.items())}): "
            f"{outcome.trouble}"
            for job, outcome in jobs
            if outcome.trouble
        ),
        num_jobs=len(jobs),
    )


def _is_problem(key: str) -> bool:
    return key in ("env", "eval") or key.startswith(("env.", "eval."))


def _row(
    values: Mapping[str, str], scores: Mapping[int, JobOutcome], reference: Mapping[int, JobOutcome] | None
) -> GridRow:
    found = list(scores.values())
    return GridRow(
        values=values,
        seeds=tuple(scores),
        worst=mean_interval([one.worst for one in found], seed=_SEED) if found else None,
        mean=mean_interval([one.mean for one in found], seed=_SEED) if found else None,
        difference=None if reference is None else _difference(scores, reference),
    )


def _difference(scores: Mapping[int, JobOutcome], reference: Mapping[int, JobOutcome]) -> Interval | None:
    """Of the worst block, over the training seeds that both have."""
    shared = [seed for seed in scores if seed in reference]
    if not shared:
        return None
    return paired_difference(
        [scores[seed].worst for seed in shared], [reference[seed].worst for seed in shared], seed=_SEED
    )


def _best_sentences(
    rows: Sequence[GridRow], problems: Sequence[tuple[tuple[str, ...], Mapping[int, JobOutcome]]]
) -> list[str]:
    sentences = []
    for problem in dict.fromkeys(one for one, _ in problems):
        listed = [
            (row, scores)
            for row, (own, scores) in zip(rows, problems, strict=True)
            if own == problem and row.worst is not None
        ]
        listed.sort(key=lambda pair: -pair[0].worst.mean if pair[0].worst else math.inf)
        if len(listed) > 1:
            sentences.append(_best_sentence(*listed[0], *listed[1]))
    return sentences


def _best_sentence(
    best: GridRow, scores: Mapping[int, JobOutcome], second: GridRow, others: Mapping[int, JobOutcome]
) -> str:
    lead = _difference(scores, others)
    text = f"best: {best.label}; ahead of {second.label}"
    if lead is None:
        return f"{text}, with which it shares no seed"
    if lead.mean == 0:
        return f"best: {best.label}, level with {second.label}"
    if not math.isfinite(lead.low):
        return f"{text} by {lead.mean:.3f} on one seed, which settles nothing"
    return f"{text} by {lead}" + ("" if lead.is_above_zero else ", which is not settled")
