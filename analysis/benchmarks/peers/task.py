"""What every competitor does alike: the cluster, the network, the hyperparameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sched_rl.config.load import load_config
from sched_rl.config.schema import Config, EnvConfig, PpoConfig
from sched_rl.errors import ConfigError

#: Every update of every competitor does the same number of minibatches with the same rates, so the divergence stops
#: nobody early and nothing decays. All other values are this project's defaults.
LEVEL_GROUND = (
    "agent=ppo",
    "agent/lr_schedule=constant",
    "agent.target_kl=0",
    "agent.ent_coef_end_frac=1",
    "tracking=none",
)


@dataclass(frozen=True)
class Task:
    """A configuration that is known to be a learner's.

    Attributes:
        config: the whole.
        agent: its agent.
    """

    config: Config
    agent: PpoConfig

    @property
    def env(self) -> EnvConfig:
        """The cluster."""
        return self.config.cluster

    @property
    def steps_per_update(self) -> int:
        """Environment steps that an update learns from."""
        return self.agent.num_envs * self.agent.rollout_steps

    @property
    def typical_episode_steps(self) -> int:
        """One event when a job arrives, one when it completes."""
        return 2 * self.env.jobs_per_episode


def load_task(network: str, overrides: Sequence[str]) -> Task:
    """The task of a network.

    Args:
        network: a name of agent/network.
        overrides: Hydra overrides on top of `LEVEL_GROUND`.

    Raises:
        ConfigError: one line on the first thing that is wrong.
    """
    config = load_config("train", [*LEVEL_GROUND, f"agent/network={network}", *overrides])
    if not isinstance(config.agent, PpoConfig):
        raise ConfigError(f"agent={config.agent.name}: the benchmark needs an agent that learns, agent=ppo")
    return Task(config, config.agent)
