"""A configuration on disk (`config.yaml` of a run folder), read back without Hydra, and its digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from sched_rl.config.convert import config_to_dict, tree_to_config
from sched_rl.config.rules import check_config
from sched_rl.config.schema import Config
from sched_rl.errors import ConfigError

#: Name of the resolved configuration in a run folder.
CONFIG_FILE = "config.yaml"

#: Keys that say where and how a run is watched; they decide none of its results.
_NOT_DIGESTED = ("run", "tracking", "progress", "diagnosis", "sweep", "trial")


#: What a config has, by far; more is damage or an attack.
_MAX_BYTES = 1_000_000
_MAX_DEPTH = 30
#: libyaml's, ten times faster, where PyYAML was built with it.
_LOADER = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader


#: What a warm start was before its keys were there: one teacher, followed and not simulated, at one learning rate.
_FIRST_WARM_START: Mapping[str, Any] = {
    "family_teachers": {},
    "family_teacher_agents": {},
    "simulate": "none",
    "lr_end_frac": 1.0,
}


def config_from_dict(tree: Mapping[str, Any]) -> Config:
    """The checked configuration of a nested mapping, the inverse of `config_to_dict`.

    Raises:
        ConfigError: one line on the first key that does not fit.
    """
    # A record from before there were sweeps, guards and objectives is of a run of its own that nothing guarded.
    older: dict[str, Any] = {"sweep": None, "trial": None, "guard": {"kind": "none"}}
    agent = tree.get("agent")
    if isinstance(agent, Mapping) and agent.get("kind") == "ppo":
        tree = {**tree, "agent": {"objective": {"kind": "mean"}, **agent, **_with_parts(agent)}}
    config = tree_to_config({**older, **tree, **_with_environments(tree)})
    check_config(config)
    return config


def _with_parts(agent: Mapping[str, Any]) -> dict[str, Any]:
    """A record from before a warm start had all of its keys; replay went by the critic's error."""
    completed: dict[str, Any] = {}
    if isinstance(start := agent.get("warm_start"), Mapping):
        completed["warm_start"] = {**_FIRST_WARM_START, **start}
    if isinstance(objective := agent.get("objective"), Mapping) and objective.get("kind") == "plr":
        completed["objective"] = {"score": "critic_error", **objective}
    return completed


def _with_environments(tree: Mapping[str, Any]) -> dict[str, Any]:
    """A record from before other packages could make workloads had the playbook's; sites charged no area's wait."""
    own = {"generator": "playbook", "generator_options": {}}
    env, families = tree.get("env"), tree.get("families")
    completed: dict[str, Any] = {}
    if isinstance(env, Mapping) and "kind" not in env:
        completed["env"] = {**own, **env}
    elif isinstance(env, Mapping) and env.get("kind") == "site" and isinstance(env.get("reward"), Mapping):
        completed["env"] = {**env, "reward": {"area_wait_scale": 0.0, **env["reward"]}}
    if isinstance(families, Mapping):
        completed["families"] = {
            name: {**own, **family} if isinstance(family, Mapping) else family
            for name, family in families.items()
        }
    return completed


def config_digest(config: Config) -> str:
    """SHA-256 (hex) of everything that decides a run's results, see `digested`."""
    canonical = json.dumps(digested(config), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def digested(config: Config) -> dict[str, Any]:
    """Everything that decides a run's results, nested: not its folder, tracking or display.

    The thresholds of the diagnosis count where a guard acts on them.
    """
    plain = config_to_dict(config)
    tree = {key: value for key, value in plain.items() if key not in _NOT_DIGESTED}
    if tree["agent"].get("objective") == {"kind": "mean"}:
        del tree["agent"]["objective"]  # as before there were others
    if tree["agent"].get("objective", {}).get("score") == "critic_error":
        del tree["agent"]["objective"]["score"]  # as before there was another
    start = tree["agent"].get("warm_start", {})
    if start.get("family_teachers") == {}:
        del start["family_teachers"], start["family_teacher_agents"]  # as before families had any
    for key in ("simulate", "lr_end_frac"):
        if start.get(key) == _FIRST_WARM_START[key]:
            del start[key]  # as before there was one
    _forget_where_teachers_lie(start)
    if tree["env"].get("kind") == "site" and not tree["env"]["reward"]["area_wait_scale"]:
        del tree["env"]["reward"]["area_wait_scale"]  # as before there was one
    for env in (tree["env"], *tree["families"].values()):
        if env.get("generator") == "playbook":
            del env["generator"], env["generator_options"]
    if config.guard.kind == "none":
        del tree["guard"]
    else:
        tree["diagnosis"] = {key: value for key, value in plain["diagnosis"].items() if key != "kind"}
    return tree


def config_to_yaml(config: Config) -> str:
    """The text of `config.yaml`; floats are written so that they read back to the bit."""
    return yaml.safe_dump(config_to_dict(config), sort_keys=False, width=110, allow_unicode=True)


def read_config_tree(path: Path) -> dict[str, Any]:
    """The nested mapping of a `config.yaml`, unchecked; the one reader of such files, whoever wrote them.

    Raises:
        ConfigError: when it cannot be read, is no YAML or no mapping, or could unfold into more than a config has.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ConfigError(f"{path}: over {_MAX_BYTES:,} bytes; not a config that sched_rl wrote")
        text = path.read_text(encoding="utf-8")
        _check_plain(text)
        tree = yaml.load(text, Loader=_LOADER)
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such file; is {path.parent} a run's folder?") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read as YAML ({' '.join(str(error).split())[:200]})") from error
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: holds no configuration; is it a run's {CONFIG_FILE}?")
    return tree


def _check_plain(text: str) -> None:
    """Refuse aliases, by which a few lines unfold into gigabytes, and depths that exhaust a parser's stack."""
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not allowed")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            raise yaml.YAMLError(f"nested deeper than {_MAX_DEPTH} levels")


def _forget_where_teachers_lie(start: dict[str, Any]) -> None:
    """A learned teacher is what its checkpoint holds."""
    taught = [(start, "teacher", start.get("teacher_agent"))]
    family_teachers = start.get("family_teachers", {})
    taught += [
        (family_teachers, name, agent) for name, agent in start.get("family_teacher_agents", {}).items()
    ]
    for names, name, agent in taught:
        if isinstance(agent, dict) and agent.get("kind") == "policy":
            names[name] = agent["name"] = agent["sha256"]


def load_config_file(path: Path) -> Config:
    """A run's recorded configuration.

    Raises:
        ConfigError: naming the file and the first key that does not fit.
    """
    tree = read_config_tree(path)
    try:
        return config_from_dict(tree)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
