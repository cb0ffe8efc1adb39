"""From a seed to a workload, for a family or for a mixture that draws a family an episode."""

from __future__ import annotations

from collections.abc import Mapping

from sched_rl.config.schema import EnvConfig
from sched_rl.errors import WorkloadError
from sched_rl.seeding import stream
from sched_rl.workloads.generators import make_workload
from sched_rl.workloads.workload import Workload


class WorkloadSource:
    """Makes workloads; the same seed gives the same family and the same jobs, whoever asks and in whatever order."""

    def __init__(self, env: EnvConfig, families: Mapping[str, EnvConfig]) -> None:
        """Remember the families.

        Args:
            env: the configured environment, a family or a mixture (`env.families`).
            families: the config of every family of the mixture, by name.

        Raises:
            WorkloadError: when the mixture names a family that has no config.
        """
        names = env.families or ()
        missing = [name for name in names if name not in families]
        if missing:
            raise WorkloadError(
                f"env.families={list(names)}: no config for {missing}; known: {sorted(families)}"
            )
        self._choices = tuple(families[name] for name in names) or (env,)

    def family(self, seed: int) -> EnvConfig:
        """The family that a seed draws; uniform over the mixture."""
        if len(self._choices) == 1:
            return self._choices[0]
        return self._choices[int(stream(seed, "family").integers(len(self._choices)))]

    def workload(self, seed: int) -> tuple[EnvConfig, Workload]:
        """The family of a seed and its jobs."""
        family = self.family(seed)
        return family, make_workload(family, seed)
