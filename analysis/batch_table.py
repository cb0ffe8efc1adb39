"""The published tables of batch scheduling on a trace: `python -m analysis.batch_table trace=FILE.swf [key=value ...]`.

Mean bounded slowdown over sequences of the trace: six priorities in four modes by the book, and the committed-job game
of RLScheduler (SC'20) with and without its backfilling. The defaults are the ten sequences of its published table.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analysis.arguments import run_command
from sched_rl.errors import ConfigError
from sched_rl.simulator.committed import GamePriority, game_keys, play_committed
from sched_rl.simulator.textbook import MODES, Mode, Priority, bounded_slowdowns, replay
from sched_rl.workloads.swf import read_swf
from sched_rl.workloads.trace_jobs import TraceJobs, jobs_of

#: First jobs of the ten sequences of RLScheduler's table.
PUBLISHED_STARTS = (1981, 2756, 4299, 8850, 3316, 2714, 5228, 7762, 4022, 7085)
USAGE = """usage: python -m analysis.batch_table trace=FILE.swf [starts=1981,2756,...] [count=1024]

  trace    a workload in the Standard Workload Format, plain or gzipped
  starts   index of the first job of each sequence (default: the ten of RLScheduler's published table)
  count    jobs of a sequence"""

_TEXTBOOK: tuple[Priority, ...] = ("fcfs", "sjf", "saf", "f1", "wfp3", "unicep")
_GAME: tuple[tuple[str, GamePriority, float, float], ...] = (
    ("fcfs", "fcfs", 870.0, 2.0),
    ("wfp3", "wfp3", 870.0, 2.0),
    ("unicep", "unicep", 870.0, 2.0),
    ("sjf", "sjf", 870.0, 2.0),
    ("f1", "f1", 870.0, 2.0),
    ("f1 with 5000 for 870", "f1", 5000.0, 2.0),
    ("requested^2 * procs", "power", 870.0, 2.0),
)
_Starts = NDArray[np.float64]


def mean_slowdown(parts: Sequence[TraceJobs], schedule: Callable[[TraceJobs], _Starts]) -> float:
    """Mean over sequences of the mean bounded slowdown of their jobs.

    Args:
        parts: the sequences.
        schedule: gives the start times of a sequence, (n,) in seconds.
    """
    return float(
        np.mean([bounded_slowdowns(part.submit_s, schedule(part), part.run_s).mean() for part in parts])
    )


def textbook_table(parts: Sequence[TraceJobs]) -> dict[str, dict[str, float]]:
    """Mean bounded slowdown by priority and mode."""

    def by_the_book(part: TraceJobs, priority: Priority, mode: Mode) -> _Starts:
        machine = part.submit_s, part.run_s, part.requested_s, part.nodes, part.num_nodes
        return replay(*machine, priority, mode)

    return {
        priority: {
            mode: mean_slowdown(parts, lambda part, p=priority, m=mode: by_the_book(part, p, m))  # type: ignore[misc]
            for mode in MODES
        }
        for priority in _TEXTBOOK
    }


def game_table(parts: Sequence[TraceJobs]) -> dict[str, dict[str, float]]:
    """Mean bounded slowdown in the committed-job game, by priority, without and with backfilling."""

    def played(
        part: TraceJobs, priority: GamePriority, weight: float, power: float, backfill: bool
    ) -> _Starts:
        keys = game_keys(part.submit_s, part.requested_s, part.procs, priority, weight, power)
        machine = part.submit_s, part.run_s, part.requested_s, part.nodes, part.num_nodes
        return play_committed(*machine, keys, backfill=backfill)[0]

    return {
        label: {
            name: mean_slowdown(parts, lambda part, rule=rule, b=backfill: played(part, *rule, b))  # type: ignore[misc, call-arg]
            for name, backfill in (("no backfilling", False), ("backfilling", True))
        }
        for label, *rule in _GAME
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Print both tables; returns the exit code."""
    return run_command(argv, USAGE, _run)


def _run(words: Sequence[str]) -> None:
    path, starts, count = _arguments(words)
    trace = read_swf(path)
    for title, rules, table in (
        ("by the book", "textbook", textbook_table),
        ("the committed-job game", "game", game_table),
    ):
        jobs = jobs_of(trace, rules)  # type: ignore[arg-type]
        if jobs.notes:
            print(f"{path.name}: {jobs.report()}")
        started_s = time.perf_counter()
        rows = table([jobs.sequence(start, count) for start in starts])
        _print(f"{title}: mean bounded slowdown, {len(starts)} sequences of {count} jobs", rows)
        print(f"({time.perf_counter() - started_s:.1f} s)\n")


def _print(title: str, rows: dict[str, dict[str, float]]) -> None:
    columns = list(next(iter(rows.values())))
    print(title)
    print(f"{'':22}" + "".join(f"{name:>15}" for name in columns))
    for label, row in rows.items():
        print(f"{label:22}" + "".join(f"{row[name]:15,.2f}" for name in columns))


def _arguments(words: Sequence[str]) -> tuple[Path, list[int], int]:
    given = dict(word.partition("=")[::2] for word in words)
    if unknown := sorted(set(given) - {"trace", "starts", "count"}):
        raise ConfigError(f"{unknown[0]}: unknown; give trace=FILE, starts=N,N,... and count=N")
    if not given.get("trace"):
        raise ConfigError("trace=FILE.swf: say which workload")
    texts = given.get("starts", ",".join(map(str, PUBLISHED_STARTS))).strip("[]").split(",")
    numbers = [*texts, given.get("count", "1024")]
    if not all(text.strip().isdecimal() for text in numbers):
        raise ConfigError(
            f"starts={given.get('starts')} count={given.get('count')}: must be whole numbers, 0 or more"
        )
    return Path(given["trace"]), [int(text) for text in texts], int(numbers[-1])


if __name__ == "__main__":
    sys.exit(main())
