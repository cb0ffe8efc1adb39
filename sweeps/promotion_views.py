"""A promotion as people and programs read it: one screen, JSON, CSV."""

from __future__ import annotations

import csv
import io
import math
import shlex
from collections.abc import Sequence
from typing import Any

from sched_rl.statistics import Interval
from sweeps.finalists import Finalist
from sweeps.promotion import Difference, Promotion, Row, Scores


def render_text(promotion: Promotion) -> str:
    """The table, the winner and the luck in its score."""
    strongest = promotion.baselines[0] if promotion.baselines else None
    header = ["", "val, when", "val, fresh", "luck", promotion.split, "", "minus", "minus"]
    second = ["finalist", "chosen", "seeds", "[95 %]", "worst", "mean", "default [95 %]"]
    second.append(f"{strongest.name} [95 %]" if strongest else "")
    lines = [header, second, *(_line(row, strongest) for row in promotion.rows)]
    lines += [_baseline_line(scores) for scores in promotion.baselines[:1]]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    text = [_padded(line, widths) for line in lines]
    text.insert(2, "-" * max(len(line) for line in text))
    return "\n".join([*text, *_notes(promotion), *_verdict(promotion)])


def promotion_json(promotion: Promotion) -> dict[str, Any]:
    """Everything of the table, and the differences of all pairs."""
    return {
        "sweep": promotion.sweep,
        "split": promotion.split,
        "num_seeds": promotion.num_seeds,
        "missing_trainings": promotion.missing,
        "winner": promotion.winner.finalist.name,
        "command": training_command(promotion.winner.finalist),
        "interval": "95 %, training seeds and episodes within blocks resampled (crossed_interval)",
        "finalists": [_row_json(row) for row in promotion.rows],
        "baselines": [
            {"name": one.name, "worst": one.worst, "mean": one.mean} for one in promotion.baselines
        ],
    }


def render_csv(promotion: Promotion) -> str:
    """A row a finalist, then the baselines; what a row has not stays empty."""
    strongest = promotion.baselines[0].name if promotion.baselines else "baseline"
    targets = ("default", strongest, promotion.winner.finalist.name)
    names = ["selection_score", *_bounds("fresh_val"), *_bounds("luck"), "worst", "mean"]
    for target in ("default", "strongest_baseline", "winner"):
        names += _bounds(f"minus_{target}")
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["name", "num_seeds", *names, "overrides"])
    for row in promotion.rows:
        score = row.finalist.selection_score
        cells: list[Any] = [row.finalist.name, len(row.scores.seeds), "" if score is None else repr(score)]
        cells += [*_cells(row.fresh_val), *_cells(row.luck), repr(row.scores.worst), repr(row.scores.mean)]
        for target in targets:
            found = row.differences.get(target)
            cells += _cells(found.interval if found else None)
        writer.writerow([*cells, shlex.join(row.finalist.overrides)])
    for one in promotion.baselines:
        writer.writerow([one.name, 0, *[""] * 7, repr(one.worst), repr(one.mean), *[""] * 10])
    return buffer.getvalue()


def training_command(finalist: Finalist) -> str:
    """What trains a finalist once more, ready for a shell, its report at the end."""
    return shlex.join(["python", "-m", "sched_rl.train", *finalist.overrides, "eval.final_report=true"])


def render_report(promotion: Promotion) -> str:
    """The winner's figure on blocks that nothing was chosen on, beside what it is to beat."""
    winner = promotion.winner
    lines = [
        f"{promotion.split} blocks, read once: {winner.finalist.name} worst block {winner.scores.worst:.3f}, "
        f"mean {winner.scores.mean:.3f}"
    ]
    for name in ("default", *(one.name for one in promotion.baselines[:1])):
        if name in winner.differences:
            lines.append(f"  minus {name}: {_both(winner.differences[name])}")
    return "\n".join(lines)


def _line(row: Row, strongest: Scores | None) -> list[str]:
    score = row.finalist.selection_score
    return [
        row.finalist.name,
        "" if score is None else f"{score:.3f}",
        f"{row.fresh_val.mean:.3f}",
        _shown(row.luck),
        f"{row.scores.worst:.3f}",
        f"{row.scores.mean:.3f}",
        _interval_against(row, "default"),
        _interval_against(row, strongest.name) if strongest else "",
    ]


def _interval_against(row: Row, name: str) -> str:
    return _shown(row.differences[name].interval) if name in row.differences else ""


def _baseline_line(scores: Scores) -> list[str]:
    return [scores.name, "", "", "", f"{scores.worst:.3f}", f"{scores.mean:.3f}", "", ""]


def _padded(line: Sequence[str], widths: Sequence[int]) -> str:
    cells = [line[0].ljust(widths[0])]
    cells += [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)]
    return "  ".join(cells).rstrip()


def _notes(promotion: Promotion) -> list[str]:
    episodes, blocks = len(promotion.rows[0].scores.blocks), len(set(promotion.rows[0].scores.blocks))
    notes = [
        f"{promotion.num_seeds} fresh trainings of each, {episodes} episodes in {blocks} {promotion.split} blocks; "
        "differences of mean return are paired",
        "by training seed and episode, their 95 % intervals resample both; with one training there is none",
    ]
    if promotion.missing:
        notes.append(f"PARTIAL, trainings not finished: {promotion.missing}; the same command goes on")
    return notes


def _verdict(promotion: Promotion) -> list[str]:
    winner = promotion.winner
    lines = [f"winner: {winner.finalist.name} (by mean return on {promotion.split})"]
    for row in promotion.rows:
        if row is not winner and row.finalist.name in winner.differences:
            lines.append(f"  {_compared(row.finalist.name, winner.differences[row.finalist.name])}")
    for one in promotion.baselines[:1]:
        lines.append(f"  {_compared(one.name, winner.differences[one.name])}")
    if winner.luck is not None:
        lines.append(
            f"  selection luck: {_shown(winner.luck)} of its {winner.finalist.selection_score:.3f} on val"
        )
    return [*lines, f"train it: {training_command(winner.finalist)}"]


def _compared(name: str, difference: Difference) -> str:
    if difference.interval.is_above_zero:
        return f"beats {name} by {_both(difference)}"
    if difference.interval.is_below_zero:
        return f"is BEHIND {name}: {_both(difference)}"
    return f"is not settled against {name}: {_both(difference)}"


def _both(difference: Difference) -> str:
    alone = _shown(difference.of_these_trainings)
    return f"{_shown(difference.interval)}; these very trainings, on other episodes: {alone}"


def _shown(interval: Interval | None) -> str:
    if interval is None:
        return ""
    return str(interval) if math.isfinite(interval.low) else f"{interval.mean:.3f}"


def _row_json(row: Row) -> dict[str, Any]:
    return {
        "name": row.finalist.name,
        "trial": row.finalist.trial,
        "overrides": list(row.finalist.overrides),
        "seeds": list(row.scores.seeds),
        "selection_score": row.finalist.selection_score,
        "fresh_val": _interval_json(row.fresh_val),
        "selection_luck": None if row.luck is None else _interval_json(row.luck),
        "worst": row.scores.worst,
        "mean": row.scores.mean,
        "minus": {
            name: _interval_json(one.interval)
            | {"of_these_trainings": _interval_json(one.of_these_trainings)}
            for name, one in row.differences.items()
        },
    }


def _interval_json(interval: Interval) -> dict[str, Any]:
    return {"mean": interval.mean, "low": interval.low, "high": interval.high, "n": interval.n}


def _bounds(name: str) -> list[str]:
    return [name, f"{name}_low", f"{name}_high"]


def _cells(interval: Interval | None) -> list[Any]:
    if interval is None:
        return ["", "", ""]
    values = (interval.mean, interval.low, interval.high)
    return [repr(value) if math.isfinite(value) else "" for value in values]
