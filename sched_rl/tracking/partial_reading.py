"""The few numbers of a run's tables that a comparison of many runs needs, without reading the rest.

`reading` checks every cell of a table; of fifty runs that takes most of a minute, and a comparison wants a handful of
columns and the episodes of one evaluation.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sched_rl.errors import RunFolderError
from sched_rl.tracking.record import EVALUATIONS
from sched_rl.tracking.tables import parse_numbers, read_lines

FloatArray = np.ndarray[tuple[int], np.dtype[np.float64]]


def read_some_columns(path: Path, names: Sequence[str]) -> dict[str, FloatArray]:
    """Some columns of a table that a run wrote; nan where a cell is empty, no entry where there is no such column.

    Raises:
        RunFolderError: missing or malformed, with file and line.
    """
    return _columns(read_lines(path), path, names)


def read_evaluation_of(folder: Path, update: int, names: Sequence[str]) -> dict[str, FloatArray]:
    """Some columns of the episodes of one evaluation.

    Args:
        folder: of the run.
        update: of the evaluation.
        names: columns of numbers.

    Raises:
        RunFolderError: missing or malformed.
    """
    path = folder / EVALUATIONS
    header, *rows = read_lines(path) or [b""]
    start = b"%d," % update
    return _columns([header, *(row for row in rows if row.startswith(start))], path, names)


def _columns(lines: Sequence[bytes], path: Path, names: Sequence[str]) -> dict[str, FloatArray]:
    try:
        rows = list(csv.reader([line.decode("utf-8") for line in lines], strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise RunFolderError(f"{path}: not CSV ({error})") from error
    header = rows[0] if rows else []
    places = {name: header.index(name) for name in names if name in header}
    if any(len(row) != len(header) for row in rows):
        number = next(number for number, row in enumerate(rows, start=1) if len(row) != len(header))
        raise RunFolderError(f"{path}:{number}: {len(rows[number - 1])} cells under {len(header)} columns")
    return {
        name: parse_numbers([row[place] for row in rows[1:]], path, name) for name, place in places.items()
    }
