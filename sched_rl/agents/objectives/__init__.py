"""What a rollout's workloads count for: their mean, or more for the worst (`agent/objective`)."""

from __future__ import annotations

from sched_rl.agents.objectives.base import Objective
from sched_rl.agents.objectives.cvar import Cvar
from sched_rl.agents.objectives.family_baseline import FamilyBaseline
from sched_rl.agents.objectives.group_dro import GroupDro
from sched_rl.agents.objectives.plr import PrioritizedReplay
from sched_rl.config.schema import CvarConfig, FamilyBaselineConfig, GroupDroConfig, PlrConfig, PpoConfig

__all__ = ["Objective", "build_objective", "objective_columns"]

_KINDS: dict[str, type[Objective]] = {
    "group_dro": GroupDro,
    "cvar": Cvar,
    "plr": PrioritizedReplay,
    "family_baseline": FamilyBaseline,
}


def build_objective(config: PpoConfig, seed: int) -> Objective | None:
    """The objective of an agent; None for the mean, which needs nothing."""
    objective, shape = config.objective, (config.rollout_steps, config.num_envs)
    if isinstance(objective, GroupDroConfig):
        return GroupDro(objective, shape)
    if isinstance(objective, CvarConfig):
        return Cvar(objective, shape)
    if isinstance(objective, FamilyBaselineConfig):
        return FamilyBaseline(objective, shape)
    if isinstance(objective, PlrConfig):
        return PrioritizedReplay(objective, shape, seed)
    return None


def objective_columns(kind: str) -> tuple[str, ...]:
    """Columns of metrics.csv that an objective adds."""
    return _KINDS[kind].columns if kind in _KINDS else ()
