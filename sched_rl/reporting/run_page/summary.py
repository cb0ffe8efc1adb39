"""The head of the page: what the run was, how it ended up, the verdict in one line."""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import Element

from sched_rl.diagnosis.findings import Diagnosis
from sched_rl.diagnosis.signals import Signals
from sched_rl.reporting.run_page.markup import element

#: What a reader wants to know of the settings first: dotted key to its name on the page.
_SHOWN = {
    "agent.name": "agent",
    "agent.network.kind": "network",
    "env.name": "env",
    "eval.name": "eval",
    "seed": "seed",
    "agent.lr": "lr",
    "agent.num_envs": "num_envs",
    "agent.rollout_steps": "rollout_steps",
    "agent.update_epochs": "update_epochs",
    "pathology.name": "pathology",
    "guard.kind": "guard",
}


def facts(signals: Signals, diagnosis: Diagnosis) -> list[Element]:
    """Title, verdict, and two rows of facts."""
    first = diagnosis.first
    verdict = "nothing can be said yet" if first is None else f"{first.id}: {first.summary}"
    severity = "info" if first is None else first.severity
    return [
        element("h1", {}, signals.curves.name),
        element("p", {"class": f"verdict {severity}"}, verdict),
        _row(_settings(signals)),
        _row(_scores(signals)),
    ]


def _settings(signals: Signals) -> list[tuple[str, str]]:
    if not signals.settings.is_recorded:
        return []
    known = [(name, signals.settings.get(key)) for key, name in _SHOWN.items()]
    return [(name, _plain(value)) for name, value in known if value is not None]


def _scores(signals: Signals) -> list[tuple[str, str]]:
    if not signals.num_evals:
        return []
    best, last = signals.best, signals.num_evals - 1
    shown = [(f"best evaluation, at {signals.step(best):,}", _score(signals, best))]
    if last != best:
        shown.append((f"last evaluation, at {signals.step(last):,}", _score(signals, last)))
    name, interval = signals.lead
    if name is not None and interval is not None:
        shown.append((f"best minus {name}, on val [95 %]", interval.format()))
    return shown


def _score(signals: Signals, evaluation: int) -> str:
    return f"worst block {signals.worst[evaluation]:.4g}, mean {signals.mean[evaluation]:.4g}"


def _row(items: list[tuple[str, str]]) -> Element:
    entries = [element("div", {}, element("dt", {}, name), element("dd", {}, value)) for name, value in items]
    return element("dl", {}, *entries)


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
