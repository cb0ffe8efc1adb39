"""From the config of a fixed scheduler to the scheduler."""

from __future__ import annotations

from sched_rl.config.schema import (
    FixedSchedulerConfig,
    LaxityScoreConfig,
    PluginSchedulerConfig,
    PriorityRuleConfig,
    RandomFeasibleConfig,
    RolloutConfig,
)
from sched_rl.config.site_rules import LEAST_LAXITY, is_textbook
from sched_rl.schedulers.base import Scheduler
from sched_rl.schedulers.random_feasible import RandomFeasible
from sched_rl.schedulers.ranking import RankingScheduler


def build_scheduler(config: FixedSchedulerConfig) -> Scheduler:
    """The scheduler of a config's kind."""
    if isinstance(config, RolloutConfig):
        from sched_rl.schedulers.rollout import Rollout

        return Rollout(config)
    if isinstance(config, PluginSchedulerConfig):
        from sched_rl.schedulers.plugin import build_plugin

        return build_plugin(config)
    if isinstance(config, RandomFeasibleConfig):
        return RandomFeasible(config)
    if isinstance(config, LaxityScoreConfig) or (
        isinstance(config, PriorityRuleConfig) and config.priority == LEAST_LAXITY
    ):
        from sched_rl.schedulers.least_laxity import LeastLaxity

        return LeastLaxity(config)
    if isinstance(config, PriorityRuleConfig) and is_textbook(config):
        from sched_rl.schedulers.textbook import TextbookScheduler

        return TextbookScheduler(config)
    return RankingScheduler(config)
