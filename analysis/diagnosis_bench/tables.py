"""What the benchmark prints: confusion, precision and recall, delays, false alarms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from analysis.diagnosis_bench.judging import Verdict
from analysis.diagnosis_bench.plan import HEALTHY

#: A finding may open so many evaluations after its failure can be seen.
TIMELY = 2


def confusion(
    verdicts: Sequence[Verdict],
) -> tuple[list[str], list[str], np.ndarray[tuple[int, int], np.dtype[np.int64]]]:
    """Expected ids, primary ids and the counts [expected, primary]; expected ids come first among the primary ones."""
    counts = Counter((verdict.expected, verdict.primary) for verdict in verdicts)
    expected = sorted({verdict.expected for verdict in verdicts}, key=lambda name: (name == HEALTHY, name))
    primary = expected + sorted({verdict.primary for verdict in verdicts} - set(expected))
    return expected, primary, np.array([[counts[row, column] for column in primary] for row in expected])


def confusion_table(verdicts: Sequence[Verdict]) -> str:
    """Expected x primary as aligned text; columns are numbered and named below."""
    expected, primary, counts = confusion(verdicts)
    width = max(map(len, expected))
    header = " " * width + "".join(f"{number:>4}" for number in range(1, len(primary) + 1))
    lines = [
        f"{name:<{width}}" + "".join(f"{count or '.':>4}" for count in row)
        for name, row in zip(expected, counts.tolist(), strict=True)
    ]
    legend = ", ".join(f"{number} {name}" for number, name in enumerate(primary, start=1))
    return "\n".join(["expected (row) x primary (column)", header, *lines, legend])


def score_table(verdicts: Sequence[Verdict]) -> str:
    """Precision, recall and delay of every expected finding."""
    lines = [
        f"{'finding':<22} {'runs':>4} {'recall':>7} {'precision':>9} {'opened':>7} {'in time':>8} "
        f"{'delay, median and most':>23}"
    ]
    for name in sorted({verdict.expected for verdict in verdicts} - {HEALTHY}):
        own = [verdict for verdict in verdicts if verdict.expected == name]
        named = [verdict for verdict in verdicts if verdict.primary == name]
        hits = sum(verdict.is_right for verdict in own)
        visible = [verdict for verdict in own if verdict.visible is not None]
        delays = [verdict.delay for verdict in visible if verdict.delay is not None]
        timely = sum(delay <= TIMELY for delay in delays)
        spread = f"{np.median(delays):.0f}, {max(delays)}" if delays else "-"
        precision = f"{hits / len(named):.0%}" if named else "-"
        lines.append(
            f"{name:<22} {len(own):>4} {hits / len(own):>7.0%} {precision:>9} {f'{len(delays)}/{len(visible)}':>7} "
            f"{f'{timely}/{len(visible)}':>8} {spread:>23}"
        )
    return "\n".join(lines)


def summary(verdicts: Sequence[Verdict]) -> str:
    """The numbers that the benchmark is judged by."""
    faulty = [verdict for verdict in verdicts if verdict.expected != HEALTHY]
    right = sum(verdict.is_right for verdict in faulty)
    healthy = [verdict for verdict in verdicts if verdict.label is not None and verdict.label.is_healthy]
    alarms = [verdict for verdict in healthy if not verdict.is_right]
    dropped = [verdict for verdict in verdicts if verdict.label is not None and not verdict.label.is_healthy]
    also = [verdict for verdict in faulty if verdict.also]
    told = sum(set(verdict.also) <= set(verdict.findings) for verdict in also)
    lines = [
        f"primary finding right: {_share(right, len(faulty))} of the pathological runs",
        f"false alarms: {len(alarms)} on {len(healthy)} healthy runs"
        + "".join(f"\n  {verdict.run.folder}: {', '.join(verdict.findings)}" for verdict in alarms),
    ]
    if also:
        lines.append(
            f"findings declared to stand beside the primary one: found in {_share(told, len(also))} runs"
        )
    for verdict in dropped:
        assert verdict.label is not None
        lines.append(f"not counted as healthy: {verdict.run.folder} ({verdict.label.reason})")
    return "\n".join(lines)


def _share(part: int, whole: int) -> str:
    return f"{part}/{whole} ({part / whole:.1%})" if whole else "0/0"
