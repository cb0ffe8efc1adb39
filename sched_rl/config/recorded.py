"""A recorded run as the base of a configuration: `resume=` and `checkpoint=`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import Override

from sched_rl.config.choices import check_choice
from sched_rl.config.compose import ConfigSources
from sched_rl.config.convert import config_to_dict
from sched_rl.config.record import CONFIG_FILE, load_config_file
from sched_rl.config.trees import replace_group
from sched_rl.errors import ConfigError


def find_config_file(key: str, path: Path) -> Path:
    """The `config.yaml` of a run folder, or of the run folder that a checkpoint file lies in.

    Raises:
        ConfigError: when there is none.
    """
    if path.is_dir():
        candidates = [path / CONFIG_FILE]
    elif path.is_file():
        candidates = [parent / CONFIG_FILE for parent in path.absolute().parents[:2]]
    else:
        raise ConfigError(f"{key}={path}: no such file or folder")
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise ConfigError(f"{key}={path}: not of a run, there is no {CONFIG_FILE} in {candidates[0].parent}")


def read_recorded(key: str, path: Path) -> dict[str, Any]:
    """The recorded configuration as a nested mapping.

    Raises:
        ConfigError: when there is none, or it does not fit this version.
    """
    file = find_config_file(key, path)
    return config_to_dict(load_config_file(file))


def refuse_rivals(key: str, choices: Sequence[Override], values: Sequence[Override]) -> None:
    """Refuse what a record cannot go with: another agent, another folder.

    Raises:
        ConfigError: naming both.
    """
    for override in (*choices, *values):
        if override.key_or_group == "agent":
            raise ConfigError(f"{override.input_line}: {key}= brings its own agent; give one of the two")
        if override.key_or_group == "run.folder":
            raise ConfigError(f"{override.input_line}: {key}= makes no folder; leave one of the two out")


def with_choices(
    recorded: dict[str, Any], choices: Sequence[Override], sources: ConfigSources
) -> dict[str, Any]:
    """The recorded configuration with whole groups replaced.

    Args:
        recorded: the nested mapping of `config.yaml`.
        choices: group overrides of the command line.
        sources: where the options are.

    Raises:
        ConfigError: when a choice is no option, or of a group that the recorded agent does not have.
    """
    tree = {name: value for name, value in recorded.items() if name not in ("families", "baseline_agents")}
    for override in sorted(choices, key=lambda choice: choice.key_or_group.count("/")):
        group, option = override.key_or_group, check_choice(override, sources)
        parent, _, leaf = group.rpartition("/")
        if parent and leaf not in tree.get(parent, {}):
            raise ConfigError(f"{parent}={tree.get(parent, {}).get('name')} has no {leaf}")
        if option is not None:
            tree = replace_group(tree, group, sources.option(group, option))
    return tree
