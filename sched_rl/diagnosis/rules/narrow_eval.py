"""The best checkpoint is good on the seeds that chose it only (playbook, section 9 "your eval set is narrow")."""

from __future__ import annotations

import math

import numpy as np

from sched_rl.diagnosis.differences import stratified_difference
from sched_rl.diagnosis.findings import Check
from sched_rl.diagnosis.rule import Rule, Signature
from sched_rl.diagnosis.settings import Settings
from sched_rl.diagnosis.signals import Signals


def _detect(signals: Signals) -> Signature | None:
    """The advantage over the same heuristics, on val and on fresh seeds: what the workloads differ in cancels."""
    own, table = signals.episodes(signals.best), signals.curves.evaluations
    fresh = signals.curves.fresh
    rivals = [name for name in signals.curves.baselines if name in fresh]
    if own is None or table is None or "self" not in fresh or not rivals:
        return None
    known = [episodes for name in rivals if (episodes := signals.baseline_episodes(name)) is not None]
    if len(known) < len(rivals):
        return None
    val = np.mean(known, axis=0)
    keys = sorted(fresh["self"].episodes)
    mine = np.array([fresh["self"].episodes[key]["return"] for key in keys])
    theirs = np.mean([[fresh[name].episodes[key]["return"] for key in keys] for name in rivals], axis=0)
    before = stratified_difference(own - val, table.blocks)
    after = stratified_difference(mine - theirs, np.array([block for block, _ in keys]))
    fall = before.mean - after.mean
    # A handful of val episodes tells nothing of its own spread; the fresh ones are many.
    spread = after.standard_error * math.sqrt(after.n)
    error = math.hypot(max(before.standard_error, spread / math.sqrt(before.n)), after.standard_error)
    # The best is chosen among many, so a little of its advantage is always the choice's.
    if not fall > max(3 * error + signals.jitter, signals.material):
        return None
    return Signature(
        rows=signals.rows(signals.best, signals.best),
        severity="warning",
        confidence=min(0.5 + 0.1 * fall / error, 0.95) if error > 0 else 0.9,
        summary=(
            f"the best checkpoint leads the heuristics by {before.mean:.3g} on the val seeds and by {after.mean:.3g} "
            f"on fresh ones"
        ),
        evidence={
            "advantage on val": before.mean,
            "advantage on fresh seeds": after.mean,
            "fall, standard errors": fall / error if error > 0 else math.inf,
            "episodes on val": float(before.n),
            "episodes on fresh seeds": float(after.n),
        },
    )


def _knobs(settings: Settings) -> list[str]:
    """More blocks, more seeds."""
    return [*settings.option("eval", "seed_blocks"), *settings.scaled("eval.episodes_per_block", 2.0, 4.0)]


RULE = Rule(
    id="narrow_eval",
    tier="measurement",
    section="9",
    needs=("eval_mean_return", "episodes", "baselines", "fresh"),
    explanation=(
        "If the best point does not hold on fresh seeds, the eval set is narrow: checkpoints were chosen for what a "
        "few seeds happen to reward."
    ),
    suspects=("too few blocks or seeds", "very many evaluations to choose from"),
    checks=(Check("fresh_seeds", "what does the best checkpoint earn on seeds that chose nothing?"),),
    detect=_detect,
    knobs=_knobs,
)
