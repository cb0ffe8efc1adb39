"""The findings beside the curves: what was seen, the playbook's words, what to check and what to try."""

from __future__ import annotations

import math
from collections.abc import Sequence
from xml.etree.ElementTree import Element

from sched_rl.diagnosis.findings import Check, Diagnosis, Finding
from sched_rl.reporting.run_page.markup import element

#: Commands of the primary finding that are written out.
_MAX_COMMANDS = 6

_MARKS = {True: "speaks for it", False: "speaks against it", None: ""}


def finding_cards(diagnosis: Diagnosis, commands: Sequence[str]) -> list[Element]:
    """A card for every finding, the primary one first.

    Args:
        diagnosis: of the run.
        commands: that launch the primary finding's overrides; empty: its overrides are shown alone.
    """
    return [
        _card(number, finding, diagnosis.step_name, commands if number == 1 else ())
        for number, finding in enumerate(diagnosis.findings, start=1)
    ]


def notes_card(diagnosis: Diagnosis) -> list[Element]:
    """What the reader must know about how it was judged; nothing where there is nothing."""
    notes = [*diagnosis.notes, *diagnosis.missing_columns]
    if not notes:
        return []
    listed = element("ul", {}, *(element("li", {}, note) for note in notes))
    return [element("section", {"class": "card notes"}, element("h3", {}, "Mind"), listed)]


def _card(number: int, finding: Finding, step_name: str, commands: Sequence[str]) -> Element:
    first, last = finding.updates
    where = f"at {step_name} {first:,}" if first == last else f"{step_name} {first:,} to {last:,}"
    content = [
        element(
            "h3", {}, element("span", {"class": f"badge {finding.severity}"}, str(number)), f" {finding.id}"
        ),
        element("p", {"class": "where"}, f"{finding.severity}, confidence {finding.confidence:.0%}, {where}"),
        element("p", {"class": "summary"}, f"{finding.summary}."),
    ]
    if finding.explanation:
        source = element("cite", {}, f"the playbook, section {finding.section}")
        content.append(element("blockquote", {}, f"{finding.explanation} ", source))
    content += _evidence(finding)
    if finding.suspects:
        content += [
            element("h4", {}, "Suspects"),
            element("ul", {}, *(element("li", {}, suspect) for suspect in finding.suspects)),
        ]
    if finding.checks:
        content += [element("h4", {}, "Check"), element("ul", {}, *map(_check, finding.checks))]
    content += _tries(finding, commands)
    return element("section", {"class": "card", "data-finding": number, "tabindex": 0}, *content)


def _evidence(finding: Finding) -> list[Element]:
    rows = [
        element("tr", {}, element("td", {}, name), element("td", {}, _number(value)))
        for name, value in finding.evidence.items()
        if isinstance(value, str) or not math.isnan(value)
    ]
    return [element("h4", {}, "On the plot"), element("table", {}, *rows)] if rows else []


def _check(check: Check) -> Element:
    content: list[Element | str] = [check.question]
    if check.outcome is not None:
        mark = _MARKS[check.supports]
        content += [element("br"), element("strong", {}, check.outcome), f" ({mark})" if mark else ""]
    return element("li", {}, *content)


def _tries(finding: Finding, commands: Sequence[str]) -> list[Element]:
    if not finding.overrides:
        return []
    shown = commands[:_MAX_COMMANDS] or finding.overrides
    title = "Try, strongest first" if commands else "Try, on top of this run's settings, each alone"
    lines = [element("li", {}, element("code", {}, line)) for line in shown]
    return [element("h4", {}, title), element("ul", {"class": "commands"}, *lines)]


def _number(value: float | str) -> str:
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if value == round(value) and abs(value) < 1e9 else f"{value:.4g}"
