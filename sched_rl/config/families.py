"""What a configuration names instead of holding: workload families and baselines, resolved at load."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from sched_rl.config.compose import ConfigSources
from sched_rl.config.convert import show
from sched_rl.config.policy_teacher import is_path, policy_teacher
from sched_rl.config.suggest import did_you_mean, one_of
from sched_rl.errors import ConfigError

#: Keys of env that a family takes from the run's own env: the cluster, its semantics and its reward. One
#: policy plays all families, so their observations and rewards must mean the same.
SHARED_KEYS = (
    "num_gpus",
    "max_queue_size",
    "jobs_per_episode",
    "max_priority",
    "max_duration",
    "max_episode_steps",
    "max_episode_time",
    "horizon_factor",
    "lookahead",
    "step",
    "observation",
    "reward",
)

#: Kinds of agents that learn; the others are fixed.
LEARNED_KINDS = ("ppo",)
#: Keys of the agent that an env, or a recipe over it, sets where it learns.
IF_LEARNED = "if_learned"
#: The agent whose keys an env may set.
PLAIN_LEARNER = "ppo"

#: Kinds of schedulers that a rollout can follow and a policy imitate: what they do follows from the state.
BASE_KINDS = ("priority_rule", "linear_score", "laxity_score")


#: In `agent.warm_start.family_teachers`: train PPO on that family alone, and imitate it.
TRAINED = "trained"


def add_families(tree: dict[str, Any], sources: ConfigSources, recorded: Mapping[str, Any]) -> None:
    """Fill `families` with the env config of every family that env and eval name, in place.

    Args:
        tree: the resolved configuration.
        sources: where env files are.
        recorded: families of the run's record, preferred to the files of today.

    Raises:
        ConfigError: when a name is no env or is itself a mixture.
    """
    families: dict[str, Any] = {}
    for section in ("env", "eval"):
        names = _names(tree, section, "families")
        text = f"{section}.families={show(names)}"
        for name in names:
            families[name] = families.get(name) or _family(text, name, tree["env"], sources, recorded)
    tree["families"] = families


def add_baselines(tree: dict[str, Any], sources: ConfigSources, recorded: Mapping[str, Any]) -> None:
    """Fill `baseline_agents` with the config of every scheduler that `baselines` names, in place.

    Raises:
        ConfigError: when a name is no agent or is one that learns.
    """
    names = _names(tree, "baselines")
    agents: dict[str, Any] = {}
    for name in names:
        agents[name] = recorded.get(name) or _baseline(f"baselines={show(names)}", name, sources)
        add_followed(agents[name], sources)
    tree["baseline_agents"] = agents


def add_followed(agent: dict[str, Any], sources: ConfigSources) -> None:
    """Fill in the scheduler that an agent follows, in place: a rollout's `base`, a warm start's `teacher`.

    A recorded one is kept while it is the one named.

    Raises:
        ConfigError: when the name is no agent or is one that cannot be followed.
    """
    if agent.get("kind") == "rollout":
        _add_followed("agent.base", agent, "base", BASE_KINDS, sources)
    elif isinstance(warm_start := agent.get("warm_start"), dict):
        _add_followed("agent.warm_start.teacher", warm_start, "teacher", BASE_KINDS, sources)
        _add_family_teachers(warm_start, sources)


def _add_family_teachers(warm_start: dict[str, Any], sources: ConfigSources) -> None:
    named, recorded = warm_start.get("family_teachers"), warm_start.get("family_teacher_agents")
    filled: dict[str, Any] = {}
    for family, name in named.items() if isinstance(named, Mapping) else ():
        key = f"agent.warm_start.family_teachers.{family}"
        if family not in (families := sources.options("env")):
            raise ConfigError(
                f"{key}: must name an env, one of {one_of(families)}{did_you_mean(family, families)}"
            )
        known = recorded.get(family) if isinstance(recorded, Mapping) else None
        one = {"teacher": name, "teacher_agent": known}
        _add_followed(key, one, "teacher", BASE_KINDS, sources)
        filled[str(family)] = one["teacher_agent"]
    warm_start["family_teacher_agents"] = filled


def _add_followed(
    key: str, node: dict[str, Any], name_key: str, kinds: Sequence[str], sources: ConfigSources
) -> None:
    filled_key = f"{name_key}_agent"
    name, recorded = node.get(name_key), node.get(filled_key)
    if not isinstance(name, str):
        node[filled_key] = None
        return
    if isinstance(recorded, Mapping) and recorded.get("name") == name:
        return
    options = {option: dict(sources.option("agent", option)["agent"]) for option in sources.options("agent")}
    allowed = [option for option, agent in options.items() if agent.get("kind") in kinds]
    if name == TRAINED:
        raise ConfigError(
            f"{key}={TRAINED}: only the teacher of a family that env.families lists can be, of a new run; "
            "name a scheduler, a run folder or a checkpoint"
        )
    if name not in allowed and name_key == "teacher" and is_path(name):
        node[filled_key] = policy_teacher(key, name)
        return
    if name not in allowed:
        other = (
            ", a run folder or checkpoint of a learned policy, or, of a family, trained"
            if name_key == "teacher"
            else ""
        )
        raise ConfigError(
            f"{key}={name}: must be a scheduler whose actions follow from the state: {one_of(allowed)}{other}"
            f"{did_you_mean(name, allowed)}"
        )
    node[filled_key] = options[name]


def refuse_idle_keys(keys: list[str], tree: Mapping[str, Any]) -> None:
    """Refuse single values that a mixture would never read.

    Args:
        keys: dotted keys that the command line sets.
        tree: the resolved configuration.

    Raises:
        ConfigError: naming the key.
    """
    env = tree.get("env")
    if not isinstance(env, Mapping) or not env.get("families"):
        return
    for key in keys:
        section, _, name = key.partition(".")
        if section == "env" and name.partition(".")[0] not in (*SHARED_KEYS, "families"):
            raise ConfigError(f"{key}: has no effect, env={env.get('name')} takes it from its families")


def _names(tree: Mapping[str, Any], *path: str) -> list[str]:
    """The list of names at a path; empty where it is absent or ill-typed, which conversion reports."""
    node: Any = tree
    for part in path:
        node = node.get(part) if isinstance(node, Mapping) else None
    return [str(name) for name in node] if isinstance(node, list) else []


def _family(
    text: str, name: str, env: Mapping[str, Any], sources: ConfigSources, recorded: Mapping[str, Any]
) -> dict[str, Any]:
    options = sources.options("env")
    if env.get("kind"):
        raise ConfigError(f"{text}: env={env.get('name')} has no workload families; write eval=playbook")
    if name in recorded:
        family = dict(recorded[name])
    elif name in options:
        family = dict(sources.option("env", name)["env"])
        family.pop(IF_LEARNED, None)
    else:
        raise ConfigError(f"{text}: no env named {name}{did_you_mean(name, options)}")
    if family.get("kind"):
        raise ConfigError(f"{text}: {name} has no workloads to draw")
    if family.get("families"):
        raise ConfigError(f"{text}: {name} is itself a mixture")
    return family | {key: copy.deepcopy(env[key]) for key in SHARED_KEYS if key in env}


def _baseline(text: str, name: str, sources: ConfigSources) -> dict[str, Any]:
    options = sources.options("agent")
    if name not in options:
        raise ConfigError(f"{text}: no agent named {name}{did_you_mean(name, options)}")
    agent = dict(sources.option("agent", name)["agent"])
    if agent.get("kind") in LEARNED_KINDS:
        raise ConfigError(f"{text}: {name} learns; baselines are fixed schedulers such as sjf")
    return agent
