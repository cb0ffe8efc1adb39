"""What a rule is: a signature in the curves, the playbook's words for it, and what to try next."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sched_rl.diagnosis.findings import Check, Severity, Tier
from sched_rl.diagnosis.settings import Settings
from sched_rl.diagnosis.signals import Signals


@dataclass(frozen=True)
class Signature:
    """A rule's signature, found in the curves.

    Attributes:
        rows: first and last row of the metrics table that it speaks of.
        severity: how bad it is.
        confidence: in (0, 1].
        summary: one sentence with the numbers.
        evidence: numbers that a person can check on the plot, by name.
    """

    rows: tuple[int, int]
    severity: Severity
    confidence: float
    summary: str
    evidence: Mapping[str, float | str]


@dataclass(frozen=True)
class Rule:
    """One row of the playbook's table.

    Attributes:
        id: of the finding.
        tier: where it stands in the precedence; within a tier the order of registration decides.
        section: of the playbook.
        needs: what must be there: columns, `a|b` where either will do, `episodes` or `baselines`.
        explanation: the playbook's words.
        suspects: likely causes, most likely first.
        checks: what to look at before a knob is turned.
        detect: the signature, or None; a pure function.
        knobs: overrides relative to the run's settings, each an experiment of its own.
    """

    id: str
    tier: Tier
    section: str
    needs: tuple[str, ...]
    explanation: str
    suspects: tuple[str, ...]
    checks: tuple[Check, ...]
    detect: Callable[[Signals], Signature | None]
    knobs: Callable[[Settings], Sequence[str]]
