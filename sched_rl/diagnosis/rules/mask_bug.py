"""Invalid actions under a hard mask: a bug until proven otherwise (playbook, sections 3 `invalid_frac`, 5D, 7)."""

from __future__ import annotations

import numpy as np

from sched_rl.diagnosis.findings import Check
from sched_rl.diagnosis.rule import Rule, Signature
from sched_rl.diagnosis.settings import Settings
from sched_rl.diagnosis.signals import Signals

_COLUMNS = ("invalid_frac", "eval_invalid_frac")


def _detect(signals: Signals) -> Signature | None:
    if not signals.settings.get("agent.mask_actions", True):
        return None  # without the mask, invalid actions are the policy's own
    shares = np.stack([np.nan_to_num(signals.curves.column(name)) for name in _COLUMNS])
    rows = np.flatnonzero(shares.max(axis=0) > 0)
    if not rows.size:
        return None
    largest = {
        name: float(share.max()) for name, share in zip(_COLUMNS, shares, strict=True) if share.max() > 0
    }
    worst = max(largest.values())
    return Signature(
        rows=(int(rows[0]), int(rows[-1])),
        severity="critical",
        confidence=1.0,
        summary=f"up to {worst:.2%} of the actions were invalid although the mask is hard; it must be exactly 0",
        evidence={
            **{f"{name}, largest": value for name, value in largest.items()},
            "rows with it": float(rows.size),
        },
    )


def _knobs(settings: Settings) -> list[str]:
    """No coefficient mends a bug; the dense kernel tells whether the fast one is to blame."""
    return settings.changed("agent.kernel", "dense")


RULE = Rule(
    id="mask_bug",
    tier="bug",
    section="3 (invalid_frac), 5D, 7",
    needs=("invalid_frac|eval_invalid_frac",),
    explanation=(
        "With hard action masking invalid_frac must stay at 0. Anything else is a bug until proven otherwise, and no "
        "other curve means anything before it is found."
    ),
    suspects=(
        "the mask is stale: taken from the step before (off by one)",
        "the mask's definition of feasible differs from that of env.step()",
        "a numerical fault: the logits of all valid actions became very negative",
    ),
    checks=(
        Check("mask_feasibility", "does the mask agree with what a step accepts, state by state?"),
        Check(None, "is the mask stored with an action the one that came with the observation it answers?"),
    ),
    detect=_detect,
    knobs=_knobs,
)
