"""Single values (`agent.lr=1e-4`) set on a composed tree; each key must be there, so none is dropped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from sched_rl.config.compose import ConfigSources, one_line
from sched_rl.config.convert import schema_keys, show
from sched_rl.config.safety import refuse_calls
from sched_rl.config.suggest import did_you_mean
from sched_rl.errors import ConfigError

#: Keys that a group's choice fixes, with the group that chooses them.
_FIXED = {
    "agent.kind": "agent",
    "agent.name": "agent",
    "agent.network.kind": "agent/network",
    "agent.lr_schedule.kind": "agent/lr_schedule",
    "agent.scheduler": "agent",
    "agent.objective.kind": "agent/objective",
    "env.kind": "env",
    "env.name": "env",
    "eval.name": "eval",
    "tracking.kind": "tracking",
    "diagnosis.kind": "diagnosis",
    "pathology.name": "pathology",
    "pathology.environment.kind": "pathology",
    "pathology.start.kind": "pathology",
}


def set_value(tree: DictConfig, override: Override, sources: ConfigSources) -> None:
    """Set one value on the tree, in place.

    Raises:
        ConfigError: when the key is unknown, a section, fixed by its group, deleted, or added a second time.
    """
    key, text = override.key_or_group, str(override.input_line)
    plain = OmegaConf.to_container(tree, resolve=False)
    leaves = dict(_leaves(plain, ""))
    if key.startswith("sweep.space."):
        searched = text.partition("sweep.space.")[2]
        raise ConfigError(f"{text}: what is searched is written as its own key: {searched}")
    if override.package is not None:
        raise ConfigError(f"{text}: unknown group {key}{did_you_mean(key, sources.groups())}")
    if key not in leaves:
        _refuse_unknown(key, text, plain, leaves, sources)
    if override.is_delete():
        raise ConfigError(f"{text}: every key is needed; a key cannot be deleted")
    if override.is_add():
        raise ConfigError(f"{text}: {key} exists already; write {text.removeprefix('+')}")
    if key in _FIXED:
        raise ConfigError(f"{text}: goes with the choice of {_FIXED[key]}; write {_FIXED[key]}=NAME")
    try:
        OmegaConf.update(tree, key, override.value(), merge=False)
    except OmegaConfBaseException as error:  # an interpolation that is none, `${seed`
        raise ConfigError(f"{text}: {one_line(error)}") from error


def resolve(tree: DictConfig) -> dict[str, Any]:
    """Plain containers with every interpolation resolved.

    Raises:
        ConfigError: naming the interpolation that leads nowhere, or that calls something.
    """
    refuse_calls("", OmegaConf.to_container(tree, resolve=False))
    try:
        plain = OmegaConf.to_container(tree, resolve=True)
    except OmegaConfBaseException as error:
        raise ConfigError(f"{error.full_key}: {one_line(error)}") from error
    return {str(key): value for key, value in plain.items()} if isinstance(plain, dict) else {}


def _leaves(node: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _refuse_unknown(
    key: str, text: str, plain: Any, leaves: Mapping[str, Any], sources: ConfigSources
) -> None:
    section = _select(plain, key)
    if isinstance(section, Mapping):
        group = key.replace(".", "/")
        if sources.is_group(group):
            raise ConfigError(f"{text}: a group is chosen with a slash: {group}=NAME")
        inner = ", ".join(f"{key}.{name}" for name in list(section)[:3])
        raise ConfigError(f"{text}: {key} is a section; set its keys one by one ({inner}, ...)")
    if key.startswith("sweep.") and not plain.get("sweep"):
        raise ConfigError(f"{text}: belongs to a sweep; choose one with sweep=NAME")
    if key in schema_keys() or any(known.startswith(f"{key}.") for known in schema_keys()):
        raise ConfigError(_absent_here(key, plain))
    groups = sources.groups()
    if "/" in key:
        raise ConfigError(f"unknown group {key}{did_you_mean(key, groups)}")
    raise ConfigError(f"unknown key {key}{did_you_mean(key, [*leaves, *groups])}")


def _absent_here(key: str, plain: Any) -> str:
    """A key of the schema that what was chosen does not have."""
    parts = key.split(".")
    for depth in range(len(parts) - 1, 0, -1):
        section = _select(plain, ".".join(parts[:depth]))
        if isinstance(section, Mapping):
            names = ("name", "kind") if depth == 1 else ("kind",)
            choice = next((section[name] for name in names if "$" not in str(section.get(name, "$"))), None)
            return f"{'/'.join(parts[:depth])}={show(choice)} has no {parts[depth]}"
    return f"unknown key {key}"


def _select(node: Any, key: str) -> Any:
    for part in key.split("."):
        if not isinstance(node, Mapping) or part not in node:
            return None
        node = node[part]
    return node
