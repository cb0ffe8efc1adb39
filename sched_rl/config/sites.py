"""The schema of batch clusters: traces, generated sequences, and the committed-job game on both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class SlowdownRewardConfig:
    """What the sequence's mean bounded slowdown and its mean waits cost; a step pays what they rose by.

    Attributes:
        slowdown_scale: of the mean bounded slowdown.
        wait_scale: of the mean wait in hours.
        area_wait_scale: of the mean wait in hours, jobs weighted by their share of the machine times run time.
    """

    slowdown_scale: float
    wait_scale: float
    area_wait_scale: float


@dataclass(frozen=True, kw_only=True)
class TraceConfig:
    """Which jobs of which file; `split_fracs` divide the file by time into train, val, promote and report."""

    path: str | None
    starts: tuple[int, ...] | None
    count: int
    load_factor: float
    capacity: tuple[int, ...] | None
    kill_overruns: bool
    split_fracs: tuple[float, ...]
    train_jobs: tuple[int, ...] | None
    warm_up_frac: float
    cool_down_frac: float


@dataclass(frozen=True, kw_only=True)
class LublinConfig:
    """The Lublin-Feitelson model (JPDC 63(11), 2003) on a machine of `num_procs` processors."""

    jobs: Literal["typeless", "batch", "interactive", "both"]
    num_procs: int
    estimates: Literal["perfect", "tsafrir"]
    daily_cycle: bool


@dataclass(frozen=True, kw_only=True)
class SiteConfig:
    """A batch cluster: jobs come with requested times, a policy orders them, times in seconds."""

    kind: Literal["site"]
    name: str
    max_queue_size: int
    visible: Literal["smallest", "oldest"]
    max_episode_steps: int
    max_duration: float
    step: Literal["decision", "commit"]
    backfill: Literal["none", "easy", "game"]
    keys: Literal["textbook", "game"]
    may_block: bool
    observation: Literal["playbook", "rich"] | None
    reward: SlowdownRewardConfig
    trace: TraceConfig
    lublin: LublinConfig | None

    @property
    def jobs_per_episode(self) -> int:
        """Jobs of a sequence."""
        return self.trace.count

    @property
    def families(self) -> None:
        """No mixture."""
