"""A panel as SVG: findings, noise band, levels, curves, and a line that the page's script moves."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

import numpy as np

from sched_rl.diagnosis.curves import FloatArray, RunCurves
from sched_rl.reporting.run_page.frame import BOTTOM, LEFT, PLOT_WIDTH, TOP, WIDTH, x_scale
from sched_rl.reporting.run_page.lanes import Mark, Span, draw_spans
from sched_rl.reporting.run_page.margin import level_names
from sched_rl.reporting.run_page.markup import element, number_text
from sched_rl.reporting.run_page.noise import NoiseBand
from sched_rl.reporting.run_page.panels import Panel, Series
from sched_rl.reporting.run_page.scales import Scale
from sched_rl.reporting.run_page.thinning import thinned

#: Up to this many values a marked curve shows its points.
_MARKED = 80
#: How far beyond the curves a noise band may push the axis; shares of their range.
_BAND_SHARE = 0.25


@dataclass(frozen=True)
class Drawn:
    """A panel, and the points of its curves by column, (updates, values), for the page's script."""

    svg: Element
    points: dict[str, tuple[list[int], list[float]]]


def draw_panel(panel: Panel, curves: RunCurves, spans: Sequence[Span], marks: Sequence[Mark]) -> Drawn:
    """Draw a panel.

    Args:
        panel: what to show.
        curves: of the run.
        spans: findings, the primary one first.
        marks: events.
    """
    known = {series.column: _shown(curves.column(series.column), panel) for series in panel.series}
    x, y = x_scale(curves), _y_scale(panel, known.values())
    inner = draw_spans(spans, x, panel.height)
    if panel.band is not None:
        inner.append(_noise(panel.band, curves, x, y))
    inner += [_horizontal("grid", y.place(tick)) for tick in y.ticks()]
    inner += [
        _horizontal(f"level{' strong' * level.is_strong}", y.place(level.value)) for level in panel.levels
    ]
    points = {}
    for series in panel.series:
        rows = thinned(known[series.column])
        if rows.size:
            steps, values = curves.steps[rows], known[series.column][rows]
            inner += _curve(series, _corners(x.places(steps), y.places(values)))
            points[series.column] = steps.tolist(), [float(f"{value:.4g}") for value in values]
    if panel.early_stops:
        inner += _early_stops(curves, x)
    for mark in marks:
        line = f"M{number_text(x.place(mark.update))} 0V{panel.height}"
        inner.append(element("path", {"class": "mark", "d": line}))
    inner.append(element("line", {"class": "cursor", "y1": 0, "y2": panel.height}))
    return Drawn(_framed(panel, x, y, inner, is_empty=not points), points)


def _framed(panel: Panel, x: Scale, y: Scale, inner: list[Element], *, is_empty: bool) -> Element:
    area = {"x": LEFT, "y": TOP, "width": PLOT_WIDTH, "height": panel.height}
    content = [
        element("rect", {"class": "frame", **area}),
        element("svg", {"class": "plot", **area}, *inner),
        *_ticks(x, y, panel.height),
        *level_names(panel.levels, y, panel.height),
    ]
    if is_empty:
        middle = {"class": "nothing", "x": LEFT + PLOT_WIDTH / 2, "y": TOP + panel.height / 2 + 4}
        content.append(element("text", middle, f"no {' or '.join(sorted(panel.columns()))} recorded"))
    view = f"0 0 {WIDTH} {TOP + panel.height + BOTTOM}"
    named = {"role": "img", "aria-label": panel.title}
    return element("svg", {"class": "panel", "viewBox": view, **named}, *content)


def _shown(values: FloatArray, panel: Panel) -> FloatArray:
    """Values that the axis has room for."""
    finite = np.where(np.isfinite(values), values, np.nan)
    return np.where(finite > 0, finite, np.nan) if panel.is_log else finite


def _y_scale(panel: Panel, columns: Iterable[FloatArray]) -> Scale:
    values = [column[np.isfinite(column)] for column in columns]
    values.append(np.array([level.value for level in panel.levels]))
    near = np.concatenate(values)
    if panel.band is not None and near.size:
        # the band is wide where little is known; it must not press the curves flat
        reach = _BAND_SHARE * float(np.ptp(near))
        edges = np.concatenate([panel.band.low, panel.band.high])
        near = np.append(near, np.clip(edges[np.isfinite(edges)], near.min() - reach, near.max() + reach))
    low, high = (float(near.min()), float(near.max())) if near.size else (0.1, 1.0)
    if panel.is_log:
        return Scale(low / 1.3, high * 1.3, float(panel.height), 0.0, is_log=True)
    margin = 0.06 * (high - low) or 0.05 * abs(high) or 0.5
    low = low - margin if math.isnan(panel.limits[0]) else panel.limits[0]
    high = high + margin if math.isnan(panel.limits[1]) else panel.limits[1]
    return Scale(low, high if high > low else low + 1.0, float(panel.height), 0.0)


def _curve(series: Series, corners: Sequence[str]) -> list[Element]:
    drawn = []
    if len(corners) > 1 and not series.is_points:
        kind = f"curve {series.color}{' dashed' * series.is_dashed}"
        drawn.append(element("path", {"class": kind, "d": f"M{' '.join(corners)}"}))
    if len(corners) == 1 or series.is_points or (series.is_marked and len(corners) <= _MARKED):
        # a line of no length with a round end is a point
        dots = "".join(f"M{corner}h0" for corner in corners)
        drawn.append(element("path", {"class": f"dots {series.color}", "d": dots}))
    return drawn


def _noise(band: NoiseBand, curves: RunCurves, x: Scale, y: Scale) -> Element:
    chosen = thinned(band.low)
    steps = x.places(curves.steps[band.rows[chosen]])
    upper, lower = _corners(steps, y.places(band.high[chosen])), _corners(steps, y.places(band.low[chosen]))
    return element("path", {"class": "noise", "d": f"M{' '.join([*upper, *reversed(lower)])}Z"})


def _corners(x: FloatArray, y: FloatArray) -> list[str]:
    return [f"{a:.1f},{b:.1f}" for a, b in zip(x.tolist(), y.tolist(), strict=True)]


def _early_stops(curves: RunCurves, x: Scale) -> list[Element]:
    stopped = np.flatnonzero(np.nan_to_num(curves.column("early_stop")) > 0)
    pixels = dict.fromkeys(map(number_text, x.places(curves.steps[stopped]).tolist()))
    line = "".join(f"M{pixel} 0v7" for pixel in pixels)
    return [element("path", {"class": "stops", "d": line})] if line else []


def _ticks(x: Scale, y: Scale, height: float) -> list[Element]:
    beside = [
        element("text", {"class": "tick y", "x": LEFT - 6, "y": TOP + y.place(tick) + 4}, f"{tick:.6g}")
        for tick in y.ticks()
    ]
    under = [
        element(
            "text", {"class": "tick x", "x": LEFT + x.place(tick), "y": TOP + height + 14}, f"{tick:,.0f}"
        )
        for tick in x.ticks()
        if tick == round(tick)
    ]
    return [*beside, *under]


def _horizontal(kind: str, y: float) -> Element:
    return element("path", {"class": kind, "d": f"M0 {number_text(y)}H{PLOT_WIDTH}"})
