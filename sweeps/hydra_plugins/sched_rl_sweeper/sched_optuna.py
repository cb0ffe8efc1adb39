"""`hydra/sweeper: sched_optuna`. Hydra imports this module whenever it starts, so it stays thin.

No dataclass and no postponed annotations in here: together they crash Hydra's scan of plugins.
"""

from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class SchedOptunaSweeper(Sweeper):
    """Searches `sweep.space` with Optuna; one trial is one training."""

    def __init__(self) -> None:
        self.hydra_context: HydraContext | None = None
        self.config: DictConfig | None = None
        self.job: Any = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Remember what Hydra hands over.

        Args:
            hydra_context: composes jobs.
            task_function: a `sched_rl.sweep_job.SweepJob` rather than a function.
            config: composed, with Hydra's own node.
        """
        self.hydra_context = hydra_context
        self.job = task_function
        self.config = config

    def sweep(self, arguments: list[str]) -> Any:
        """Run the sweep of a command line.

        Args:
            arguments: what was typed, Hydra's own overrides left out.

        Returns:
            A `sched_rl.sweep_job.SweepEnd`.
        """
        from sweeps.sweeper import run_sweep

        if self.hydra_context is None or self.config is None:
            raise RuntimeError("Hydra calls setup before sweep")
        return run_sweep(arguments, self.job, self.config, self.hydra_context)


ConfigStore.instance().store(
    group="hydra/sweeper",
    name="sched_optuna",
    node={"_target_": f"{SchedOptunaSweeper.__module__}.{SchedOptunaSweeper.__qualname__}"},
    provider="sched_rl",
)
