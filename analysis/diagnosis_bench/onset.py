"""When a failure can be seen, computed without the rules: the yardstick for how late a finding opens.

A failure whose signature has an eval drop can be seen at the first evaluation, not before the declared onset, at which
the paired val difference from the best evaluation before it lies more than two standard errors below 0; of brittleness,
which the mean hides, it is the worst block's difference that counts. Any other can be seen from its declared onset on.
"""

from __future__ import annotations

import math

import numpy as np

from sched_rl.diagnosis.curves import EvaluationTable, FloatArray, IntArray

#: Findings whose signature in the specification has a drop of the evaluation.
WITH_DROP = frozenset({"overshoot", "slow_drift", "brittle", "early_best", "critic_lag", "noop_collapse"})
_STANDARD_ERRORS = 2.0


def visible_at(table: EvaluationTable, expected: str, onset_update: int) -> int | None:
    """The index of the evaluation at which a failure can first be seen; None where it never can.

    Args:
        table: the episodes of the run's evaluations.
        expected: the declared primary finding.
        onset_update: the declared onset.
    """
    since = int(np.searchsorted(table.updates, onset_update))
    if expected not in WITH_DROP:
        return since if since < len(table.updates) else None
    if expected == "brittle":
        return first_drop(_worst_block(table), since)
    return first_drop(table, since)


def _worst_block(table: EvaluationTable) -> EvaluationTable:
    """The episodes of the block that is the worst in the end."""
    labels = np.unique(table.blocks)
    worst = min(labels, key=lambda block: table.returns[-1, table.blocks == block].mean())
    members = table.blocks == worst
    values = {name: value[:, members] for name, value in table.values.items()}
    return EvaluationTable(table.updates, table.blocks[members], table.seeds[members], values)


def first_drop(table: EvaluationTable, since: int = 0) -> int | None:
    """The first evaluation from `since` on that lies clearly below the best one before it, by paired seeds."""
    means = np.array([block_mean(row, table.blocks) for row in table.returns])
    for index in range(max(since, 1), len(means)):
        best = int(np.argmax(means[:index]))
        difference = table.returns[index] - table.returns[best]
        error = standard_error(difference, table.blocks)
        if means[index] - means[best] < -_STANDARD_ERRORS * error:
            return index
    return None


def block_mean(values: FloatArray, blocks: IntArray) -> float:
    """Mean over blocks of the blocks' means, as `eval_mean_return`."""
    return float(np.mean([values[blocks == block].mean() for block in np.unique(blocks)]))


def standard_error(values: FloatArray, blocks: IntArray) -> float:
    """Of `block_mean`; where blocks hold one episode each, of the plain mean over them."""
    groups = [values[blocks == block] for block in np.unique(blocks)]
    if any(len(group) < 2 for group in groups):
        return float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else math.inf
    return math.sqrt(sum(group.var(ddof=1) / len(group) for group in groups)) / len(groups)
