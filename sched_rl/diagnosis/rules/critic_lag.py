"""The policy visits new states and the critic is briefly wrong there (playbook, section 3 `v_loss`)."""

from __future__ import annotations

import numpy as np

from sched_rl.diagnosis.findings import Check
from sched_rl.diagnosis.rule import Rule, Signature
from sched_rl.diagnosis.settings import Settings
from sched_rl.diagnosis.signals import Signals
from sched_rl.statistics import robust_sigma


def _detect(signals: Signals) -> Signature | None:
    drop = signals.drop
    if drop is None or any(drop.best < e <= drop.first for e in signals.kl_spikes):
        return None
    if not signals.falls_at_once(drop):
        return None  # a spike is over soon: what falls little by little is a drift
    loss = np.log(np.maximum(signals.max_since("v_loss"), 1e-300))
    before = loss[max(1, drop.best // 2) : drop.best + 1]
    before = before[np.isfinite(before)]
    window = loss[drop.best + 1 : drop.first + 1]
    if before.size < signals.limits.min_evaluations or not np.isfinite(window).any():
        return None
    usual, spread = float(np.median(before)), max(robust_sigma(before), 0.1)
    peak = float(np.nanmax(window))
    if peak - usual < max(signals.limits.shift_sigmas * spread, np.log(2)):
        return None
    return Signature(
        rows=signals.rows(drop.best, drop.last),
        severity="warning",
        confidence=0.7,
        summary=f"v_loss rose {np.exp(peak - usual):.2g} times as eval_mean_return fell by {-drop.difference.mean:.3g}",
        evidence={
            "v_loss, before": float(np.exp(usual)),
            "v_loss, at the drop": float(np.exp(peak)),
            "eval_mean_return, best": float(signals.mean[drop.best]),
            "eval_mean_return, last": float(signals.mean[drop.last]),
            "explained_variance, last": float(signals.mean_since("explained_variance")[-1]),
        },
    )


def _knobs(settings: Settings) -> list[str]:
    """Smaller policy steps, a faster critic."""
    return [
        *settings.scaled("agent.value_lr_scale", 3.0),
        *settings.scaled("agent.lr", 0.3),
        *settings.switched_on("agent.target_kl", 0.01),
        *settings.scaled("agent.update_epochs", 0.5),
        *settings.scaled("agent.rollout_steps", 2),
    ]


RULE = Rule(
    id="critic_lag",
    tier="cause",
    section="3 (v_loss)",
    needs=("eval_mean_return", "v_loss", "approx_kl_mean|approx_kl|approx_kl_last|approx_kl_max"),
    explanation=(
        "v_loss spikes that line up with eval drops often mean that the policy changed enough to change which states "
        "it visits: the critic is briefly wrong there, and advantages get noisier until it catches up."
    ),
    suspects=("policy steps too large for the critic's pace", "value learning rate too low"),
    checks=(Check(None, "does explained_variance dip with the spike, and recover?"),),
    detect=_detect,
    knobs=_knobs,
)
