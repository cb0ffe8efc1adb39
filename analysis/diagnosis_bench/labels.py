"""What a healthy run is, decided by 200 fresh episodes and not by our rules.

On 200 workloads that neither trained nor selected anything, a run is healthy where

1. its best checkpoint beats every baseline, the 95 % interval of the paired difference clear of 0,
2. its last policy holds: it is not clearly below the best checkpoint, or it has lost less than a quarter of what the
   best checkpoint has over random feasible starts, and
3. its return is not bought with waits: jobs do not wait clearly more than half as long again as under random feasible
   starts.

Decided before any rule was asked, but for the margin in 3: on clusters whose reward counts work and not jobs, the best
policies let short jobs wait a little longer than random orders do, and without a margin the dev half had 2 healthy runs
of 16. It was widened before the frozen half was looked at.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sched_rl.checkpoint import CheckpointStore, write_atomically
from sched_rl.config.record import CONFIG_FILE, load_config_file
from sched_rl.config.schema import Config
from sched_rl.evaluation.baselines import judge_baselines
from sched_rl.evaluation.blocks import Block, make_blocks
from sched_rl.evaluation.loading import scheduler_of
from sched_rl.evaluation.summary import evaluate
from sched_rl.statistics import Interval, paired_difference

LABEL_FILE = "label.json"
NUM_BLOCKS, EPISODES_PER_BLOCK = 4, 50
#: Of the promote split, beyond the seeds that `eval.split=promote` and the checks of a diagnosis read.
_SEED_OFFSET = 100_000
_RANDOM = "rand_feas_no0"
_TOLERATED_LOSS = 0.25
_TOLERATED_WAIT = 0.5

Columns = dict[str, npt.NDArray[np.float64]]


@dataclass(frozen=True)
class Label:
    """The verdict on a run and what it rests on: means of the paired differences and their intervals."""

    is_healthy: bool
    reason: str
    closest_baseline: str
    lead: tuple[float, float, float]
    lead_over_random: tuple[float, float, float]
    last_minus_best: tuple[float, float, float]
    added_wait_s: tuple[float, float, float]
    episodes: int


def label_of(folder: Path) -> Label:
    """The label of a finished run, from its folder where it was decided already.

    Raises:
        SchedRLError: a run without checkpoints, or a damaged one.
    """
    path = folder / LABEL_FILE
    if path.is_file():
        stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        fields: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in stored.items()
        }
        return Label(**fields)
    label = _decide(folder)
    write_atomically(path, (json.dumps(asdict(label), indent=1) + "\n").encode())
    return label


def _decide(folder: Path) -> Label:
    config = load_config_file(folder / CONFIG_FILE)
    blocks = fresh_blocks(config)
    best = _episodes(config, blocks, folder)
    latest = CheckpointStore(folder / "checkpoints", config.run.keep_checkpoints).latest_path()
    last = best if latest is None else _episodes(config, blocks, latest)
    baselines = {
        name: _columns(judged["episodes"])
        for name, judged in judge_baselines(config, blocks, "promote").items()
    }
    leads = {name: _difference("return", best, theirs) for name, theirs in baselines.items()}
    closest = min(leads, key=lambda name: leads[name].low)
    lead, over_random = leads[closest], leads[_RANDOM]
    change, wait = _difference("return", last, best), _difference("mean_wait_s", last, baselines[_RANDOM])
    tolerated_wait_s = _TOLERATED_WAIT * float(baselines[_RANDOM]["mean_wait_s"].mean())
    is_held = change.high >= 0 or -change.mean < _TOLERATED_LOSS * over_random.mean
    faults = [
        reason
        for reason, is_fault in (
            (f"does not beat {closest}", not lead.is_above_zero),
            ("the last policy has lost what the best one had", not is_held),
            ("jobs wait far longer than under random starts", wait.low > tolerated_wait_s),
        )
        if is_fault
    ]
    return Label(
        is_healthy=not faults,
        reason="; ".join(faults),
        closest_baseline=closest,
        lead=_bounds(lead),
        lead_over_random=_bounds(over_random),
        last_minus_best=_bounds(change),
        added_wait_s=_bounds(wait),
        episodes=len(best["return"]),
    )


def fresh_blocks(config: Config) -> tuple[Block, ...]:
    """Workloads of the run's own environment that it never met."""
    fresh = replace(
        config.eval,
        first_seed=config.eval.first_seed + _SEED_OFFSET,
        num_blocks=NUM_BLOCKS,
        episodes_per_block=EPISODES_PER_BLOCK,
        families=None,
    )
    return make_blocks(fresh, config.env, config.families, "promote")


def _episodes(config: Config, blocks: tuple[Block, ...], checkpoint: Path) -> Columns:
    return _columns(evaluate(scheduler_of(config, checkpoint), blocks, config.families).numbers())


def _columns(episodes: Sequence[Mapping[str, Any]]) -> Columns:
    return {
        name: np.array([float(episode[name]) for episode in episodes]) for name in ("return", "mean_wait_s")
    }


def _difference(name: str, ours: Columns, theirs: Columns) -> Interval:
    return paired_difference(ours[name], theirs[name], seed=0)


def _bounds(interval: Interval) -> tuple[float, float, float]:
    return interval.mean, interval.low, interval.high
