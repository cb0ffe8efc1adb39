"""What both learn: the environment, the network and the hyperparameters that both have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sched_rl.config.load import load_config
from sched_rl.config.schema import Config, PpoConfig
from sched_rl.errors import ConfigError

#: What the peer does not have is off, and what it does is on: it values what a cut-off episode left, normalises over
#: every state, and lets the no-op compete.
COMMON = (
    *("tracking=none", "agent/lr_schedule=constant", "agent.target_kl=0", "agent.ent_coef_end_frac=1"),
    *(
        "agent.entropy_jump_clip=0",
        "agent.vf_clip_coef=0",
        "agent.value_lr_scale=1",
        "agent.normalize_over=all",
    ),
    *("agent.scale_returns=false", "agent.average_decay=0", "agent.shape_rewards=false"),
    *("agent.bootstrap_truncated=true", "agent.voluntary_waits=true", "agent.stagger_starts=false"),
    "agent.warm_start.teacher=null",
    *("eval.num_blocks=1", "eval.episodes_per_block=20"),  # looking costs less than learning
)
#: Long enough for both to learn it, in steps small enough to do without what is off.
_CLUSTER = (
    *("agent=ppo", "env=playbook", "baselines=[]", "agent.total_steps=983040"),
    *("agent.num_envs=64", "agent.rollout_steps=128", "agent.num_minibatches=8", "agent.update_epochs=4"),
    "agent.lr=1e-3",
)
PROBLEMS: dict[str, tuple[str, ...]] = {
    "playbook": (*_CLUSTER, "agent/network=mlp", "agent.network.hidden_sizes=[64,64]"),
    "playbook_scorer": (*_CLUSTER, "agent/network=scorer"),
    "cartpole": ("experiment=cartpole", "agent.total_steps=61440"),
}
#: How often a curve is looked at, the untrained policy included.
POINTS = 11
#: Updates from the same rollouts; after more, rounding has moved some sample across a clamp, and the two part.
UPDATES = 3
#: One minibatch holds all samples: each of the two shuffles with a generator of its own.
UNSHUFFLED = "agent.num_minibatches=1"


@dataclass(frozen=True)
class Problem:
    """A configuration whose agent learns."""

    name: str
    config: Config
    agent: PpoConfig

    @property
    def updates_between(self) -> int:
        """Updates from one point of the curve to the next."""
        return self.agent.total_steps // (self.agent.num_envs * self.agent.rollout_steps) // (POINTS - 1)


def load_problem(name: str, seed: int, more: Sequence[str]) -> Problem:
    """The problem of a name.

    Args:
        name: of `PROBLEMS`.
        seed: of the training.
        more: overrides on top.

    Raises:
        ConfigError: one line on the first thing that is wrong.
    """
    config = load_config("train", [*PROBLEMS[name], *COMMON, f"seed={seed}", *more])
    if not isinstance(config.agent, PpoConfig):
        raise ConfigError(f"agent={config.agent.name}: parity needs an agent that learns")
    problem = Problem(name, config, config.agent)
    if problem.updates_between < 1:
        raise ConfigError(
            f"agent.total_steps={config.agent.total_steps}: too few for {POINTS} points of a curve"
        )
    return problem
