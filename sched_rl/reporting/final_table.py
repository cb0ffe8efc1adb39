"""The end of a run: the best checkpoint beside every baseline on the same episodes, with a verdict."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sched_rl.errors import SchedRLError
from sched_rl.statistics import Interval, paired_difference

#: One episode of evaluations.csv or of the evaluation JSON: `block`, `seed`, `return` and any metrics.
Episode = Mapping[str, Any]

#: Metrics of the schedule that get a column where the episodes carry them: name, header, format of a value.
SCHEDULE_METRICS = (
    ("mean_wait_s", "mean wait s", "{:,.0f}"),
    ("mean_bounded_slowdown", "slowdown", "{:,.1f}"),
    ("utilization", "util.", "{:.1%}"),
)

#: The bootstrap's seed: the same episodes always give the same table.
_SEED = 0


class ReportError(SchedRLError):
    """Results that cannot be put side by side, or that are not there."""


@dataclass(frozen=True)
class FinalRow:
    """One scheduler.

    Attributes:
        name: the scheduler.
        mean: the mean over blocks of the blocks' mean returns (`eval_mean_return`).
        worst: the lowest block's mean return (`eval_min_block_return`).
        blocks: every block's mean return, by the block's name.
        difference: checkpoint minus this scheduler over paired episodes; None in the checkpoint's own row.
        metrics: the schedule's own metrics, means over the episodes that have them.
    """

    name: str
    mean: float
    worst: float
    blocks: dict[str, float]
    difference: Interval | None
    metrics: dict[str, float]


@dataclass(frozen=True)
class FinalTable:
    """The checkpoint's row, then the baselines', strongest first.

    Attributes:
        split: which seeds these are: val, promote or report; starts where a trace's sequences are named.
        episodes_per_scheduler: how many episodes each row rests on.
        rows: the checkpoint first.
        fluid_bound: the blocks' mean fluid bound as a row without schedule; None where episodes carry none.
        verdict: one honest sentence.
        is_learned: the first row is a checkpoint that the val blocks chose.
    """

    split: str
    episodes_per_scheduler: int
    rows: tuple[FinalRow, ...]
    fluid_bound: FinalRow | None
    verdict: str
    is_learned: bool = True


def final_table(
    episodes: Mapping[str, Sequence[Episode]], *, checkpoint: str, split: str, is_learned: bool = True
) -> FinalTable:
    """Compare a checkpoint with every baseline on paired episodes.

    "Beats every baseline" needs each of the 95 % intervals above 0. That is an intersection-union test
    (Berger 1982), which keeps its 5 % level however many baselines there are.

    Args:
        episodes: scheduler to its episodes, in any order; each has `block`, `seed` and `return`, and on
            traces `start`. These identify an episode and pair it with the others'. `block_name` names its
            block.
        checkpoint: which of the schedulers is judged.
        split: val, promote or report.
        is_learned: the judged scheduler was chosen by its val score; a fixed one was not.

    Raises:
        ReportError: schedulers that did not play the same episodes, an episode twice, or a missing field.
    """
    if checkpoint not in episodes:
        raise ReportError(f"checkpoint {checkpoint!r}: has no episodes; there are {sorted(episodes)}")
    by_key = {name: _index_episodes(name, listed) for name, listed in episodes.items()}
    keys = list(by_key[checkpoint])
    for name, played in by_key.items():
        _require_same_episodes(checkpoint, keys, name, played)
    aligned = {name: [played[key] for key in keys] for name, played in by_key.items()}
    strata = [key[0] for key in keys]
    own = _returns(aligned[checkpoint])
    baselines = []
    for name, listed in aligned.items():
        if name != checkpoint:
            difference = paired_difference(own, _returns(listed), strata=strata, seed=_SEED)
            baselines.append(_row(name, listed, difference))
    baselines.sort(key=lambda row: row.mean, reverse=True)
    return FinalTable(
        split=split,
        episodes_per_scheduler=len(keys),
        rows=(_row(checkpoint, aligned[checkpoint], None), *baselines),
        fluid_bound=_fluid_bound(aligned[checkpoint]),
        verdict=verdict(checkpoint, {row.name: row.difference for row in baselines if row.difference}),
        is_learned=is_learned,
    )


def verdict(checkpoint: str, differences: Mapping[str, Interval], decimals: int = 3) -> str:
    """One sentence that never calls an unsettled difference a win.

    Args:
        checkpoint: the judged scheduler.
        differences: baseline to the interval of checkpoint minus baseline.
        decimals: of the numbers.
    """
    if not differences:
        return f"{checkpoint} was compared with no baseline"
    unbeaten = {name: interval for name, interval in differences.items() if not interval.is_above_zero}
    candidates = unbeaten or differences
    closest = min(candidates, key=lambda name: candidates[name].mean)
    interval = differences[closest]
    if not unbeaten:
        if len(differences) == 1:
            return f"{checkpoint} beats {closest} by {interval.format(decimals)}"
        return f"{checkpoint} beats every baseline; the closest, {closest}, by {interval.format(decimals)}"
    position = "is below 0" if interval.is_below_zero else "includes 0"
    others = sorted(set(unbeaten) - {closest})
    rest = f"; nor does it beat {', '.join(others)}" if others else ""
    return f"{checkpoint} does NOT beat {closest}: difference {interval.format(decimals)} {position}{rest}"


def _index_episodes(name: str, listed: Sequence[Episode]) -> dict[tuple[Any, ...], Episode]:
    """The episodes by (block, seed, start)."""
    played: dict[tuple[Any, ...], Episode] = {}
    for episode in listed:
        missing = {"block", "seed", "return"} - set(episode)
        if missing:
            raise ReportError(f"{name}: an episode lacks {sorted(missing)}; it has {sorted(episode)}")
        key = (episode["block"], episode["seed"], episode.get("start"))
        if key in played:
            raise ReportError(f"{name}: {_describe(key)} occurs twice; give each episode once")
        played[key] = episode
    if not played:
        raise ReportError(f"{name}: has no episodes")
    return played


def _require_same_episodes(
    checkpoint: str, keys: Sequence[tuple[Any, ...]], name: str, played: Mapping[tuple[Any, ...], Episode]
) -> None:
    lacking = [key for key in keys if key not in played]
    expected = set(keys)
    surplus = [key for key in played if key not in expected]
    if lacking or surplus:
        first = f"lacks {_describe(lacking[0])}" if lacking else f"has {_describe(surplus[0])} besides"
        raise ReportError(
            f"{name}: did not play the episodes of {checkpoint}: {len(lacking)} missing, {len(surplus)} extra"
            f" (it {first}); evaluate both on the same blocks and seeds"
        )


def _describe(key: tuple[Any, ...]) -> str:
    block, seed, start = key
    return f"block {block}, seed {seed}" + (f", start {start}" if start is not None else "")


def _returns(listed: Sequence[Episode]) -> list[float]:
    return [float(episode["return"]) for episode in listed]


def _row(name: str, listed: Sequence[Episode], difference: Interval | None) -> FinalRow:
    blocks = _block_means(listed, "return")
    return FinalRow(
        name=name,
        mean=float(np.mean(list(blocks.values()))),
        worst=min(blocks.values()),
        blocks=blocks,
        difference=difference,
        metrics=dict(_metric_means(listed)),
    )


def _block_means(listed: Sequence[Episode], field: str) -> dict[str, float]:
    values: dict[Any, list[float]] = {}
    names: dict[Any, str] = {}
    for episode in listed:
        block = episode["block"]
        values.setdefault(block, []).append(float(episode[field]))
        names[block] = str(episode.get("block_name", f"block {block}"))
    return {names[block]: float(np.mean(numbers)) for block, numbers in values.items()}


def _metric_means(listed: Sequence[Episode]) -> Iterator[tuple[str, float]]:
    for name, _, _ in SCHEDULE_METRICS:
        values = [float(episode[name]) for episode in listed if episode.get(name) is not None]
        finite = [value for value in values if math.isfinite(value)]
        if finite:
            yield name, float(np.mean(finite))


def _fluid_bound(listed: Sequence[Episode]) -> FinalRow | None:
    if any(not math.isfinite(episode.get("fluid_bound", math.nan)) for episode in listed):
        return None
    blocks = _block_means(listed, "fluid_bound")
    return FinalRow(
        "fluid bound", float(np.mean(list(blocks.values()))), min(blocks.values()), blocks, None, {}
    )
