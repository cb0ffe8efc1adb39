"""CSV tables that grow by whole rows, survive a kill, and can be wound back to an update."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from sched_rl.checkpoint import write_atomically
from sched_rl.errors import RunFolderError

#: None and a missing column make an empty cell.
Cell = float | int | bool | str | np.generic | None


class AppendOnlyFile:
    """A file that only grows, each append in one system call, so that a kill leaves whole lines."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)

    def append(self, data: bytes) -> None:
        """Append or raise; after a failure the file is as before.

        Raises:
            RunFolderError: the disk refused.
        """
        size = os.fstat(self._descriptor).st_size
        try:
            written = os.write(self._descriptor, data)
            while written < len(data):
                written += os.write(self._descriptor, data[written:])
        except OSError as error:
            os.ftruncate(self._descriptor, size)
            raise RunFolderError(
                f"{self.path}: cannot be written ({error.strerror}); no row is lost: make room, then resume"
            ) from error

    def sync(self) -> None:
        """Wait until the rows are on the disk."""
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Close; closing twice is fine."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class TableFile(AppendOnlyFile):
    """A CSV table with fixed columns, the first of which is `update`."""

    def __init__(self, path: Path, columns: tuple[str, ...]) -> None:
        super().__init__(path)
        self._columns = columns
        self._known = frozenset(columns)

    @classmethod
    def create(cls, path: Path, columns: tuple[str, ...]) -> TableFile:
        """Start a table; the header appears whole or not at all."""
        write_atomically(path, _csv_lines([columns]))
        return cls(path, columns)

    def append_rows(self, rows: Iterable[Mapping[str, Cell]]) -> None:
        """Append rows, each a mapping from columns to values.

        Raises:
            RunFolderError: an unknown column, no update, a text with a line break, or the disk refused.
        """
        self.append(_csv_lines([self._cells(row) for row in rows]))

    def _cells(self, row: Mapping[str, Cell]) -> list[str]:
        if unknown := sorted(row.keys() - self._known):
            raise RunFolderError(f"{self.path}: unknown columns {unknown}; they are fixed when a run begins")
        if row.get("update") is None:
            raise RunFolderError(f"{self.path}: a row without its update")
        return [_format_cell(row.get(column), self.path, column) for column in self._columns]


def rewind_table(path: Path, columns: tuple[str, ...], update: int, *, apply: bool) -> int | None:
    """Cut a table back to the rows up to an update.

    Args:
        path: the table.
        columns: what its header must be.
        update: the last update to keep.
        apply: False only checks.

    Returns:
        The update of the last row that stays; None if none does.

    Raises:
        RunFolderError: missing, with another header, or malformed.
    """
    lines = read_lines(path)
    expected = _csv_lines([columns])
    if not lines or lines[0] + b"\n" != expected:
        raise RunFolderError(
            f"{path}:1: the columns are not those of this run's config and version; "
            "resume with the config and version that wrote the folder"
        )
    last: int | None = None
    kept = [expected]
    for number, line in enumerate(lines[1:], start=2):
        row_update = parse_update(line.partition(b",")[0], path, number)
        if row_update <= update:
            kept.append(line + b"\n")
            last = row_update
    if apply and (content := b"".join(kept)) != path.read_bytes():
        write_atomically(path, content)
    return last


def read_lines(path: Path) -> list[bytes]:
    """The terminated lines of a file, without their ends; a last line that a kill has torn is left out.

    Raises:
        RunFolderError: missing or unreadable.
    """
    try:
        return path.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError as error:
        raise RunFolderError(f"{path}: no such file; is {path.parent} a run's folder?") from error
    except OSError as error:
        raise RunFolderError(f"{path}: cannot be read ({error.strerror})") from error


def parse_update(text: bytes, path: Path, line: int) -> int:
    """The update in a row's first cell.

    Raises:
        RunFolderError: not a whole number.
    """
    if not text.isdigit() or len(text) > 18:
        shown = text[:40].decode(errors="replace")
        raise RunFolderError(f"{path}:{line}: update={shown!r}: not a whole number")
    return int(text)


def read_table(path: Path, *, torn_tail: bool = True) -> dict[str, list[str]]:
    """Read a table as text.

    Args:
        path: the CSV file.
        torn_tail: whether a last line without its line break is half a row to leave out, as in a run's
            folder, or a whole one, as other programs write it.

    Returns:
        The cells of each column; row i stands on line i + 2.

    Raises:
        RunFolderError: missing, no header, or a malformed line, with its number.
    """
    lines = read_lines(path)
    if not torn_tail and (rest := path.read_bytes().rpartition(b"\n")[2]):
        lines.append(rest)
    rows = [_parse_line(line, path, number) for number, line in enumerate(lines, start=1)]
    if not rows or not any(rows[0]):
        raise RunFolderError(f"{path}:1: no header")
    header = rows[0]
    if len(set(header)) < len(header):
        raise RunFolderError(f"{path}:1: a column appears twice")
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(header):
            raise RunFolderError(f"{path}:{number}: {len(row)} cells under {len(header)} columns")
    columns = list(zip(*rows[1:], strict=True)) or [()] * len(header)
    return {name: list(cells) for name, cells in zip(header, columns, strict=True)}


def parse_numbers(cells: list[str], path: Path, column: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """A column of numbers; an empty cell is nan.

    Raises:
        RunFolderError: a cell that is no number, with its line.
    """
    values = np.empty(len(cells), dtype=np.float64)
    for index, cell in enumerate(cells):
        try:
            if "_" in cell:  # Python would read 1_0 as ten
                raise ValueError(cell)
            values[index] = float(cell) if cell else math.nan
        except ValueError as error:
            raise RunFolderError(f"{path}:{index + 2}: {column}={cell[:40]!r}: not a number") from error
    return values


def _parse_line(line: bytes, path: Path, number: int) -> list[str]:
    try:
        text = line.removesuffix(b"\r").decode("utf-8-sig" if number == 1 else "utf-8")
        return next(csv.reader([text], strict=True), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise RunFolderError(f"{path}:{number}: not CSV ({error})") from error


def _csv_lines(rows: Iterable[Iterable[str]]) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue().encode()


def _format_cell(value: Cell, path: Path, column: str) -> str:
    """Text from which the very same number can be read."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, int):
        return str(value)
    if not isinstance(value, str) or "\n" in value or "\r" in value:
        raise RunFolderError(f"{path}: {column}={value!r}: must be a number or a text on one line")
    return value
