"""Accounting of SLURM (`sacct --parsable2`) as records of the Standard Workload Format, and its GPUs as a table.

Wanted columns: JobIDRaw (or JobID), Submit, Start, ElapsedRaw (or Elapsed), TimelimitRaw (or Timelimit), and AllocCPUS
or ReqCPUS or AllocTRES or ReqTRES; taken where there: User, State, ReqTRES. For example

    sacct -a -P -S 2024-01-01 -E 2024-02-01 -o JobIDRaw,User,State,Submit,Start,ElapsedRaw,TimelimitRaw,AllocTRES

Times of day are taken as they stand, without a time zone: a change to summer time shifts what follows by an hour.
"""

from __future__ import annotations

import calendar
import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sched_rl.errors import WorkloadError
from sched_rl.workloads.swf import record_columns

#: State of a job in SLURM and the status of SWF: 1 completed, 0 failed, 5 cancelled.
_STATUS: Final = {"COMPLETED": 1, "CANCELLED": 5}
_SPAN = re.compile(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)(?:\.\d+)?")
_UNLIMITED: Final = ("", "UNLIMITED", "Partition_Limit", "INVALID")
_MEMORY_UNITS: Final = {"": 1.0, "K": 1.0, "M": 1024.0, "G": 1024.0**2, "T": 1024.0**3}


@dataclass(frozen=True)
class SacctJobs:
    """Jobs of an accounting, in the order of its lines.

    Attributes:
        records: float64 (n, 18), columns as in `swf.FIELDS`; submit times count from the first one.
        start_unix_s: the first submission, seconds since 1970.
        gpus: int64 (n,), 0 where a job took none.
        cpus: int64 (n,).
        mem_gib: float64 (n,), 0 where unknown.
        notes: how many lines were left out or repaired, by reason.
    """

    records: NDArray[np.float64]
    start_unix_s: int
    gpus: NDArray[np.int64]
    cpus: NDArray[np.int64]
    mem_gib: NDArray[np.float64]
    notes: Mapping[str, int]


def read_sacct(path: Path) -> SacctJobs:
    """Read what `sacct --parsable2` (or `--parsable`) printed.

    Steps of jobs, and jobs that have not started or not ended, are left out and counted.

    Raises:
        WorkloadError: naming the file and line, or the column that is missing.
    """
    notes: Counter[str] = Counter()
    users: dict[str, int] = {}
    rows: list[dict[str, float]] = []
    for place, line in _lines(path):
        if reason := _left_out(line):
            notes[reason] += 1
        else:
            rows.append(_job(line, place, users, notes, len(rows)))
    if not rows:
        raise WorkloadError(f"{path}: no finished job ({dict(notes) or 'no lines'})")
    table = {name: np.array([row[name] for row in rows], np.float64) for name in rows[0]}
    first_s = table["submit_s"].min()
    columns = {name: table[name] for name in ("job_id", "run_s", "requested_s", "status", "user")}
    records = record_columns(
        len(rows),
        submit_s=table["submit_s"] - first_s,
        wait_s=table["start_s"] - table["submit_s"],
        allocated_procs=table["cpus"],
        requested_procs=table["cpus"],
        **columns,
    )
    gpus, cpus = table["gpus"].astype(np.int64), table["cpus"].astype(np.int64)
    return SacctJobs(records, int(first_s), gpus, cpus, table["mem_gib"], dict(notes))


def _lines(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """(file:line, column to text) of every line after the header."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise WorkloadError(f"{path}: no such file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise WorkloadError(f"{path}: cannot be read ({error})") from error
    lines = text.splitlines()
    header = lines[0].strip().rstrip("|").split("|") if lines else []
    for wanted in (("JobIDRaw", "JobID"), ("Submit",), ("Start",), ("ElapsedRaw", "Elapsed")):
        if not set(wanted) & set(header):
            raise WorkloadError(
                f"{path}:1: no column {' or '.join(wanted)}; run sacct --parsable2 with -o {_ASK}"
            )
    for number, line in enumerate(lines[1:], 2):
        words = line.split("|")
        if len(words) == len(header) + 1 and not words[-1]:
            words.pop()  # --parsable ends lines with a bar
        if line.strip() and len(words) != len(header):
            raise WorkloadError(f"{path}:{number}: {len(words)} fields, the header has {len(header)}")
        if line.strip():
            yield f"{path}:{number}", dict(zip(header, words, strict=True))


_ASK = "JobIDRaw,User,State,Submit,Start,ElapsedRaw,TimelimitRaw,AllocTRES"


def _left_out(line: Mapping[str, str]) -> str | None:
    if "." in line.get("JobIDRaw", line.get("JobID", "")):
        return "steps of jobs, left out"
    if line["Start"] in ("Unknown", "None", ""):
        return "never started, left out"
    if line.get("State", "").split(" ")[0] in ("RUNNING", "PENDING", "SUSPENDED", "REQUEUED"):
        return "not ended, left out"
    return None


def _job(
    line: Mapping[str, str], place: str, users: dict[str, int], notes: Counter[str], place_in_file: int
) -> dict[str, float]:
    tres = _tres(line.get("AllocTRES") or line.get("ReqTRES") or "", place)
    name = line.get("JobIDRaw", line.get("JobID", ""))
    if not name.isdecimal():
        notes["job ids that are no numbers, counted through"] += 1
    cpus = next((line[key] for key in ("AllocCPUS", "ReqCPUS") if line.get(key, "").isdecimal()), None)
    elapsed = line.get("ElapsedRaw") or line["Elapsed"]
    limit = line.get("TimelimitRaw")
    limit_s = (
        float(limit) * 60.0 if limit and limit.isdecimal() else _span_s(line.get("Timelimit", ""), place)
    )
    return {
        "job_id": float(name) if name.isdecimal() else place_in_file + 1.0,
        "submit_s": _moment_s(line["Submit"], place),
        "start_s": _moment_s(line["Start"], place),
        "run_s": float(elapsed) if elapsed.isdecimal() else _span_s(elapsed, place),
        "requested_s": limit_s,
        "status": _STATUS.get(line.get("State", "").split(" ")[0], 0),
        "user": users.setdefault(line["User"], len(users) + 1) if line.get("User") else -1,
        "cpus": float(cpus) if cpus is not None else tres.get("cpu", 0.0),
        "gpus": tres.get("gres/gpu", 0.0),
        "mem_gib": tres.get("mem", 0.0),
    }


def _tres(text: str, place: str) -> dict[str, float]:
    """`cpu=4,mem=16G,gres/gpu=2` by name, memory in GiB; GPUs of several types are summed where no total is given."""
    found: dict[str, float] = {}
    typed = 0.0
    for part in filter(None, text.split(",")):
        name, _, value = part.partition("=")
        match = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)[nc]?", value)
        if match is None:
            continue  # billing=..., energy=... and what sites invent
        if name == "mem":
            found[name] = float(match[1]) * _MEMORY_UNITS[match[2] or "M"] / _MEMORY_UNITS["G"]
        elif name.startswith("gres/gpu:"):
            typed += float(match[1])
        else:
            found[name] = float(match[1])
    if typed:
        found.setdefault("gres/gpu", typed)
    return found


def _moment_s(text: str, place: str) -> float:
    try:
        return float(calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%S")))
    except ValueError as error:
        raise WorkloadError(f"{place}: {text!r} is no time such as 2024-01-31T12:00:00") from error


def _span_s(text: str, place: str) -> float:
    """`1-02:03:04`, `02:03:04` or `03:04` in seconds; -1 where there is no limit."""
    if text in _UNLIMITED:
        return -1.0
    match = _SPAN.fullmatch(text)
    if match is None:
        raise WorkloadError(f"{place}: {text!r} is no span such as 1-02:03:04")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)
