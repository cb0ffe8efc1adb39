"""A comparison as people and programs read it: aligned text, CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence

from analysis.compare.grouping import Grouping
from analysis.compare.judging import Judged, Row
from analysis.compare.leads import Baseline
from analysis.compare.runs import Split
from sched_rl.statistics import Interval

_HEADER = ("seeds", "worst block [95 %]", "mean [95 %]", "IQM [95 %]", "difference [95 %]", "P(better)")
_SPLIT_NOTES = {
    "val": "val: these blocks chose the checkpoints, which flatters all of them; split=promote judges on fresh ones",
    "promote": "promote: blocks that chose nothing",
    "report": "report: read once, at the end",
}


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Cells under each other; the first line is the header."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    text = [
        "  ".join(
            [line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))]
        ).rstrip()
        for line in lines
    ]
    text.insert(1, "-" * max(map(len, text)))
    return "\n".join(text)


def render_text(grouping: Grouping, judged: Sequence[Judged], split: Split) -> str:
    """The tables, what they rest on, and one sentence a problem at the very end."""
    parts = [f"{each.problem.label}\n{table_text(each)}" for each in judged]
    notes = [
        "the best checkpoint of each run; intervals are over training seeds; difference: of the worst block, from "
        f"{', '.join(dict.fromkeys(each.reference for each in judged))}; P(better): of a training on a block",
        _SPLIT_NOTES[split],
        *grouping.notes,
    ]
    if any(len(each.rows) > 2 for each in judged):
        notes.append(
            "the best of several owes part of its lead to having been picked: judge it on other blocks"
        )
    label = len(judged) > 1
    statements = [
        f"{each.problem.label}: {text}" if label else text for each in judged for text in each.sentences
    ]
    return "\n\n".join([*parts, "\n".join(notes), "\n".join(statements)])


def table_text(judged: Judged) -> str:
    """The variants and baselines of a problem."""
    lines: list[tuple[str, ...]] = [("variant", *_HEADER)]
    lines += [_cells(row) for row in judged.rows]
    lines += [_baseline_cells(baseline) for baseline in judged.baselines]
    return aligned(lines)


def render_csv(judged: Sequence[Judged]) -> str:
    """A row a variant and baseline; bounds that are unknown stay empty."""
    names = ("worst_block", "mean", "iqm", "difference_worst_block", "difference_mean", "prob_improvement")
    columns = [f"{name}{end}" for name in names for end in ("", "_low", "_high")]
    most = max(len(row.blocks) for each in judged for row in each.rows)
    blocks = [f"block{b}" for b in range(most)]
    rows: list[list[object]] = [["problem", "variant", "num_seeds", "seeds", "reference", *columns, *blocks]]
    for each in judged:
        for row in each.rows:
            lead = row.lead
            intervals = [row.worst, row.mean, row.iqm]
            leads = [lead.worst, lead.mean, lead.improvement] if lead else [None] * 3
            cells = [number for interval in (*intervals, *leads) for number in _numbers(interval)]
            about = [each.problem.label, row.label, len(row.seeds), " ".join(map(str, row.seeds))]
            rows.append([*about, each.reference if lead else "", *cells, *row.blocks])
        for baseline in each.baselines:
            scores = (baseline.episodes.worst, "", "", baseline.episodes.mean, *[""] * (len(columns) - 4))
            rows.append(
                [each.problem.label, baseline.label, 0, "", "", *scores, *baseline.episodes.block_returns]
            )
    return _csv(rows)


def runs_csv(judged: Sequence[Judged]) -> str:
    """A row a run, for other programs."""
    rows: list[list[object]] = [["problem", "variant", "seed", "folder", "worst_block", "mean"]]
    for each in judged:
        for variant in each.problem.variants:
            for seed in variant.seeds:
                run = variant.runs[seed]
                scores = (run.episodes.worst, run.episodes.mean)
                rows.append([each.problem.label, variant.label, seed, run.folder, *scores])
    return _csv(rows)


def _csv(rows: Iterable[Iterable[object]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue()


def _cells(row: Row) -> tuple[str, ...]:
    lead = row.lead
    improvement = lead.improvement if lead else None
    return (
        row.label,
        str(len(row.seeds)),
        *(_cell(interval) for interval in (row.worst, row.mean, row.iqm)),
        _cell(lead.worst) if lead else "",
        _cell(improvement, 2) if improvement else "",
    )


def _baseline_cells(baseline: Baseline) -> tuple[str, ...]:
    scores = baseline.episodes
    return (baseline.label, "", f"{scores.worst:.3f}", f"{scores.mean:.3f}", "", "", "")


def _cell(interval: Interval, decimals: int = 3) -> str:
    return interval.format(decimals) if math.isfinite(interval.low) else f"{interval.mean:.{decimals}f}"


def _numbers(interval: Interval | None) -> list[object]:
    if interval is None:
        return ["", "", ""]
    values = (interval.mean, interval.low, interval.high)
    return [repr(value) if math.isfinite(value) else "" for value in values]
