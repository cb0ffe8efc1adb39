"""Gradients so large that the clip decides every step (beyond the playbook's table: rewards out of scale)."""

from __future__ import annotations

from sched_rl.diagnosis.findings import Check
from sched_rl.diagnosis.rule import Rule, Signature
from sched_rl.diagnosis.settings import Settings
from sched_rl.diagnosis.signals import Signals

#: A typical gradient of so many clips: sound runs stay below two, whatever the cluster.
_CLIPS = 20.0
#: Nor do the first updates of a run tell.
_UPDATES = 6


def _detect(signals: Signals) -> Signature | None:
    limit = signals.settings.number("agent.max_grad_norm", 0.0)
    norms = signals.finite("grad_norm")
    if limit <= 0 or not signals.settings.is_recorded or len(norms) < _UPDATES:
        return None
    late = signals.late("grad_norm")
    if not late > _CLIPS * limit:
        return None
    explains = signals.late("explained_variance") >= signals.limits.explained_variance_low
    if explains and signals.num_evals and not signals.eval_suffers:
        return None  # large returns are a matter of units: where all goes well they are left alone
    return Signature(
        rows=signals.all_rows,
        severity="warning",
        confidence=0.8,
        summary=f"the typical gradient is {late:.3g} long, {late / limit:.3g} times what max_grad_norm lets through",
        evidence={
            "grad_norm, first": float(norms[0]),
            "grad_norm, last half": late,
            "agent.max_grad_norm": limit,
            "v_loss, last half": signals.late("v_loss"),
            "|pg_loss|, last half": signals.median(abs(signals.finite("pg_loss"))),
        },
    )


def _knobs(settings: Settings) -> list[str]:
    """Scale what the losses are made of, rather than clip harder."""
    return [
        *settings.changed("agent.scale_returns", True),
        *settings.changed("agent.normalize_advantages", True),
        *settings.scaled("agent.vf_coef", 0.1),
        *settings.scaled("agent.lr", 0.3),
    ]


RULE = Rule(
    id="exploding_gradients",
    tier="cause",
    section="3.5",
    needs=("grad_norm",),
    explanation=(
        "The clip cuts nearly all of every gradient: only its direction counts, the larger of the two losses gives it, "
        "and the other one is drowned."
    ),
    suspects=(
        "rewards or returns out of scale",
        "advantages not normalised",
        "a network that was started with large weights",
    ),
    checks=(Check(None, "which loss is large beside the other, v_loss or pg_loss?"),),
    detect=_detect,
    knobs=_knobs,
)
