"""From the config of a fixed scheduler to the scheduler."""

from __future__ import annotations

from sched_rl.config.schema import FixedSchedulerConfig, LinearScoreConfig, PriorityRuleConfig
from sched_rl.schedulers.base import Scheduler
from sched_rl.schedulers.linear_score import LinearScore
from sched_rl.schedulers.random_feasible import RandomFeasible
from sched_rl.schedulers.rules import PriorityRule


def build_scheduler(config: FixedSchedulerConfig) -> Scheduler:
    """The scheduler of a config's kind."""
    if isinstance(config, PriorityRuleConfig):
        return PriorityRule(config)
    if isinstance(config, LinearScoreConfig):
        return LinearScore(config)
    return RandomFeasible(config)
