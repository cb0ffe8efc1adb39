"""A run as a comparison needs it: its settings, its best checkpoint's episodes, its curve, its baselines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from sched_rl.config.convert import show
from sched_rl.errors import RunFolderError
from sched_rl.tracking.partial_reading import read_evaluation_of, read_some_columns
from sched_rl.tracking.reading import final_status, read_baselines, read_config, read_report
from sched_rl.tracking.record import METRICS

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Split = Literal["val", "promote", "report"]
SPLITS: tuple[Split, ...] = ("val", "promote", "report")

_CURVES = ("timesteps", "eval_min_block_return", "eval_mean_return")


@dataclass(frozen=True)
class Episodes:
    """What one scheduler scored on the blocks, episode by episode, in the order of blocks and seeds.

    Attributes:
        blocks: [E] number of each episode's block.
        seeds: [E] its workload's seed.
        returns: [E].
    """

    blocks: IntArray
    seeds: IntArray
    returns: FloatArray

    @cached_property
    def block_returns(self) -> FloatArray:
        """[B] each block's mean return."""
        return np.array([self.returns[self.blocks == block].mean() for block in np.unique(self.blocks)])

    @property
    def worst(self) -> float:
        """The worst block's mean return."""
        return float(self.block_returns.min())

    @property
    def mean(self) -> float:
        """The mean over blocks."""
        return float(self.block_returns.mean())

    def meets(self, other: Episodes) -> bool:
        """Whether both played the same episodes."""
        return np.array_equal(self.blocks, other.blocks) and np.array_equal(self.seeds, other.seeds)

    def equals(self, other: Episodes) -> bool:
        """Whether both played the same episodes to the same returns."""
        return self.meets(other) and np.array_equal(self.returns, other.returns)


@dataclass(frozen=True)
class Curve:
    """A run's evaluations while it trained: environment steps, worst block and mean, [evaluations] each."""

    steps: FloatArray
    worst: FloatArray
    mean: FloatArray


@dataclass(frozen=True)
class Run:
    """One finished training.

    Attributes:
        folder: where it lies.
        config: as recorded.
        settings: dotted key to value, as on the command line.
        episodes: of its best checkpoint on the chosen split.
        curve: on val.
        baselines: of the heuristics on the same episodes.
    """

    folder: Path
    config: Mapping[str, Any]
    settings: Mapping[str, str]
    episodes: Episodes
    curve: Curve
    baselines: Mapping[str, Episodes]

    @property
    def seed(self) -> int:
        """The training seed."""
        return int(self.config["seed"])


def read_runs(folders: Sequence[Path], split: Split) -> tuple[list[Run], list[str]]:
    """Read the runs that finished.

    Args:
        folders: of runs.
        split: whose episodes to compare: `val`, which chose the checkpoints; `promote`, played now; `report`, read
            from the runs' report.json.

    Returns:
        The runs, and a line for each folder that is left out.

    Raises:
        RunFolderError: a folder that cannot be read, or none of them finished.
    """
    runs, left_out = [], []
    for folder in folders:
        if (status := final_status(folder)) != "FINISHED":
            word = "did not finish" if status == "KILLED" else "failed"
            left_out.append(f"{folder}: {word}; left out")
            continue
        runs.append(read_run(folder, split))
    if not runs:
        raise RunFolderError(f"none of {len(folders)} runs has finished; the first: {left_out[0]}")
    return runs, left_out


def read_run(folder: Path, split: Split = "val") -> Run:
    """Read one run; see `read_runs`.

    Raises:
        RunFolderError: not a run's folder, malformed, or without an evaluation on that split.
    """
    config = read_config(folder)
    columns = read_some_columns(folder / METRICS, ("update", *_CURVES))
    worst, mean = (columns.get(name, np.empty(0)) for name in _CURVES[1:])
    known = np.flatnonzero(np.isfinite(worst) & np.isfinite(mean)) if worst.size else worst
    if not known.size:
        raise RunFolderError(f"{folder / METRICS}: no evaluation in it; nothing to compare")
    curve = Curve(columns["timesteps"][known], worst[known], mean[known])
    # as checkpoints are chosen: the worst block decides, the mean breaks ties, then the earlier
    best = int(columns["update"][known[np.lexsort((-curve.mean, -curve.worst))[0]]])
    if split == "val":
        episodes, judged = _val_episodes(folder, best), read_baselines(folder)
    elif split == "report":
        judged = read_report(folder)
        episodes = _reported(folder, config, judged)
    else:
        from analysis.compare.playing import play_promote

        own, judged = play_promote(folder)
        episodes = _of_rows(own["episodes"], folder)
    baselines = {
        name: _of_rows(entry["episodes"], folder)
        for name, entry in judged.items()
        if name != config["agent"]["name"] and entry.get("episodes")
    }
    return Run(folder, config, dict(_leaves(config, "")), episodes, curve, baselines)


def _val_episodes(folder: Path, update: int) -> Episodes:
    columns = read_evaluation_of(folder, update, ("block", "seed", "return"))
    if len(columns) < 3 or not columns["return"].size:
        raise RunFolderError(f"{folder}: evaluations.csv has no episodes of update {update}")
    return _ordered(columns["block"], columns["seed"], columns["return"])


def _reported(folder: Path, config: Mapping[str, Any], judged: Mapping[str, Any]) -> Episodes:
    name = config["agent"]["name"]
    if name not in judged:
        raise RunFolderError(
            f"{folder}: has no report.json with {name}; train with eval.final_report=true, or use split=promote"
        )
    return _of_rows(judged[name]["episodes"], folder)


def _of_rows(rows: Sequence[Mapping[str, Any]], folder: Path) -> Episodes:
    try:
        columns = [[row[name] for row in rows] for name in ("block", "seed", "return")]
        return _ordered(*(np.asarray(column, np.float64) for column in columns))
    except (KeyError, TypeError, ValueError) as error:
        raise RunFolderError(f"{folder}: an evaluation without block, seed or return ({error})") from error


def _ordered(blocks: FloatArray, seeds: FloatArray, returns: FloatArray) -> Episodes:
    order = np.lexsort((seeds, blocks))
    return Episodes(blocks[order].astype(np.int64), seeds[order].astype(np.int64), returns[order])


def _leaves(node: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for key, value in node.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", show(value)
