"""Every variant of a problem in numbers, and what may be said about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.compare.grouping import Grouping, Problem, Variant
from analysis.compare.leads import SEED, Baseline, Lead, block_returns, lead_over
from analysis.compare.verdict import verdict
from sched_rl.config.suggest import did_you_mean
from sched_rl.errors import ConfigError, RunFolderError
from sched_rl.statistics import Interval, aggregate_iqm, mean_interval, stratified_bootstrap


@dataclass(frozen=True)
class Row:
    """A variant in numbers.

    Attributes:
        label: the variant as overrides.
        seeds: its training seeds.
        worst: the worst block of each run, mean over seeds.
        mean: the mean over blocks, likewise.
        iqm: the interquartile mean over seeds and blocks.
        blocks: each block's return, mean over seeds.
        lead: over the reference; None in the reference itself.
    """

    label: str
    seeds: tuple[int, ...]
    worst: Interval
    mean: Interval
    iqm: Interval
    blocks: tuple[float, ...]
    lead: Lead | None


@dataclass(frozen=True)
class Judged:
    """A problem, judged.

    Attributes:
        problem: its variants and runs.
        reference: label of the row that the others are compared with.
        rows: the variants, in their order.
        baselines: those that every run met, best worst block first.
        sentences: the verdict; the first one is the statement.
    """

    problem: Problem
    reference: str
    rows: tuple[Row, ...]
    baselines: tuple[Baseline, ...]
    sentences: tuple[str, ...]


def judge(grouping: Grouping, against: str = "") -> list[Judged]:
    """Judge every problem of a grouping.

    Args:
        grouping: of the runs.
        against: the reference: a variant's label or its values, or a baseline; empty: each problem's first variant.

    Raises:
        ConfigError: no such variant or baseline.
        RunFolderError: runs of one problem that met other episodes.
    """
    return [judge_problem(problem, against) for problem in grouping.problems]


def judge_problem(problem: Problem, against: str = "") -> Judged:
    """Judge one problem; see `judge`."""
    _require_same_episodes(problem)
    baselines = common_baselines(problem)
    reference = _find_reference(problem, baselines, against)
    rows = tuple(
        _row(variant, None if variant is reference else lead_over(variant, reference))
        for variant in problem.variants
    )
    sentences = verdict(problem, reference if against else None, baselines)
    return Judged(problem, reference.label, rows, baselines, tuple(sentences))


def common_baselines(problem: Problem) -> tuple[Baseline, ...]:
    """The baselines that all runs of a problem met on the same episodes, best worst block first."""
    first, *others = problem.runs
    found = [
        Baseline(name, episodes)
        for name, episodes in first.baselines.items()
        if episodes.meets(first.episodes)
        # of one name, but with other weights or from another version, it is not one baseline
        and all(name in run.baselines and episodes.equals(run.baselines[name]) for run in others)
    ]
    return tuple(sorted(found, key=lambda baseline: -baseline.episodes.worst))


def _row(variant: Variant, lead: Lead | None) -> Row:
    runs = list(variant.runs.values())
    blocks = block_returns(runs)
    return Row(
        variant.label,
        variant.seeds,
        mean_interval([run.episodes.worst for run in runs], seed=SEED),
        mean_interval([run.episodes.mean for run in runs], seed=SEED),
        # a training's blocks go together
        stratified_bootstrap(
            blocks, aggregate_iqm, seed=SEED, resample_whole_runs=True, correct_small_samples=True
        ),
        tuple(blocks.mean(axis=0).tolist()),
        lead,
    )


def _require_same_episodes(problem: Problem) -> None:
    first, *others = problem.runs
    for run in others:
        if not run.episodes.meets(first.episodes):
            raise RunFolderError(
                f"{run.folder}: evaluated on other episodes than {first.folder}, although both say {problem.label}"
            )


def _find_reference(problem: Problem, baselines: Sequence[Baseline], against: str) -> Variant | Baseline:
    if not against:
        return problem.variants[0]
    known: dict[str, Variant | Baseline] = {baseline.label: baseline for baseline in baselines}
    for variant in problem.variants:
        values = " ".join(part.partition("=")[2] for part in variant.label.split(" "))
        known |= {variant.label: variant, values: variant}
    if against not in known:
        names = [*(variant.label for variant in problem.variants), *(each.label for each in baselines)]
        raise ConfigError(
            f"against={against}: no such variant or baseline of {problem.label}{did_you_mean(against, names)}; "
            f"there are {', '.join(names)}"
        )
    return known[against]
