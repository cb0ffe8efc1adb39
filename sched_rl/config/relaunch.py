"""A recorded configuration as the command line that makes it again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sched_rl.config.compose import ConfigSources
from sched_rl.config.convert import config_to_dict, show
from sched_rl.config.load import load_command
from sched_rl.errors import ConfigError

#: Parts that say how a run is watched and where it lies, or that the boundary fills in.
_LEFT_OUT = ("run", "tracking", "progress", "diagnosis", "families", "baseline_agents", "sweep")


def relaunch_overrides(recorded: Mapping[str, Any], sources: ConfigSources) -> list[str]:
    """Group choices and values of `python -m sched_rl.train` that lead to a recorded configuration.

    Args:
        recorded: nested containers as in config.yaml.
        sources: where the options are.

    Raises:
        ConfigError: when today's files cannot lead to it.
    """
    choices = []
    for group in sources.groups():
        node = _at(recorded, group.split("/"))
        if group.split("/")[0] in _LEFT_OUT or not isinstance(node, Mapping):
            continue
        options = sources.options(group)
        name = next((node[key] for key in ("name", "kind") if node.get(key) in options), None)
        if name is not None:
            choices.append(f"{group}={name}")
    composed = config_to_dict(load_command("train", choices, sources).config)
    defaults = config_to_dict(load_command("train", [], sources).config)
    kept = [text for text in choices if not _is_default(text, defaults, composed)]
    wanted, got = dict(_leaves(recorded, "")), dict(_leaves(composed, ""))
    values = [f"{key}={show(wanted[key])}" for key in got if key in wanted and wanted[key] != got[key]]
    overrides = kept + values
    load_command("train", overrides, sources)
    return overrides


def _is_default(choice: str, defaults: Mapping[str, Any], composed: Mapping[str, Any]) -> bool:
    path = choice.partition("=")[0].split("/")
    return _at(defaults, path) is not None and _at(defaults, path) == _at(composed, path)


def _at(node: Any, path: list[str]) -> Any:
    for part in path:
        node = node.get(part) if isinstance(node, Mapping) else None
    return node


def _leaves(node: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        if not prefix and key in _LEFT_OUT:
            continue
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        elif not (prefix and key in ("kind", "name")):
            yield f"{prefix}{key}", value


def check_override(recorded: Mapping[str, Any], override: str, sources: ConfigSources) -> None:
    """Refuse an override that does not compose with a recorded configuration.

    Raises:
        ConfigError: why not.
    """
    try:
        load_command("train", [*relaunch_overrides(recorded, sources), override], sources)
    except ConfigError as error:
        raise ConfigError(f"{override}: {error}") from error
