"""The policy was sure of itself before it had learned: eval flat, entropy low (playbook, sections 3 `entropy`, 5C)."""

from __future__ import annotations

from sched_rl.diagnosis.findings import Check
from sched_rl.diagnosis.rule import Rule, Signature
from sched_rl.diagnosis.settings import Settings
from sched_rl.diagnosis.signals import Signals


def _detect(signals: Signals) -> Signature | None:
    if not signals.has_enough or not signals.is_flat or not signals.entropy_is_share:
        return None
    if signals.leads:
        return None  # begun from a policy that is good already
    entropy = signals.mean_since("entropy_frac")
    low = [e for e in range(signals.num_evals) if entropy[e] <= signals.limits.entropy_low]
    if (
        len(low) < 2
        or low[-1] != signals.num_evals - 1
        or signals.late("entropy_frac") > signals.limits.entropy_low
    ):
        return None
    if low[0] > signals.num_evals // 3:
        return None  # it grew sure of itself late: whatever held it flat until then is not this
    late = signals.late("entropy_frac")
    return Signature(
        rows=signals.rows(max(low[0] - 1, 0), low[-1]),
        severity="critical",
        confidence=0.9,
        summary=f"entropy is {late:.2%} of its maximum and eval_mean_return has never risen clearly above its start",
        evidence={
            "entropy_frac, first": float(signals.finite("entropy_frac")[0]),
            "entropy_frac, last half": late,
            "low since": float(signals.step(low[0])),
            "eval_mean_return, first": float(signals.mean[0]),
            "eval_mean_return, best": float(signals.mean[signals.best]),
        },
    )


def _knobs(settings: Settings) -> list[str]:
    """Entropy coefficient, and a start that is not sure of itself."""
    return [
        *settings.raised("agent.ent_coef", 10.0, 0.01),
        *settings.raised("agent.ent_coef", 30.0, 0.03),
        *settings.changed("agent.ent_coef_end_frac", 1.0),
        *settings.scaled("agent.lr", 0.3),
        *settings.switched_on("agent.entropy_jump_clip", 0.5),
        *settings.switched_on("agent.target_kl", 0.01),
    ]


RULE = Rule(
    id="premature_determinism",
    tier="cause",
    section="3, 5C",
    needs=("eval_mean_return", "entropy_frac"),
    explanation=(
        "Entropy too low too early: the policy is sharp before it has seen what the alternatives are worth, and what "
        "is never sampled is never learned."
    ),
    suspects=(
        "no entropy bonus, or one that decays too fast",
        "an initial policy with large logits",
        "the first updates were too large",
    ),
    checks=(
        Check(None, "is entropy_frac low from the first update (initialisation) or after a fall (updates)?"),
    ),
    detect=_detect,
    knobs=_knobs,
)
