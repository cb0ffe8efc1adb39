"""Tables of GPU jobs: CSV with `submit_s,duration_s,gpus`, optionally `requested_s,cpus,mem_gib,priority,user`.

GPUs stay a resource of their own, CPUs and memory are further ones where the table has them.
"""

from __future__ import annotations

import csv
import gzip
import io
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sched_rl.errors import WorkloadError
from sched_rl.workloads.trace_jobs import TraceJobs

NEEDED: Final = ("submit_s", "duration_s", "gpus")
OPTIONAL: Final = ("requested_s", "cpus", "mem_gib", "priority", "user")
_RESOURCES: Final = ("gpus", "cpus", "mem_gib")


def read_gpu_table(path: Path, capacity: tuple[int, ...] | None, *, kill_overruns: bool = False) -> TraceJobs:
    """The jobs of a table, in the order of submission; their ids are their lines, counted from 1.

    Jobs without a positive duration, without GPUs, or wider than the machine are dropped and counted.

    Args:
        path: the file, plain or gzipped.
        capacity: of the machine: GPUs, then CPUs and GiB of memory where the table has them.
        kill_overruns: a job that runs longer than requested is killed then.

    Raises:
        WorkloadError: naming the file and line, or the column or the capacity that is missing.
    """
    columns = _read_columns(path)
    resources = [name for name in _RESOURCES if name in columns]
    if capacity is None or len(capacity) != len(resources):
        raise WorkloadError(
            f"{path}: a table does not say how large the machine is; give env.trace.capacity=[{','.join(resources)}]"
        )
    demand = np.ceil(np.stack([columns[name] for name in resources], 1)).astype(np.int64)
    run_s, submit_s = columns["duration_s"], columns["submit_s"]
    requested_s = columns.get("requested_s", run_s)
    requested_s = np.where(requested_s > 0, requested_s, run_s)
    notes: Counter[str] = Counter()
    dropped = np.zeros(len(run_s), np.bool_)
    for reason, members in {
        "dropped, no positive duration": run_s <= 0,
        "dropped, no GPUs": demand[:, 0] < 1,
        "dropped, negative demand": (demand < 0).any(axis=1),
        "dropped, wider than the machine": (demand > np.array(capacity)).any(axis=1),
    }.items():
        notes[reason] += int((members & ~dropped).sum())
        dropped |= members
    kept = np.flatnonzero(~dropped)
    if not len(kept):
        raise WorkloadError(f"{path}: no usable job ({dict(+notes)})")
    notes["out of submit order, sorted"] += int((np.diff(submit_s[kept]) < 0).sum())
    rows = kept[np.argsort(submit_s[kept], kind="stable")]
    run_s, requested_s = run_s[rows], requested_s[rows]
    notes["runs longer than requested" + (", killed then" if kill_overruns else "")] += int(
        (run_s > requested_s).sum()
    )
    if kill_overruns:
        run_s = np.minimum(run_s, requested_s)
    return TraceJobs(
        rows + 1,
        submit_s[rows],
        run_s,
        requested_s,
        demand[rows, 0],
        demand[rows, 0],
        _whole(columns, "user", rows, -1),
        capacity[0],
        1.0,
        dict(+notes),
        priority=_whole(columns, "priority", rows, 1),
        others=demand[rows, 1:],
        other_capacity=tuple(capacity[1:]),
    )


def _whole(
    columns: dict[str, NDArray[np.float64]], name: str, rows: NDArray[np.int64], absent: int
) -> NDArray[np.int64]:
    return columns[name][rows].astype(np.int64) if name in columns else np.full(len(rows), absent, np.int64)


def _read_columns(path: Path) -> dict[str, NDArray[np.float64]]:
    """Columns by name; users that are no numbers are numbered in the order in which they come."""
    rows = _rows(path)
    header = next(rows, (1, []))[1]
    names = [name.strip() for name in header]
    if missing := [name for name in NEEDED if name not in names]:
        raise WorkloadError(f"{path}:1: lacks {', '.join(missing)}; a table has {','.join(NEEDED)}")
    if unknown := [name for name in names if name not in (*NEEDED, *OPTIONAL)]:
        raise WorkloadError(
            f"{path}:1: unknown column {unknown[0]!r}; known: {', '.join((*NEEDED, *OPTIONAL))}"
        )
    users: dict[str, int] = {}
    values: list[list[float]] = []
    for number, row in rows:
        if len(row) != len(names):
            raise WorkloadError(f"{path}:{number}: {len(row)} fields, the header has {len(names)}")
        values.append(
            [_number(word, name, f"{path}:{number}", users) for name, word in zip(names, row, strict=True)]
        )
    if not values:
        raise WorkloadError(f"{path}: holds no job")
    table = np.array(values, np.float64)
    return {name: table[:, i] for i, name in enumerate(names)}


def _number(word: str, name: str, place: str, users: dict[str, int]) -> float:
    if name == "user":
        return float(users.setdefault(word.strip(), len(users) + 1))
    if name == "requested_s" and not word.strip():
        return -1.0  # unknown
    try:
        value = float(word)
    except ValueError as error:
        raise WorkloadError(f"{place}: {name}={word[:40]!r} is not a number") from error
    if not math.isfinite(value) or abs(value) > 2.0**53:
        raise WorkloadError(f"{place}: {name}={word[:40]!r} is out of range")
    return value


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    try:
        content = path.read_bytes()
        text = (gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content).decode("utf-8-sig")
        reader = csv.reader(io.StringIO(text), strict=True)
        for row in reader:
            if row:
                yield reader.line_num, row
    except FileNotFoundError as error:
        raise WorkloadError(f"{path}: no such file") from error
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise WorkloadError(f"{path}: cannot be read as CSV ({error})") from error
