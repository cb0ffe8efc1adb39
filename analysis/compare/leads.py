"""By how much one variant is ahead of another, or of a baseline, with intervals over training seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.compare.grouping import Variant
from analysis.compare.runs import Episodes, FloatArray, Run
from sched_rl.statistics import Interval, mean_interval, paired_difference
from sched_rl.statistics.comparisons import improvement_by_whole_runs, independent_difference

#: The bootstrap's seed: the same runs always give the same table.
SEED = 0


@dataclass(frozen=True)
class Baseline:
    """A written scheduler on the same episodes; nobody trained it, so it has no seeds."""

    label: str
    episodes: Episodes


@dataclass(frozen=True)
class Lead:
    """One variant minus another.

    Attributes:
        worst: difference of the worst block.
        mean: difference of the mean over blocks.
        improvement: the chance that a training of the first beats one of the second on the same block; None against
            a baseline.
        num_pairs: training seeds that both have and were paired by; 0 where they were not paired.
        on_episodes: mean difference of these very trainings over the episodes, where a single training leaves
            nothing else to judge by; else None.
    """

    worst: Interval
    mean: Interval
    improvement: Interval | None
    num_pairs: int
    on_episodes: Interval | None


def lead_over(variant: Variant, other: Variant | Baseline) -> Lead:
    """A variant minus another one or a baseline; paired by training seed where both share two seeds or more."""
    if isinstance(other, Baseline):
        return _lead_over_baseline(variant, other)
    shared = [seed for seed in variant.seeds if seed in other.runs]
    is_paired = len(shared) > 1 or variant.seeds == other.seeds
    mine = [variant.runs[seed] for seed in (shared if is_paired else variant.seeds)]
    theirs = [other.runs[seed] for seed in (shared if is_paired else other.seeds)]

    def difference(score: Callable[[Episodes], float]) -> Interval:
        a, b = ([score(run.episodes) for run in runs] for runs in (mine, theirs))
        return (paired_difference if is_paired else independent_difference)(a, b, seed=SEED)

    return Lead(
        difference(lambda episodes: episodes.worst),
        difference(lambda episodes: episodes.mean),
        improvement_by_whole_runs(block_returns(variant.runs.values()), block_returns(other.runs.values())),
        len(shared) if is_paired else 0,
        _on_episodes(mine, theirs[0].episodes) if len(theirs) == 1 else None,
    )


def block_returns(runs: Iterable[Run]) -> FloatArray:
    """[runs, blocks]."""
    return np.stack([run.episodes.block_returns for run in runs])


def _lead_over_baseline(variant: Variant, baseline: Baseline) -> Lead:
    runs, fixed = list(variant.runs.values()), baseline.episodes
    return Lead(
        mean_interval([run.episodes.worst - fixed.worst for run in runs], seed=SEED),
        mean_interval([run.episodes.mean - fixed.mean for run in runs], seed=SEED),
        None,
        len(runs),
        _on_episodes(runs, fixed),
    )


def _on_episodes(mine: Sequence[Run], other: Episodes) -> Interval | None:
    """Paired episode by episode, of one training."""
    if len(mine) > 1:
        return None
    own = mine[0].episodes
    return paired_difference(own.returns, other.returns, strata=own.blocks.tolist(), seed=SEED)
