"""A grid's comparison as people and programs read it: plain text, Markdown, CSV."""

from __future__ import annotations

import csv
import io
import math
import sys
from collections.abc import Sequence
from pathlib import Path

from sched_rl.checkpoint import write_atomically
from sched_rl.errors import RunFolderError, SchedRLError
from sched_rl.reporting.grid_table import GridTable, grid_table
from sched_rl.statistics import Interval
from sched_rl.tracking.grid_record import job_outcome, read_grid

USAGE = (
    "usage: python -m sched_rl.reporting.grid_views MULTIRUN_FOLDER\n"
    "Compares the runs of a plain multirun across seeds once more, for example after some were resumed."
)
_HEADER = ("seeds", "worst block [95 %]", "mean [95 %]", "difference [95 %]")
_BOUNDS = ("", "_low", "_high")


def print_comparison(folder: Path) -> None:
    """Compare a multirun's runs as their folders stand, print the table and write it beside them.

    Args:
        folder: of the multirun.

    Raises:
        RunFolderError: not a multirun's folder, or not writable.
    """
    jobs = read_grid(folder)
    table = grid_table([(job, job_outcome(folder / str(job.number))) for job in jobs])
    print(f"\n{render_text(table)}")
    try:
        write_atomically(folder / "comparison.csv", render_csv(table).encode())
        write_atomically(folder / "comparison.md", render_markdown(table).encode())
    except OSError as error:
        raise RunFolderError(f"{folder}: the comparison cannot be written ({error.strerror})") from error
    print(f"wrote {folder}/comparison.csv and comparison.md")


def render_text(table: GridTable) -> str:
    """The table as aligned plain text, what it says, and which runs are missing from it."""
    lines = [_header(table), *_body(table)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]
    rule = "-" * max(len(line.rstrip()) for line in text)
    return "\n".join([text[0].rstrip(), rule, *(line.rstrip() for line in text[1:]), *_notes(table)])


def render_markdown(table: GridTable) -> str:
    """The same as Markdown."""
    lines = [_header(table), *_body(table)]
    rows = ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]
    rows.insert(1, "| " + " | ".join("---" for _ in lines[0]) + " |")
    return "\n".join([*rows, "", *(f"- {note}" for note in _notes(table))]) + "\n"


def render_csv(table: GridTable) -> str:
    """A row a combination; bounds and differences that are unknown stay empty."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    names = [
        f"{name}{bound}"
        for name in ("eval_min_block_return", "eval_mean_return", "difference")
        for bound in _BOUNDS
    ]
    writer.writerow([*table.keys, "num_seeds", "seeds", *names])
    for row in table.rows:
        cells: list[object] = [*row.values.values(), len(row.seeds), " ".join(map(str, row.seeds))]
        for interval in (row.worst, row.mean, row.difference):
            cells += _numbers(interval)
        writer.writerow(cells)
    return buffer.getvalue()


def _header(table: GridTable) -> list[str]:
    return [*(table.keys or ("runs",)), *_HEADER]


def _body(table: GridTable) -> list[list[str]]:
    return [
        [
            *(row.values.values() or ("all",)),
            str(len(row.seeds)),
            _cell(row.worst),
            _cell(row.mean),
            _cell(row.difference),
        ]
        for row in table.rows
    ]


def _notes(table: GridTable) -> list[str]:
    notes = [
        "the best checkpoint of each run on the val blocks that chose it; intervals are over training seeds"
    ]
    if any(row.difference for row in table.rows):
        notes.append(
            "difference: of the worst block, from the first row of the same problem, paired on seeds"
        )
    if table.troubles:
        notes.append(f"{len(table.troubles)} of {table.num_jobs} runs have no result:")
    return [*notes, *table.troubles, *table.best]


def _cell(interval: Interval | None) -> str:
    if interval is None:
        return ""
    return str(interval) if math.isfinite(interval.low) else f"{interval.mean:.3f}"


def _numbers(interval: Interval | None) -> list[object]:
    if interval is None:
        return ["", "", ""]
    values = (interval.mean, interval.low, interval.high)
    return [repr(value) if math.isfinite(value) else "" for value in values]


def main(arguments: Sequence[str]) -> int:
    """Run the command; returns the exit code."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print(USAGE)
        return 0 if list(arguments) in (["-h"], ["--help"]) else 2
    try:
        print_comparison(Path(arguments[0]))
    except SchedRLError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
