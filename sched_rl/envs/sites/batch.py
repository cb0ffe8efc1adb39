"""N sites behind one pair of buffers, with the face of `envs.batch.ClusterBatch`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sched_rl.config.schema import Encoding
from sched_rl.config.sites import SiteConfig
from sched_rl.envs.batch import check_array
from sched_rl.envs.sites.layout import site_layout
from sched_rl.envs.sites.observation import observe_sites
from sched_rl.errors import SimulationError
from sched_rl.simulator.site.state import allocate_sites, load_sequence, site_rules
from sched_rl.simulator.site.steps import begin_sequence, step_sites, write_site_potential
from sched_rl.simulator.state import copy_state, restore_array, restore_state
from sched_rl.workloads.sequences import JobSequence
from sched_rl.workloads.site_source import site_source


class SiteBatch:
    """N sites that step together, with the observation and mask of each.

    Attributes:
        layout: the parts of an observation.
        capacity: int64 (R,), units of each resource.
        state: the simulator's arrays.
        reward: what steps pay for.
        observation: float32 (N, layout.size), the state to act on; for a finished site its final state.
        action_mask: bool (N, K + 1), the no-op first.
        jobs: the sequence of each site.
    """

    def __init__(self, env: SiteConfig, encoding: Encoding, num_sites: int) -> None:
        """Allocate; every site is finished until `begin` gives it a sequence."""
        self.capacity = site_source(env).capacity
        self.layout = site_layout(env, encoding, len(self.capacity))
        self.state = allocate_sites(num_sites, env.trace.count, len(self.capacity))
        self.arrays, self.rules = tuple(self.state), tuple(site_rules(env))
        self.reward = env.reward
        self.observation = np.zeros((num_sites, self.layout.size), np.float32)
        self.action_mask = np.zeros((num_sites, self.layout.num_actions), np.bool_)
        self.action_mask[:, 0] = True
        self.jobs: list[JobSequence | None] = [None] * num_sites

    @property
    def num_clusters(self) -> int:
        """N."""
        return len(self.jobs)

    def begin(self, cluster: int, env: SiteConfig, workload: JobSequence) -> None:
        """Start a sequence on one site and write its first observation and mask."""
        load_sequence(self.state, cluster, workload, env)
        self.jobs[cluster] = workload
        begin_sequence(self.arrays, self.rules, cluster, self.action_mask)
        self._observe(cluster, cluster + 1)

    def step(
        self,
        actions: NDArray[np.int64],
        observation: NDArray[np.float32] | None = None,
        action_mask: NDArray[np.bool_] | None = None,
    ) -> int:
        """Step every site that is not finished; see `envs.batch.ClusterBatch.step`."""
        check_array("actions", actions, np.int64, (self.num_clusters,))
        if observation is not None:
            check_array("observation", observation, np.float32, self.observation.shape)
            self.observation = observation
        if action_mask is not None:
            check_array("action_mask", action_mask, np.bool_, self.action_mask.shape)
            self.action_mask = action_mask
        num_finished = step_sites(self.arrays, self.rules, actions, self.action_mask)
        self._observe(0, self.num_clusters)
        return num_finished

    def write_potential(self, out: NDArray[np.float64]) -> None:
        """Write the potential of every site's state to float64 (N,)."""
        write_site_potential(self.arrays, self.rules, out)

    def sequence(self, cluster: int) -> JobSequence:
        """The jobs of a site."""
        jobs = self.jobs[cluster]
        if jobs is None:
            raise SimulationError(f"site {cluster} has no sequence yet: call begin() first")
        return jobs

    def _observe(self, first: int, last: int) -> None:
        rich = self.layout.encoding == "rich"
        observe_sites(self.arrays, self.rules, self.capacity, rich, first, last, self.observation)

    def snapshot(self) -> dict[str, Any]:
        """Everything that changes, copied."""
        return {
            "clusters": copy_state(self.state),
            "observation": self.observation.copy(),
            "action_mask": self.action_mask.copy(),
        }

    def restore(self, saved: dict[str, Any]) -> None:
        """Continue from a snapshot of a batch of the same shape."""
        restore_state(self.state, saved["clusters"])
        restore_array(self.observation, "observation", saved)
        restore_array(self.action_mask, "action_mask", saved)
