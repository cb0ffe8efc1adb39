"""Findings and events over the updates that they speak of: bars above the panels, shades and lines in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from sched_rl.diagnosis.curves import RunCurves
from sched_rl.reporting.run_page.frame import LEFT, PLOT_WIDTH, RIGHT, WIDTH, x_scale
from sched_rl.reporting.run_page.markup import element, number_text
from sched_rl.reporting.run_page.scales import Scale

#: Height of a lane; pixels.
_LANE = 18
#: Room that a lane's name needs beside its bar; pixels.
_NAME = 150
#: A finding of a single update is still seen; pixels.
_LEAST_SPAN = 3.0


@dataclass(frozen=True)
class Span:
    """A range of updates that a finding speaks of.

    Attributes:
        key: number of the finding, from 1, the primary one.
        name: of the finding.
        severity: critical, warning or info.
        first: update.
        last: update.
    """

    key: int
    name: str
    severity: str
    first: int
    last: int


@dataclass(frozen=True)
class Mark:
    """Something that happened at an update: a resume, a guard, a signal."""

    update: int
    label: str


def draw_lanes(curves: RunCurves, spans: Sequence[Span], marks: Sequence[Mark]) -> Element:
    """A lane for each finding, and one for the events under them."""
    x = x_scale(curves)
    height = _LANE * (len(spans) + bool(marks))
    drawn: list[Element] = []
    for lane, span in enumerate(spans):
        drawn += _lane(span, x, _LANE * lane)
    for mark in marks:
        at = LEFT + x.place(mark.update)
        side, gap = ("end", -4) if at > WIDTH - RIGHT - _NAME else ("start", 4)
        drawn.append(element("path", {"class": "mark", "d": f"M{number_text(at)} {height - _LANE}v{_LANE}"}))
        drawn.append(_name(mark.label, at + gap, height - 5, side))
    named = {"role": "img", "aria-label": "findings and events"}
    return element("svg", {"class": "lanes", "viewBox": f"0 0 {WIDTH} {height}", **named}, *drawn)


def draw_spans(spans: Sequence[Span], x: Scale, height: float) -> list[Element]:
    """Shades over a panel: the primary finding's always, the others' where the reader asks for them."""
    drawn = []
    for span in spans:
        start, end = _ends(span, x)
        shape = {"x": start, "y": 0, "width": end - start, "height": height}
        kind = f"span {span.severity}{' always' * (span.key == 1)}"
        drawn.append(element("rect", {"class": kind, "data-span": span.key, **shape}))
    return drawn


def _lane(span: Span, x: Scale, top: float) -> list[Element]:
    start, end = _ends(span, x)
    shape = {"x": LEFT + start, "y": top + 3, "width": end - start, "height": _LANE - 6, "rx": 2}
    bar = element(
        "rect",
        {"class": f"lane {span.severity}", "data-finding": span.key, **shape},
        element("title", {}, f"{span.name}: {span.first:,} to {span.last:,}"),
    )
    if end + _NAME < PLOT_WIDTH + RIGHT:
        place, side = LEFT + end + 5, "start"
    elif start > _NAME:
        place, side = LEFT + start - 5, "end"
    else:  # the bar fills the lane, and the name stands in it
        place, side = LEFT + start + 5, "start"
    return [bar, _name(f"{span.key} {span.name}", place, top + 13, side)]


def _name(text: str, x: float, y: float, side: str) -> Element:
    return element("text", {"class": f"lane-name {side}", "x": x, "y": y}, text)


def _ends(span: Span, x: Scale) -> tuple[float, float]:
    start, end = x.place(span.first), x.place(span.last)
    if end - start < _LEAST_SPAN:
        start = min(start, PLOT_WIDTH - _LEAST_SPAN)
        end = start + _LEAST_SPAN
    return start, end
