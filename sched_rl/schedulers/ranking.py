"""Schedulers that start the fitting job of the smallest rank: the fixed rules, and the linear score of six features.

A rank follows from the state alone, so the same order can be followed from observations, as every scheduler does, or
inside the simulator, as `simulation` does when it asks what an action leads to.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sched_rl.config.schema import (
    Encoding,
    EnvConfig,
    LaxityScoreConfig,
    LinearScoreConfig,
    PriorityRuleConfig,
    StateRuleConfig,
)
from sched_rl.config.site_rules import LEAST_LAXITY
from sched_rl.kernels import kernel, subkernel
from sched_rl.simulator.state import Plain

#: Rule -> its number in `rank_of`; the smallest (first, second) rank starts, the earlier arrival on ties.
RULES = ("fifo", "sjf", "priority", "longest", "narrowest", "least_work", "linear_score")

#: What the batch world calls two of them.
_SYNONYMS = {"fcfs": "fifo", "saf": "least_work"}

#: The features of the linear score in the order of its weights (d duration, D the longest, g GPUs, G all of them, T
#: the horizon).
FEATURES = ("d/D", "g/G", "(d/D)(g/G)", "ln(d/D)", "wait/T", "(idle - g)/G")


class Ranking(NamedTuple):
    """An order of jobs; plain, so that kernels take it as an argument."""

    rule: int  # its place in RULES
    weights: NDArray[np.float64]  # (6,), of FEATURES; idle for every other rule
    threshold: float  # wait when the smallest rank exceeds it
    by_laxity: bool  # whether the time to spare comes first, and the rule only where that is alike


def ranking_of(config: StateRuleConfig) -> Ranking:
    """The order that a config names."""
    if isinstance(config, PriorityRuleConfig):
        by_laxity = config.priority == LEAST_LAXITY
        name = "fifo" if by_laxity else _SYNONYMS.get(config.priority, config.priority)
        return Ranking(RULES.index(name), np.zeros(len(FEATURES)), np.inf, by_laxity)
    rule, weights = RULES.index("linear_score"), np.array(config.weights, np.float64)
    if isinstance(config, LaxityScoreConfig):
        return Ranking(rule, weights, np.inf, by_laxity=True)
    threshold = np.inf if config.noop_threshold is None else config.noop_threshold
    return Ranking(rule, weights, threshold, by_laxity=False)


class RankingScheduler:
    """Starts the fitting job of the smallest rank, the first on ties; waits when nothing fits.

    Source of the rules: the playbook's baselines, in float32 as they were.
    """

    encoding: Encoding = "playbook"

    def __init__(self, config: PriorityRuleConfig | LinearScoreConfig) -> None:
        """Take the order that the config names."""
        self.config = config
        self._ranking = tuple(ranking_of(config))

    def begin(self, families: Sequence[EnvConfig], seeds: Sequence[int]) -> None:
        """Nothing to prepare: an order has no memory."""

    def actions(
        self, observation: NDArray[np.float32], action_mask: NDArray[np.bool_], active: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        """See `Scheduler.actions`."""
        chosen = np.zeros(len(observation), np.int64)
        _first_by_rank(observation, action_mask, self._ranking, chosen)
        return chosen


@kernel
def _first_by_rank(
    observation: NDArray[np.float32],
    action_mask: NDArray[np.bool_],
    plain_ranking: Plain,
    chosen: NDArray[np.int64],
) -> None:
    ranking = Ranking(*plain_ranking)
    for row in range(action_mask.shape[0]):
        idle, best = observation[row, -2], (np.inf, np.inf)
        chosen[row] = 0
        for slot in range(action_mask.shape[1] - 1):
            if action_mask[row, slot + 1]:
                job = observation[row, 4 * slot : 4 * slot + 4]
                rank = rank_of(ranking, job[0], job[1], job[2], job[3], idle)
                if is_before(rank, best) and rank[0] <= ranking.threshold:
                    best, chosen[row] = rank, slot + 1


@subkernel
def is_before(rank: tuple[float, float], other: tuple[float, float]) -> bool:
    """Whether a rank is the smaller one."""
    return rank[0] < other[0] or (rank[0] == other[0] and rank[1] < other[1])


@subkernel
def rank_of(
    ranking: Ranking,
    duration: np.float32,
    priority: np.float32,
    gpus: np.float32,
    wait: np.float32,
    idle: np.float32,
) -> tuple[float, float]:
    """The rank of a job; arguments as the playbook's observation has them, float32 shares of their largest values."""
    rule = ranking.rule
    if rule == 0:
        return -np.float64(wait), 0.0
    if rule == 1:
        return np.float64(duration), 0.0
    if rule == 2:
        return -np.float64(priority), -np.float64(wait)
    if rule == 3:
        return -np.float64(duration), 0.0
    if rule == 4:
        return np.float64(gpus), 0.0
    if rule == 5:
        return np.float64(duration * gpus), 0.0
    return _linear_score(
        ranking.weights, np.float64(duration), np.float64(gpus), np.float64(wait), np.float64(idle)
    ), 0.0


@subkernel
def _linear_score(
    weights: NDArray[np.float64], duration: float, gpus: float, wait: float, idle: float
) -> float:
    score = weights[0] * duration + weights[1] * gpus + weights[2] * duration * gpus
    return float(score + weights[3] * np.log(duration) + weights[4] * wait + weights[5] * (idle - gpus))
