"""Group choices (`env=heavy`, `agent/network=mlp`): each must be an option, and its group must be there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hydra.core.override_parser.types import Override

from sched_rl.config.compose import ConfigSources
from sched_rl.config.suggest import did_you_mean, one_of
from sched_rl.errors import ConfigError

#: Groups that a run may leave out.
OPTIONAL_GROUPS = ("experiment", "pathology", "debug", "sweep")


def is_choice(override: Override, sources: ConfigSources) -> bool:
    """Whether an override chooses an option of a group rather than setting a value."""
    group = override.key_or_group
    return group in OPTIONAL_GROUPS or sources.is_group(group)


def check_choice(override: Override, sources: ConfigSources) -> str | None:
    """The option that an override chooses for its group, None where it leaves the group out.

    Raises:
        ConfigError: when the option does not exist or the group cannot be left out.
    """
    text, group = str(override.input_line), override.key_or_group
    options = sources.options(group)
    if not options and override.value() is not None:
        raise ConfigError(f"{text}: there is no {group} yet; --config-dir DIR adds DIR/{group}/NAME.yaml")
    if override.is_delete():
        raise ConfigError(f"{text}: a group cannot be deleted; choose {one_of(options)}")
    if override.package is not None:
        raise ConfigError(f"{text}: a group has one place; write {group}={override.value()}")
    value = override.value()
    if isinstance(value, list):
        several = ",".join(str(item) for item in value)
        raise ConfigError(f"{text}: takes one option; for a run each write -m {group}={several}")
    if value is None and group in OPTIONAL_GROUPS:
        return None
    name = str(value) if isinstance(value, str) else ""
    if name not in options:
        shown = text if isinstance(value, str) else f"{group}={text.partition('=')[2]}"
        raise ConfigError(f"{shown}: {group} is one of {', '.join(options)}{did_you_mean(name, options)}")
    return name


def refuse_absent_groups(nested: Sequence[str], chosen: Mapping[str, str | None]) -> None:
    """Refuse the choice of a nested group that the chosen parent does not have.

    Args:
        nested: groups such as `agent/network` that the overrides name.
        chosen: what the composition without them chose, group to option.

    Raises:
        ConfigError: `agent=sjf has no network`.
    """
    for group in nested:
        parent, _, leaf = group.rpartition("/")
        if group not in chosen and chosen.get(parent) is not None:
            raise ConfigError(f"{parent}={chosen[parent]} has no {leaf}")
