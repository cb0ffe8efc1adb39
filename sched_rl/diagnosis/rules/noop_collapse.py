"""The policy learned to do nothing (playbook, sections 3 `noop_frac`, 5C, 6 "No-op collapse", 7, 8.3)."""

from __future__ import annotations

import math

import numpy as np

from sched_rl.diagnosis.findings import Check
from sched_rl.diagnosis.rule import Rule, Signature
from sched_rl.diagnosis.settings import Settings
from sched_rl.diagnosis.signals import Signals

#: Greedy evaluation that waits so often where a job fits has given up; share of such states.
_MOSTLY = 0.5


def _detect(signals: Signals) -> Signature | None:
    if not signals.has_enough:
        return None
    return _always_waits(signals) or _mostly_waits(signals) or _falls_waiting(signals) or _rises(signals)


def _always_waits(signals: Signals) -> Signature | None:
    """Greedy evaluation waits nearly always, whatever the return says; the untrained policy may, so it must hold."""
    share = signals.at_evals("eval_noop_frac")
    always = share >= signals.limits.noop_always
    if not always[-signals.limits.persistence_evaluations :].all():
        return None
    first = signals.num_evals - 1
    while first > 0 and always[first - 1]:
        first -= 1
    return Signature(
        rows=signals.rows(first, signals.num_evals - 1),
        severity="critical",
        confidence=0.98,
        summary=f"the greedy policy waits in {share[-1]:.1%} of its steps",
        evidence={
            "eval_noop_frac, last": float(share[-1]),
            "eval_noop_feasible_frac, last": float(signals.at_evals("eval_noop_feasible_frac")[-1]),
            "eval_mean_return, first": float(signals.mean[0]),
            "eval_mean_return, last": float(signals.mean[-1]),
        },
    )


def _mostly_waits(signals: Signals) -> Signature | None:
    """Greedy evaluation came to wait in most states in which a job fits, and stays there.

    It is asked for a rise, since an untrained policy may wait so often and learn better. Forced waits are left out.
    """
    feasible = signals.at_evals("eval_noop_feasible_frac")
    forced = np.nan_to_num(signals.at_evals("eval_noop_frac") - feasible)
    share = feasible / np.maximum(1 - forced, 1e-12)
    need = signals.limits.persistence_evaluations
    if not (share[-need:] > _MOSTLY).all():
        return None
    lowest = int(np.nanargmin(share))
    if share[-need:].min() - share[lowest] < signals.limits.noop_rise or lowest >= signals.num_evals - need:
        return None
    first = next(e for e in range(lowest, signals.num_evals) if share[e] > _MOSTLY)
    return Signature(
        rows=signals.rows(first, signals.num_evals - 1),
        severity="critical",
        confidence=0.9,
        summary=f"the greedy policy waits in {share[-1]:.1%} of the states in which a job fits",
        evidence={
            "waits where a job fits, lowest": float(share[lowest]),
            "waits where a job fits, last": float(share[-1]),
            "eval_mean_return, first": float(signals.mean[0]),
            "eval_mean_return, last": float(signals.mean[-1]),
        },
    )


def _falls_waiting(signals: Signals) -> Signature | None:
    """Evaluation fell as its greedy policy came to wait where a job fits.

    Its entropy may rise meanwhile: a choice that it never made before is one more to be torn between.
    """
    drop = signals.drop
    if drop is None:
        return None
    share = signals.at_evals("eval_noop_feasible_frac")
    latest = float(share[-signals.limits.persistence_evaluations :].min())
    if not latest - share[drop.best] >= signals.limits.noop_rise:
        return None
    return Signature(
        rows=signals.rows(drop.best, drop.last),
        severity="critical",
        confidence=0.8,
        summary=(
            f"the greedy policy waits in {share[-1]:.1%} of its steps although a job fits, at its best in "
            f"{share[drop.best]:.1%}, and eval_mean_return fell by {-drop.difference.mean:.3g}"
        ),
        evidence={
            "eval_noop_feasible_frac, best": float(share[drop.best]),
            "eval_noop_feasible_frac, last": float(share[-1]),
            "eval_mean_return, best": float(signals.mean[drop.best]),
            "eval_mean_return, last": float(signals.mean[drop.last]),
        },
    )


def _rises(signals: Signals) -> Signature | None:
    """No-ops up, entropy down, eval down or flat. Waiting with nothing feasible is legitimate and left out if known."""
    name = signals.first_of("noop_feasible_frac", "noop_frac")
    values = signals.mean_since(name)
    known = [e for e in range(signals.num_evals) if math.isfinite(values[e])]
    if len(known) < 2:
        return None
    early, late = values[known[0]], float(min(values[known[-2:]]))
    if late - early < signals.limits.noop_rise:
        return None
    trend, entropy = signals.trend(name), signals.trend(signals.entropy_name)
    if trend is None or entropy is None:
        return None
    if trend.tau <= 0 or entropy.tau >= 0 or not (signals.is_flat or signals.drop is not None):
        return None
    level = early + signals.limits.noop_rise / 2
    first = next(e for e in known if values[e] >= level)
    return Signature(
        rows=signals.rows(max(first - 1, 0), known[-1]),
        severity="critical",
        confidence=0.9 if trend.p < signals.limits.significance else 0.7,
        summary=f"{name} rose from {early:.1%} to {late:.1%} while entropy fell and eval did not rise",
        evidence={
            f"{name}, first": float(early),
            f"{name}, last": late,
            f"{name}, p of the trend": trend.p,
            f"{signals.entropy_name}, tau of the trend": entropy.tau,
            "eval_mean_return, best": float(signals.mean[signals.best]),
            "eval_mean_return, last": float(signals.mean[-1]),
        },
    )


def _knobs(settings: Settings) -> list[str]:
    """More early entropy, a price on waiting, a no-op that goes through the same head as the jobs."""
    return [
        *settings.raised("agent.ent_coef", 10.0, 0.01),
        *settings.raised("env.reward.noop_penalty_scale", 4.0, 0.2),
        *settings.changed("env.reward.progress_scale", 1.0),
        *settings.changed("env.reward.time_pressure_scale", 1.0),
        *settings.changed("agent.normalize_over", "choices"),
        *settings.option("agent/network", "scorer"),
    ]


RULE = Rule(
    id="noop_collapse",
    tier="cause",
    section="3, 5C, 6, 7, 8.3",
    needs=("eval_mean_return", "eval_noop_frac|noop_feasible_frac|noop_frac", "entropy_frac|entropy"),
    explanation=(
        "noop_frac rises, entropy falls, eval drops: the policy grows confident in doing nothing, because waiting is "
        "safe under the reward or because noisy advantages push it to the action with the least variance."
    ),
    suspects=(
        "the reward pays for waiting, or does not charge it (no-op penalty too small)",
        "the network is biased towards the no-op",
        "advantages too noisy",
        "too little entropy early on",
    ),
    checks=(
        Check("noop_gap", "do training and greedy evaluation wait equally often?"),
        Check("do_nothing", "what does a scheduler earn that waits whenever it may?"),
    ),
    detect=_detect,
    knobs=_knobs,
)
