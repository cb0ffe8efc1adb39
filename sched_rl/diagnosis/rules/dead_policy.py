"""A policy that no gradient reaches any more (beyond the playbook's table: dead or saturated network)."""

from __future__ import annotations

from sched_rl.diagnosis.findings import Check
from sched_rl.diagnosis.rule import Rule, Signature
from sched_rl.diagnosis.settings import Settings
from sched_rl.diagnosis.signals import Signals

#: Share of the maximal entropy below which all probabilities are 0 or 1 for the arithmetic.
_SATURATED = 1e-3
#: Updates over which that has to hold.
_UPDATES = 4


def _detect(signals: Signals) -> Signature | None:
    kl, entropy = signals.finite(signals.kl_name), signals.finite("entropy_frac")
    if min(len(kl), len(entropy)) < _UPDATES:
        return None
    still = signals.limits.kl_negligible_frac * signals.kl_limit
    largest_kl, largest_entropy = float(kl[-_UPDATES:].max()), float(entropy[-_UPDATES:].max())
    if largest_kl >= still or largest_entropy >= _SATURATED:
        return None
    if signals.num_evals and not signals.eval_suffers:
        return None  # it was done
    return Signature(
        rows=(max(signals.curves.num_rows - _UPDATES, 0), signals.curves.num_rows - 1),
        severity="critical",
        confidence=0.95,
        summary=f"entropy is {largest_entropy:.2g} of its maximum, and updates move the policy by KL {largest_kl:.2g}",
        evidence={
            "entropy_frac, largest of the last updates": largest_entropy,
            "approx_kl, largest of the last updates": largest_kl,
            "grad_norm, last": float(signals.curves.column("grad_norm")[-1]),
        },
    )


def _knobs(settings: Settings) -> list[str]:
    """Nothing revives it: another start, with steps that do not saturate."""
    return [
        *settings.scaled("agent.lr", 0.3, 0.1),
        *settings.switched_on("agent.max_grad_norm", 0.5),
        *settings.switched_on("agent.target_kl", 0.01),
        *settings.raised("agent.ent_coef", 10.0, 0.01),
    ]


RULE = Rule(
    id="dead_policy",
    tier="cause",
    section="3 (entropy)",
    needs=("entropy_frac", "approx_kl_mean|approx_kl|approx_kl_last|approx_kl_max"),
    explanation=(
        "All probabilities are 0 or 1: the softmax is saturated, its gradient is 0, and what is never sampled is never "
        "learned. No later update brings such a policy back."
    ),
    suspects=("an update that was far too large", "large logits from the start", "no entropy bonus"),
    checks=(Check(None, "did approx_kl spike before entropy fell to 0?"),),
    detect=_detect,
    knobs=_knobs,
)
