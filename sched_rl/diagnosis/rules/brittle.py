"""Better on average, worse where it is worst (playbook, sections 2, 5B3, 6, 7, 8.1)."""

from __future__ import annotations

import math

from sched_rl.diagnosis.findings import Check
from sched_rl.diagnosis.rule import Rule, Signature
from sched_rl.diagnosis.settings import Settings
from sched_rl.diagnosis.signals import Signals


def _detect(signals: Signals) -> Signature | None:
    if not signals.has_enough or signals.blocks.shape[1] < 2:
        return None
    for earlier in dict.fromkeys((0, signals.best)):
        if _has_split(signals, earlier):
            return _signature(signals, earlier)
    return None


def _latest(signals: Signals) -> tuple[int, ...]:
    """The last evaluations, judged by their average: the policy's own jitter is halved, the pairing stays."""
    last = signals.num_evals - 1
    return tuple(range(last - signals.limits.persistence_evaluations + 1, last + 1))


def _has_split(signals: Signals, earlier: int) -> bool:
    """The worst block clearly and materially down, the others clearly up, or holding what the training gained."""
    latest = _latest(signals)
    if earlier >= latest[0]:
        return False
    block = int(signals.blocks[latest[-1]].argmin())
    own, others = (
        signals.block_difference(earlier, latest, block),
        signals.other_blocks(earlier, latest, block),
    )
    errors = signals.limits.standard_errors
    chosen = signals.block_jitter(block) * math.sqrt(2 * math.log(max(latest[-1], 2))) if earlier else 0.0
    fell = -own.mean > max(errors * own.standard_error + chosen, signals.material_of_block)
    worst = float(signals.worst[list(latest)].max())
    fell = fell and worst < signals.worst[earlier] - signals.material_of_block
    rose = others.mean > errors * others.standard_error
    holds = others.mean > -errors * others.standard_error and signals.has_improved
    return fell and (rose or holds)


def _signature(signals: Signals, earlier: int) -> Signature:
    latest, last = _latest(signals), signals.num_evals - 1
    block = int(signals.blocks[last].argmin())
    own, others = (
        signals.block_difference(earlier, latest, block),
        signals.other_blocks(earlier, latest, block),
    )
    return Signature(
        rows=signals.rows(earlier, last),
        severity="warning",
        confidence=0.9,
        summary=(
            f"block {block} fell by {-own.mean:.3g} to {signals.worst[last]:.3g} since update {signals.step(earlier)} "
            f"while the other blocks moved by {others.mean:+.3g}"
        ),
        evidence={
            "eval_min_block_return, before": float(signals.worst[earlier]),
            "eval_min_block_return, last": float(signals.worst[last]),
            "eval_mean_return, before": float(signals.mean[earlier]),
            "eval_mean_return, last": float(signals.mean[last]),
            "worst block": float(block),
            "its change": own.mean,
            "its change, standard errors": own.z,
            "the others' change": others.mean,
            "the others' change, standard errors": others.z,
        },
    )


def _knobs(settings: Settings) -> list[str]:
    """Training diversity, more episodes at once, an earlier stop of what specialises."""
    return [
        *settings.option("env", "mixed"),
        *settings.option("agent/objective", "cvar"),
        *settings.scaled("agent.num_envs", 2),
        *settings.scaled("agent.lr", 0.3),
        *settings.raised("agent.ent_coef", 3.0, 0.003),
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
