"""The scaling benchmark's numbers: one row a point, as text and as CSV."""

from __future__ import annotations

import csv
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from analysis.benchmarks.scaling_axes import AXES
from analysis.benchmarks.scaling_subjects import Round, Subject


@dataclass(frozen=True)
class Point:
    """The medians of one subject at one value.

    Attributes:
        axis: key of what grows.
        value: of it.
        subject: what was measured.
        ns_per_step: CPU nanoseconds for a step of one cluster, everything included; median of the rounds.
        fastest_ns: the fastest round.
        slowest_ns: the slowest round.
        step_ns: the simulator without new episodes; nan of a training.
        steps_per_s: of one thread, all clusters together.
        running: jobs that ran, mean over clusters and time.
        queued: jobs that waited.
        visible: of those, in the window.
    """

    axis: str
    value: int
    subject: str
    ns_per_step: float
    fastest_ns: float
    slowest_ns: float
    step_ns: float
    steps_per_s: float
    running: float
    queued: float
    visible: float


def summarize(axis: str, value: int, subject: Subject, rounds: Sequence[Round]) -> Point:
    """The point of a subject's rounds."""
    costs = [each.ns_per_step for each in rounds]
    median = statistics.median(costs)
    return Point(
        axis=axis,
        value=value,
        subject=subject.name,
        ns_per_step=median,
        fastest_ns=min(costs),
        slowest_ns=max(costs),
        step_ns=statistics.median(each.step_ns for each in rounds),
        steps_per_s=1e9 / median,
        running=statistics.fmean(subject.crowd.running),
        queued=statistics.fmean(subject.crowd.queued),
        visible=statistics.fmean(subject.crowd.visible),
    )


def table(axis: str, points: Sequence[Point]) -> str:
    """The points of one axis as aligned text, with the ratio of every cost to that at the smallest value."""
    (described,) = [each for each in AXES if each.key == axis]
    lines = [
        f"{described.label}; held: {described.held}",
        f"{'subject':<22}{'value':>7}{'ns/step':>10}{'fastest':>10}{'slowest':>10}{'no reset':>10}"
        f"{'steps/s':>12}{'running':>9}{'queued':>8}{'visible':>8}{'ratio':>7}",
    ]
    for subject in dict.fromkeys(point.subject for point in points):
        own = [point for point in points if point.subject == subject]
        for point in own:
            step = "" if point.step_ns != point.step_ns else f"{point.step_ns:,.0f}"
            lines.append(
                f"{subject:<22}{point.value:>7,}{point.ns_per_step:>10,.0f}{point.fastest_ns:>10,.0f}"
                f"{point.slowest_ns:>10,.0f}{step:>10}{point.steps_per_s:>12,.0f}{point.running:>9.1f}"
                f"{point.queued:>8.1f}{point.visible:>8.1f}{point.ns_per_step / own[0].ns_per_step:>7.2f}"
            )
    return "\n".join(lines)


def write_csv(path: Path, points: Sequence[Point]) -> None:
    """A row a point, a column a field of `Point`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Point)])
        writer.writeheader()
        writer.writerows(asdict(point) for point in points)
