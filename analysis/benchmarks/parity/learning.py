"""The learning curve of a training: the greedy policy's mean return on val, at equal steps for both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from analysis.benchmarks.parity.problems import POINTS, Problem
from sched_rl.agents import build_ppo
from sched_rl.agents.environment import VectorEnvironment
from sched_rl.agents.networks import build_network
from sched_rl.config.schema import GymnasiumEnvConfig
from sched_rl.envs.gymnasium_vector import GymnasiumVectorEnv
from sched_rl.envs.layout import observation_layout
from sched_rl.envs.vector import VectorClusterEnv
from sched_rl.evaluation.blocks import make_blocks
from sched_rl.evaluation.learned import LearnedScheduler
from sched_rl.evaluation.summary import evaluate


class Player(Protocol):
    """Somebody who learns."""

    def play(self, updates: int) -> None:
        """Some updates."""

    def greedy(self, observation: NDArray[np.float32], action_mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        """The most probable action of each state."""


class Ours:
    """This project's PPO."""

    def __init__(self, problem: Problem) -> None:
        self._env = make_env(problem)
        self._env.reset()
        self._ppo = build_ppo(problem.agent, self._env.layout, problem.config.seed)

    def play(self, updates: int) -> None:
        """Some updates."""
        for _ in range(updates):
            self._ppo.collect(self._env)
            self._ppo.update()

    def greedy(self, observation: NDArray[np.float32], action_mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        """The most probable action of each state."""
        return self._ppo.greedy_actions(observation, action_mask)


class MaskablePeer:
    """sb3-contrib's MaskablePPO on the same environment, with the same network as this project's begins with."""

    def __init__(self, problem: Problem) -> None:
        from sb3_contrib import MaskablePPO

        from analysis.benchmarks.parity.shared_env import SharedVecEnv
        from analysis.benchmarks.peers.sb3_policy import NetworkPolicy

        agent, seed = problem.agent, problem.config.seed
        layout = observation_layout(problem.config.env, agent.network.observation)
        self._steps = agent.num_envs * agent.rollout_steps
        self._model: Any = MaskablePPO(
            NetworkPolicy,
            SharedVecEnv(make_env(problem)),
            learning_rate=agent.lr,
            n_steps=agent.rollout_steps,
            batch_size=self._steps // agent.num_minibatches,
            n_epochs=agent.update_epochs,
            gamma=agent.gamma,
            gae_lambda=agent.gae_lambda,
            clip_range=agent.clip_coef,
            normalize_advantage=agent.normalize_advantages,
            ent_coef=agent.ent_coef,
            vf_coef=agent.vf_coef,
            max_grad_norm=agent.max_grad_norm,
            policy_kwargs={"make_network": lambda: build_network(agent.network, layout, seed)},
            seed=seed,
            device="cpu",
        )

    def play(self, updates: int) -> None:
        """Some updates."""
        self._model.learn(updates * self._steps, log_interval=None, reset_num_timesteps=False)

    def greedy(self, observation: NDArray[np.float32], action_mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        """The most probable action of each state."""
        chosen, _ = self._model.predict(observation, action_masks=action_mask, deterministic=True)
        return np.asarray(chosen, np.int64)


PLAYERS: dict[str, Callable[[Problem], Player]] = {"ours": Ours, "maskable_ppo": MaskablePeer}


def make_env(problem: Problem) -> VectorEnvironment:
    """The training environment of a problem."""
    config, agent = problem.config, problem.agent
    if isinstance(config.env, GymnasiumEnvConfig):
        return GymnasiumVectorEnv(config.env, agent.num_envs, seed=config.seed)
    return VectorClusterEnv(config.env, agent.network.observation, agent.num_envs, seed=config.seed)


def learning_curve(player: str, problem: Problem, is_over: Callable[[], bool]) -> list[float] | None:
    """Mean returns on val at `POINTS` equally spaced points, the untrained policy's first; None when stopped."""
    import torch

    torch.set_num_threads(problem.config.threads)
    config, learner = problem.config, PLAYERS[player](problem)
    scheduler = LearnedScheduler(learner.greedy, problem.agent.network.observation)
    blocks, curve = make_blocks(config.eval, config.env, config.families, "val"), list[float]()
    for point in range(POINTS):
        if is_over():
            return None
        if point:
            learner.play(problem.updates_between)
        curve.append(evaluate(scheduler, blocks, config.families).mean_return)
    return curve
