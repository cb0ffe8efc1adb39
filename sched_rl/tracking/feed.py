"""The rows of a run's folder, as MLflow shall get them: read from the files, in order, each once.

Whoever writes to MLflow follows the files. So a live run, a resumed one, one whose server was away for an
hour and one imported a year later all take the same path, and nothing waits in memory.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sched_rl.errors import RunFolderError
from sched_rl.tracking.description import metric_key
from sched_rl.tracking.record import METRICS, TIMINGS
from sched_rl.tracking.tables import parse_update

#: Up to this update MLflow gets every row.
FULL_RESOLUTION_UPDATES = 1000


@dataclass(frozen=True)
class FeedRow:
    """The finite values of an update at its environment steps; timings carry the prefix `timing/`."""

    update: int
    step: int
    timestamp_ms: int
    values: tuple[tuple[str, float], ...]


def is_shown(update: int, *, has_evaluation: bool) -> bool:
    """Whether MLflow gets the row of an update: a value costs 0.1 ms and 200 bytes, so long runs thin out.

    Rows with an evaluation always; all rows up to FULL_RESOLUTION_UPDATES; from then on every second, beyond
    twice as many every fourth, and so on. It depends on the row alone, so a resumed run shows the same rows.
    """
    if has_evaluation or update <= FULL_RESOLUTION_UPDATES:
        return True
    return update % (1 << ((update - 1) // FULL_RESOLUTION_UPDATES).bit_length()) == 0


class RunFeed:
    """Follows a run's tables.

    Args:
        folder: the run's folder.
        after_update: rows up to this update are in MLflow already; -1 for none.
        default_time_ms: the time of rows that have none.
    """

    def __init__(self, folder: Path, after_update: int, default_time_ms: int) -> None:
        self._metrics = _Tail(folder / METRICS)
        self._timings = _Tail(folder / TIMINGS)
        self._after = after_update
        self._time_ms = default_time_ms
        self._timing: dict[str, str] = {}

    def next_row(self) -> FeedRow | None:
        """The next row to log; None when the files hold no more for now."""
        while (cells := self._metrics.next_row()) is not None:
            update = self._metrics.update(cells)
            timing = self._timing_of(update)
            if update <= self._after:
                continue
            self._after = update
            if is_shown(update, has_evaluation=bool(cells.get("eval_mean_return"))):
                return self._row(update, cells, timing)
        return None

    def _timing_of(self, update: int) -> dict[str, str]:
        while not self._timing or self._timings.update(self._timing) < update:
            row = self._timings.next_row()
            if row is None:
                return {}
            self._timing = row
        return self._timing if self._timings.update(self._timing) == update else {}

    def _row(self, update: int, cells: dict[str, str], timing: dict[str, str]) -> FeedRow:
        values = [(metric_key(name), self._metrics.number(name, cell)) for name, cell in cells.items()]
        for name, cell in timing.items():
            if name == "unix_time_s" and math.isfinite(seconds := self._timings.number(name, cell)):
                self._time_ms = round(seconds * 1000)
            elif name != "update":
                values.append((f"timing/{metric_key(name)}", self._timings.number(name, cell)))
        finite = tuple((key, value) for key, value in values if math.isfinite(value))
        step = self._metrics.number("timesteps", cells.get("timesteps", ""))
        if not math.isfinite(step):
            raise RunFolderError(f"{self._metrics.place}: timesteps={cells.get('timesteps')!r}: not a number")
        return FeedRow(update, int(step), self._time_ms, finite)


class _Tail:
    """Reads the complete lines of a growing CSV file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._line = 0
        self._lines: list[bytes] = []
        header = self._next_cells()
        if header is None:
            raise RunFolderError(f"{path}: missing or without a header")
        self._header = header

    @property
    def place(self) -> str:
        """File and line of the row last read."""
        return f"{self._path}:{self._line}"

    def next_row(self) -> dict[str, str] | None:
        cells = self._next_cells()
        if cells is None:
            return None
        if len(cells) != len(self._header):
            raise RunFolderError(f"{self.place}: {len(cells)} cells under {len(self._header)} columns")
        return dict(zip(self._header, cells, strict=True))

    def update(self, row: dict[str, str]) -> int:
        return parse_update(row.get("update", "").encode(), self._path, self._line)

    def number(self, column: str, cell: str) -> float:
        try:
            return float(cell) if cell else math.nan
        except ValueError as error:
            raise RunFolderError(f"{self.place}: {column}={cell[:40]!r}: not a number") from error

    def _next_cells(self) -> list[str] | None:
        if not self._lines:
            self._fill()
        if not self._lines:
            return None
        self._line += 1
        try:
            return next(csv.reader([self._lines.pop().decode()], strict=True), [])
        except (UnicodeDecodeError, csv.Error) as error:
            raise RunFolderError(f"{self.place}: not CSV ({error})") from error

    def _fill(self, size: int = 1 << 20) -> None:
        try:
            with open(self._path, "rb") as file:
                file.seek(self._offset)
                block = file.read(size)
        except OSError as error:
            raise RunFolderError(f"{self._path}: cannot be read ({error.strerror})") from error
        whole = block[: block.rfind(b"\n") + 1]  # a half-written last line waits for its rest
        self._offset += len(whole)
        self._lines = whole.split(b"\n")[-2::-1]


def to_milliseconds(moment: Any) -> int | None:
    """An ISO time, as provenance.json and events.jsonl hold it, in milliseconds since 1970."""
    try:
        return round(datetime.fromisoformat(moment).timestamp() * 1000)
    except (TypeError, ValueError, OverflowError):
        return None
