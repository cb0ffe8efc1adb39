"""The schedule as one HTML page that needs nothing else: charts as SVG, a scrubber that reads them at a moment."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib import resources
from itertools import pairwise
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np

from analysis.schedule.course import busy_gpus, chosen_waits, gantt_bars, queue_length
from analysis.schedule.figures import window_means
from analysis.schedule.importance import Importance
from analysis.schedule.recording import Recording
from sched_rl.reporting.run_page.markup import data_block, document_text, element

#: Pixels: the page, the margins beside the charts, a GPU's lane, a chart under the lanes.
_WIDTH, _LEFT, _RIGHT, _LANE, _CHART = 1000, 60, 16, 18, 70
_PLOT = _WIDTH - _LEFT - _RIGHT
#: Up to this many GPUs each lane has its full height; more share the room.
_MAX_LANES = 24
_WINDOWS = 240
_SHADES = 6


def schedule_html(recordings: Sequence[Recording], importances: Sequence[Sequence[Importance]] = ()) -> str:
    """The page.

    Args:
        recordings: one scheduler, or two on the same jobs.
        importances: of each, may be empty.
    """
    end_s = max(recording.end_s for recording in recordings)
    longest_s = max(float(recording.wait_s.max()) for recording in recordings)
    first = recordings[0]
    title = f"{' and '.join(r.name for r in recordings)} on {first.env.name}, workload {first.seed}"
    body = element(
        "body",
        {},
        element("h1", {}, title),
        element("div", {"id": "scrubber"}, element("output", {}, "the whole episode")),
        _legend(longest_s),
        *(part for recording in recordings for part in _schedule(recording, end_s, longest_s)),
        *_widths(recordings),
        *(_features(r, i) for r, i in zip(recordings, importances, strict=False) if i),
        data_block(
            "schedules",
            {"end": end_s, "left": _LEFT, "plot": _PLOT, "width": _WIDTH}
            | {"schedules": [_data(recording) for recording in recordings]},
        ),
        element("script", {}, _asset("page.js")),
    )
    return document_text(element("html", {"lang": "en"}, _head(title), body))


def _head(title: str) -> Element:
    script = base64.b64encode(hashlib.sha256(_asset("page.js").encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{script}'"
    return element(
        "head",
        {},
        element("meta", {"charset": "utf-8"}),
        element("meta", {"http-equiv": "Content-Security-Policy", "content": policy}),
        element("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}),
        element("title", {}, title),
        element("style", {}, _asset("page.css")),
    )


def _asset(name: str) -> str:
    return resources.files("analysis.schedule").joinpath(name).read_text(encoding="utf-8")


def _legend(longest_s: float) -> Element:
    edges = [longest_s * (shade / _SHADES) ** 2 for shade in range(_SHADES + 1)]
    keys = [
        element("li", {}, element("span", {"class": f"key w{shade}"}), f"{_hours(low)} to {_hours(high)}")
        for shade, (low, high) in enumerate(pairwise(edges))
    ]
    marks = [("tick start", "start"), ("tick wait", "waited although a job fitted")]
    keys += [element("li", {}, element("span", {"class": f"key {name}"}), text) for name, text in marks]
    return element("ul", {"class": "legend"}, element("li", {}, "job's wait:"), *keys)


def _schedule(recording: Recording, end_s: float, longest_s: float) -> list[Element]:
    numbers = recording.episode.numbers
    facts = (
        f"return {numbers['return']:.4g}, mean wait {_hours(numbers['mean_wait_s'])}, slowdown "
        f"{numbers['mean_bounded_slowdown']:.1f}, utilization {numbers['utilization']:.1%}, "
        f"{len(chosen_waits(recording))} waits although a job fitted"
    )
    return [
        element("h2", {}, recording.name),
        element("p", {}, facts),
        _gantt(recording, end_s, longest_s),
        _chart(recording, end_s, "jobs waiting"),
        _chart(recording, end_s, "GPUs busy"),
        _decisions(recording, end_s),
        element("p", {"class": "readout"}),
    ]


def _gantt(recording: Recording, end_s: float, longest_s: float) -> Element:
    lane = _LANE if recording.num_gpus <= _MAX_LANES else _LANE * _MAX_LANES / recording.num_gpus
    height, waits = lane * recording.num_gpus, recording.wait_s
    drawn = []
    for bar in gantt_bars(recording):
        shade = min(int(_SHADES * np.sqrt(waits[bar.job] / max(longest_s, 1.0))), _SHADES - 1)
        box = {"x": _x(bar.start_s, end_s), "y": bar.first_gpu * lane + 0.5}
        box |= {"width": max(_x(bar.end_s, end_s) - _x(bar.start_s, end_s), 0.4)}
        box |= {"height": bar.num_gpus * lane - 1.0}
        drawn.append(element("rect", {**box, "class": f"w{shade}", "data-job": bar.job}))
    labels = [
        element("text", {"x": _LEFT - 6, "y": (gpu + 0.5) * lane + 4, "class": "end"}, f"GPU {gpu}")
        for gpu in range(0, recording.num_gpus, max(recording.num_gpus // 8, 1))
    ]
    return _svg(height, "gantt", recording.name, [*labels, *drawn])


def _chart(recording: Recording, end_s: float, name: str) -> Element:
    """A quantity over time: the queue as it jumps, the GPUs at work as averages over short windows."""
    if name == "jobs waiting":
        steps = queue_length(recording)
        times, values = np.repeat(steps.times, 2)[1:], np.repeat(steps.values, 2)[:-1]
        top = max(float(values.max()), 1.0)
    else:
        edges = np.linspace(0, recording.end_s, _WINDOWS + 1)
        times, values = (edges[1:] + edges[:-1]) / 2, window_means(busy_gpus(recording), edges)
        top = float(recording.num_gpus)
    corners = zip(times, values, strict=True)
    path = "M" + "L".join(f"{_x(t, end_s):.1f} {_CHART * (1 - v / top):.1f}" for t, v in corners)
    parts = [
        element("text", {"x": _LEFT - 6, "y": 11, "class": "end"}, f"{top:g}"),
        element("text", {"x": _LEFT - 6, "y": _CHART, "class": "end"}, "0"),
        element("text", {"x": _LEFT + 6, "y": 11, "class": "name"}, name),
        element("path", {"d": path, "class": "line"}),
    ]
    return _svg(_CHART, "chart", name, parts)


def _decisions(recording: Recording, end_s: float) -> Element:
    decisions = recording.decisions
    starts = decisions.time_s[decisions.actions > 0]
    rows = (("start", starts, 2), ("wait", chosen_waits(recording), 14))
    parts = [element("text", {"x": _LEFT - 6, "y": 16, "class": "end"}, "decisions")]
    for name, times, top in rows:
        path = "".join(f"M{_x(t, end_s):.1f} {top}v10" for t in times)
        parts.append(element("path", {"d": path or "M0 0", "class": f"tick {name}"}))
    return _svg(26, "decisions", "decisions", parts)


def _svg(height: float, name: str, label: str, parts: Sequence[Element]) -> Element:
    cursor = element("line", {"class": "cursor", "y1": 0, "y2": height})
    view = f"0 0 {_WIDTH} {height:g}"
    return element(
        "svg", {"viewBox": view, "class": name, "role": "img", "aria-label": label}, *parts, cursor
    )


def _widths(recordings: Sequence[Recording]) -> list[Element]:
    widths = list(recordings[0].episode.by_width)
    head = element("tr", {}, element("th", {}, "GPUs of a job"), *(element("th", {}, w) for w in widths))
    rows = []
    for recording in recordings:
        table = recording.episode.by_width
        for key, label in (("mean_wait_s", "mean wait"), ("mean_bounded_slowdown", "mean slowdown")):
            cells = [
                _hours(table[w][key]) if key == "mean_wait_s" else f"{table[w][key]:.1f}" for w in widths
            ]
            name = element("th", {}, f"{recording.name}: {label}")
            rows.append(element("tr", {}, name, *(element("td", {}, cell) for cell in cells)))
    return [element("h2", {}, "By size"), element("table", {}, head, *rows)]


def _features(recording: Recording, importances: Sequence[Importance]) -> Element:
    rows = [
        element(
            "tr",
            {},
            element("th", {}, each.feature),
            element("td", {}, f"{each.changed:.1%}"),
            element(
                "td", {"class": "bar"}, element("meter", {"min": 0, "max": 1, "value": f"{each.changed:.3f}"})
            ),
        )
        for each in importances
    ]
    title = f"{recording.name}: decisions that change when a feature is shuffled"
    return element("section", {}, element("h2", {}, title), element("table", {}, *rows))


def _data(recording: Recording) -> dict[str, Any]:
    """What the script reads: jobs, and the two quantities that jump."""
    jobs, queue, busy = recording.episode.schedule, queue_length(recording), busy_gpus(recording)
    started = [None if np.isnan(value) else round(float(value), 1) for value in jobs["start_s"]]
    return {
        "gpus": recording.num_gpus,
        "submit": np.round(jobs["submit_s"].astype(float), 1).tolist(),
        "start": started,
        "run": np.round(jobs["duration_s"].astype(float), 1).tolist(),
        "width": recording.episode.gpus.tolist(),
        "priority": jobs["priority"].tolist(),
        "queue": [np.round(queue.times, 1).tolist(), queue.values.astype(int).tolist()],
        "busy": [np.round(busy.times, 1).tolist(), busy.values.astype(int).tolist()],
    }


def _x(time_s: float, end_s: float) -> float:
    return _LEFT + _PLOT * float(time_s) / end_s


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 360 else f"{seconds:.0f} s"
