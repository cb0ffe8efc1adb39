"""N clusters behind one pair of buffers: what every runner of episodes (training, evaluation, Gym) stands on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sched_rl.config.schema import Encoding, EnvConfig
from sched_rl.envs.layout import ObservationLayout, observation_layout
from sched_rl.envs.playbook_observation import observe_playbook
from sched_rl.envs.rich_observation import observe_rich
from sched_rl.simulator.dynamics import begin_episode, step_clusters
from sched_rl.simulator.state import (
    LOOKAHEAD_MODES,
    allocate,
    copy_state,
    load_workload,
    restore_state,
    rules_of,
)
from sched_rl.workloads.workload import Workload


class ClusterBatch:
    """N clusters that step together, with the observation and mask of each.

    Attributes:
        layout: the parts of an observation.
        state: the simulator's arrays.
        observation: float32 (N, layout.size), the state to act on; for a finished cluster its final state.
        action_mask: bool (N, K + 1), the no-op first and always legal.
    """

    def __init__(
        self, env: EnvConfig, encoding: Encoding, num_clusters: int, *, track_gpus: bool = False
    ) -> None:
        """Allocate; every cluster is finished until `begin` gives it a workload.

        Args:
            env: the cluster; families of a mixture share its shape.
            encoding: which observation to write.
            num_clusters: N.
            track_gpus: number the GPUs even where the observation does not need it (for pictures).
        """
        self.layout: ObservationLayout = observation_layout(env, encoding)
        self.capacity = np.array([env.num_gpus], np.int32)
        track_gpus = track_gpus or (encoding == "playbook" and env.lookahead == LOOKAHEAD_MODES[1])
        self._rules = rules_of(env, track_gpus=track_gpus)
        self.state = allocate(num_clusters, env.jobs_per_episode, self.capacity, track_gpus=track_gpus)
        self.observation = np.zeros((num_clusters, self.layout.size), np.float32)
        self.action_mask = np.zeros((num_clusters, self.layout.num_actions), np.bool_)
        self.action_mask[:, 0] = True

    @property
    def num_clusters(self) -> int:
        """N."""
        return int(self.state.clusters.shape[0])

    def begin(self, cluster: int, env: EnvConfig, workload: Workload) -> None:
        """Start an episode on one cluster and write its first observation and mask.

        Args:
            cluster: which cluster.
            env: the family of the workload; of the shape that the batch was made for.
            workload: its jobs.

        Raises:
            WorkloadError: when a job could never run on this cluster.
        """
        workload.check(self.capacity)
        load_workload(self.state, cluster, workload, env, self.capacity)
        begin_episode(self.state, self._rules, cluster, self.action_mask)
        self._observe(cluster, cluster + 1)

    def step(
        self,
        actions: NDArray[np.int64],
        observation: NDArray[np.float32] | None = None,
        action_mask: NDArray[np.bool_] | None = None,
    ) -> None:
        """Step every cluster that is not finished.

        Args:
            actions: int64 (N,); see `simulator.dynamics.step_clusters`.
            observation: C-contiguous float32 (N, layout.size) to write the next observation to from now on.
            action_mask: C-contiguous bool (N, K + 1), likewise; all rows of clusters must be live then.
        """
        if observation is not None:
            self.observation = observation
        if action_mask is not None:
            self.action_mask = action_mask
        step_clusters(self.state, self._rules, actions, self.action_mask)
        self._observe(0, self.num_clusters)

    def _observe(self, first: int, last: int) -> None:
        if self.layout.encoding == "playbook":
            observe_playbook(self.state, self._rules, self.capacity, first, last, self.observation)
        else:
            points = self.layout.profile_features
            observe_rich(self.state, self._rules, self.capacity, points, first, last, self.observation)

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
        self.observation[...] = saved["observation"]
        self.action_mask[...] = saved["action_mask"]
