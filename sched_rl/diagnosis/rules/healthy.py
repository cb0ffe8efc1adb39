"""Rises, holds, beats the baselines (playbook, sections 2, 8): nothing to do."""

from __future__ import annotations

from sched_rl.diagnosis.rule import Rule, Signature
from sched_rl.diagnosis.settings import Settings
from sched_rl.diagnosis.signals import Signals


def _detect(signals: Signals) -> Signature | None:
    """Holds, and either beats every baseline with the interval clear of 0 or, where none is known, has risen."""
    if not signals.has_enough or signals.drop is not None:
        return None
    name, interval = signals.lead
    if name is not None:
        best, score = float(signals.mean[signals.best]), signals.curves.baselines[name].mean
        if not (interval.is_above_zero if interval is not None else best > score):
            return None
        told = f"beats {name}, the closest, by {interval.format() if interval else f'{best - score:.3g}'}"
    elif signals.has_improved:
        told = f"rose by {signals.gain:.3g}; there are no baselines to compare it with"
    else:
        return None
    return Signature(
        rows=signals.all_rows,
        severity="info",
        confidence=0.9 if interval is not None else 0.6,
        summary=f"eval_mean_return holds at {signals.mean[-1]:.3g} and {told}",
        evidence={
            "eval_mean_return, first": float(signals.mean[0]),
            "eval_mean_return, best": float(signals.mean[signals.best]),
            "eval_mean_return, last": float(signals.mean[-1]),
            "eval_min_block_return, last": float(signals.worst[-1]),
        },
    )


def _no_knobs(settings: Settings) -> list[str]:
    return []


RULE = Rule(
    id="healthy",
    tier="outcome",
    section="2, 8",
    needs=("eval_mean_return",),
    explanation="The curve rises and holds. Judge it on blocks that chose nothing, then leave it alone.",
    suspects=(),
    checks=(),
    detect=_detect,
    knobs=_no_knobs,
)
