"""How long `python -m analysis.compare` takes: `python -m analysis.benchmarks.comparison [RUNS] [UPDATES]`.

Writes run folders with made-up curves into a temporary folder (50 runs of 300 updates, an evaluation of 60 episodes
every 5 updates) and compares them in a fresh process. Prints seconds; asserts nothing.
"""

from __future__ import annotations

import copy
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from sched_rl.tracking.columns import record_columns
from sched_rl.tracking.record import BASELINES, CONFIG, EVALUATIONS, EVENTS, METRICS, TIMINGS
from sched_rl.tracking.tables import TableFile

_BLOCKS, _EPISODES, _FIRST_SEED = 3, 20, 2_000_001


def base_config() -> dict[str, Any]:
    """The configuration of a plain training, as containers."""
    from sched_rl.config.convert import config_to_dict
    from sched_rl.config.load import load_config

    return config_to_dict(load_config("train", ["env=heavy", "tracking=none"]))


def write_run(
    folder: Path,
    config: Mapping[str, Any],
    settings: Mapping[str, Any],
    *,
    level: float,
    updates: int = 10,
    eval_every: int = 5,
    status: str = "FINISHED",
) -> None:
    """Write a run folder as a training would leave it, with made-up numbers.

    Args:
        folder: made here.
        config: of a training, as containers.
        settings: dotted keys that differ, `seed` among them.
        level: what the returns rise to; the training's own luck and the episodes' are added.
        updates: rows of metrics.csv.
        eval_every: updates between evaluations.
        status: how it ended; empty: it did not.
    """
    folder.mkdir(parents=True)
    own = copy.deepcopy(dict(config))
    for key, value in settings.items():
        *path, last = key.split(".")
        node = own
        for part in path:
            node = node[part]
        node[last] = value
    (folder / CONFIG).write_text(yaml.safe_dump(own, sort_keys=False))
    ends = [{"kind": "end", "status": status}] if status else []
    (folder / EVENTS).write_text("".join(json.dumps(end) + "\n" for end in ends))
    columns = record_columns(_BLOCKS, extra_evaluations=["mean_wait_s", "utilization"])
    rng = np.random.default_rng(int(settings["seed"]))
    luck, workloads = 0.01 * rng.normal(), _workload_effects()
    metrics, episodes = TableFile.create(folder / METRICS, columns.metrics), []
    rows = []
    for update in range(1, updates + 1):
        row: dict[str, Any] = {
            "update": update,
            "timesteps": 8192 * update,
            "lr": 1e-3,
            "entropy": 1.0 / update,
        }
        if update % eval_every == 0:
            course = 1 - np.exp(-4 * update / updates)
            returns = level * course + luck + workloads + 0.005 * rng.normal(size=workloads.shape)
            blocks = returns.mean(axis=1)
            row |= {f"eval_block{b}_return": blocks[b] for b in range(_BLOCKS)}
            row |= {"eval_mean_return": blocks.mean(), "eval_min_block_return": blocks.min()}
            episodes += [_episode(update, b, e, float(returns[b, e])) for b, e in np.ndindex(*returns.shape)]
        rows.append(row)
    metrics.append_rows(rows)
    metrics.close()
    TableFile.create(folder / TIMINGS, columns.timings).close()
    table = TableFile.create(folder / EVALUATIONS, columns.evaluations)
    table.append_rows(episodes)
    table.close()
    judged = {"sjf": _evaluation(0.9 + workloads), "fifo": _evaluation(0.8 + workloads)}
    (folder / BASELINES).write_text(json.dumps(judged))


def _workload_effects() -> np.ndarray[Any, np.dtype[np.float64]]:
    """What the episodes' jobs do to every scheduler, [blocks, episodes]."""
    return 0.03 * np.random.default_rng(0).normal(size=(_BLOCKS, _EPISODES))


def _episode(update: int, block: int, episode: int, value: float) -> dict[str, Any]:
    seed = _FIRST_SEED + block * _EPISODES + episode
    counts = {"steps": 800, "noop_steps": 400, "noop_feasible_steps": 0, "invalid_steps": 0}
    row = {"update": update, "block": block, "seed": seed, "return": value, "terminated": True}
    return row | counts | {"mean_wait_s": 1e4 / 3, "utilization": 0.7654321}


def _evaluation(returns: np.ndarray[Any, np.dtype[np.float64]]) -> dict[str, Any]:
    blocks = returns.mean(axis=1)
    episodes = [_episode(0, b, e, float(returns[b, e])) for b, e in np.ndindex(*returns.shape)]
    return {
        "eval_mean_return": float(blocks.mean()),
        "eval_min_block_return": float(blocks.min()),
        "episodes": episodes,
    }


def main(arguments: Sequence[str]) -> int:
    """Print how long a comparison takes; returns the exit code."""
    num_runs, updates = (int(word) for word in [*arguments, "50", "300"][:2])
    config = base_config()
    with tempfile.TemporaryDirectory() as scratch:
        for number in range(num_runs):
            variant, seed = divmod(number, max(num_runs // 5, 1))
            settings = {"seed": seed, "agent.clip_coef": 0.1 * (1 + variant)}
            level = 0.95 + 0.01 * variant
            write_run(Path(scratch) / str(number), config, settings, level=level, updates=updates)
        words = [f"runs={scratch}", f"output={scratch}/comparison"]
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "analysis.compare", *words], capture_output=True, text=True
        )
        seconds = time.perf_counter() - started
    print(done.stdout.partition("\n")[2] or done.stderr)
    print(f"{num_runs} runs of {updates} updates: {seconds:.1f} s, from the command line to the figures")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
