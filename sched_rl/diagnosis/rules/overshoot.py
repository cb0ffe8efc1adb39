"""Updates too large for the policy: eval drop with KL spike (playbook, sections 3.5E, 4, 5C, 7, 8.4)."""

from __future__ import annotations

from sched_rl.diagnosis.findings import Check
from sched_rl.diagnosis.rule import Rule, Signature
from sched_rl.diagnosis.settings import Settings
from sched_rl.diagnosis.signals import Signals


def _detect(signals: Signals) -> Signature | None:
    """A drop with a spike inside, or updates that go on replacing the policy, or that did and nothing rose since."""
    drop, spikes = signals.drop, signals.kl_spikes
    if drop is not None:
        inside = [e for e in spikes if drop.best < e <= drop.first]
        if inside:
            return _signature(signals, inside, drop.best, drop.last, -drop.difference.mean)
    replaced, last = signals.kl_gross, signals.num_evals - 1
    if not replaced or not signals.has_enough or (signals.saws and len(replaced) <= signals.num_evals // 2):
        return None  # most of its updates left it the policy that swings
    if signals.starts_sure:
        return None  # a policy that was sure from the start moves far with every step that it is forced to
    goes_on = all(e in replaced for e in range(last - signals.limits.persistence_evaluations + 1, last + 1))
    if not goes_on and signals.rises_after(replaced[0]):
        return None
    return _signature(signals, replaced, max(replaced[0] - 1, 0), signals.num_evals - 1, None)


def _signature(signals: Signals, at: list[int], first: int, last: int, fall: float | None) -> Signature:
    largest = float(max(signals.max_since(signals.kl_max_name)[e] for e in at))
    times = largest / signals.kl_limit
    stops = signals.mean_since("early_stop")[at]
    what = (
        f"eval_mean_return fell by {fall:.3g} from its best"
        if fall is not None
        else "such updates replace the policy rather than improve it"
    )
    return Signature(
        rows=signals.rows(first, last),
        severity="critical",
        confidence=min(0.6 + 0.05 * times, 1.0),
        summary=f"KL reached {largest:.3g}, {times:.3g} times its limit of {signals.kl_limit:.3g}; {what}",
        evidence={
            "approx_kl, largest": largest,
            "KL limit": signals.kl_limit,
            "approx_kl, typical": signals.median(signals.finite(signals.kl_name)),
            "first spike at": float(signals.step(at[0])),
            "early stops around it": signals.median(stops),
            "eval_mean_return, best": float(signals.mean[first]),
            "eval_mean_return, last": float(signals.mean[last]),
        },
    )


def _knobs(settings: Settings) -> list[str]:
    """Lower lr, fewer epochs, smaller clip, tighter target_kl, larger batch."""
    return [
        *settings.scaled("agent.lr", 0.3, 0.1),
        *settings.scaled("agent.update_epochs", 0.5),
        *settings.scaled("agent.clip_coef", 0.5),
        *settings.switched_on("agent.target_kl", 0.01),
        *settings.switched_on("agent.max_grad_norm", 0.5),
        *settings.scaled("agent.rollout_steps", 2),
    ]


RULE = Rule(
    id="overshoot",
    tier="cause",
    section="3.5E, 4, 5C, 7, 8.4",
    needs=("eval_mean_return", "approx_kl_mean|approx_kl|approx_kl_last|approx_kl_max"),
    explanation=(
        "KL spikes are the best alarm that PPO updates too aggressively: an update changed the policy enough that it "
        "stopped visiting good trajectories, later rollouts are worse, and training follows them."
    ),
    suspects=(
        "learning rate too high",
        "too many epochs on one batch",
        "target_kl missing or too loose",
        "clip too wide",
        "batch too small",
    ),
    checks=(
        Check(None, "do early stops fire around the spike (early_stop, early_stop_epoch)?"),
        Check(None, "did grad_norm jump with it (grad_norm_max, grad_clip_frac)?"),
    ),
    detect=_detect,
    knobs=_knobs,
)
