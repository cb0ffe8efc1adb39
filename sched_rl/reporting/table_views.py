"""The final table as people see it: plain text, or colours and borders on a terminal."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sched_rl.reporting.final_table import SCHEDULE_METRICS, FinalTable

if TYPE_CHECKING:
    from rich.console import RenderableType

_DIFFERENCE = "difference [95 %]"


def render_text(table: FinalTable, *, show_blocks: bool = False) -> str:
    """The table as aligned plain text, with the verdict under it."""
    header, body = _cells(table, show_blocks)
    lines = [header, *body]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    text = []
    for line in lines:
        padded = [line[0].ljust(widths[0])]
        padded += [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)]
        text.append("  ".join(padded).rstrip())
    text.insert(1, "-" * max(len(line) for line in text))
    return "\n".join([*text, _footnote(table), table.verdict])


def print_table(table: FinalTable, *, show_blocks: bool = False) -> None:
    """Print the table: with colours and borders on a terminal, as plain text elsewhere."""
    if not sys.stdout.isatty():
        print(render_text(table, show_blocks=show_blocks))
        return
    from rich.console import Console

    Console().print(render_rich(table, show_blocks=show_blocks))


def render_rich(table: FinalTable, *, show_blocks: bool = False) -> RenderableType:
    """The table for a terminal, with the verdict under it."""
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    header, body = _cells(table, show_blocks)
    view = Table(box=box.SIMPLE_HEAD, header_style="bold", padding=(0, 1))
    for position, title in enumerate(header):
        # In a narrow terminal titles wrap, names and intervals never do.
        whole = position == 0 or title == _DIFFERENCE
        view.add_column(title, justify="right" if position else "left", no_wrap=whole)
    for row, cells in zip(table.rows, body, strict=False):
        styles = {None: "bold", True: "", False: "yellow"}
        beaten = None if row.difference is None else row.difference.is_above_zero
        view.add_row(*cells, style=styles[beaten], end_section=row is table.rows[-1])
    if table.fluid_bound is not None:
        view.add_row(*body[-1], style="dim")
    settled = all(row.difference is not None and row.difference.is_above_zero for row in table.rows[1:])
    style = "bold green" if settled and len(table.rows) > 1 else "bold yellow"
    return Group(view, Text(_footnote(table), style="dim"), Text(table.verdict, style=style))


def _cells(table: FinalTable, show_blocks: bool) -> tuple[list[str], list[list[str]]]:
    """The header and every line as text; the fluid bound comes last."""
    rows = [*table.rows, *([table.fluid_bound] if table.fluid_bound else [])]
    decimals = _decimals([row.mean for row in rows])
    blocks = list(table.rows[0].blocks) if show_blocks else []
    metrics = [entry for entry in SCHEDULE_METRICS if any(entry[0] in row.metrics for row in rows)]
    header = ["scheduler", "worst block", "mean", *blocks]
    header += [_DIFFERENCE, *(title for _, title, _ in metrics)]
    body = []
    for row in rows:
        line = [row.name, f"{row.worst:.{decimals}f}", f"{row.mean:.{decimals}f}"]
        line += [f"{row.blocks[block]:.{decimals}f}" for block in blocks]
        line.append(row.difference.format(decimals) if row.difference else "")
        line += [form.format(row.metrics[name]) if name in row.metrics else "" for name, _, form in metrics]
        body.append(line)
    return header, body


def _footnote(table: FinalTable) -> str:
    blocks = len(table.rows[0].blocks)
    plural = "s" if blocks != 1 else ""
    text = f"{table.split}: {table.episodes_per_scheduler} paired episodes in {blocks} block{plural}"
    text += f"; difference: {table.rows[0].name} minus that row"
    if table.split == "val" and table.is_learned:
        text += "; these seeds chose the checkpoint, which flatters it"
    elif table.split == "starts" and table.is_learned:
        text += "; where its training named the same env.trace.starts, they chose the checkpoint, which flatters it"
    return text


def _decimals(values: Sequence[float]) -> int:
    """Three below 10, fewer for larger returns, so that about four digits show."""
    largest = max(abs(value) for value in values)
    return max(0, 3 - max(0, math.floor(math.log10(largest)))) if largest > 0 else 3
