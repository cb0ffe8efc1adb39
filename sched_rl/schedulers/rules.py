"""Fixed rules: among the window jobs that fit, start the first in some order; wait when nothing fits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sched_rl.config.schema import Encoding, EnvConfig, PriorityRuleConfig
from sched_rl.kernels import kernel

#: Rule -> its number in `_ranks`; the smallest (first, second) rank starts, the earlier arrival on ties.
RULES = ("fifo", "sjf", "priority", "longest", "narrowest", "least_work")


class PriorityRule:
    """Starts whatever fits, in the order of a rule; source: the playbook's baselines, in float32 as they were."""

    encoding: Encoding = "playbook"

    def __init__(self, config: PriorityRuleConfig) -> None:
        """Take the rule that `config.priority` names."""
        self._rule = RULES.index(config.priority)

    def begin(self, families: Sequence[EnvConfig], seeds: Sequence[int]) -> None:
        """Nothing to prepare: a rule has no memory."""

    def actions(
        self, observation: NDArray[np.float32], action_mask: NDArray[np.bool_], active: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        """See `Scheduler.actions`."""
        chosen = np.zeros(len(observation), np.int64)
        _first_by_rule(observation, action_mask, self._rule, chosen)
        return chosen


@kernel
def _first_by_rule(
    observation: NDArray[np.float32], action_mask: NDArray[np.bool_], rule: int, chosen: NDArray[np.int64]
) -> None:
    for row in range(action_mask.shape[0]):
        best_first, best_second, chosen[row] = np.inf, np.inf, 0
        for slot in range(action_mask.shape[1] - 1):
            if not action_mask[row, slot + 1]:
                continue
            first, second = _ranks(rule, observation[row, 4 * slot : 4 * slot + 4])
            if first < best_first or (first == best_first and second < best_second):
                best_first, best_second, chosen[row] = first, second, slot + 1


@kernel
def _ranks(rule: int, job: NDArray[np.float32]) -> tuple[float, float]:
    duration, priority, gpus, wait = job
    if rule == 0:
        return -wait, 0.0
    if rule == 1:
        return duration, 0.0
    if rule == 2:
        return -priority, -wait
    if rule == 3:
        return -duration, 0.0
    if rule == 4:
        return gpus, 0.0
    return duration * gpus, 0.0
