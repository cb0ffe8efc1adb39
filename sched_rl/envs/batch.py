"""N clusters behind one pair of buffers: what every runner of episodes (training, evaluation, Gym) stands on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sched_rl.config.schema import Encoding, EnvConfig
from sched_rl.envs.layout import ObservationLayout, observation_layout
from sched_rl.envs.playbook_observation import observe_playbook
from sched_rl.envs.rich_observation import observe_rich
from sched_rl.errors import SimulationError
from sched_rl.simulator.dynamics import begin_episode, step_clusters
from sched_rl.simulator.loading import load_workload
from sched_rl.simulator.potential import write_potential
from sched_rl.simulator.state import (
    LOOKAHEAD_MODES,
    allocate,
    copy_state,
    restore_array,
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
        self.state = allocate(num_clusters, env.jobs_per_episode, self.capacity, track_gpus=track_gpus)
        self._arrays, self._rules = tuple(self.state), tuple(rules_of(env, track_gpus=track_gpus))
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
        load_workload(self.state, cluster, workload, env, self.capacity)
        begin_episode(self._arrays, self._rules, cluster, self.action_mask)
        self._observe(cluster, cluster + 1)

    def step(
        self,
        actions: NDArray[np.int64],
        observation: NDArray[np.float32] | None = None,
        action_mask: NDArray[np.bool_] | None = None,
    ) -> int:
        """Step every cluster that is not finished.

        Args:
            actions: int64 (N,); see `simulator.dynamics.step_clusters`.
            observation: C-contiguous float32 (N, layout.size) to write the next observation to from now on.
            action_mask: C-contiguous bool (N, K + 1), likewise; all rows of clusters must be live then.

        Returns:
            How many clusters this step finished.

        Raises:
            SimulationError: when an array has another shape or type.
        """
        check_array("actions", actions, np.int64, (self.num_clusters,))
        if observation is not None:
            check_array("observation", observation, np.float32, self.observation.shape)
            self.observation = observation
        if action_mask is not None:
            check_array("action_mask", action_mask, np.bool_, self.action_mask.shape)
            self.action_mask = action_mask
        num_finished = step_clusters(self._arrays, self._rules, actions, self.action_mask)
        self._observe(0, self.num_clusters)
        return num_finished

    def write_potential(self, out: NDArray[np.float64]) -> None:
        """Write the potential of every cluster's state to float64 (N,); see `simulator.potential`."""
        write_potential(self._arrays, self._rules, self.capacity, out)

    def _observe(self, first: int, last: int) -> None:
        if self.layout.encoding == "playbook":
            observe_playbook(self._arrays, self._rules, self.capacity, first, last, self.observation)
        else:
            points = self.layout.profile_features
            observe_rich(self._arrays, self._rules, self.capacity, points, first, last, self.observation)

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


def check_array(name: str, array: NDArray[Any], dtype: type, shape: tuple[int, ...]) -> None:
    """Refuse what the kernels would compile anew for, or would write past the end of.

    Raises:
        SimulationError: another type, shape or layout than the kernels take.
    """
    flags = array.flags
    if array.dtype != dtype or array.shape != shape or not (flags.c_contiguous and flags.writeable):
        layout = "" if flags.c_contiguous and flags.writeable else ", not C-contiguous or read-only"
        raise SimulationError(
            f"{name} is {array.dtype} {array.shape}{layout}: must be {np.dtype(dtype)} {shape}, C-contiguous, writable"
        )
