"""The shape of `pathology`: a failure built on purpose; see `sched_rl.pathologies` and conf/pathology/."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class MaskFaultConfig:
    """The learner gets other masks than the environment checks: the last step's, or columns off by one."""

    kind: Literal["masks"]
    fault: Literal["stale", "off_by_one"]


@dataclass(frozen=True, kw_only=True)
class RewardFaultConfig:
    """Training is paid in another currency than evaluation: scaled, a bonus for waiting, a cost of its own."""

    kind: Literal["training_reward"]
    scale: float
    noop_bonus: float
    queue_cost: float
    ramp_updates: int


@dataclass(frozen=True, kw_only=True)
class WorkloadFaultConfig:
    """Training episodes begun from the onset on have another workload; evaluation keeps its own."""

    kind: Literal["workload_change"]
    arrival_span_factor: float
    max_duration_factor: float
    max_gpus_per_job: int | None


@dataclass(frozen=True, kw_only=True)
class BoundaryFaultConfig:
    """The learner is never told that an episode has ended: its GAE runs on into the next one, as the study's did."""

    kind: Literal["lost_boundaries"]


@dataclass(frozen=True, kw_only=True)
class SeedFaultConfig:
    """Training plays the very workloads that select the checkpoint."""

    kind: Literal["leaked_seeds"]


@dataclass(frozen=True, kw_only=True)
class PeakedStartConfig:
    """The first policy is sure of itself: its logits are scaled up."""

    kind: Literal["peaked_start"]
    logit_scale: float


@dataclass(frozen=True, kw_only=True)
class ClonedStartConfig:
    """The first policy imitates a fixed scheduler; its critic knows nothing."""

    kind: Literal["cloned_start"]
    teacher: Literal["fifo", "sjf", "priority", "longest", "narrowest", "least_work"]
    num_rollouts: int
    num_epochs: int


EnvironmentFaultConfig = (
    MaskFaultConfig | RewardFaultConfig | WorkloadFaultConfig | BoundaryFaultConfig | SeedFaultConfig
)
StartFaultConfig = PeakedStartConfig | ClonedStartConfig


@dataclass(frozen=True, kw_only=True)
class PathologyConfig:
    """A failure built on purpose, and what a diagnosis must say of it.

    `expected` is the primary finding, `also` others that belong to it, `onset_update` the first update on which the
    fault acts, null where there is none. `environment` and `start` are what only code can spoil; settings do the rest.
    """

    name: str
    expected: str
    also: tuple[str, ...]
    onset_update: int | None
    environment: EnvironmentFaultConfig | None
    start: StartFaultConfig | None
