"""A policy loss far too large, or next to nothing for long (playbook, section 3 `pg_loss`)."""

from __future__ import annotations

import numpy as np

from sched_rl.diagnosis.findings import Check
from sched_rl.diagnosis.rule import Rule, Signature
from sched_rl.diagnosis.settings import Settings
from sched_rl.diagnosis.signals import Signals

#: In standard deviations of the advantages: the clip keeps what an update can gain far below it.
_LARGE = 0.5
#: As it is logged: what is left of the surrogate when the advantages are nothing beside the entropy bonus.
_NOTHING = 1e-5


def _detect(signals: Signals) -> Signature | None:
    if not signals.has_enough:
        return None
    raw = loss = np.abs(signals.curves.column("pg_loss"))
    if signals.curves.has(
        "lr"
    ):  # while the critic learns alone the policy stands still, and its loss is nothing
        raw = loss = np.where(signals.curves.column("lr") == 0.0, np.nan, raw)
        if not np.isfinite(raw).any():
            return None
    if not signals.settings.get("agent.normalize_advantages", True):
        if not signals.curves.has("advantage_std"):
            return None
        loss = raw / np.maximum(signals.curves.column("advantage_std"), 1e-12)
    known = loss[np.isfinite(loss)]
    late = signals.median(known[len(known) // 2 :])
    entropy = signals.late(signals.entropy_name) if signals.entropy_is_share else 1.0
    is_large = late > _LARGE
    smallest = signals.median(raw[np.isfinite(raw)][len(known) // 2 :])
    is_nothing = smallest < _NOTHING and entropy > signals.limits.entropy_low and signals.moves
    if not is_large and not is_nothing:
        return None
    what = "the policy takes big steps" if is_large else "the advantages are tiny or inconsistent"
    return Signature(
        rows=signals.all_rows,
        severity="warning",
        confidence=0.7,
        summary=f"|pg_loss|, last half, is {smallest:.2g} ({late:.2g} deviations of the advantages): {what}",
        evidence={
            "|pg_loss|, last half": late,
            "approx_kl, typical": signals.median(signals.finite(signals.kl_name)),
            "advantage_std, last half": signals.late("advantage_std"),
            f"{signals.entropy_name}, last half": signals.late(signals.entropy_name),
        },
    )


def _knobs(settings: Settings) -> list[str]:
    """KL and advantage scale where it is large; critic, GAE and reward density where it is nothing."""
    return [
        *settings.changed("agent.normalize_advantages", True),
        *settings.scaled("agent.lr", 0.3),
        *settings.switched_on("agent.target_kl", 0.01),
        *settings.changed("agent.gae_lambda", 0.9),
        *settings.changed("agent.scale_returns", True),
        *settings.changed("agent.shape_rewards", True),
    ]


RULE = Rule(
    id="pg_loss_extreme",
    tier="cause",
    section="3 (pg_loss)",
    needs=("eval_mean_return", "pg_loss", "entropy_frac|entropy"),
    explanation=(
        "A small, noisy pg_loss is normal. Sudden sustained large magnitude means big steps in the surrogate "
        "objective; near 0 for a long time with decent entropy means that advantages are tiny or inconsistent."
    ),
    suspects=(
        "advantages not normalised, or out of scale",
        "critic or GAE at fault",
        "reward too sparse or flat",
    ),
    checks=(Check(None, "how do approx_kl and advantage_std move with it?"),),
    detect=_detect,
    knobs=_knobs,
)
