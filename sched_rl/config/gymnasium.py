"""What `env=gymnasium` does to the rest of a configuration: clusters' settings are switched off, or refused.

The rule, in one line: what speaks of jobs does not apply. Recipes that set such keys lose them; a command line that
asks for them gets an error.
"""

from __future__ import annotations

from typing import Any

from sched_rl.config.convert import field_types, show
from sched_rl.config.schema import Config, EnvConfig, GymnasiumEnvConfig, MlpConfig, PpoConfig

KIND = "gymnasium"

#: Keys of a learning agent and the values that they take. An episode that is cut off is valued as if it went on: in
#: these environments the limit is not part of the task.
SWITCHED = {
    "voluntary_waits": True,
    "shape_rewards": False,
    "stagger_starts": False,
    "bootstrap_truncated": True,
    "discount_time_s": None,
}
#: A discount in the place of none: rewards need not end.
ENDLESS_GAMMA = 0.99
#: Those that no command line can switch back.
_FIXED = ("voluntary_waits", "shape_rewards", "stagger_starts", "discount_time_s")


def suit_gymnasium(tree: dict[str, Any]) -> None:
    """Switch off what speaks of jobs where a composed configuration has no cluster, in place; before single values."""
    env, agent = tree.get("env"), tree.get("agent")
    if not isinstance(env, dict) or env.get("kind") != KIND:
        return
    known = field_types(GymnasiumEnvConfig)
    of_clusters = field_types(EnvConfig)
    tree["env"] = {key: value for key, value in env.items() if key in known or key not in of_clusters}
    tree["baselines"] = []
    if isinstance(agent, dict) and agent.get("kind") == "ppo":
        agent.update(SWITCHED)
        if agent.get("gamma") == 1:
            agent["gamma"] = ENDLESS_GAMMA
        if isinstance(warm_start := agent.get("warm_start"), dict):
            warm_start["teacher"] = None
        if isinstance(network := agent.get("network"), dict) and network.get("kind") == "mlp":
            network["observation"] = "raw"


def gymnasium_problem(config: Config) -> str | None:
    """What contradicts an environment of Gymnasium's, or needs one, in one line."""
    env, agent = config.env, config.agent
    network = agent.network if isinstance(agent, PpoConfig) else None
    is_raw = isinstance(network, MlpConfig) and network.observation == "raw"
    if not isinstance(env, GymnasiumEnvConfig):
        return (
            "agent.network.observation=raw: belongs to env=gymnasium; write playbook or rich"
            if is_raw
            else None
        )
    if not isinstance(agent, PpoConfig):
        return (
            f"agent={agent.name}: schedules jobs, and env={KIND} has none; write agent=ppo agent/network=mlp"
        )
    if not is_raw:
        return (
            f"agent/network={agent.network.kind} with agent.network.observation={agent.network.observation}: reads "
            f"jobs, and env={KIND} has none; write agent/network=mlp"
        )
    for key in _FIXED:
        if (value := getattr(agent, key)) != SWITCHED[key]:
            return f"agent.{key}={show(value)}: speaks of jobs, and env={KIND} has none; leave it out"
    if (teacher := agent.warm_start.teacher) is not None:
        return f"agent.warm_start.teacher={teacher}: schedules jobs, and env={KIND} has none; leave it out"
    if config.baselines:
        return f"baselines={show(config.baselines)}: schedule jobs, and env={KIND} has none; leave them out"
    if config.pathology is not None:
        return f"pathology={config.pathology.name}: is made for clusters; leave it out with env={KIND}"
    return None
