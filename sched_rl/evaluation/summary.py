"""From episodes to the numbers that are compared: per block, over blocks, and the evaluation JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sched_rl.config.schema import EnvConfig
from sched_rl.evaluation.blocks import Block
from sched_rl.evaluation.runner import Episode, run_blocks
from sched_rl.evaluation.schedule_metrics import (
    LENGTH_CLASSES,
    SCHEDULE_METRICS,
    metrics_by_length,
    metrics_by_user,
)
from sched_rl.schedulers.base import Scheduler


@dataclass(frozen=True)
class Evaluation:
    """One scheduler on one split: episodes in order and the returns of the blocks."""

    block_names: tuple[str, ...]
    episodes: tuple[Episode, ...]
    block_returns: tuple[float, ...]

    @property
    def mean_return(self) -> float:
        """Mean over blocks of the blocks' mean returns."""
        return float(np.mean(self.block_returns))

    @property
    def min_block_return(self) -> float:
        """The worst block's mean return: what checkpoints are selected by."""
        return min(self.block_returns)

    @property
    def max_block_return(self) -> float:
        """The best block's mean return."""
        return max(self.block_returns)

    def columns(self) -> dict[str, float]:
        """The eval_* columns of metrics.csv."""
        returns = {f"eval_block{b}_return": value for b, value in enumerate(self.block_returns)}
        shares = {f"eval_{name}": value for name, value in action_shares(self.episodes).items()}
        return {
            "eval_mean_return": self.mean_return,
            "eval_min_block_return": self.min_block_return,
            "eval_max_block_return": self.max_block_return,
            **returns,
            **shares,
        }

    def numbers(self) -> list[dict[str, Any]]:
        """The numbers of every episode, in order."""
        return [episode.numbers for episode in self.episodes]


def evaluate(scheduler: Scheduler, blocks: Sequence[Block], families: Mapping[str, EnvConfig]) -> Evaluation:
    """Run a scheduler over blocks and summarise; see `runner.run_blocks` for the arguments."""
    episodes = run_blocks(scheduler, blocks, families)
    returns = [
        float(np.mean([e.numbers["return"] for e in episodes if e.numbers["block"] == b]))
        for b in range(len(blocks))
    ]
    return Evaluation(tuple(block.name for block in blocks), tuple(episodes), tuple(returns))


def action_shares(episodes: Sequence[Episode]) -> dict[str, float]:
    """Invalid and no-op shares over all steps; no-ops although some job fitted, over the steps where one did."""
    total = {
        name: sum(int(e.numbers[name]) for e in episodes)
        for name in ("steps", "invalid_steps", "noop_steps", "noop_feasible_steps", "feasible_steps")
    }
    steps, feasible = max(total["steps"], 1), max(total["feasible_steps"], 1)
    return {
        "invalid_frac": total["invalid_steps"] / steps,
        "noop_frac": total["noop_steps"] / steps,
        "noop_feasible_frac": total["noop_feasible_steps"] / feasible,
    }


def evaluation_json(evaluation: Evaluation, *, agent: str, env: str, split: str) -> dict[str, Any]:
    """The evaluation as the JSON that `python -m sched_rl.evaluate output=FILE` writes."""
    return {
        "agent": agent,
        "env": env,
        "split": split,
        "eval_mean_return": evaluation.mean_return,
        "eval_min_block_return": evaluation.min_block_return,
        "eval_max_block_return": evaluation.max_block_return,
        "fluid_bound_mean": float(np.mean([e.numbers["fluid_bound"] for e in evaluation.episodes])),
        **action_shares(evaluation.episodes),
        **_mean_metrics(evaluation.episodes),
        "by_width": mean_by_width(evaluation.episodes),
        **_classes_of_traces(evaluation.episodes),
        "blocks": [_block_json(evaluation, b) for b in range(len(evaluation.block_names))],
        "episodes": evaluation.numbers(),
    }


def _block_json(evaluation: Evaluation, block: int) -> dict[str, Any]:
    members = [e for e in evaluation.episodes if e.numbers["block"] == block]
    return {
        "name": evaluation.block_names[block],
        "mean_return": evaluation.block_returns[block],
        "fluid_bound_mean": float(np.mean([e.numbers["fluid_bound"] for e in members])),
        "terminated_frac": float(np.mean([e.numbers["terminated"] for e in members])),
        **action_shares(members),
        **_mean_metrics(members),
        "by_width": mean_by_width(members),
    }


def _mean_metrics(episodes: Sequence[Episode]) -> dict[str, float | None]:
    """Means over the episodes that have a value; None where none has."""
    means: dict[str, float | None] = {}
    for name in SCHEDULE_METRICS:
        values = np.array([e.numbers[name] for e in episodes], np.float64)
        known = values[~np.isnan(values)]
        means[name] = float(known.mean()) if known.size else None
    return means


def mean_by_width(episodes: Sequence[Episode]) -> dict[str, dict[str, float]]:
    """Per width class, over all jobs of the episodes: their number, mean wait and mean bounded slowdown."""
    pooled = _pooled([episode.by_width for episode in episodes])
    return dict(sorted(pooled.items(), key=lambda item: int(item[0].split("-")[0])))


def _classes_of_traces(episodes: Sequence[Episode]) -> dict[str, Any]:
    """By class of run time and by user, where the jobs are a trace's."""
    if "user" not in (episodes[0].schedule.dtype.names or ()):
        return {}
    by_length, by_user = [], []
    for episode in episodes:
        jobs, end_s = episode.schedule[episode.scored], episode.numbers["end_time"]
        by_length.append(metrics_by_length(jobs, end_s))
        by_user.append(metrics_by_user(jobs, end_s))
    lengths = _pooled(by_length)
    return {
        "by_length": {name: lengths[name] for name in LENGTH_CLASSES if name in lengths},
        "by_user": _pooled(by_user),
    }


def _pooled(classes: Sequence[Mapping[str, Mapping[str, float]]]) -> dict[str, dict[str, float]]:
    """Several episodes' classes together, weighted by their jobs."""
    pooled: dict[str, dict[str, float]] = {}
    for name in dict.fromkeys(name for of_episode in classes for name in of_episode):
        parts = [of_episode[name] for of_episode in classes if name in of_episode]
        jobs = sum(part["jobs"] for part in parts)
        pooled[name] = {"jobs": jobs} | {
            metric: sum(part[metric] * part["jobs"] for part in parts) / jobs
            for metric in ("mean_wait_s", "mean_bounded_slowdown")
        }
    return pooled
