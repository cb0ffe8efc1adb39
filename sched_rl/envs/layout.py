"""How one flat observation vector is divided, whatever the encoding: jobs, then profile, then context."""

from __future__ import annotations

from dataclasses import dataclass

from sched_rl.config.schema import AnyEnvConfig, Encoding, EnvConfig
from sched_rl.config.sites import SiteConfig

#: Points of the run-out profile of the rich encoding.
RICH_PROFILE_POINTS = 16
#: Job features of the rich encoding beside one demand column a resource.
RICH_JOB_FEATURES = 13
#: Where among them the time to spare before the due time stands, with one demand column.
RICH_SPARE_COLUMN = 11
#: Completions that the context of the rich encoding names one by one.
RICH_NEXT_ENDS = 8
#: Context features of the rich encoding beside one idle column a resource.
RICH_CONTEXT_FEATURES = 15 + 2 * RICH_NEXT_ENDS


@dataclass(frozen=True)
class ObservationLayout:
    """The parts of a flat float32 observation.

    Attributes:
        encoding: `playbook` (the study's flat vector), `rich`, or `raw`, which has no jobs and whose actions are plain.
        window: K, job slots; of a raw one, the actions after the first.
        job_features: J; the first window * job_features numbers are the job matrix, row by row.
        profile_features: P, the look-ahead segment or the run-out profile, after the jobs.
        context_features: C, numbers about the whole cluster, at the end.
    """

    encoding: Encoding
    window: int
    job_features: int
    profile_features: int
    context_features: int

    @property
    def size(self) -> int:
        """Length of the flat vector."""
        return self.window * self.job_features + self.profile_features + self.context_features

    @property
    def num_actions(self) -> int:
        """The no-op and one start a window slot."""
        return self.window + 1


def observation_layout(env: AnyEnvConfig, encoding: Encoding) -> ObservationLayout:
    """The layout of an encoding on a cluster, whose only resource so far is GPUs, or of what Gymnasium's envs show."""
    if isinstance(env, SiteConfig):
        from sched_rl.envs.sites.layout import site_layout
        from sched_rl.workloads.site_source import site_source

        return site_layout(env, encoding, len(site_source(env).capacity))
    if not isinstance(env, EnvConfig):
        from sched_rl.envs.gymnasium_env import gymnasium_layout

        return gymnasium_layout(env)
    if encoding == "playbook":
        return ObservationLayout(encoding, env.max_queue_size, 4, env.num_gpus, 2)
    return ObservationLayout(
        encoding,
        env.max_queue_size,
        RICH_JOB_FEATURES + 1,
        RICH_PROFILE_POINTS,
        RICH_CONTEXT_FEATURES + 1,
    )
