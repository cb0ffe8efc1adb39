"""Batches of clusters and their workloads, whatever kind of cluster the config describes."""

from __future__ import annotations

from collections.abc import Mapping

from sched_rl.config.schema import Encoding, EnvConfig, SchedulingEnvConfig
from sched_rl.envs.batch import ClusterBatch
from sched_rl.envs.sites.batch import SiteBatch
from sched_rl.workloads.site_source import SiteSource, site_source
from sched_rl.workloads.source import WorkloadSource

AnyBatch = ClusterBatch | SiteBatch


def make_batch(
    env: SchedulingEnvConfig, encoding: Encoding, num_clusters: int, *, track_gpus: bool = False
) -> AnyBatch:
    """N clusters of the playbook's kind, or N sites; see `ClusterBatch` and `SiteBatch`."""
    if isinstance(env, EnvConfig):
        return ClusterBatch(env, encoding, num_clusters, track_gpus=track_gpus)
    return SiteBatch(env, encoding, num_clusters)


def make_source(env: SchedulingEnvConfig, families: Mapping[str, EnvConfig]) -> WorkloadSource | SiteSource:
    """What makes the workloads of a config from seeds.

    Raises:
        WorkloadError: a mixture of unknown families, or a trace that cannot be used.
    """
    return WorkloadSource(env, families) if isinstance(env, EnvConfig) else site_source(env)
