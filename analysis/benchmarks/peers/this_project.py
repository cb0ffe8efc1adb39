"""The project's own PPO as a competitor."""

from __future__ import annotations

from analysis.benchmarks.peers.stopwatch import Split
from analysis.benchmarks.peers.task import Task
from sched_rl.agents import build_ppo
from sched_rl.envs.vector import VectorClusterEnv


class ThisProject:
    """`PPO.collect` and `PPO.update` as the trainer calls them; the kernel is the config's.

    Reward shaping, return scaling and everything that metrics.csv wants are part of it, though no peer has them.
    """

    def __init__(self, task: Task) -> None:
        config, agent = task.config, task.agent
        self._env = VectorClusterEnv(
            config.cluster,
            agent.network.observation,
            agent.num_envs,
            seed=config.seed,
            families=config.families,
            with_potential=agent.shape_rewards,
        )
        self._env.reset()
        self._env.stagger(task.typical_episode_steps, config.seed)
        self._ppo = build_ppo(agent, self._env.layout, config.seed)
        self.legal_actions_mean = float("nan")

    @property
    def num_parameters(self) -> int:
        """Weights that learn."""
        return sum(parameter.numel() for parameter in self._ppo.network.parameters())

    def play(self, updates: int) -> Split:
        """Some updates."""
        env_s = act_s = learn_s = 0.0
        for _ in range(updates):
            self._ppo.collect(self._env)
            self.legal_actions_mean = self._ppo.update()["legal_actions_mean"]
            seconds = self._ppo.seconds
            env_s += seconds["env_s"]
            act_s += seconds["act_s"] + seconds["value_s"]
            learn_s += seconds["learn_s"]
        return Split(env_s, act_s, learn_s)
