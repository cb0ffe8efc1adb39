"""The learning curve of a training: the mean return on val of the policy that learns, at equal steps for both.

The policy acts as it does while it learns, by chance: its most probable action jumps from one point to the next, above
all early, and hides in a handful of trainings what is to be compared. Both draw with the same random numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from analysis.benchmarks.parity.problems import POINTS, Problem
from sched_rl.agents import build_ppo
from sched_rl.agents.environment import VectorEnvironment
from sched_rl.agents.networks import ActorCritic, build_network
from sched_rl.config.schema import GymnasiumEnvConfig
from sched_rl.envs.gymnasium_vector import GymnasiumVectorEnv
from sched_rl.envs.layout import observation_layout
from sched_rl.envs.vector import VectorClusterEnv
from sched_rl.evaluation.blocks import make_blocks
from sched_rl.evaluation.learned import LearnedScheduler
from sched_rl.evaluation.summary import evaluate


class Player(Protocol):
    """Somebody who learns."""

    @property
    def network(self) -> ActorCritic:
        """Whose logits are the policy."""

    def play(self, updates: int) -> None:
        """Some updates."""


class Ours:
    """This project's PPO."""

    def __init__(self, problem: Problem) -> None:
        self.env = make_env(problem)
        self.env.reset()
        self.ppo = build_ppo(problem.agent, self.env.layout, problem.config.seed)
        self.network: ActorCritic = self.ppo.network

    def play(self, updates: int) -> None:
        """Some updates."""
        for _ in range(updates):
            self.ppo.collect(self.env)
            self.ppo.update()


class MaskablePeer:
    """sb3-contrib's MaskablePPO on the same environment, with the same network as this project's begins with."""

    def __init__(self, problem: Problem) -> None:
        from sb3_contrib import MaskablePPO

        from analysis.benchmarks.parity.shared_env import SharedVecEnv
        from analysis.benchmarks.peers.sb3_policy import NetworkPolicy

        agent, seed = problem.agent, problem.config.seed
        layout = observation_layout(problem.config.env, agent.network.observation)
        self._steps = agent.num_envs * agent.rollout_steps
        self.model: Any = MaskablePPO(
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
        self.network: ActorCritic = self.model.policy.network

    def play(self, updates: int) -> None:
        """Some updates."""
        self.model.learn(updates * self._steps, log_interval=None, reset_num_timesteps=False)


PLAYERS: dict[str, Callable[[Problem], Player]] = {"ours": Ours, "maskable_ppo": MaskablePeer}


class SampledPolicy:
    """A network's actions, drawn (Gumbel's trick)."""

    def __init__(self, network: ActorCritic, seed: int) -> None:
        self._network, self._generator = network, np.random.default_rng(seed)

    def actions(self, observation: NDArray[np.float32], action_mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        """An action for each state, (M,)."""
        with torch.no_grad():
            logits = (
                self._network.logits(torch.from_numpy(np.ascontiguousarray(observation))).double().numpy()
            )
        noisy = logits + self._generator.gumbel(size=logits.shape)
        return np.asarray(np.where(action_mask, noisy, -np.inf).argmax(axis=1))


def make_env(problem: Problem) -> VectorEnvironment:
    """The training environment of a problem."""
    config, agent = problem.config, problem.agent
    if isinstance(config.env, GymnasiumEnvConfig):
        return GymnasiumVectorEnv(config.env, agent.num_envs, seed=config.seed)
    return VectorClusterEnv(config.env, agent.network.observation, agent.num_envs, seed=config.seed)


def learning_curve(player: str, problem: Problem, is_over: Callable[[], bool]) -> list[float] | None:
    """Mean returns on val at `POINTS` equally spaced points, the untrained policy's first; None when stopped."""
    torch.set_num_threads(problem.config.threads)
    config, learner = problem.config, PLAYERS[player](problem)
    policy = SampledPolicy(learner.network, config.seed)
    scheduler = LearnedScheduler(policy.actions, problem.agent.network.observation)
    blocks, curve = make_blocks(config.eval, config.env, config.families, "val"), list[float]()
    for point in range(POINTS):
        if is_over():
            return None
        if point:
            learner.play(problem.updates_between)
        curve.append(evaluate(scheduler, blocks, config.families).mean_return)
    return curve
