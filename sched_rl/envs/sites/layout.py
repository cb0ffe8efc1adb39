"""How a site's observation is divided; the features themselves are in `observation`."""

from __future__ import annotations

from sched_rl.config.schema import Encoding
from sched_rl.config.sites import SiteConfig
from sched_rl.envs.layout import ObservationLayout

#: Points of the run-out profile.
PROFILE_POINTS = 16
#: Job features beside one demand column a resource; the four of the playbook's encoding.
JOB_FEATURES, PLAYBOOK_JOB_FEATURES = 15, 4
#: Context features beside one idle column a resource.
CONTEXT_FEATURES = 12


def site_layout(env: SiteConfig, encoding: Encoding, num_resources: int) -> ObservationLayout:
    """The layout of an encoding on a site."""
    if encoding == "playbook":
        return ObservationLayout(encoding, env.max_queue_size, PLAYBOOK_JOB_FEATURES, PROFILE_POINTS, 2)
    return ObservationLayout(
        encoding,
        env.max_queue_size,
        JOB_FEATURES + num_resources,
        PROFILE_POINTS,
        CONTEXT_FEATURES + num_resources,
    )
