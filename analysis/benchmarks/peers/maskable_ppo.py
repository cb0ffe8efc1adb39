"""sb3-contrib's MaskablePPO as a competitor, on the compiled clusters or on the Python ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from sb3_contrib import MaskablePPO
from stable_baselines3.common.vec_env import DummyVecEnv
from torch import nn

from analysis.benchmarks.peers.sb3_env import CompiledVecEnv
from analysis.benchmarks.peers.sb3_policy import NetworkPolicy
from analysis.benchmarks.peers.staggered import late_python_envs
from analysis.benchmarks.peers.stopwatch import Split, Stopwatch
from analysis.benchmarks.peers.task import Task
from sched_rl.agents.networks import build_network
from sched_rl.config.schema import MlpConfig
from sched_rl.envs.layout import observation_layout


class MaskablePeer:
    """`MaskablePPO.learn` with the task's hyperparameters and network; what it has no clamp for, it does without."""

    def __init__(self, task: Task, *, python_env: bool) -> None:
        env: Any = DummyVecEnv(late_python_envs(task)) if python_env else CompiledVecEnv(task)
        self._task, self._model = task, _make_model(task, env)
        self._env, self._collect, self._learn = Stopwatch(), Stopwatch(), Stopwatch()
        env.step = self._env.timed(env.step)
        env.env_method = self._env.timed(env.env_method)
        self._model.collect_rollouts = self._collect.timed(self._model.collect_rollouts)
        self._model.train = self._learn.timed(self._model.train)

    @property
    def num_parameters(self) -> int:
        """Weights that learn."""
        return sum(parameter.numel() for parameter in self._model.policy.parameters())

    @property
    def legal_actions_mean(self) -> float:
        """Legal actions of a state of the last rollout."""
        masks = self._model.rollout_buffer.action_masks
        return float(np.count_nonzero(masks) / (masks.size / masks.shape[-1]))

    def play(self, updates: int) -> Split:
        """Some updates."""
        steps = updates * self._task.steps_per_update
        self._model.learn(steps, log_interval=None, reset_num_timesteps=False)
        env_s = self._env.take()
        return Split(env_s, self._collect.take() - env_s, self._learn.take())


def _make_model(task: Task, env: Any) -> Any:
    agent = task.agent
    return MaskablePPO(
        "MlpPolicy" if isinstance(agent.network, MlpConfig) else NetworkPolicy,
        env,
        learning_rate=agent.lr,
        n_steps=agent.rollout_steps,
        batch_size=task.steps_per_update // agent.num_minibatches,
        n_epochs=agent.update_epochs,
        gamma=agent.gamma,
        gae_lambda=agent.gae_lambda,
        clip_range=agent.clip_coef,
        clip_range_vf=agent.vf_clip_coef if agent.vf_clip_coef > 0 else None,
        normalize_advantage=agent.normalize_advantages,
        ent_coef=agent.ent_coef,
        vf_coef=agent.vf_coef,
        max_grad_norm=agent.max_grad_norm,
        policy_kwargs=_policy_options(task),
        seed=task.config.seed,
        device="cpu",
    )


def _policy_options(task: Task) -> dict[str, Any]:
    """The library's own towers for the mlp, of the same sizes; the project's dense network for everything else."""
    network = task.agent.network
    if isinstance(network, MlpConfig):
        sizes = list(network.hidden_sizes)
        return {"net_arch": {"pi": sizes, "vf": sizes}, "activation_fn": nn.ReLU}
    layout = observation_layout(task.env, network.observation)
    return {"make_network": lambda: build_network(network, layout, task.config.seed)}
