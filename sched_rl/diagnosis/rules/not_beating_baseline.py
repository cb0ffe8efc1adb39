"""A heuristic does as well (playbook, sections 6, 8.2): say so; never call it a win."""

from __future__ import annotations

import math

from sched_rl.diagnosis.findings import Check
from sched_rl.diagnosis.rule import Rule, Signature
from sched_rl.diagnosis.settings import Settings
from sched_rl.diagnosis.signals import Signals


def _detect(signals: Signals) -> Signature | None:
    if not signals.has_enough:
        return None
    name, interval = signals.lead
    if name is None or (interval is not None and interval.is_above_zero):
        return None
    score = signals.curves.baselines[name]
    best = float(signals.mean[signals.best])
    if interval is None:  # without episodes the means alone decide
        if best > score.mean:
            return None
        told = f"{best:.3g} against {score.mean:.3g}"
    else:
        told = f"{interval.format()}, paired, 95 %"
    loses = interval is not None and interval.is_below_zero
    return Signature(
        rows=signals.rows(signals.best, signals.best),
        severity="warning" if loses else "info",
        confidence=0.9 if interval is not None else 0.6,
        summary=f"the best checkpoint {'loses to' if loses else 'does not beat'} {name}: {told}",
        evidence={
            "eval_mean_return, best": best,
            f"{name}, mean": score.mean,
            "difference": interval.mean if interval else best - score.mean,
            "interval, low": interval.low if interval else math.nan,
            "interval, high": interval.high if interval else math.nan,
        },
    )


def _knobs(settings: Settings) -> list[str]:
    """Longer, richer, larger: what is left when nothing is wrong."""
    return [
        *settings.scaled("agent.total_steps", 3.0),
        *settings.changed("agent.network.observation", "rich"),
        *settings.option("agent/network", "attention"),
        *settings.changed("agent.shape_rewards", True),
    ]


RULE = Rule(
    id="not_beating_baseline",
    tier="outcome",
    section="6, 8.2",
    needs=("eval_mean_return", "baselines"),
    explanation="Is PPO beating heuristics on these workloads? An interval that includes 0 is not a win.",
    suspects=(
        "the heuristic is strong on this workload, or the workload is too easy to tell schedulers apart",
        "trained too briefly",
        "the observation lacks what the heuristic uses",
    ),
    checks=(Check("baselines", "how does every baseline do on the same blocks?"),),
    detect=_detect,
    knobs=_knobs,
)
