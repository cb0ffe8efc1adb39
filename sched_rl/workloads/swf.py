"""The Standard Workload Format (version 2) of the Parallel Workloads Archive: reading it as it comes, and writing it.

A file is text, perhaps gzipped: header lines that begin with `;`, then a job a line, 18 numbers, -1 where unknown.
Irregularities that files in the wild have are handled by rule and counted (`SwfTrace.repairs`); what no rule covers is
an error with file and line.
"""

from __future__ import annotations

import gzip
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sched_rl.errors import WorkloadError

#: The 18 fields in their order: times in seconds, memory in KiB a processor, -1 where unknown.
FIELDS: Final = (
    "job_id",
    "submit_s",
    "wait_s",
    "run_s",
    "allocated_procs",
    "cpu_s",
    "used_memory_kib",
    "requested_procs",
    "requested_s",
    "requested_memory_kib",
    "status",
    "user",
    "group",
    "executable",
    "queue",
    "partition",
    "preceding_job",
    "think_s",
)
#: Fields that say when, for how long and how wide; a line without them is not a job.
_FEWEST_FIELDS = 5
#: Fields that may have a fraction.
_FRACTIONAL = frozenset({"submit_s", "wait_s", "run_s", "cpu_s", "requested_s", "think_s", "used_memory_kib"})
_WHOLE = tuple(i for i, name in enumerate(FIELDS) if name not in _FRACTIONAL)
_LARGEST = 2.0**53
_LONGEST_LINE = 10_000


@dataclass(frozen=True)
class SwfTrace:
    """A file of jobs as it stands, in the order of its lines.

    Attributes:
        path: the file.
        header: values of the header lines by their label, the last where one comes twice.
        comments: the header lines whole, without the `;`, so that they can be written again.
        records: float64 (n, 18), columns as in `FIELDS`.
        repairs: how many lines a rule was applied to, by rule.
    """

    path: Path
    header: Mapping[str, str]
    comments: tuple[str, ...]
    records: NDArray[np.float64]
    repairs: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.records)

    def column(self, name: str) -> NDArray[np.float64]:
        """One field of all jobs, (n,)."""
        return self.records[:, FIELDS.index(name)]

    def number(self, label: str) -> int | None:
        """A positive whole number of the header, such as MaxProcs; None where there is none."""
        words = self.header.get(label, "").replace(",", "").split()
        return int(words[0]) if words and words[0].isdecimal() and int(words[0]) > 0 else None


def read_swf(path: Path) -> SwfTrace:
    """Read a trace, plain or gzipped, line by line.

    Args:
        path: the file; gzip is recognised by its content.

    Raises:
        WorkloadError: no such file, damaged, without jobs, or with a line that is not a job; file and line are named.
    """
    comments: list[str] = []
    repairs: Counter[str] = Counter()
    rows: list[list[float]] = []
    for number, line in _lines(path):
        if line.startswith(";"):
            comments.append(line[1:].rstrip())
        elif line.strip():
            rows.append(_record(line.split(), f"{path}:{number}", repairs))
        else:
            repairs["blank line"] += 1
    if not rows:
        raise WorkloadError(f"{path}: holds no job; a trace has a line of 18 numbers for each")
    header = dict(_labelled(comment) for comment in comments if ":" in comment)
    return SwfTrace(path, header, tuple(comments), np.array(rows, np.float64), dict(repairs))


def write_swf(
    path: Path,
    records: NDArray[np.float64],
    comments: tuple[str, ...] = (),
    *,
    machine_procs: int | None = None,
) -> None:
    """Write jobs as SWF that other tools read: whole numbers without a point, gzipped where the name ends in `.gz`.

    Args:
        path: of the new file; an existing one is refused.
        records: float64 (n, 18), columns as in `FIELDS`; nan counts as unknown.
        comments: header lines without the `;`.
        machine_procs: adds MaxNodes and MaxProcs where the comments have none.

    Raises:
        WorkloadError: the file exists or cannot be written.
    """
    labels = {_labelled(comment)[0] for comment in comments if ":" in comment}
    lines = [f";{comment}" for comment in comments]
    if "Version" not in labels:
        lines.insert(0, "; Version: 2.2")
    if machine_procs is not None:
        lines += [f"; {name}: {machine_procs}" for name in ("MaxNodes", "MaxProcs") if name not in labels]
    lines += [" ".join(map(_text, row)) for row in records.tolist()]
    content = ("\n".join(lines) + "\n").encode()
    try:
        with path.open("xb") as file:
            file.write(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)
    except FileExistsError as error:
        raise WorkloadError(f"{path}: exists already; name another file") from error
    except OSError as error:
        raise WorkloadError(f"{path}: cannot be written ({error.strerror})") from error


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with path.open("rb") as raw:
            is_gzip = raw.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rb") if is_gzip else path.open("rb") as file:
            number = 0
            while line := file.readline(_LONGEST_LINE + 1):
                number += 1
                if len(line) > _LONGEST_LINE:
                    raise WorkloadError(f"{path}:{number}: longer than {_LONGEST_LINE} bytes; not a trace")
                # Comments carry names in whatever encoding; numbers are ASCII.
                yield number, line.decode("latin-1").rstrip("\r\n")
    except FileNotFoundError as error:
        raise WorkloadError(f"{path}: no such file") from error
    except (EOFError, gzip.BadGzipFile) as error:
        raise WorkloadError(f"{path}: damaged gzip ({error})") from error
    except OSError as error:
        raise WorkloadError(f"{path}: cannot be read ({error.strerror or error})") from error


def _record(words: list[str], place: str, repairs: Counter[str]) -> list[float]:
    if len(words) < _FEWEST_FIELDS:
        raise WorkloadError(
            f"{place}: {len(words)} fields; a job has {len(FIELDS)}, and at least the first {_FEWEST_FIELDS}"
        )
    if len(words) != len(FIELDS):
        repairs["more than 18 fields, the rest ignored" if len(words) > len(FIELDS) else _SHORT] += 1
    values = [_value(word, name, place) for name, word in zip(FIELDS, words, strict=False)]
    values += [-1.0] * (len(FIELDS) - len(values))
    if any(not values[i].is_integer() for i in _WHOLE):
        repairs["fraction in a whole number, rounded up"] += 1
        for i in _WHOLE:
            values[i] = float(math.ceil(values[i]))
    return values


_SHORT = "fewer than 18 fields, the rest unknown"


def _value(word: str, name: str, place: str) -> float:
    try:
        value = float(word)
    except ValueError as error:
        raise WorkloadError(f"{place}: {name}={word[:40]!r} is not a number") from error
    # "1_0", "nan" and "infinity" are numbers to Python alone.
    if not math.isfinite(value) or abs(value) > _LARGEST or "_" in word:
        raise WorkloadError(f"{place}: {name}={word[:40]!r} is out of range")
    return value


def _labelled(comment: str) -> tuple[str, str]:
    label, _, value = comment.partition(":")
    return label.strip(), value.strip()


def _text(value: float) -> str:
    if math.isnan(value):
        return "-1"
    return str(int(value)) if value.is_integer() else repr(value)


def record_columns(count: int, **columns: Any) -> NDArray[np.float64]:
    """Records of `count` jobs, float64 (count, 18), from their known fields by name; the others are unknown."""
    records = np.full((count, len(FIELDS)), -1.0)
    for name, values in columns.items():
        records[:, FIELDS.index(name)] = values
    return records
