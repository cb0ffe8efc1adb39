"""The evaluation cannot tell what the run is asked (playbook, section 5A "fix measurement before tuning")."""

from __future__ import annotations

import math

import numpy as np

from sched_rl.diagnosis.differences import stratified_difference
from sched_rl.diagnosis.findings import Check
from sched_rl.diagnosis.rule import Rule, Signature
from sched_rl.diagnosis.settings import Settings
from sched_rl.diagnosis.signals import Signals

#: A comparison whose 95 % interval is wider than so many standard deviations of an episode says next to nothing.
_HOPELESS = 1.0


def _detect(signals: Signals) -> Signature | None:
    table = signals.curves.evaluations
    if table is None or not signals.num_evals:
        return None
    sizes = np.unique(table.blocks, return_counts=True)[1]
    if sizes.min() > 1 and signals.num_evals <= signals.limits.min_evaluations:
        return None  # nothing was gained yet that it could tell; blocks of one episode are seen at once
    effect, half_width, against = _comparison(signals)
    spread = signals.episode_spread
    is_unresolved = half_width > abs(effect)
    is_weak = half_width > _HOPELESS * spread or sizes.min() == 1
    if spread <= 0 or not is_weak or (sizes.min() > 1 and not is_unresolved):
        return None
    return Signature(
        rows=signals.rows(0, signals.num_evals - 1),
        severity="critical" if sizes.min() == 1 else "warning",
        confidence=0.95 if sizes.min() == 1 else 0.8,
        summary=(
            f"{sizes.min()} episode{'s' if sizes.min() > 1 else ''} a block: the best evaluation minus {against} is "
            f"{effect:.3g} +- {half_width:.2g}, and the worst block is the luck of a draw"
        ),
        evidence={
            "episodes a block": float(sizes.min()),
            "episodes an evaluation": float(table.blocks.size),
            f"best minus {against}": effect,
            "half width of its 95 % interval": half_width,
            "standard deviation of an episode": spread,
            "spread between blocks": float(np.median(np.ptp(signals.blocks, axis=1)))
            if signals.blocks.size
            else math.nan,
        },
    )


def _comparison(signals: Signals) -> tuple[float, float, str]:
    """Effect and half width of its interval: against the best heuristic where there is one, else against the start."""
    table, own = signals.curves.evaluations, signals.episodes(signals.best)
    name = signals.best_baseline
    other = None if name is None else signals.baseline_episodes(name)
    if other is None or own is None or table is None:
        change, against = signals.difference(0, signals.best), "the first"
    else:
        change, against = stratified_difference(own - other, table.blocks), str(name)
    if change.n < 2:
        return change.mean, math.inf, against
    from scipy.special import stdtrit  # 0.1 s

    return change.mean, float(stdtrit(change.n - 1, 0.975)) * change.standard_error, against


def _knobs(settings: Settings) -> list[str]:
    """More seeds a block, before tuning anything."""
    size = int(settings.number("eval.episodes_per_block", 20))
    return [f"eval.episodes_per_block={n}" for n in (20, 30) if n > size] + settings.option(
        "eval", "seed_blocks"
    )


RULE = Rule(
    id="noisy_eval",
    tier="measurement",
    section="5A, 11",
    needs=("eval_mean_return", "episodes"),
    explanation=(
        "If eval is noisy, fix the measurement before tuning: deterministic eval, fixed seeds, several blocks with "
        "seeds enough in each. A worst block of one episode is a draw, and checkpoints are chosen by it."
    ),
    suspects=("too few seeds a block", "too few blocks"),
    checks=(Check("baselines", "how wide is the paired interval against the baselines on the same blocks?"),),
    detect=_detect,
    knobs=_knobs,
)
