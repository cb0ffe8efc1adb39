"""The page: what was compared on which blocks, what came out, what each run suffers from, how to make it again."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from xml.etree.ElementTree import Element

from analysis.compare.comparison import Comparison
from analysis.compare.grouping import CHOICES, differing_keys
from analysis.compare.judging import Judged
from analysis.compare.runs import Run
from analysis.compare.views import table_text
from analysis.report.commands import commands_of
from sched_rl.diagnosis.engine import diagnose
from sched_rl.diagnosis.findings import Diagnosis
from sched_rl.diagnosis.reading import read_run_folder
from sched_rl.reporting import style
from sched_rl.reporting.run_page.markup import document_text, element

_STYLE = """
:root { color-scheme: light dark; --paper: #ffffff; --ink: #1b1b1b; --rule: #dddddd; --card: #f6f6f4;
  --blue: #0072b2; --critical: #a04000; --warning: #7a5a00; }
@media screen and (prefers-color-scheme: dark) {
  :root { --paper: #15181c; --ink: #e4e4e2; --rule: #33383e; --card: #1e2227;
    --blue: #5aa9f0; --critical: #ff8a4c; --warning: #f2b53c; }
}
body { margin: 0 auto; padding: 1rem 1.2rem 3rem; max-width: 70rem; color: var(--ink); background: var(--paper);
  font: 15px/1.45 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
h1 { font-size: 1.35rem; } h2 { font-size: 1.1rem; margin: 1.6rem 0 0.3rem; } p { margin: 0.3rem 0; }
.statement { border-left: 5px solid var(--blue); padding: 0.2rem 0 0.2rem 0.7rem; font-size: 1.05rem; }
img { width: 100%; height: auto; } pre, .wide { overflow-x: auto; }
pre { font: 0.82rem/1.45 ui-monospace, "DejaVu Sans Mono", monospace; background: var(--card); padding: 0.6rem; }
table { border-collapse: collapse; font-size: 0.88rem; }
th, td { text-align: left; padding: 0.15rem 1rem 0.15rem 0; vertical-align: top; }
th { font-weight: 600; border-bottom: 1px solid var(--rule); }
.critical { color: var(--critical); font-weight: 600; } .warning { color: var(--warning); font-weight: 600; }
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def report_html(comparison: Comparison, command: str) -> str:
    """The page, complete in itself: no other file, no network, no script.

    Args:
        comparison: of the runs.
        command: that made the page.

    Raises:
        RunFolderError: a run whose curves cannot be read.
    """
    statements = [
        f"{each.problem.label}: {text}" if len(comparison.judged) > 1 else text
        for each in comparison.judged
        for text in each.sentences
    ]
    title = f"{len(comparison.runs)} runs compared"
    body = element(
        "body",
        {},
        element("h1", {}, title),
        *(element("p", {"class": "statement"}, text) for text in statements),
        *_what(comparison),
        *(
            part
            for number, each in enumerate(comparison.judged)
            for part in _problem(comparison, each, number)
        ),
        *_differences(comparison.runs),
        *_diagnoses(comparison),
        *_commands(comparison, command),
    )
    head = element(
        "head",
        {},
        element("meta", {"charset": "utf-8"}),
        element("meta", {"http-equiv": "Content-Security-Policy", "content": _POLICY}),
        element("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}),
        element("title", {}, title),
        element("style", {}, _STYLE),
    )
    return document_text(element("html", {"lang": "en"}, head, body))


def _what(comparison: Comparison) -> list[Element]:
    first = comparison.runs[0]
    episodes = first.episodes
    blocks = len(episodes.block_returns)
    keys = ", ".join(comparison.grouping.keys) or "nothing but the seed"
    text = (
        f"Compared: {keys}. Judged on {comparison.split}: {blocks} blocks, {len(episodes.seeds)} episodes, workload "
        f"seeds {episodes.seeds.min()} to {episodes.seeds.max()}; of each run its best checkpoint. Intervals are "
        "95 % over training seeds, paired where the seeds match."
    )
    chosen = (
        "These blocks chose the checkpoints, which flatters all of them." if comparison.split == "val" else ""
    )
    notes = [*comparison.grouping.notes, *comparison.left_out]
    return [
        element("h2", {}, "What was compared"),
        element("p", {}, f"{text} {chosen}"),
        *(element("p", {}, note) for note in notes),
    ]


def _problem(comparison: Comparison, judged: Judged, number: int) -> list[Element]:
    buffer = io.BytesIO()
    with style.figure_style():
        comparison.figure(number).savefig(buffer, format="png", dpi=style.DPI, facecolor="white")
    source = f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
    return [
        element("h2", {}, judged.problem.label),
        element("pre", {}, table_text(judged)),
        element("img", {"src": source, "alt": judged.sentences[0]}),
    ]


def _differences(runs: Sequence[Run]) -> list[Element]:
    """The keys in which the runs differ, and nothing else of their configurations."""
    keys = differing_keys(runs)
    if not keys:
        return [element("h2", {}, "Configuration"), element("p", {}, "The runs differ in their seeds alone.")]
    rows = [
        [run.folder.name, str(run.seed), *(run.settings.get(CHOICES.get(key, key), "-") for key in keys)]
        for run in runs
    ]
    return [element("h2", {}, "Configuration, differences only"), _table(["run", "seed", *keys], rows)]


def _diagnoses(comparison: Comparison) -> list[Element]:
    rows = []
    for run in comparison.runs:
        found = diagnose(read_run_folder(run.folder))
        rows.append((run, found))
    cells = [[run.folder.name, str(run.seed), *_finding(found)] for run, found in rows]
    classes = [found.first.severity if found.first else "info" for _, found in rows]
    return [
        element("h2", {}, "Diagnosis of each run"),
        _table(["run", "seed", "finding", "what the curves show", "also seen"], cells, classes),
    ]


def _finding(diagnosis: Diagnosis) -> list[str]:
    if diagnosis.first is None:
        return ["undecided", "nothing can be said yet", ""]
    return [diagnosis.primary, diagnosis.first.summary, ", ".join(diagnosis.ids[1:])]


def _commands(comparison: Comparison, command: str) -> list[Element]:
    lines = [
        *dict.fromkeys(line for each in comparison.judged for line in commands_of(each.problem)),
        command,
    ]
    return [element("h2", {}, "To reproduce"), element("pre", {}, "\n".join(lines))]


def _table(
    header: Sequence[str], rows: Iterable[Sequence[str]], classes: Sequence[str] | None = None
) -> Element:
    """A table; `classes` colours the third cell of each row."""
    lines = [element("tr", {}, *(element("th", {}, name) for name in header))]
    for number, row in enumerate(rows):
        marks: Mapping[int, str] = {2: classes[number]} if classes else {}
        cells = (element("td", {"class": marks.get(place, "")}, cell) for place, cell in enumerate(row))
        lines.append(element("tr", {}, *cells))
    return element("div", {"class": "wide"}, element("table", {}, *lines))
