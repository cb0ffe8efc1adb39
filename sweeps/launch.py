"""Hydra's launchers, driven by a sweep: any of them, with each trial in the folder of its number."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hydra.core.plugins import Plugins
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from sched_rl.sweep_job import SweepJob
from sweeps.plan import SweepPlan
from sweeps.trial import TrialTask

if TYPE_CHECKING:
    from hydra.core.config_loader import ConfigLoader
    from hydra.plugins.launcher import Launcher


def make_launcher(plan: SweepPlan, job: SweepJob, config: DictConfig, context: HydraContext) -> Launcher:
    """The launcher that the command line or the sweep's file chose.

    Args:
        plan: of the sweep.
        job: how a trial runs.
        config: composed by Hydra, with its own node.
        context: what launchers compose jobs with.
    """
    plan.folder.mkdir(parents=True, exist_ok=True)
    with read_write(config), open_dict(config):
        OmegaConf.update(config, "hydra.sweep.dir", str(plan.folder))
    task = TrialTask(job.run, job.config_dirs, plan.sweep.heartbeat_s)
    loader: Any = _TrialLoader(context.config_loader)
    return Plugins.instance().instantiate_launcher(
        hydra_context=HydraContext(config_loader=loader, callbacks=context.callbacks),
        task_function=task,
        config=config,
    )


def trial_number(overrides: Sequence[str]) -> int:
    """The trial that a job's overrides name."""
    return int(next(text for text in overrides if text.startswith("trial.number=")).partition("=")[2])


@dataclass(frozen=True)
class _TrialLoader:
    """In a launcher's job, Hydra's node alone: the trial composes its own configuration, once, behind our boundary.

    Attributes:
        inner: Hydra's loader.
    """

    inner: ConfigLoader

    def load_sweep_config(self, master_config: DictConfig, sweep_overrides: list[str]) -> DictConfig:
        """Hydra's node for one trial.

        Args:
            master_config: the sweep's.
            sweep_overrides: the trial's.
        """
        config = copy.deepcopy(OmegaConf.masked_copy(master_config, "hydra"))
        with read_write(config), open_dict(config):
            config.hydra.overrides.task = list(sweep_overrides)
            config.hydra.sweep.subdir = str(trial_number(sweep_overrides))
        return config
