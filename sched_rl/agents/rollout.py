"""Rollouts: buffers allocated once, shared with torch without a copy, filled by the environment itself."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sched_rl.agents.environment import EpisodeRecord, ShapedEnvironment, VectorEnvironment
from sched_rl.agents.evaluators import PolicyEvaluator, raise_all_masked
from sched_rl.agents.kernels.categorical import count_legal
from sched_rl.envs.layout import ObservationLayout
from sched_rl.errors import ConfigError

if TYPE_CHECKING:
    from sched_rl.agents.objectives import Objective

#: Final observations of truncated episodes wait here for the value pass; should they be more, they are
#: valued early.
_FINAL_OBSERVATIONS_PER_ENV = 4


class RolloutBuffer:
    """T steps of N environments. The environment's step t writes slot t + 1 of observations and masks.

    Attributes:
        observation: float32 (T + 1, N, D).
        mask: bool (T + 1, N, A), as the environment gave it, without the no-ops that the learner denies itself.
        action: int64 (T, N).
        log_prob: float32 (T, N), of the action, under the policy that acted.
        entropy: float32 (T, N), of that policy.
        reward: float64 (T, N), raw.
        potential_before: float64 (T, N), of the state that a step left; potential_after of the one that it led to.
            Zeros without reward shaping.
        dt_s: float64 (T, N), simulated seconds that passed.
        terminated: bool (T, N); truncated, invalid, noop_feasible alike.
        has_choice: bool (T, N), more than one action could be sampled.
        value: float32 (T + 1, N), in the critic's units; written after the rollout.
        final_value: float32 (T, N), of final observations, written at truncations only.
        discount: float64 (T, N).
        advantage: float32 (T, N), in the critic's units; target alike.
    """

    def __init__(self, num_steps: int, num_envs: int, layout: ObservationLayout) -> None:
        shape = (num_steps, num_envs)
        self.num_steps, self.num_envs = shape
        self.observation = np.zeros((num_steps + 1, num_envs, layout.size), np.float32)
        self.mask = np.zeros((num_steps + 1, num_envs, layout.num_actions), np.bool_)
        self.action = np.zeros(shape, np.int64)
        self.log_prob, self.entropy = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        self.reward, self.dt_s = np.zeros(shape), np.zeros(shape)
        self.terminated, self.truncated = np.zeros(shape, np.bool_), np.zeros(shape, np.bool_)
        self.invalid, self.noop_feasible = np.zeros(shape, np.bool_), np.zeros(shape, np.bool_)
        self.value = np.zeros((num_steps + 1, num_envs), np.float32)
        self.final_value = np.zeros(shape, np.float32)
        self.discount = np.zeros(shape)
        self.advantage, self.target = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        self.num_legal = np.zeros(shape, np.int64)
        self.has_choice = np.zeros(shape, np.bool_)
        self.potential_before, self.potential_after = np.zeros(shape), np.zeros(shape)
        capacity = _FINAL_OBSERVATIONS_PER_ENV * num_envs
        self._final_observation = np.zeros((capacity, layout.size), np.float32)
        self._final_slot = np.zeros(capacity, np.int64)
        self._num_final = 0

    @property
    def num_samples(self) -> int:
        """T * N."""
        return self.num_steps * self.num_envs

    def flat(self, name: str) -> NDArray[Any]:
        """The first T slots of a field as (T * N, ...), a view."""
        array: NDArray[Any] = getattr(self, name)[: self.num_steps]
        return array.reshape(self.num_samples, *array.shape[2:])

    def record_step(self, t: int, env: VectorEnvironment, evaluator: PolicyEvaluator) -> None:
        """Take over what step t of the environment produced."""
        self.reward[t], self.dt_s[t] = env.reward, env.dt_s
        self.terminated[t], self.truncated[t] = env.terminated, env.truncated
        self.invalid[t], self.noop_feasible[t] = env.invalid_action, env.noop_feasible
        if isinstance(env, ShapedEnvironment):
            self.potential_before[t], self.potential_after[t] = env.potential_before, env.potential_after
        for n in np.flatnonzero(env.truncated & ~env.terminated):
            if self._num_final == len(self._final_slot):
                self._value_final_observations(evaluator)
            self._final_observation[self._num_final] = env.final_observation[n]
            self._final_slot[self._num_final] = t * self.num_envs + n
            self._num_final += 1

    def value_states(self, evaluator: PolicyEvaluator) -> None:
        """Value every state of the rollout and the final observations of truncated episodes."""
        evaluator.values(self.observation.reshape(-1, self.observation.shape[-1]), self.value.reshape(-1))
        self._value_final_observations(evaluator)

    def _value_final_observations(self, evaluator: PolicyEvaluator) -> None:
        count, self._num_final = self._num_final, 0
        if count:
            values = np.empty(count, np.float32)
            evaluator.values(self._final_observation[:count], values)
            self.final_value.reshape(-1)[self._final_slot[:count]] = values


@dataclass(frozen=True)
class RolloutStats:
    """What happened in a rollout; rewards and returns raw.

    Attributes:
        metrics: columns of the metrics table that the rollout alone decides.
        episodes: those that ended in it, in the order of their ends.
        act_s: seconds spent choosing actions.
        env_s: seconds spent in the environment.
    """

    metrics: dict[str, float]
    episodes: list[EpisodeRecord]
    act_s: float
    env_s: float


def check_environment(env: VectorEnvironment, num_envs: int, layout: ObservationLayout) -> None:
    """Raise ConfigError unless the environment fits the buffers and the network."""
    if env.num_envs != num_envs:
        raise ConfigError(f"agent.num_envs={num_envs}: the environment runs {env.num_envs}; make them equal")
    if env.layout != layout:
        raise ConfigError(
            f"agent.network.observation={layout.encoding}: the environment gives {env.layout}, the network "
            f"was built for {layout}; build both from the same config"
        )


def collect_rollout(
    env: VectorEnvironment,
    buffer: RolloutBuffer,
    evaluator: PolicyEvaluator,
    generator: np.random.Generator,
    *,
    mask_actions: bool,
    voluntary_waits: bool = True,
    objective: Objective | None = None,
) -> RolloutStats:
    """Act for T steps, sampling from the policy.

    Args:
        env: stepped in place, its next states written to the buffer.
        buffer: overwritten.
        evaluator: the policy.
        generator: of the uniform draws, one an action.
        mask_actions: sample among legal actions; otherwise among all, and the environment reports invalid
            ones.
        voluntary_waits: the no-op may be sampled although a job fits; otherwise the recorded masks lack it there.
        objective: told whose step each is.
    """
    buffer.observation[0], buffer.mask[0] = env.observation, env.action_mask
    all_legal = np.ones_like(buffer.mask[0])
    episodes: list[EpisodeRecord] = []
    act_s = env_s = 0.0
    for t in range(buffer.num_steps):
        start_s = time.perf_counter()
        if not voluntary_waits:
            forbid_voluntary_waits(buffer.mask[t])
        evaluator.sample(
            buffer.observation[t],
            buffer.mask[t] if mask_actions else all_legal,
            generator.random(buffer.num_envs),
            buffer.action[t],
            buffer.log_prob[t],
            buffer.entropy[t],
        )
        if objective is not None:
            objective.note_step(t, env)
        acted_s = time.perf_counter()
        env.step(buffer.action[t], buffer.observation[t + 1], buffer.mask[t + 1])
        buffer.record_step(t, env, evaluator)
        episodes.extend(env.finished)
        act_s += acted_s - start_s
        env_s += time.perf_counter() - acted_s
    has_noop = env.layout.encoding != "raw"
    return RolloutStats(_rollout_metrics(buffer, episodes, mask_actions, has_noop), episodes, act_s, env_s)


def forbid_voluntary_waits(mask: NDArray[np.bool_]) -> None:
    """Take the no-op out of masks bool (M, K + 1) wherever some job fits, in place."""
    mask[:, 0] = ~mask[:, 1:].any(1)


def _rollout_metrics(
    buffer: RolloutBuffer, episodes: list[EpisodeRecord], mask_actions: bool, has_noop: bool
) -> dict[str, float]:
    count_legal(buffer.flat("mask"), buffer.num_legal.reshape(-1))
    if not buffer.num_legal.all():  # only without mask_actions: sampling refuses such a row
        raise_all_masked(int(np.argwhere(buffer.num_legal == 0)[0, 1]))
    feasible: NDArray[np.bool_] = np.any(buffer.mask[: buffer.num_steps, :, 1:], axis=2)
    choices = buffer.num_legal if mask_actions else np.full_like(buffer.num_legal, buffer.mask.shape[-1])
    undecided = choices > 1
    buffer.has_choice[:] = undecided
    returns = [episode.total_return for episode in episodes]
    lengths = [episode.steps for episode in episodes]
    return {
        "mean_ep_return": float(np.mean(returns)) if episodes else float("nan"),
        "mean_ep_length": float(np.mean(lengths)) if episodes else float("nan"),
        "num_episodes": float(len(episodes)),
        "reward_mean": float(buffer.reward.mean()),
        "invalid_frac": float(buffer.invalid.mean()),
        "noop_frac": float((buffer.action == 0).mean()) if has_noop else 0.0,
        "noop_feasible_frac": _share(buffer.noop_feasible, feasible),
        "legal_actions_mean": float(buffer.num_legal.mean()),
        "entropy_frac": _mean(buffer.entropy[undecided] / np.log(choices[undecided])),
    }


def _share(hits: NDArray[np.bool_], among: NDArray[np.bool_]) -> float:
    total = int(among.sum())
    return float((hits & among).sum() / total) if total else 0.0


def _mean(values: NDArray[Any]) -> float:
    return float(values.mean(dtype=np.float64)) if values.size else 0.0
