"""Evaluations that do not play the same episodes (playbook, sections 2, 5A, 11 "Did my measurement change?")."""

from __future__ import annotations

import numpy as np

from sched_rl.diagnosis.findings import Check
from sched_rl.diagnosis.rule import Rule, Signature
from sched_rl.diagnosis.settings import Settings
from sched_rl.diagnosis.signals import Signals


def _detect(signals: Signals) -> Signature | None:
    table = signals.curves.evaluations
    if table is None or signals.num_evals < 2:
        return None
    absent = ~np.isfinite(table.returns)
    if not absent.any():
        return None
    unsteady = int(absent.any(axis=0).sum())
    changed = np.flatnonzero((absent[1:] != absent[:-1]).any(axis=1)) + 1
    place = int(changed[0]) if changed.size else 0
    rows = np.flatnonzero(signals.steps == table.updates[place])
    first = int(rows[0]) if rows.size else 0
    return Signature(
        rows=(first, signals.curves.num_rows - 1),
        severity="critical",
        confidence=1.0,
        summary=f"the seeds changed: {unsteady} of {absent.shape[1]} episodes are not in every evaluation",
        evidence={
            "episodes that come and go": float(unsteady),
            "episodes in all": float(absent.shape[1]),
            "evaluations that changed": float(changed.size),
        },
    )


def _knobs(settings: Settings) -> list[str]:
    """Blocks with fixed seeds."""
    return settings.option("eval", "playbook")


RULE = Rule(
    id="unfixed_eval",
    tier="measurement",
    section="2, 5A, 11",
    needs=("episodes", "eval_mean_return"),
    explanation="Use fixed seeds: only then does a move of the eval curve mean that the policy moved.",
    suspects=("evaluation draws new seeds every time", "the run was resumed with another eval config"),
    checks=(Check("resumed", "was the run resumed, and with the same code and config?"),),
    detect=_detect,
    knobs=_knobs,
)
