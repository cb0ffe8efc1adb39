"""Schedulers of other packages, under the entry-point group `sched_rl.schedulers`."""

from __future__ import annotations

from importlib.metadata import entry_points

from sched_rl.config.schema import PluginSchedulerConfig
from sched_rl.config.suggest import did_you_mean, one_of
from sched_rl.errors import ConfigError
from sched_rl.schedulers.base import Scheduler

ENTRY_POINTS = "sched_rl.schedulers"


def build_plugin(config: PluginSchedulerConfig) -> Scheduler:
    """The scheduler that an entry point makes of the options of the config.

    Raises:
        ConfigError: no such entry point, or it makes something that does not schedule.
    """
    points = {point.name: point for point in entry_points(group=ENTRY_POINTS)}
    if config.scheduler not in points:
        known = sorted(points)
        allowed = f"must be {one_of(known)}" if known else "no installed package brings one"
        raise ConfigError(
            f"agent.scheduler={config.scheduler}: {allowed}{did_you_mean(config.scheduler, known)}; packages add "
            f"theirs under the entry points {ENTRY_POINTS}"
        )
    scheduler = points[config.scheduler].load()(dict(config.options))
    missing = [name for name in ("encoding", "begin", "actions") if not hasattr(scheduler, name)]
    if missing:
        raise ConfigError(
            f"agent.scheduler={config.scheduler}: what it makes has no {missing[0]}; see sched_rl.schedulers.base"
        )
    made: Scheduler = scheduler
    return made
