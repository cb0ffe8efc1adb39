"""Eval swings up and down from evaluation to evaluation, beyond its noise (playbook, section 5B4)."""

from __future__ import annotations

import numpy as np

from sched_rl.diagnosis.findings import Check
from sched_rl.diagnosis.rule import Rule, Signature
from sched_rl.diagnosis.settings import Settings
from sched_rl.diagnosis.signals import Signals

#: A rise, a fall and a recovery: as few say it where updates typically leave their limit, which explains them.
_FEW = 3


def _detect(signals: Signals) -> Signature | None:
    """Many swings, and not one fall that lasts: a run that comes back is no collapse."""
    swings = signals.swings
    few = max(_FEW, signals.min_swings // 2)
    is_explained = len(swings) >= few and signals.steps_leave_their_limit and signals.drop is None
    if not signals.saws and not is_explained:
        return None
    sizes = [abs(signals.mean[b] - signals.mean[a]) for a, b in swings]
    return Signature(
        rows=signals.rows(swings[0][0], swings[-1][1]),
        severity="warning",
        confidence=min(0.5 + 0.05 * len(swings), 0.95),
        summary=(
            f"eval_mean_return turned {len(swings) - 1} times in {signals.num_evals} evaluations, by "
            f"{np.median(sizes):.3g} a swing; its course explains {signals.jitter:.2g} of noise"
        ),
        evidence={
            "swings": float(len(swings)),
            "size of a swing, median": float(np.median(sizes)),
            "eval noise, paired standard error": signals.typical_standard_error,
            "jitter of eval_mean_return": signals.jitter,
            "approx_kl, typical": signals.median(signals.finite(signals.kl_name)),
            "KL limit": signals.kl_limit,
        },
    )


def _knobs(settings: Settings) -> list[str]:
    """Smaller updates, larger batch."""
    return [
        *settings.scaled("agent.rollout_steps", 4),
        *settings.scaled("agent.num_envs", 4),
        *settings.scaled("agent.lr", 0.3, 0.1),
        *settings.scaled("agent.update_epochs", 0.5),
        *settings.switched_on("agent.target_kl", 0.01),
        *settings.scaled("agent.clip_coef", 0.5),
    ]


RULE = Rule(
    id="sawtooth",
    tier="shape",
    section="5B4",
    needs=("eval_mean_return",),
    explanation="High-frequency oscillation of eval: updates too aggressive, or a rollout batch too small.",
    suspects=(
        "rollout batch too small",
        "learning rate too high for the batch",
        "too many epochs on one batch",
    ),
    checks=(Check(None, "do the swings exceed the paired standard error of two neighbouring evaluations?"),),
    detect=_detect,
    knobs=_knobs,
)
