"""Who makes the workloads of a family: the playbook's generator, or one that another package brings.

A package adds one under the entry-point group `sched_rl.workloads`; `env.generator` names it, and a YAML file in a
folder given with `--config-dir` makes a family of it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.metadata import entry_points

from sched_rl.config.schema import EnvConfig
from sched_rl.config.suggest import did_you_mean, one_of
from sched_rl.errors import ConfigError, WorkloadError
from sched_rl.workloads.playbook import generate_workload
from sched_rl.workloads.workload import Workload

ENTRY_POINTS = "sched_rl.workloads"
BUILT_IN = "playbook"

#: From a family and a seed to its jobs, the same for the same arguments; `env.generator_options` are its own numbers.
Generator = Callable[[EnvConfig, int], Workload]


def make_workload(env: EnvConfig, seed: int) -> Workload:
    """The jobs of a seed.

    Raises:
        ConfigError: `env.generator` names nobody.
        WorkloadError: the generator made something else than a workload.
    """
    if env.generator == BUILT_IN:
        return generate_workload(env, seed)
    workload = _generator(env.generator)(env, seed)
    if not isinstance(workload, Workload):
        raise WorkloadError(
            f"env.generator={env.generator}: gave a {type(workload).__name__} for seed {seed}; must be a "
            "sched_rl.workloads.workload.Workload"
        )
    return workload


@cache
def _generator(name: str) -> Generator:
    points = {point.name: point for point in entry_points(group=ENTRY_POINTS)}
    if name not in points:
        known = [BUILT_IN, *sorted(points)]
        raise ConfigError(
            f"env.generator={name}: must be {one_of(known)}{did_you_mean(name, known)}; other packages add theirs "
            f"under the entry points {ENTRY_POINTS}"
        )
    loaded: Generator = points[name].load()
    return loaded
