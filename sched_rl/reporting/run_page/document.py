"""The page as a whole: who the run is, the findings' lanes, the panels, the cards beside them."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np

from sched_rl.config.schema import DiagnosisConfig
from sched_rl.diagnosis.curves import RunCurves
from sched_rl.diagnosis.engine import run_settings
from sched_rl.diagnosis.findings import HEALTHY, Diagnosis
from sched_rl.diagnosis.signals import Signals
from sched_rl.reporting.run_page.cards import finding_cards, notes_card
from sched_rl.reporting.run_page.drawing import Drawn, draw_panel
from sched_rl.reporting.run_page.frame import LEFT, PLOT_WIDTH, WIDTH
from sched_rl.reporting.run_page.lanes import Mark, Span, draw_lanes
from sched_rl.reporting.run_page.markup import data_block, document_text, element
from sched_rl.reporting.run_page.noise import noise_bands
from sched_rl.reporting.run_page.panels import Panel, run_panels
from sched_rl.reporting.run_page.summary import facts
from sched_rl.reporting.run_page.thinning import thinned


def page_html(
    curves: RunCurves,
    diagnosis: Diagnosis,
    limits: DiagnosisConfig,
    *,
    events: Sequence[Mapping[str, Any]] = (),
    commands: Sequence[str] = (),
) -> str:
    """The page of a run, complete in itself: no other file, no network.

    Args:
        curves: the run, whole or so far.
        diagnosis: of it.
        limits: thresholds that it was diagnosed with; the noise bands use the same.
        events: of events.jsonl; guards, resumes and signals are marked.
        commands: that launch the primary finding's overrides.
    """
    signals = Signals(curves, run_settings(curves), limits)
    spans = _spans(diagnosis)
    marks = _marks(events)
    panels = run_panels(curves, signals.settings, noise_bands(signals))
    drawn = [draw_panel(panel, curves, spans, marks) for panel in panels]
    step_name = curves.step_column or "row"
    main = element(
        "main",
        {},
        element("p", {"id": "readout", "aria-live": "off"}, _readout(curves, step_name)),
        *([draw_lanes(curves, spans, marks)] if spans or marks else []),
        *(_figure(panel, each) for panel, each in zip(panels, drawn, strict=True)),
        element("p", {"class": "axis-name"}, f"x axis of every panel: {step_name}"),
    )
    aside = element(
        "aside",
        {"aria-label": "findings"},
        *finding_cards(diagnosis, commands),
        *notes_card(diagnosis),
    )
    body = element(
        "body",
        {},
        element("header", {}, *facts(signals, diagnosis)),
        element("div", {"class": "columns"}, main, aside),
        data_block("curves", _data(curves, drawn, step_name)),
        element("script", {}, _asset("page.js")),
    )
    return document_text(element("html", {"lang": "en"}, _head(curves.name), body))


def _head(title: str) -> Element:
    script = hashlib.sha256(_asset("page.js").encode()).digest()
    # Even if a name from a file found its way out of its text, no script but ours would run.
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{base64.b64encode(script).decode()}'"
    return element(
        "head",
        {},
        element("meta", {"charset": "utf-8"}),
        element("meta", {"http-equiv": "Content-Security-Policy", "content": policy}),
        element("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}),
        element("meta", {"name": "color-scheme", "content": "light dark"}),
        element("title", {}, title),
        element("style", {}, _asset("page.css")),
    )


def _asset(name: str) -> str:
    return resources.files("sched_rl.reporting.run_page").joinpath(name).read_text(encoding="utf-8")


def _spans(diagnosis: Diagnosis) -> list[Span]:
    return [
        Span(number, finding.id, finding.severity, *finding.updates)
        for number, finding in enumerate(diagnosis.findings, start=1)
        if finding.id != HEALTHY
    ]


def _marks(events: Sequence[Mapping[str, Any]]) -> list[Mark]:
    words = {"resume": "resumed", "signal": "stopped by a signal", "guard_stop": "guard: stopped",
             "guard_rollback": "guard: back to the best"}  # fmt: skip
    return [
        Mark(event["update"], words[event["kind"]])
        for event in events
        if event.get("kind") in words and isinstance(event.get("update"), int)
    ]


def _figure(panel: Panel, drawn: Drawn) -> Element:
    named = [series for series in panel.series if series.label and series.column in drawn.points]
    legend = [
        element(
            "li",
            {"class": series.color},
            element("span", {"class": f"key{' dashed' * series.is_dashed}{' point' * series.is_points}"}),
            f"{series.label} ",
            element("output", {"data-series": series.column}, f"{drawn.points[series.column][1][-1]:g}"),
        )
        for series in named
    ]
    if panel.band is not None:
        key = element("span", {"class": "key area"})
        legend.append(
            element("li", {"class": "grey"}, key, "noise: a point below it is clearly worse than the best")
        )
    if panel.early_stops:
        legend.append(
            element("li", {"class": "vermillion"}, element("span", {"class": "key stop"}), "early stop")
        )
    caption = element(
        "figcaption",
        {},
        element(
            "div",
            {"class": "title"},
            element("h2", {}, panel.title),
            element("p", {"class": "hint"}, panel.hint),
        ),
        element("ul", {"class": "legend"}, *legend),
    )
    return element("figure", {}, caption, drawn.svg)


def _readout(curves: RunCurves, step_name: str) -> str:
    return f"Last values, {step_name} {int(curves.steps[-1]):,}"


def _data(curves: RunCurves, drawn: Sequence[Drawn], step_name: str) -> dict[str, Any]:
    """What the script reads: the axis, environment steps by update, the drawn points of every curve."""
    series = {name: points for each in drawn for name, points in each.points.items()}
    steps: tuple[list[int], list[int]] = ([], [])
    if step_name == "update" and curves.has("timesteps"):
        rows = thinned(curves.column("timesteps"))
        steps = curves.steps[rows].tolist(), curves.column("timesteps")[rows].astype(np.int64).tolist()
    return {
        "width": WIDTH,
        "left": LEFT,
        "plotWidth": PLOT_WIDTH,
        "stepName": step_name,
        "first": int(curves.steps.min()),
        "last": int(curves.steps.max()),
        "timesteps": steps,
        "series": series,
    }
