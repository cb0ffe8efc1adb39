"""A run's folder as arrays and containers, without any library that the run used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from sched_rl.config.record import read_config_tree
from sched_rl.errors import ConfigError, RunFolderError
from sched_rl.tracking.record import (
    BASELINES,
    CONFIG,
    EVALUATIONS,
    EVENTS,
    METRICS,
    PROVENANCE,
    REPORT,
    Status,
)
from sched_rl.tracking.tables import parse_numbers, read_lines, read_table

_INTEGERS = frozenset({"update", "seed", "steps", "noop_steps", "noop_feasible_steps", "invalid_steps"})
_EVALUATION_NUMBERS = _INTEGERS | {"return", "terminated"}


def read_metrics(source: Path) -> dict[str, np.ndarray[Any, np.dtype[np.float64]]]:
    """The metrics of a run, one array a column, nan where a cell is empty.

    Args:
        source: a run's folder or a CSV file.

    Raises:
        RunFolderError: missing or malformed, with file and line.
    """
    path = source / METRICS if source.is_dir() else source
    table = read_table(path, torn_tail=source.is_dir())
    if "update" not in table:
        raise RunFolderError(f"{path}:1: no column update; the columns are {', '.join(table)[:200]}")
    return {name: parse_numbers(cells, path, name) for name, cells in table.items()}


def read_evaluations(folder: Path) -> dict[str, np.ndarray[Any, Any]]:
    """The episodes of all evaluations, one array a column.

    Returns:
        int64 for `update`, `seed` and counts of steps, bool for `terminated`; `block` is int64 if all are
        numbers, else text. An added column is text if its first filled cell is no number, else float64.

    Raises:
        RunFolderError: missing or malformed, with file and line.
    """
    path = folder / EVALUATIONS
    columns: dict[str, np.ndarray[Any, Any]] = {}
    for name, cells in read_table(path).items():
        if _is_text(name, cells):
            columns[name] = np.array(cells, dtype=np.str_)
            continue
        values = parse_numbers(cells, path, name)
        if name in _INTEGERS or name in ("block", "terminated"):
            if (odd := np.flatnonzero(values != np.round(values))).size:
                raise RunFolderError(f"{path}:{odd[0] + 2}: {name}={cells[odd[0]]!r}: not a whole number")
            values = values.astype(np.bool_ if name == "terminated" else np.int64)
        columns[name] = values
    return columns


def read_baselines(folder: Path) -> dict[str, Any]:
    """The heuristics' evaluations by name; empty when the run has none.

    Raises:
        RunFolderError: malformed.
    """
    return _read_json_object(folder / BASELINES) if (folder / BASELINES).exists() else {}


def read_report(folder: Path) -> dict[str, Any]:
    """The evaluations on the report blocks by name; empty when the run has read none.

    Raises:
        RunFolderError: malformed.
    """
    return _read_json_object(folder / REPORT) if (folder / REPORT).exists() else {}


def read_provenance(folder: Path) -> dict[str, Any]:
    """Where a run comes from.

    Raises:
        RunFolderError: missing or malformed.
    """
    return _read_json_object(folder / PROVENANCE)


def read_events(folder: Path) -> list[dict[str, Any]]:
    """The events in the order in which they were written; empty when there are none.

    Raises:
        RunFolderError: malformed, with file and line.
    """
    path = folder / EVENTS
    if not path.exists():
        return []
    events = []
    for number, line in enumerate(read_lines(path), start=1):
        try:
            event = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise RunFolderError(f"{path}:{number}: not JSON ({error})") from error
        if not isinstance(event, dict) or not isinstance(event.get("kind"), str):
            raise RunFolderError(f"{path}:{number}: not an event; it has no kind")
        events.append(event)
    return events


def read_config(folder: Path) -> dict[str, Any]:
    """The resolved config as plain containers; `config.config_from_dict` makes it a Config.

    Raises:
        RunFolderError: missing or malformed.
    """
    try:
        return read_config_tree(folder / CONFIG)
    except ConfigError as error:
        raise RunFolderError(str(error)) from error


def final_status(folder: Path) -> Status:
    """How a run ended, from its events; a run that could not say so was killed.

    Raises:
        RunFolderError: malformed events.
    """
    ends = [event for event in read_events(folder) if event["kind"] in ("end", "resume")]
    status = ends[-1].get("status") if ends else None
    return status if status in ("FINISHED", "FAILED") else "KILLED"


def _is_text(name: str, cells: list[str]) -> bool:
    if name == "block":
        return not all(cell.isdecimal() for cell in cells)
    if name in _EVALUATION_NUMBERS:
        return False
    try:
        float(next((cell for cell in cells if cell), "0"))
    except ValueError:
        return True
    return False


def _read_json_object(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise RunFolderError(f"{path}: no such file; is {path.parent} a run's folder?") from error
    except OSError as error:
        raise RunFolderError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise RunFolderError(f"{path}: not JSON ({error})") from error
    if not isinstance(content, dict):
        raise RunFolderError(f"{path}: not a JSON object")
    return content
