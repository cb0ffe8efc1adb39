"""The best evaluation came early and every later one is lower (playbook, sections 4, 6 "High eval at first", 9)."""

from __future__ import annotations

import math

from sched_rl.diagnosis.findings import Check
from sched_rl.diagnosis.rule import Rule, Signature
from sched_rl.diagnosis.settings import Settings
from sched_rl.diagnosis.signals import Signals


def _detect(signals: Signals) -> Signature | None:
    """A drop from a start that training never clearly improved on; from what was learned it would be a drift."""
    drop = signals.drop
    if drop is None or not signals.is_early_best(drop):
        return None
    after = signals.mean[drop.best + 1 :]
    random = signals.curves.baselines.get("rand_feas_no0")
    return Signature(
        rows=signals.rows(drop.best, drop.last),
        severity="warning",
        confidence=0.85 if drop.best == 0 else 0.75,
        summary=(
            f"the best evaluation, {signals.mean[drop.best]:.3g}, is the one at {signals.step(drop.best)}; the last "
            f"lies {-drop.difference.mean:.3g} below it"
        ),
        evidence={
            "best at": float(signals.step(drop.best)),
            "eval_mean_return, best": float(signals.mean[drop.best]),
            "eval_mean_return, highest since": float(after.max()),
            "eval_mean_return, last": float(signals.mean[drop.last]),
            "fall, standard errors": -drop.difference.z,
            "rand_feas_no0": random.mean if random else math.nan,
            "worst block fell first": signals.worst_fell_first(drop),
        },
    )


def _knobs(settings: Settings) -> list[str]:
    """Slower steps from the start, with decay; more exploration."""
    return [
        *settings.scaled("agent.lr", 0.3, 0.1),
        *settings.changed("agent.lr_schedule.end_frac", 0.05),
        *settings.scaled("agent.update_epochs", 0.5),
        *settings.switched_on("agent.target_kl", 0.01),
        *settings.changed("agent.shape_rewards", True),
    ]


RULE = Rule(
    id="early_best",
    tier="shape",
    section="4, 6, 9",
    needs=("eval_mean_return",),
    explanation=(
        "High eval at the first checkpoint, then worse: it was still close to random feasible, or to its warm start, "
        "which does okay; PPO then optimises shaped rewards in a way that breaks it, or noise pushes it away."
    ),
    suspects=(
        "the shaped reward pulls away from what eval measures",
        "noisy advantages spoil a useful start",
        "steps too large for a policy that was already good",
    ),
    checks=(
        Check("baselines", "how does the best compare with RAND_FEAS_NO0 on the same blocks?"),
        Check(None, "does the later policy wait more (noop_frac), or change its entropy drastically?"),
        Check(None, "does the worst block fall first?"),
    ),
    detect=_detect,
    knobs=_knobs,
)
