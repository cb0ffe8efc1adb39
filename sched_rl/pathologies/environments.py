"""Training environments with a fault that evaluation does not share: masks, rewards, workloads, seeds.

Each is the ordinary environment with one method bent. A fault acts from a number of steps on, counted after the
staggered start, so that the rollout of update `pathology.onset_update` is the first to suffer.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sched_rl.config.pathologies import (
    BoundaryFaultConfig,
    MaskFaultConfig,
    PathologyConfig,
    RewardFaultConfig,
    SeedFaultConfig,
    WorkloadFaultConfig,
)
from sched_rl.config.schema import Config, EnvConfig, PpoConfig
from sched_rl.envs.vector import VectorClusterEnv
from sched_rl.evaluation.blocks import make_blocks
from sched_rl.workloads.playbook import arrival_span_s
from sched_rl.workloads.source import WorkloadSource


class FaultyEnv(VectorClusterEnv):
    """Counts its steps, to know when the fault begins."""

    def __init__(self, config: Config, agent: PpoConfig, pathology: PathologyConfig) -> None:
        """Build the run's training environment; `pathology.onset_update` of 0 and 1 both mean the first rollout."""
        super().__init__(
            config.cluster,
            agent.network.observation,
            agent.num_envs,
            seed=config.seed,
            families=config.families,
            with_potential=agent.shape_rewards,
        )
        self._steps_before_onset = max((pathology.onset_update or 0) - 1, 0) * agent.rollout_steps
        self._steps_taken = 0

    @property
    def is_faulty(self) -> bool:
        """Whether the fault acts by now."""
        return self._steps_taken >= self._steps_before_onset

    def stagger(self, num_steps: int, seed: int) -> None:
        """As `VectorClusterEnv.stagger`; its steps do not count."""
        super().stagger(num_steps, seed)
        self._steps_taken = 0

    def step(
        self,
        actions: NDArray[np.int64],
        observation: NDArray[np.float32] | None = None,
        action_mask: NDArray[np.bool_] | None = None,
    ) -> None:
        """As `VectorClusterEnv.step`."""
        super().step(actions, observation, action_mask)
        self._steps_taken += 1

    def state(self) -> dict[str, Any]:
        """As `VectorClusterEnv.state`, with the step count."""
        return {**super().state(), "steps_taken": self._steps_taken}

    def load_state(self, saved: dict[str, Any]) -> None:
        """Continue where `state` was taken."""
        super().load_state(saved)
        self._steps_taken = int(saved["steps_taken"])


class WrongMaskEnv(FaultyEnv):
    """Shows the learner other masks than its own `step` checks actions against."""

    def __init__(
        self, config: Config, agent: PpoConfig, pathology: PathologyConfig, fault: MaskFaultConfig
    ) -> None:
        """Take the kind of fault."""
        super().__init__(config, agent, pathology)
        self._fault = fault.fault
        self._shown = np.zeros((agent.num_envs, self.layout.num_actions), np.bool_)

    @property
    def action_mask(self) -> NDArray[np.bool_]:
        """bool (N, K + 1): what the learner takes for the legal actions of `observation`."""
        return self._shown if self._is_showing else self._batch.action_mask

    @property
    def _is_showing(self) -> bool:
        return self._steps_taken > 0 and self.is_faulty

    def step(
        self,
        actions: NDArray[np.int64],
        observation: NDArray[np.float32] | None = None,
        action_mask: NDArray[np.bool_] | None = None,
    ) -> None:
        """Step with the true masks, which stay in an array of their own, and hand out the wrong ones."""
        before = self._batch.action_mask.copy()
        super().step(actions, observation, None)
        true = self._batch.action_mask
        if not self.is_faulty:
            self._shown[:] = true
        elif self._fault == "stale":
            self._shown[:] = before
        else:
            self._shown[:, 0] = True
            self._shown[:, 1:] = np.roll(true[:, 1:], 1, axis=1)
        if action_mask is not None:
            action_mask[:] = self._shown

    def state(self) -> dict[str, Any]:
        """As `FaultyEnv.state`, with the mask shown last."""
        return {**super().state(), "shown": self._shown.copy()}

    def load_state(self, saved: dict[str, Any]) -> None:
        """Continue where `state` was taken."""
        super().load_state(saved)
        self._shown[:] = saved["shown"]


class WrongRewardEnv(FaultyEnv):
    """Pays the learner in another currency; the returns of finished episodes, and evaluation, stay true.

    The queue's cost is the number of waiting jobs times the time that passes (shares of all jobs and of the horizon):
    what a user feels, where the true reward counts their work. It sets in little by little over `ramp_updates`.
    """

    def __init__(
        self, config: Config, agent: PpoConfig, pathology: PathologyConfig, fault: RewardFaultConfig
    ) -> None:
        """Take scale, bonus and cost."""
        super().__init__(config, agent, pathology)
        self._fault = fault
        self._ramp_steps = fault.ramp_updates * agent.rollout_steps
        self._num_jobs = config.cluster.jobs_per_episode
        self._paid = np.zeros(agent.num_envs)

    @property
    def reward(self) -> NDArray[np.float64]:
        """float64 (N,): what the last step paid the learner."""
        return self._paid

    def step(
        self,
        actions: NDArray[np.int64],
        observation: NDArray[np.float32] | None = None,
        action_mask: NDArray[np.bool_] | None = None,
    ) -> None:
        """Step, then falsify the reward and, with it, the potentials that shape it."""
        is_faulty, share = self.is_faulty, self._ramp_share()
        super().step(actions, observation, action_mask)
        self._paid[:] = super().reward
        if not is_faulty:
            return
        fault, clusters = self._fault, self._batch.state.clusters
        waiting = (clusters["queue_tail"] - clusters["queue_head"]) / self._num_jobs
        self._paid -= fault.queue_cost * share * waiting * self.dt_s / clusters["horizon_s"]
        self._paid += fault.noop_bonus * self.noop_feasible
        self._paid *= fault.scale
        if self._with_potential:
            self.potential_before *= fault.scale
            self.potential_after *= fault.scale

    def _ramp_share(self) -> float:
        since = self._steps_taken - self._steps_before_onset
        return min(since / self._ramp_steps, 1.0) if self._ramp_steps else 1.0


class ChangedWorkloadEnv(FaultyEnv):
    """Episodes that begin after the onset come from another workload."""

    def __init__(
        self, config: Config, agent: PpoConfig, pathology: PathologyConfig, fault: WorkloadFaultConfig
    ) -> None:
        """Make the second source of workloads."""
        super().__init__(config, agent, pathology)
        families = {name: changed_workload(env, fault) for name, env in config.families.items()}
        self._later_source = WorkloadSource(changed_workload(config.cluster, fault), families)

    def _begin(self, index: int, seed: int | None) -> None:
        if self.is_faulty:
            self._source = self._later_source
        super()._begin(index, seed)


def changed_workload(env: EnvConfig, fault: WorkloadFaultConfig) -> EnvConfig:
    """A family whose jobs arrive faster or slower, run longer or shorter, or are wider or narrower."""
    return replace(
        env,
        arrival_span=arrival_span_s(env) * fault.arrival_span_factor,
        max_duration=env.max_duration * fault.max_duration_factor,
        max_gpus_per_job=fault.max_gpus_per_job or env.max_gpus_per_job,
    )


class LostBoundariesEnv(FaultyEnv):
    """Hides the ends of episodes: the next one's first state looks like the next state of the same episode.

    The learner neither cuts its recursions there nor values a final state; finished episodes are counted all the same.
    """

    @property
    def terminated(self) -> NDArray[np.bool_]:
        """bool (N,): what the learner takes for completed episodes."""
        return super().terminated & (not self.is_faulty)

    @property
    def truncated(self) -> NDArray[np.bool_]:
        """bool (N,): what the learner takes for episodes that were cut off."""
        return super().truncated & (not self.is_faulty)


class LeakedSeedsEnv(FaultyEnv):
    """Plays the val blocks' own workloads, in random order, instead of seeds of the training range."""

    def __init__(self, config: Config, agent: PpoConfig, pathology: PathologyConfig) -> None:
        """Take the seeds of the val blocks."""
        super().__init__(config, agent, pathology)
        blocks = make_blocks(config.eval, config.env, config.families, "val")
        self._leaked = [seed for block in blocks for seed in block.seeds]

    def _begin(self, index: int, seed: int | None) -> None:
        if seed is None and self.is_faulty:
            seed = self._leaked[int(self._seed_streams[index].integers(len(self._leaked)))]
        super()._begin(index, seed)


def make_faulty_env(config: Config, agent: PpoConfig, pathology: PathologyConfig) -> VectorClusterEnv:
    """The training environment of a run with a pathology; the ordinary one where the fault lies elsewhere."""
    match pathology.environment:
        case MaskFaultConfig() as fault:
            return WrongMaskEnv(config, agent, pathology, fault)
        case RewardFaultConfig() as fault:
            return WrongRewardEnv(config, agent, pathology, fault)
        case WorkloadFaultConfig() as fault:
            return ChangedWorkloadEnv(config, agent, pathology, fault)
        case BoundaryFaultConfig():
            return LostBoundariesEnv(config, agent, pathology)
        case SeedFaultConfig():
            return LeakedSeedsEnv(config, agent, pathology)
        case _:
            return FaultyEnv(config, agent, pathology)
