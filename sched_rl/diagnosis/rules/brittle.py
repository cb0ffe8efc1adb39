"""Better on average, worse where it is worst (playbook, sections 2, 5B3, 6, 7, 8.1)."""

from __future__ import annotations

from sched_rl.diagnosis.findings import Check
from sched_rl.diagnosis.rule import Rule, Signature
from sched_rl.diagnosis.settings import Settings
from sched_rl.diagnosis.signals import Signals


def _detect(signals: Signals) -> Signature | None:
    if not signals.has_enough or signals.blocks.shape[1] < 2:
        return None
    need, last = signals.limits.persistence_evaluations, signals.num_evals - 1
    for earlier in dict.fromkeys((0, signals.best)):
        if all(_has_split(signals, earlier, e) for e in range(last - need + 1, last + 1)):
            return _signature(signals, earlier, last)
    return None


def _has_split(signals: Signals, earlier: int, later: int) -> bool:
    """Mean clearly up, worst block clearly and materially down."""
    if earlier >= later:
        return False
    change = signals.difference(earlier, later)
    is_up = change.mean > signals.limits.standard_errors * change.standard_error
    block = int(signals.blocks[later].argmin())
    fall = float(signals.worst[earlier] - signals.worst[later])
    own = signals.block_difference(earlier, later, block)
    is_down = own.mean < -signals.limits.standard_errors * own.standard_error
    return is_up and is_down and fall > signals.limits.material_frac * signals.episode_spread


def _signature(signals: Signals, earlier: int, last: int) -> Signature:
    block = int(signals.blocks[last].argmin())
    change, own = signals.difference(earlier, last), signals.block_difference(earlier, last, block)
    return Signature(
        rows=signals.rows(earlier, last),
        severity="warning",
        confidence=0.9,
        summary=(
            f"eval_mean_return rose by {change.mean:.3g} while eval_min_block_return fell from "
            f"{signals.worst[earlier]:.3g} to {signals.worst[last]:.3g} (block {block})"
        ),
        evidence={
            "eval_mean_return, change": change.mean,
            "change, standard errors": change.z,
            "eval_min_block_return, before": float(signals.worst[earlier]),
            "eval_min_block_return, last": float(signals.worst[last]),
            "worst block": float(block),
            "that block's change": own.mean,
            "that change, standard errors": own.z,
        },
    )


def _knobs(settings: Settings) -> list[str]:
    """Training diversity, more episodes at once, an earlier stop of what specialises."""
    return [
        *settings.option("env", "mixed"),
        *settings.scaled("agent.num_envs", 2),
        *settings.scaled("agent.lr", 0.3),
        *(settings.scaled("agent.ent_coef", 3.0) or ["agent.ent_coef=0.003"]),
    ]


RULE = Rule(
    id="brittle",
    tier="shape",
    section="2, 5B3, 6, 7, 8.1",
    needs=("eval_mean_return", "eval_block0_return", "eval_block1_return"),
    explanation=(
        "Mean improves, worst block drops: the policy specialises. It gains on some seeds or families and regresses on "
        "others, and the mean hides it."
    ),
    suspects=(
        "training sees too few kinds of workload",
        "the objective is a mean and nobody speaks for the worst block",
        "the network leans on features that only some workloads have",
    ),
    checks=(
        Check(None, "which blocks fall, per eval_block*_return?"),
        Check("worst_family", "how do the baselines do on the block that fell?"),
    ),
    detect=_detect,
    knobs=_knobs,
)
