"""PPO as one loop over a Gymnasium vector environment, in the manner of CleanRL: short, plain, nothing precompiled.

Source of the manner: Huang et al., "CleanRL" (JMLR 23, 2022), its `ppo.py`; an episode that is cut counts as ended,
as it does there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.distributions import Categorical

from analysis.benchmarks.peers.staggered import LateVectorEnv, late_python_envs
from analysis.benchmarks.peers.stopwatch import Split, Stopwatch
from analysis.benchmarks.peers.task import Task
from sched_rl.agents.networks import build_network
from sched_rl.envs.layout import observation_layout

_Envs = VectorEnv[NDArray[np.float32], NDArray[np.int64], NDArray[Any]]
_ReadMask = Callable[[dict[str, Any]], NDArray[np.bool_]]


class PlainLoop:
    """The loop, on the compiled clusters or on the Python ones; the network is the project's dense one."""

    def __init__(self, task: Task, *, python_env: bool) -> None:
        agent = task.agent
        self._agent, self._envs, self._read_mask = agent, *_make_envs(task, python_env)
        layout = observation_layout(task.env, agent.network.observation)
        self._network = build_network(agent.network, layout, task.config.seed)
        self._optimizer = torch.optim.Adam(self._network.parameters(), lr=agent.lr, eps=1e-5)
        shape = (agent.rollout_steps, agent.num_envs)
        self._observations = torch.zeros((*shape, layout.size))
        self._masks = torch.zeros((*shape, layout.num_actions), dtype=torch.bool)
        self._actions = torch.zeros(shape, dtype=torch.int64)
        self._log_probs, self._rewards = torch.zeros(shape), torch.zeros(shape)
        self._dones, self._values = torch.zeros(shape), torch.zeros(shape)
        self._env, self._collecting, self._learning = Stopwatch(), Stopwatch(), Stopwatch()
        self._step_envs = self._env.timed(self._step)
        self._draws = np.random.default_rng(task.config.seed)
        torch.manual_seed(task.config.seed)
        observation, infos = self._envs.reset(seed=task.config.seed)
        self._next = torch.Tensor(observation), torch.as_tensor(self._read_mask(infos))
        self._next_done = torch.zeros(agent.num_envs)

    @property
    def num_parameters(self) -> int:
        """Weights that learn."""
        return sum(parameter.numel() for parameter in self._network.parameters())

    @property
    def legal_actions_mean(self) -> float:
        """Legal actions of a state of the last rollout."""
        return float(self._masks.sum(-1).float().mean())

    def play(self, updates: int) -> Split:
        """Some updates."""
        for _ in range(updates):
            advantages = self._collecting.timed(self._collect)()
            self._learning.timed(self._learn)(advantages)
        env_s = self._env.take()
        return Split(env_s, self._collecting.take() - env_s, self._learning.take())

    def _step(self, actions: NDArray[np.int64]) -> tuple[Any, ...]:
        observation, reward, terminated, truncated, infos = self._envs.step(actions)
        return observation, reward, np.logical_or(terminated, truncated), self._read_mask(infos)

    def _distribution(self, observation: Tensor, mask: Tensor) -> Categorical:
        return Categorical(logits=torch.where(mask, self._network.logits(observation), -1e8))

    @torch.no_grad()
    def _collect(self) -> Tensor:
        """A rollout; returns its advantages (T, N)."""
        for t in range(self._agent.rollout_steps):
            observation, mask = self._next
            self._observations[t], self._masks[t], self._dones[t] = observation, mask, self._next_done
            distribution = self._distribution(observation, mask)
            action = distribution.sample()
            self._actions[t], self._log_probs[t] = action, distribution.log_prob(action)
            self._values[t] = self._network.values(observation)
            next_observation, reward, done, next_mask = self._step_envs(action.numpy())
            self._rewards[t] = torch.Tensor(reward)
            self._next = torch.Tensor(next_observation), torch.as_tensor(next_mask)
            self._next_done = torch.Tensor(done)
        return self._advantages(self._network.values(self._next[0]))

    def _advantages(self, next_value: Tensor) -> Tensor:
        agent, advantages = self._agent, torch.zeros_like(self._rewards)
        following, done = torch.zeros(agent.num_envs), self._next_done
        for t in reversed(range(agent.rollout_steps)):
            delta = self._rewards[t] + agent.gamma * next_value * (1 - done) - self._values[t]
            following = delta + agent.gamma * agent.gae_lambda * (1 - done) * following
            advantages[t] = following
            next_value, done = self._values[t], self._dones[t]
        return advantages

    def _learn(self, advantages: Tensor) -> None:
        agent = self._agent
        fields = (self._observations, self._masks, self._actions, self._log_probs, self._values)
        recorded = [field.flatten(0, 1) for field in (*fields, advantages, advantages + self._values)]
        order = np.arange(advantages.numel())
        for _ in range(agent.update_epochs):
            self._draws.shuffle(order)
            for samples in np.split(order, agent.num_minibatches):
                loss = self._loss(*(field[samples] for field in recorded))
                self._optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(self._network.parameters(), agent.max_grad_norm)
                self._optimizer.step()

    def _loss(
        self,
        observation: Tensor,
        mask: Tensor,
        action: Tensor,
        old_log_prob: Tensor,
        old_value: Tensor,
        advantage: Tensor,
        target: Tensor,
    ) -> Tensor:
        agent, distribution = self._agent, self._distribution(observation, mask)
        ratio = (distribution.log_prob(action) - old_log_prob).exp()
        value = self._network.values(observation)
        if agent.normalize_advantages:
            advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
        clipped = torch.clamp(ratio, 1 - agent.clip_coef, 1 + agent.clip_coef)
        policy_loss = torch.max(-advantage * ratio, -advantage * clipped).mean()
        value_error = (value - target) ** 2
        if agent.vf_clip_coef > 0:
            near = old_value + torch.clamp(value - old_value, -agent.vf_clip_coef, agent.vf_clip_coef)
            value_error = torch.max(value_error, (near - target) ** 2)
        entropy = distribution.entropy().mean()
        loss: Tensor = policy_loss - agent.ent_coef * entropy + agent.vf_coef * value_error.mean()
        return loss


def _make_envs(task: Task, python_env: bool) -> tuple[_Envs, _ReadMask]:
    """The environments, and how their masks are read."""
    if not python_env:
        return LateVectorEnv(task), lambda infos: infos["action_mask"]
    envs: Any = SyncVectorEnv(late_python_envs(task), autoreset_mode=AutoresetMode.SAME_STEP)
    # Cheaper than an info: Gymnasium gathers infos key by key and environment by environment.
    return envs, lambda _: np.stack(envs.call("action_masks"))
