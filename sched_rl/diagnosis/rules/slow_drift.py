"""Many small steps into a bad region: eval falls, KL tiny (playbook, sections 4, 5C, 6 "still collapses", 7)."""

from __future__ import annotations

from sched_rl.diagnosis.findings import Check
from sched_rl.diagnosis.rule import Rule, Signature
from sched_rl.diagnosis.settings import Settings
from sched_rl.diagnosis.signals import Signals


def _detect(signals: Signals) -> Signature | None:
    drop = signals.drop
    if drop is None or any(drop.best < e <= drop.first for e in signals.kl_spikes):
        return None
    if signals.is_early_best(drop):
        return None  # nothing had been learned that could drift away
    kl = signals.mean_since(signals.kl_name)[drop.best + 1 :]
    typical = signals.median(kl)
    is_tiny = typical < signals.limits.kl_tiny_frac * signals.kl_limit
    kl_to_best = float(signals.at_evals("kl_to_best")[drop.last])
    length = drop.last - drop.best
    fall = -drop.difference.mean
    return Signature(
        rows=signals.rows(drop.best, drop.last),
        severity="critical" if drop.share_of_gain > 0.5 else "warning",
        confidence=(0.9 if is_tiny else 0.6)
        - (0.2 if length <= signals.limits.persistence_evaluations else 0.0),
        summary=(
            f"eval_mean_return fell by {fall:.3g} over {length} evaluations while KL stayed at {typical:.2g} "
            f"an update, within its limit of {signals.kl_limit:.3g}"
        ),
        evidence={
            "eval_mean_return, best": float(signals.mean[drop.best]),
            "eval_mean_return, last": float(signals.mean[drop.last]),
            "fall, standard errors": -drop.difference.z,
            "share of the gain lost": drop.share_of_gain,
            "approx_kl, typical": typical,
            "KL limit": signals.kl_limit,
            "kl_to_best, last": kl_to_best,
            "worst block fell first": signals.worst_fell_first(drop),
        },
    )


def _knobs(settings: Settings) -> list[str]:
    """Stronger lr decay, fewer epochs, better critic, simpler reward."""
    decay = settings.changed("agent.lr_schedule.end_frac", 0.05) or settings.option(
        "agent/lr_schedule", "exponential"
    )
    return [
        *decay,
        *settings.scaled("agent.update_epochs", 0.5, 0.25),
        *settings.scaled("agent.lr", 0.3),
        *settings.switched_on("agent.target_kl", 0.01),
        *settings.scaled("agent.clip_coef", 0.5),
        *settings.scaled("agent.value_lr_scale", 3.0),
        *settings.scaled("agent.rollout_steps", 2),
        *settings.changed("env.reward.noop_penalty_scale", 0.0),
    ]


RULE = Rule(
    id="slow_drift",
    tier="cause",
    section="4, 5C, 6, 7",
    needs=("eval_mean_return", "approx_kl_mean|approx_kl|approx_kl_last|approx_kl_max"),
    explanation=(
        "It is not one big jump: many small updates move the policy away from a good region, or slowly change which "
        "states it visits, so that the learned heuristic stops generalising to the eval seeds."
    ),
    suspects=(
        "learning rate decays too little",
        "too many epochs on every batch",
        "noisy advantages: the critic lags behind",
        "reward terms that change their meaning as the policy changes",
    ),
    checks=(
        Check(None, "drift or noise: does kl_to_best rise steadily (drift), or stay flat (noise)?"),
        Check(None, "does the worst block fall before the mean?"),
    ),
    detect=_detect,
    knobs=_knobs,
)
