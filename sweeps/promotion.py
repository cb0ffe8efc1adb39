"""Which finalist wins, by how much, and how much of its score was the luck of being chosen. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sched_rl.errors import SchedRLError
from sched_rl.statistics import Interval, mean_interval
from sched_rl.statistics.crossed import crossed_interval
from sweeps.finalists import DEFAULT, Finalist
from sweeps.retraining import Judged

#: The bootstrap's seed: the same trainings always give the same table.
_SEED = 0


class PromotionError(SchedRLError):
    """Retrainings that cannot be put side by side."""


@dataclass(frozen=True)
class Scores:
    """A finalist's or a baseline's returns on the judging blocks.

    Attributes:
        name: of the finalist or baseline.
        seeds: training seeds; empty for a baseline.
        returns: [training seeds, episodes]; a baseline has one row.
        blocks: the block of every episode.
    """

    name: str
    seeds: tuple[int, ...]
    returns: NDArray[np.float64]
    blocks: tuple[int, ...]

    @property
    def mean(self) -> float:
        """Mean over blocks of the blocks' mean returns, over all trainings."""
        return float(np.mean(list(self._block_means())))

    @property
    def worst(self) -> float:
        """The worst block of each training, averaged over trainings."""
        return float(np.mean(np.min(self._block_means(), axis=0)))

    def _block_means(self) -> NDArray[np.float64]:
        blocks = np.asarray(self.blocks)
        return np.array(
            [self.returns[:, blocks == block].mean(axis=1) for block in dict.fromkeys(self.blocks)]
        )


@dataclass(frozen=True)
class Difference:
    """A paired difference of mean returns, with the answers to two questions.

    Attributes:
        interval: what would another training give, on other episodes? Training seeds and, within blocks, episodes are
            resampled (`crossed_interval`).
        of_these_trainings: what would these very trainings give, on other episodes? Each episode is averaged over the
            training seeds, then episodes are resampled within blocks (`mean_interval`).
    """

    interval: Interval
    of_these_trainings: Interval


@dataclass(frozen=True)
class Row:
    """A finalist in the table.

    Attributes:
        finalist: which.
        scores: on the judging blocks.
        fresh_val: best worst val block of its fresh trainings.
        luck: val score at selection minus that; None for the default.
        differences: name of every other finalist and of every baseline to this one minus it.
    """

    finalist: Finalist
    scores: Scores
    fresh_val: Interval
    luck: Interval | None
    differences: Mapping[str, Difference]


@dataclass(frozen=True)
class Promotion:
    """The outcome.

    Attributes:
        sweep: its name.
        split: the judging blocks.
        rows: finalists by mean return on them, the best first; the default among them.
        baselines: by mean return, the strongest first.
        num_seeds: trainings planned for each finalist.
        missing: trainings that are not finished.
    """

    sweep: str
    split: str
    rows: tuple[Row, ...]
    baselines: tuple[Scores, ...]
    num_seeds: int
    missing: int

    @property
    def winner(self) -> Row:
        """The best trial by mean return; the default configuration is no candidate, even where it is ahead."""
        return next(row for row in self.rows if row.finalist.trial is not None)

    @property
    def default(self) -> Row | None:
        """The sweep's settings without what a sampler chose."""
        return next((row for row in self.rows if row.finalist.name == DEFAULT), None)


def promotion(
    judged: Sequence[Judged],
    baselines: Mapping[str, Mapping[str, Any]],
    *,
    sweep: str,
    split: str,
    num_seeds: int,
    planned: int,
) -> Promotion:
    """Compare finalists on episodes that all of them played.

    Differences are paired twice: by episode, and between finalists by training seed; see `Difference`.

    Args:
        judged: the finished retrainings.
        baselines: name to evaluation JSON on the same blocks.
        sweep: its name.
        split: the judging blocks.
        num_seeds: trainings planned for each finalist.
        planned: all trainings planned.

    Raises:
        PromotionError: when no trial has a finished retraining, or episodes differ.
    """
    by_finalist: dict[Finalist, list[Judged]] = {}
    for one in judged:
        by_finalist.setdefault(one.retraining.finalist, []).append(one)
    if all(finalist.trial is None for finalist in by_finalist):
        raise PromotionError(
            f"{sweep}: no retraining of a trial has finished yet; run the command again to go on"
        )
    fixed = [_scores(name, (), [row]) for name, row in baselines.items()]
    scores = {
        finalist: _scores(
            finalist.name, tuple(one.retraining.seed for one in found), [one.evaluation for one in found]
        )
        for finalist, found in by_finalist.items()
    }
    rows = [
        _row(finalist, found, scores[finalist], [*(s for f, s in scores.items() if f != finalist), *fixed])
        for finalist, found in by_finalist.items()
    ]
    return Promotion(
        sweep=sweep,
        split=split,
        rows=tuple(sorted(rows, key=lambda row: -row.scores.mean)),
        baselines=tuple(sorted(fixed, key=lambda one: -one.mean)),
        num_seeds=num_seeds,
        missing=planned - len(judged),
    )


def difference(a: Scores, b: Scores) -> Difference | None:
    """a - b over shared training seeds and episodes; None where they share no training seed.

    Args:
        a: a finalist.
        b: another, or a baseline, which has no training seeds and meets every one of a's.

    Raises:
        PromotionError: when they did not play the same episodes.
    """
    if a.blocks != b.blocks:
        raise PromotionError(f"{a.name} and {b.name} did not play the same episodes")
    if not b.seeds:
        return _both_intervals(a.returns - b.returns, a.blocks)
    shared = [seed for seed in a.seeds if seed in b.seeds]
    if not shared:
        return None
    own = a.returns[[a.seeds.index(seed) for seed in shared]]
    others = b.returns[[b.seeds.index(seed) for seed in shared]]
    return _both_intervals(own - others, a.blocks)


def _both_intervals(values: NDArray[np.float64], blocks: tuple[int, ...]) -> Difference:
    return Difference(
        interval=crossed_interval(values, strata=blocks, seed=_SEED),
        of_these_trainings=mean_interval(values.mean(axis=0), strata=blocks, seed=_SEED),
    )


def _row(finalist: Finalist, found: Sequence[Judged], own: Scores, others: Sequence[Scores]) -> Row:
    val_scores = np.array([one.val_score for one in found])
    chosen = finalist.selection_score
    differences = {other.name: difference(own, other) for other in others}
    return Row(
        finalist=finalist,
        scores=own,
        fresh_val=mean_interval(val_scores, seed=_SEED),
        luck=None if chosen is None else mean_interval(chosen - val_scores, seed=_SEED),
        differences={name: one for name, one in differences.items() if one is not None},
    )


def _scores(name: str, seeds: tuple[int, ...], evaluations: Sequence[Mapping[str, Any]]) -> Scores:
    """Episodes in the order of their block and seed, so that columns mean the same everywhere."""
    keys: list[tuple[int, int]] | None = None
    rows = []
    for evaluation in evaluations:
        episodes = sorted(evaluation["episodes"], key=lambda episode: (episode["block"], episode["seed"]))
        found = [(int(episode["block"]), int(episode["seed"])) for episode in episodes]
        if keys is not None and keys != found:
            raise PromotionError(f"{name}: its trainings were judged on different episodes")
        keys = found
        rows.append([float(episode["return"]) for episode in episodes])
    return Scores(name, seeds, np.array(rows), tuple(block for block, _ in keys or []))
