"""The critic cannot fit the returns (playbook, sections 3 `v_loss`, 4, 6 "Value loss dominates")."""

from __future__ import annotations

import math

import numpy as np

from sched_rl.diagnosis.findings import Check
from sched_rl.diagnosis.rule import Rule, Signature
from sched_rl.diagnosis.settings import Settings
from sched_rl.diagnosis.signals import Signals

#: Without explained variance: v_loss so many times |pg_loss| that its gradient is all that the clip lets through.
_DOMINATES = 1000.0
#: Averages between evaluations that show a critic to learn or not: one that works explains half after the first.
_WINDOWS = 3
#: Nor do fewer updates than that.
_UPDATES = 6
#: A critic whose explained variance has risen by so much is slow rather than stuck.
_LEARNS = 0.1


def _detect(signals: Signals) -> Signature | None:
    if not signals.has_enough or not signals.moves:
        return None
    v_loss, pg_loss = signals.late("v_loss"), signals.median(abs(signals.finite("pg_loss")))
    ratio = v_loss / pg_loss if pg_loss > 0 else math.inf
    if signals.curves.has("explained_variance"):
        explained, low = signals.late("explained_variance"), signals.limits.explained_variance_low
        if not explained < low or not _is_stuck(signals):
            return None
        what = f"explained variance stays at {explained:.2g}"
    else:
        explained, settles = math.nan, signals.trend("v_loss")
        has_settled = settles is not None and settles.tau < 0 and settles.p < signals.limits.significance
        if ratio < _DOMINATES or has_settled or not signals.eval_suffers:
            return None
        what = f"v_loss is {ratio:.2g} times |pg_loss| and does not settle"
    return Signature(
        rows=signals.all_rows,
        severity="critical" if signals.eval_suffers else "warning",
        confidence=0.9 if math.isfinite(explained) and signals.eval_suffers else 0.7,
        summary=f"{what}: the advantages are noise (v_loss {v_loss:.3g}, |pg_loss| {pg_loss:.2g})",
        evidence={
            "explained_variance, last half": explained,
            "v_loss, first": float(signals.finite("v_loss")[0]),
            "v_loss, last half": v_loss,
            "v_loss over |pg_loss|": ratio,
            "eval jitter": signals.jitter,
        },
    )


def _is_stuck(signals: Signals) -> bool:
    """Whether the explained variance was measured for long enough, and has not risen."""
    windows = signals.mean_since("explained_variance")
    windows = np.maximum(
        windows[np.isfinite(windows)], 0.0
    )  # below 0 a critic is no better for being less wrong
    if len(windows) < _WINDOWS or len(signals.finite("explained_variance")) < _UPDATES:
        return False
    return bool(windows[-2:].mean() - windows[0] <= _LEARNS)


def _knobs(settings: Settings) -> list[str]:
    """Larger value net, a learning rate of its own, longer rollouts."""
    scale = settings.number("agent.value_lr_scale", 1.0)
    rates = [1.0] if scale < 0.1 or scale > 10 else [0.3 * scale, 3.0 * scale]
    return [
        *(text for rate in rates for text in settings.changed("agent.value_lr_scale", float(f"{rate:.3g}"))),
        *settings.changed("agent.scale_returns", True),
        *settings.changed("agent.network.value_hidden_sizes", [256, 256]),
        *settings.scaled("agent.rollout_steps", 2, 4),
        *settings.changed("agent.vf_clip_coef", 0.0),
        *settings.changed("agent.gae_lambda", 0.9),
    ]


RULE = Rule(
    id="critic_bottleneck",
    tier="cause",
    section="3, 4, 6",
    needs=("eval_mean_return", "v_loss", "pg_loss"),
    explanation=(
        "The value loss dominates and does not settle: the critic is the bottleneck. A critic that is wrong makes "
        "advantages that point the policy in the wrong direction."
    ),
    suspects=(
        "the value path learns too slowly, or too fast",
        "returns out of the critic's scale",
        "value network too small",
        "rollouts too short for the horizon",
    ),
    checks=(
        Check(
            None, "does explained_variance rise at all, and does v_clipfrac say that the value clip holds it?"
        ),
    ),
    detect=_detect,
    knobs=_knobs,
)
