"""Jobs a second of a replayed trace on one core, beside the tests' slow simulator.

`python -m analysis.benchmarks.replay [trace=FILE] [rounds=7] [slow_jobs=300]` replays a whole trace by the book under
FCFS, SJF (both strict) and EASY. Without a trace it generates 10 000 jobs of the Lublin-Feitelson model. Seconds are of
the processor, not of the wall, so that other load on the machine does not count.
"""

from __future__ import annotations

import importlib.util
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from analysis.arguments import keyed_words, run_command
from sched_rl.config.load import load_env_config
from sched_rl.config.sites import SiteConfig
from sched_rl.errors import ConfigError
from sched_rl.simulator.textbook import Mode, Priority, replay
from sched_rl.workloads.site_source import site_source
from sched_rl.workloads.swf import read_swf
from sched_rl.workloads.trace_jobs import jobs_of

CASES: tuple[tuple[str, Priority, Mode], ...] = (
    ("FCFS", "fcfs", "strict"),
    ("SJF", "sjf", "strict"),
    ("EASY", "fcfs", "easy"),
)
GENERATED_JOBS = 10_000
_SLOW = Path(__file__).resolve().parents[2] / "tests" / "batch" / "slow_cluster.py"
Columns = tuple[Any, Any, Any, Any, int]


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table; returns the exit code."""
    words = list(sys.argv[1:] if argv is None else argv) or ["rounds=7"]  # works without any word
    return run_command(words, __doc__ or "", _run)


def _run(words: Sequence[str]) -> None:
    given = keyed_words(words, {"trace": "", "rounds": "7", "slow_jobs": "300"})
    if not all(given[key].isdecimal() and int(given[key]) > 0 for key in ("rounds", "slow_jobs")):
        raise ConfigError(
            f"rounds={given['rounds']} slow_jobs={given['slow_jobs']}: must be whole numbers above 0"
        )
    rounds, few = int(given["rounds"]), int(given["slow_jobs"])
    columns = _of_trace(Path(given["trace"])) if given["trace"] else _generated()
    name, count = given["trace"] or "generated (Lublin-Feitelson, typeless)", len(columns[0])
    slow = _slow_replay()
    print(f"{name}: {count:,} jobs on {columns[-1]} processors, median of {rounds} rounds, one core")
    print(f"{'':6}{'jobs/s':>14}{f'first {few}':>14}{'slow one':>12}{'ratio':>10}")
    for label, priority, mode in CASES:
        whole = _jobs_per_s(partial(replay, *columns, priority, mode), count, rounds)
        print(f"{label:6}{whole:14,.0f}", end="")
        if slow is None:
            print(f"   (no {_SLOW.name} here to compare with)")
            continue
        start = _first(columns, few)
        fast = _jobs_per_s(partial(replay, *start, priority, mode), few, rounds)
        jobs = [
            dict(zip(("submit", "run", "requested", "procs"), row, strict=True))
            for row in zip(*(column.tolist() for column in start[:4]), strict=True)
        ]
        started_s = time.process_time()
        slow_starts = slow(jobs, start[-1], priority, mode)
        slow_per_s = few / (time.process_time() - started_s)
        if not np.array_equal(slow_starts, replay(*start, priority, mode)):
            raise ConfigError(f"{label}: the two simulators disagree; python -m pytest tests/batch")
        print(f"{fast:14,.0f}{slow_per_s:12,.0f}{fast / slow_per_s:10,.0f}")


def _jobs_per_s(play: Callable[[], Any], count: int, rounds: int) -> float:
    play()  # compiles what is not compiled yet
    speeds = []
    for _ in range(rounds):
        started_s, repeats = time.process_time(), 0
        while time.process_time() - started_s < 0.05:
            play()
            repeats += 1
        speeds.append(repeats * count / (time.process_time() - started_s))
    return statistics.median(speeds)


def _of_trace(path: Path) -> Columns:
    jobs = jobs_of(read_swf(path))
    return jobs.submit_s, jobs.run_s, jobs.requested_s, jobs.nodes, jobs.num_nodes


def _generated() -> Columns:
    env = load_env_config(
        ["env=lublin", f"env.trace.count={GENERATED_JOBS}", "env.trace.load_factor=1.17"]
    ).env
    if not isinstance(env, SiteConfig):
        raise ConfigError("env=lublin: is not a batch cluster here; another conf/ hides ours")
    jobs = site_source(env).sequence(1)
    return jobs.submit_s, jobs.run_s, jobs.requested_s, jobs.procs, jobs.num_procs


def _first(columns: Columns, count: int) -> Columns:
    submit_s, run_s, requested_s, procs, num_procs = columns
    return submit_s[:count], run_s[:count], requested_s[:count], procs[:count], num_procs


def _slow_replay() -> Callable[..., list[float]] | None:
    """The simulator that the tests hold ours against, where the tests are."""
    spec = importlib.util.spec_from_file_location("slow_cluster", _SLOW) if _SLOW.is_file() else None
    if spec is None or spec.loader is None:
        return None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    play: Callable[..., list[float]] = module.slow_replay
    return play


if __name__ == "__main__":
    sys.exit(main())
