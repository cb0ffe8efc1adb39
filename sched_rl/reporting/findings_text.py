"""A diagnosis as people read it: one screen, the primary finding first."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

from sched_rl.diagnosis.findings import Diagnosis, Finding

_WIDTH = 100
_MAX_OVERRIDES = 5
_MAX_COMMANDS = 4


def diagnosis_text(diagnosis: Diagnosis, title: str, commands: Sequence[str]) -> str:
    """The screen.

    Args:
        diagnosis: with its checks run.
        title: the run in a few words.
        commands: that launch the primary finding's overrides.
    """
    lines = [f"{title}: {_headline(diagnosis)}"]
    first = diagnosis.first
    if first is not None:
        lines += ["", *_primary(first, diagnosis.step_name)]
    if commands:
        lines += ["", "Try, strongest first (apply=true launches all of them):"]
        lines += [f"  {command}" for command in commands[:_MAX_COMMANDS]]
        if len(commands) > _MAX_COMMANDS:
            lines.append(f"  and {len(commands) - _MAX_COMMANDS} more, in the JSON of output=FILE")
    if others := diagnosis.findings[1:]:
        lines += ["", "Also seen, after it in precedence:"]
        lines += [line for finding in others for line in _brief(finding, diagnosis.step_name)]
    if diagnosis.missing_columns or diagnosis.notes:
        lines += ["", "Mind:"]
        for note in (*diagnosis.notes, *diagnosis.missing_columns):
            lines += _wrapped(note, "  - ", "    ")
    return "\n".join(lines)


def _headline(diagnosis: Diagnosis) -> str:
    if diagnosis.first is None:
        return "nothing can be said yet"
    return f"{diagnosis.primary} ({diagnosis.first.severity}, confidence {diagnosis.first.confidence:.0%})"


def _primary(finding: Finding, step_name: str) -> list[str]:
    first, last = finding.updates
    where = f"at {step_name} {first}" if first == last else f"{step_name} {first} to {last}"
    lines = _wrapped(f"{finding.summary} ({where}).", "", "")
    if finding.explanation:
        lines += ["", *_wrapped(f"Playbook, section {finding.section}: {finding.explanation}", "", "")]
    width = max(len(name) for name in finding.evidence)
    lines += ["", "On the plot:"]
    lines += [
        f"  {name.ljust(width)}  {_number(value)}"
        for name, value in finding.evidence.items()
        if _is_known(value)
    ]
    if finding.suspects:
        lines += ["", "Suspects: " + "; ".join(finding.suspects)]
        lines[-1:] = _wrapped(lines[-1], "", "  ")
    if finding.checks:
        lines += ["", "Checks:"]
        for check in finding.checks:
            answer = check.outcome if check.outcome is not None else "look at it"
            mark = {True: "+", False: "-", None: " "}[check.supports]
            lines += _wrapped(f"{check.question} {answer}", f"  {mark} ", "      ")
    return lines


def _brief(finding: Finding, step_name: str) -> list[str]:
    first, last = finding.updates
    text = f"{finding.id} ({finding.severity}), {step_name} {first} to {last}: {finding.summary}"
    lines = _wrapped(text, "  ", "    ")
    if finding.overrides:
        lines += [f"    try {' | '.join(finding.overrides[:_MAX_OVERRIDES])}"]
    return lines


def _wrapped(text: str, first: str, rest: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _is_known(value: float | str) -> bool:
    return isinstance(value, str) or not math.isnan(value)


def _number(value: float | str) -> str:
    if isinstance(value, str):
        return value
    return f"{value:.0f}" if value == round(value) and abs(value) < 1e9 else f"{value:.4g}"
