"""Schedulers from their config or from a run folder."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sched_rl.config.policy_teacher import checkpoint_file, content_digest
from sched_rl.config.record import CONFIG_FILE, config_digest, load_config_file
from sched_rl.config.recorded import find_config_file
from sched_rl.config.schema import Config, EnvConfig, LearnedTeacherConfig, PpoConfig, TrainedTeacherConfig
from sched_rl.config.sites import SiteConfig
from sched_rl.envs.layout import ObservationLayout, observation_layout
from sched_rl.errors import ConfigError
from sched_rl.evaluation.learned import LearnedScheduler
from sched_rl.schedulers.base import Scheduler, SimulatingScheduler, WrittenScheduler
from sched_rl.schedulers.registry import build_scheduler


def scheduler_of(config: Config, checkpoint: Path | None) -> Scheduler:
    """The scheduler of a config; a learned one takes its weights from a checkpoint.

    Args:
        config: agent, env (for the shape of observations) and device.
        checkpoint: a run folder (its best checkpoint) or a checkpoint file; None for a fixed scheduler.

    Raises:
        ConfigError: a learned agent without a checkpoint.
        CheckpointError: a checkpoint that is missing, damaged or of another network.
    """
    agent = config.agent
    if not isinstance(agent, PpoConfig):
        return build_scheduler(agent)
    if checkpoint is None:
        raise ConfigError(f"agent={agent.name} learns: say which policy with checkpoint=RUN_FOLDER_OR_FILE")
    from sched_rl.agents import load_greedy_policy
    from sched_rl.checkpoint import find_checkpoint

    layout = observation_layout(config.env, agent.network.observation)
    policy = load_greedy_policy(agent, layout, find_checkpoint(checkpoint).state["ppo"], config.device)
    return LearnedScheduler(policy.actions, agent.network.observation)


def teaching_policy(config: Config, teacher: LearnedTeacherConfig) -> Scheduler:
    """A learned scheduler that a policy of another run imitates.

    Args:
        config: of the run that learns.
        teacher: as it was when that run's configuration was made.

    Raises:
        ConfigError: its checkpoint is another one by now, or it sees another kind of cluster.
    """
    key = "agent.warm_start teacher"
    path = Path(teacher.folder if isinstance(teacher, TrainedTeacherConfig) else teacher.name).expanduser()
    theirs, file = load_config_file(find_config_file(key, path)), checkpoint_file(key, path)
    if isinstance(teacher, TrainedTeacherConfig):
        found, named = config_digest(theirs), teacher.recipe
    else:
        found, named = content_digest(file), teacher.sha256
    if found != named:
        raise ConfigError(
            f"{key}={path}: its checkpoint has changed since this run was configured; start the run anew"
        )
    scheduler = scheduler_of(theirs, file)
    seen = observation_layout(theirs.scheduling, scheduler.encoding)
    if seen != observation_layout(config.scheduling, scheduler.encoding):
        raise ConfigError(
            f"{key}={path}: sees env={theirs.scheduling.name}, whose clusters and windows are of another size than "
            f"those of env={config.scheduling.name}; name a policy of the same env.num_gpus and env.max_queue_size"
        )
    return scheduler


class LoadedScheduler:
    """A scheduler of a run folder, asked one state at a time.

    Attributes:
        config: the run's recorded config.
        layout: the observation that `act` wants; `sched_rl.make_env` gives it for the same env and encoding.
    """

    def __init__(self, folder: Path) -> None:
        """Read the run's config and its best checkpoint."""
        self.config = load_config_file(folder / CONFIG_FILE)
        self._scheduler = scheduler_of(self.config, folder)
        if isinstance(self._scheduler, SimulatingScheduler):
            raise ConfigError(
                f"{folder}: agent={self.config.agent.name} simulates the whole cluster, which one observation does not "
                f"hold; play it with `python -m sched_rl.evaluate checkpoint={folder}`"
            )
        if isinstance(self.config.env, SiteConfig) and isinstance(self._scheduler, WrittenScheduler):
            raise ConfigError(
                f"{folder}: agent={self.config.agent.name} goes by all waiting jobs of a batch cluster, which one "
                f"observation does not hold; play it with `python -m sched_rl.evaluate checkpoint={folder}`"
            )
        if isinstance(self.config.env, EnvConfig):
            self._scheduler.begin([self.config.env], [self.config.seed])
        self.layout: ObservationLayout = observation_layout(self.config.env, self._scheduler.encoding)

    def act(self, observation: NDArray[np.float32], action_mask: NDArray[np.bool_]) -> int:
        """The action for one state.

        Args:
            observation: float32 (layout.size,).
            action_mask: bool (K + 1,), of the same state.

        Returns:
            0 for the no-op, else the window slot to start, counted from 1.

        Raises:
            ConfigError: an observation or mask of another shape.
        """
        shapes = (np.shape(observation), np.shape(action_mask))
        wanted = ((self.layout.size,), (self.layout.num_actions,))
        if shapes != wanted:
            raise ConfigError(
                f"observation and action_mask have shapes {shapes}: this scheduler takes {wanted} "
                f"(env.observation={self.layout.encoding} on env={self.config.env.name})"
            )
        row, mask = np.asarray(observation, np.float32)[None], np.asarray(action_mask, np.bool_)[None]
        return int(self._scheduler.actions(row, mask, np.ones(1, np.bool_))[0])


def load_scheduler(folder: str | PathLike[str]) -> LoadedScheduler:
    """The scheduler of a run folder: its best checkpoint, or its fixed rule.

    Args:
        folder: a folder that `python -m sched_rl.train` made.

    Returns:
        An object with `act(observation, action_mask) -> int`.

    Raises:
        RunFolderError, ConfigError, CheckpointError: what is missing or damaged, and where.
    """
    return LoadedScheduler(Path(folder))
