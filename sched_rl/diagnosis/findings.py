"""What a diagnosis says: findings in one order of precedence, and their JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

#: The order that decides the primary finding: what invalidates the rest comes first.
Tier = Literal["bug", "measurement", "cause", "shape", "outcome"]
TIERS: tuple[Tier, ...] = ("bug", "measurement", "cause", "shape", "outcome")

Severity = Literal["critical", "warning", "info"]

#: The finding of a run in which no rule found anything.
HEALTHY = "healthy"
#: Primary where the curves are too short or too bare to tell anything.
UNDECIDED = "undecided"


@dataclass(frozen=True)
class Check:
    """Something to look at before a knob is turned.

    Attributes:
        name: of the check in `sched_rl.diagnosis.checks`; None where only a person can do it.
        question: what it asks.
        outcome: what came out; None while it was not run.
        supports: whether the outcome speaks for the finding; None: neither way, or not run.
    """

    name: str | None
    question: str
    outcome: str | None = None
    supports: bool | None = None


@dataclass(frozen=True)
class Finding:
    """One thing that the curves show.

    Attributes:
        id: stable, of `spec/diagnosis.md`.
        tier: where it stands in the precedence.
        severity: critical (the run is worthless as it is), warning, info.
        confidence: in (0, 1], how clearly the curves show the signature.
        updates: first and last update (step, row) of the range it speaks of.
        summary: one sentence with the numbers.
        evidence: numbers that a person can check on the plot, by name.
        explanation: the playbook's words.
        section: of the playbook.
        suspects: likely causes, most likely first.
        checks: what to look at.
        overrides: command-line overrides relative to the run's config; each is one experiment.
    """

    id: str
    tier: Tier
    severity: Severity
    confidence: float
    updates: tuple[int, int]
    summary: str
    evidence: Mapping[str, float | str]
    explanation: str = ""
    section: str = ""
    suspects: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True)
class Diagnosis:
    """All findings of a run, the primary one first.

    Attributes:
        primary: id of the first finding; `undecided` where there is none.
        findings: by tier, within a tier in the order of the registry.
        missing_columns: a sentence for each rule that lacks its columns.
        notes: what else the reader must know about how it was judged.
        step_name: what the update ranges count: update, timesteps or row.
    """

    primary: str
    findings: tuple[Finding, ...]
    missing_columns: tuple[str, ...]
    notes: tuple[str, ...] = ()
    step_name: str = "update"

    @property
    def first(self) -> Finding | None:
        """The primary finding."""
        return self.findings[0] if self.findings else None

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids in order."""
        return tuple(finding.id for finding in self.findings)


def diagnosis_json(diagnosis: Diagnosis) -> dict[str, Any]:
    """The diagnosis as strict JSON containers; a number that is not finite becomes null."""
    return {
        "primary": diagnosis.primary,
        "findings": [_finding_json(finding) for finding in diagnosis.findings],
        "missing_columns": list(diagnosis.missing_columns),
        "notes": list(diagnosis.notes),
        "step_column": diagnosis.step_name,
    }


def _finding_json(finding: Finding) -> dict[str, Any]:
    return {
        "id": finding.id,
        "tier": finding.tier,
        "severity": finding.severity,
        "confidence": round(finding.confidence, 3),
        "updates": list(finding.updates),
        "summary": finding.summary,
        "evidence": {name: _number(value) for name, value in finding.evidence.items()},
        "explanation": finding.explanation,
        "section": finding.section,
        "suspects": list(finding.suspects),
        "checks": [
            {"question": check.question, "outcome": check.outcome, "supports": check.supports}
            for check in finding.checks
        ],
        "overrides": list(finding.overrides),
    }


def _number(value: float | str) -> float | str | None:
    if isinstance(value, str) or math.isfinite(value):
        return value
    return None
