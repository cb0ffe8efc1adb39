"""The run's folder, written by one process at a time: config, tables, baselines, events."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from time import time
from typing import Any, Literal

import filelock
import numpy as np
import yaml

from sched_rl.checkpoint import write_atomically
from sched_rl.errors import RunFolderError
from sched_rl.tracking.columns import RecordColumns
from sched_rl.tracking.redaction import redact
from sched_rl.tracking.tables import AppendOnlyFile, Cell, TableFile, read_lines, rewind_table

CONFIG = "config.yaml"
PROVENANCE = "provenance.json"
METRICS = "metrics.csv"
TIMINGS = "timings.csv"
EVALUATIONS = "evaluations.csv"
BASELINES = "baselines.json"
REPORT = "report.json"
EVENTS = "events.jsonl"
PAGE = "report.html"
RECORD_FILES = (CONFIG, PROVENANCE, METRICS, TIMINGS, EVALUATIONS, BASELINES, REPORT, EVENTS)

Status = Literal["FINISHED", "KILLED", "FAILED"]


class RunRecord:
    """The one writer of a run's folder; holds a lock on it until `close`.

    Make one with `create` or `reopen`.
    """

    def __init__(self, folder: Path, columns: RecordColumns, lock: filelock.BaseFileLock) -> None:
        self.folder = folder
        self._lock = lock
        self._metrics = TableFile(folder / METRICS, columns.metrics)
        self._timings = TableFile(folder / TIMINGS, columns.timings)
        self._evaluations = TableFile(folder / EVALUATIONS, columns.evaluations)
        self._events = AppendOnlyFile(folder / EVENTS)

    @classmethod
    def create(cls, folder: Path, columns: RecordColumns) -> RunRecord:
        """Start a run in a folder that holds none; the folder is made if it is missing.

        Raises:
            RunFolderError: it holds a run already, another process writes it, or it cannot be written.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunFolderError(f"run.folder={folder}: cannot be made ({error.strerror})") from error
        lock = lock_folder(folder)
        try:
            # config.yaml may be there already: whoever made the folder claimed it with that file
            if present := [name for name in RECORD_FILES[1:] if (folder / name).exists()]:
                raise RunFolderError(
                    f"run.folder={folder}: holds a run already ({present[0]}); "
                    f"continue it with resume={folder}, or name another folder"
                )
            TableFile.create(folder / METRICS, columns.metrics).close()
            TableFile.create(folder / TIMINGS, columns.timings).close()
            TableFile.create(folder / EVALUATIONS, columns.evaluations).close()
            return cls(folder, columns, lock)
        except OSError as error:
            lock.release()
            raise RunFolderError(f"run.folder={folder}: cannot be written ({error.strerror})") from error
        except RunFolderError:
            lock.release()
            raise

    @classmethod
    def reopen(cls, folder: Path, columns: RecordColumns, update: int) -> RunRecord:
        """Continue a run after its checkpoint's update; later rows are dropped, they will be computed again.

        Raises:
            RunFolderError: no run there, another process writes it, other columns, malformed rows, or
                rows missing before the checkpoint; nothing has been changed then.
        """
        lock = lock_folder(folder)
        try:
            for apply in (False, True):  # check everything before changing anything
                last = rewind_table(folder / METRICS, columns.metrics, update, apply=apply)
                if (last or 0) != update:
                    raise RunFolderError(
                        f"{folder / METRICS}: ends at update {last}, the checkpoint is of update {update}; "
                        "restore the file, or resume from an older checkpoint"
                    )
                rewind_table(folder / TIMINGS, columns.timings, update, apply=apply)
                rewind_table(folder / EVALUATIONS, columns.evaluations, update, apply=apply)
                _rewind_events(folder / EVENTS, update, apply=apply)
            record = cls(folder, columns, lock)
        except OSError as error:
            lock.release()
            raise RunFolderError(f"{folder}: cannot be written ({error.strerror})") from error
        except RunFolderError:
            lock.release()
            raise
        record.event("resume", update)
        return record

    @property
    def checkpoints(self) -> Path:
        """The folder of the run's checkpoints."""
        return self.folder / "checkpoints"

    def write_config(self, config: Mapping[str, Any]) -> None:
        """Write the resolved config; passwords in URIs are hidden."""
        text = yaml.safe_dump(_plain(config), sort_keys=False, allow_unicode=True, width=120)
        self._write(CONFIG, text)

    def write_provenance(self, provenance: Mapping[str, Any]) -> None:
        """Write where the run comes from, see `provenance.collect_provenance`."""
        self._write(PROVENANCE, json.dumps(json_ready(provenance), indent=1, allow_nan=False) + "\n")

    def write_baselines(self, baselines: Mapping[str, Any]) -> None:
        """Write the heuristics' evaluations on the same blocks: from each name to its evaluation JSON."""
        self._write(BASELINES, json.dumps(json_ready(baselines), allow_nan=False) + "\n")

    def write_report(self, report: Mapping[str, Any]) -> None:
        """Write the evaluations on the report blocks: the run's scheduler first, then the baselines."""
        self._write(REPORT, json.dumps(json_ready(report), allow_nan=False) + "\n")

    def append_metrics(self, row: Mapping[str, Cell]) -> None:
        """Append the row of an update; a column without a value this update stays empty."""
        self._metrics.append_rows([row])

    def append_timings(self, row: Mapping[str, Cell]) -> None:
        """Append what equal runs may differ in; adds `unix_time_s`. Follows `append_metrics`."""
        self._timings.append_rows([{"unix_time_s": round(time(), 3), **row}])

    def append_evaluation(self, rows: Iterable[Mapping[str, Cell]]) -> None:
        """Append the episodes of one evaluation, all or none."""
        self._evaluations.append_rows(rows)

    def event(self, kind: str, update: int, **fields: Any) -> None:
        """Append a line to events.jsonl: a finding, a guard's action, a signal; nan and inf become null."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = {"time": now, "kind": kind, "update": update, **json_ready(fields)}
        self._events.append(json.dumps(line, allow_nan=False).encode() + b"\n")

    def end(self, status: Status, update: int) -> None:
        """Note how the run ended; an import into MLflow takes its status from here."""
        self.event("end", update, status=status)

    def sync(self) -> None:
        """Put all rows on the disk; called before a checkpoint, which must not be ahead of its rows."""
        for file in (self._metrics, self._timings, self._evaluations, self._events):
            file.sync()

    def close(self) -> None:
        """Close the files and give the folder free."""
        for file in (self._metrics, self._timings, self._evaluations, self._events):
            file.close()
        self._lock.release()

    def __enter__(self) -> RunRecord:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self, name: str, text: str) -> None:
        try:
            write_atomically(self.folder / name, text.encode())
        except OSError as error:
            raise RunFolderError(f"{self.folder / name}: cannot be written ({error.strerror})") from error


def lock_folder(folder: Path) -> filelock.BaseFileLock:
    """Claim a run's folder for this process; a kill frees it.

    Raises:
        RunFolderError: no such folder, not writable, or another process holds it.
    """
    if not folder.is_dir():
        raise RunFolderError(f"{folder}: no such run folder")
    lock = filelock.FileLock(folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise RunFolderError(
            f"{folder}: another process is writing this run; wait for it to end, or name another folder"
        ) from error
    except OSError as error:
        raise RunFolderError(f"{folder}: cannot be written ({os.strerror(error.errno or 0)})") from error
    return lock


def _rewind_events(path: Path, update: int, *, apply: bool) -> None:
    if not path.exists():
        return
    kept = []
    for number, line in enumerate(read_lines(path), start=1):
        try:
            event_update = json.loads(line)["update"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise RunFolderError(f"{path}:{number}: not an event ({error})") from error
        if isinstance(event_update, int) and event_update <= update:
            kept.append(line + b"\n")
    if apply and (content := b"".join(kept)) != path.read_bytes():
        write_atomically(path, content)


def _plain(value: Any) -> Any:
    """Plain containers and scalars, with the passwords in URIs hidden."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return redact(value) if isinstance(value, str) else value


def json_ready(value: Any) -> Any:
    """Like `_plain`, with None for nan and inf, which JSON does not know."""
    value = _plain(value)
    if isinstance(value, dict):
        return {str(key): json_ready(item) for key, item in value.items()}
    if isinstance(value, list):
        return [json_ready(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
