"""The one boundary: command-line overrides in, a typed and checked configuration or one line of error out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import Override
from omegaconf import OmegaConf

from sched_rl.config.changes import changes, shortened
from sched_rl.config.choices import check_choice, is_choice, refuse_absent_groups
from sched_rl.config.compose import HYDRA_LOCK, ConfigSources
from sched_rl.config.convert import show, tree_to_config
from sched_rl.config.families import (
    IF_LEARNED,
    LEARNED_KINDS,
    PLAIN_LEARNER,
    add_baselines,
    add_families,
    add_followed,
    refuse_idle_keys,
)
from sched_rl.config.gymnasium import suit_gymnasium
from sched_rl.config.overrides import parse_overrides, refuse_sweep
from sched_rl.config.record import config_from_dict
from sched_rl.config.recorded import read_recorded, refuse_rivals, with_choices
from sched_rl.config.rules import check_config, check_training
from sched_rl.config.safety import refuse_arguments
from sched_rl.config.schema import Config
from sched_rl.config.site_rules import suit_site
from sched_rl.config.sweeps import complete_sweep
from sched_rl.config.trained_teacher import (
    families_to_train_on,
    in_its_folder,
    teacher_overrides,
    trained_teacher,
)
from sched_rl.config.trees import merged, replace_group
from sched_rl.config.values import resolve, set_value
from sched_rl.errors import ConfigError

_INSIST = "resume_with_changes"
#: Keys of a primary that steer the command and are no part of the configuration; the first names a record.
COMMAND_KEYS = {"train": ("resume", _INSIST), "evaluate": ("checkpoint", "output", "schedule_output")}


@dataclass(frozen=True)
class Command:
    """A checked configuration and the paths that a command takes beside it, key to text or None.

    Attributes:
        teachers: configurations of the runs that make the policies which `config` imitates, to be run first.
    """

    config: Config
    options: dict[str, str | None]
    teachers: tuple[Config, ...] = ()


def load_config(primary: str, overrides: Sequence[str], config_dirs: Sequence[Path] = ()) -> Config:
    """Compose conf/PRIMARY.yaml with overrides, convert and check it. Reentrant and safe in threads.

    Args:
        primary: `train` or `evaluate`.
        overrides: `group=option` and `key=value`, as on the command line.
        config_dirs: folders of others' YAML.

    Raises:
        ConfigError: one line on the first thing that is wrong.
    """
    return load_command(primary, overrides, ConfigSources(config_dirs)).config


def load_env_config(overrides: Sequence[str], config_dirs: Sequence[Path] = ()) -> Config:
    """The configuration behind `make_env`: `env` and `families` count, the agent is a placeholder.

    Raises:
        ConfigError: one line on the first thing that is wrong.
    """
    placeholder = ["agent=fifo", "tracking=none"]
    return load_config("evaluate", [*placeholder, *overrides], config_dirs)


def load_command(primary: str, overrides: Sequence[str], sources: ConfigSources) -> Command:
    """As `load_config`, with the command's own paths; `resume=` or `checkpoint=` make a record the base.

    Raises:
        ConfigError: one line on the first thing that is wrong.
    """
    # The grammar's parser tables and Hydra's plugin registry are shared by the whole process.
    with HYDRA_LOCK:
        return _load_command(primary, overrides, sources)


def _load_command(primary: str, overrides: Sequence[str], sources: ConfigSources) -> Command:
    choices, values = split_overrides(overrides, sources)
    base_key = COMMAND_KEYS[primary][0]
    recorded_run = _last_value(values, base_key)
    recorded: dict[str, Any] = {}
    if recorded_run is None:
        tree = _with_learned_keys(_compose(primary, choices, sources), choices, of_env=True)
        suit_gymnasium(tree)
        suit_site(tree)
    else:
        refuse_rivals(base_key, choices, values)
        recorded = read_recorded(base_key, Path(recorded_run))
        tree = with_choices(recorded, choices, sources) | dict.fromkeys(COMMAND_KEYS[primary])
        tree = _with_learned_keys(tree, choices, of_env=False)  # another cluster leaves a trained agent alone
    config_tree = OmegaConf.create(tree)
    for override in values:
        set_value(config_tree, override, sources)
    plain = resolve(config_tree)
    insists = _flag(_INSIST, plain.pop(_INSIST, False))
    options = {key: _path(key, plain.pop(key)) for key in COMMAND_KEYS[primary] if key != _INSIST}
    refuse_idle_keys([override.key_or_group for override in values], plain)
    add_families(plain, sources, recorded.get("families") or {})
    add_baselines(plain, sources, recorded.get("baseline_agents") or {})
    teachers: list[Config] = []
    if isinstance(agent := plain.get("agent"), dict):
        if primary == "train" and recorded_run is None:
            teachers = _add_trained_teachers(plain, [*choices, *values], sources)
        add_followed(agent, sources)
    complete_sweep(plain)
    config = tree_to_config(plain)
    check_config(config)
    if primary == "train":
        check_training(config)
        if recorded and not insists:
            _refuse_changes(recorded, config, options["resume"])
    return Command(config, options, tuple(teachers))


def _add_trained_teachers(
    tree: dict[str, Any], given: Sequence[Override], sources: ConfigSources
) -> list[Config]:
    """Fill in the teachers that are trained first, in place; returns the configurations that train them."""
    agent, teachers = tree["agent"], list[Config]()
    for family in families_to_train_on(agent, tree.get("families") or {}):
        training = _load_command("train", teacher_overrides(family, tree.get("seed"), given), sources)
        teachers.append(in_its_folder(family, training.config))
        agent["warm_start"].setdefault("family_teacher_agents", {})[family] = trained_teacher(teachers[-1])
    return teachers


def _refuse_changes(recorded: dict[str, Any], config: Config, folder: str | None) -> None:
    if changed := changes(config_from_dict(recorded), config):
        raise ConfigError(
            f"resume={folder}: the run was begun with other settings: {shortened(changed)}. Leave them as they were, "
            "or insist with resume_with_changes=true"
        )


def _flag(key: str, value: Any) -> bool:
    if value not in (None, True, False):
        raise ConfigError(f"{key}={value}: must be true or false")
    return bool(value)


def split_overrides(
    overrides: Sequence[str], sources: ConfigSources
) -> tuple[list[Override], list[Override]]:
    """The overrides of one run as group choices and single values.

    Raises:
        ConfigError: on grammar, on what must not reach Hydra, on several values for one run.
    """
    parsed = parse_overrides(overrides)
    refuse_arguments(parsed)
    for override in parsed:
        refuse_sweep(override)
        if override.is_hydra_override():
            raise ConfigError(f"{override.input_line}: steers a multirun; add -m")
    choices = [override for override in parsed if is_choice(override, sources)]
    return choices, [override for override in parsed if override not in choices]


def _compose(primary: str, choices: Sequence[Override], sources: ConfigSources) -> dict[str, Any]:
    options = {override.key_or_group: check_choice(override, sources) for override in choices}
    nested = {group: option for group, option in options.items() if "/" in group}
    try:
        composed = sources.compose(primary, _texts(options))
    except ConfigError:
        if not nested:
            raise
        top = {group: option for group, option in options.items() if group not in nested}
        outline = sources.compose(primary, _texts(top))
        _refuse_untrained(primary, outline.tree.get("agent"))
        refuse_absent_groups(list(nested), outline.chosen)
        raise
    _refuse_untrained(primary, composed.tree.get("agent"))
    plain = OmegaConf.to_container(composed.tree, resolve=False)
    tree = {str(key): value for key, value in plain.items()} if isinstance(plain, dict) else {}
    # A choice on the command line brings the option as its file has it: what a preset set on its own choice
    # (an end_frac for its exponential schedule) belongs to that choice.
    for group, option in nested.items():
        tree = replace_group(tree, group, sources.option(group, str(option)))
    return tree


def _texts(options: Mapping[str, str | None]) -> list[str]:
    return [f"{group}={show(option)}" for group, option in options.items()]


def _refuse_untrained(primary: str, agent: Mapping[str, Any] | None) -> None:
    """Without a checkpoint, evaluate plays fixed schedulers only."""
    if primary != "evaluate":
        return
    if agent is None:
        raise ConfigError("nothing to evaluate: give agent=NAME or checkpoint=RUN_FOLDER_OR_FILE")
    if agent.get("kind") in LEARNED_KINDS:
        raise ConfigError(f"agent={agent.get('name')}: learns; give checkpoint=RUN_FOLDER_OR_FILE instead")


def _with_learned_keys(tree: dict[str, Any], choices: Sequence[Override], *, of_env: bool) -> dict[str, Any]:
    """`if_learned` holds keys of agent that an env, or a recipe over it, sets where the agent learns.

    An env's are for the agent that was tuned on it, `ppo`: a study's agent stays the study's. A part that the command
    line chose, such as agent/network, is the command line's.

    Args:
        tree: the composed configuration; both `if_learned` are taken out.
        choices: of the command line.
        of_env: false leaves those of env unheeded.
    """
    chosen = {override.key_or_group.removeprefix("agent/") for override in choices}
    env, agent = tree.get("env"), tree.get("agent")
    env_keys = env.pop(IF_LEARNED, None) if isinstance(env, dict) else None
    keys_in_turn = [tree.pop(IF_LEARNED, None)]
    if not isinstance(agent, Mapping) or agent.get("kind") not in LEARNED_KINDS:
        return tree
    if of_env and agent.get("name") == PLAIN_LEARNER:
        keys_in_turn.insert(0, env_keys)
    for keys in keys_in_turn:
        agent = merged(agent, {key: value for key, value in (keys or {}).items() if key not in chosen})
    tree["agent"] = agent
    return tree


def _last_value(values: Sequence[Override], key: str) -> str | None:
    given = [override.value() for override in values if override.key_or_group == key]
    return _path(key, given[-1]) if given else None


def _path(key: str, value: Any) -> str | None:
    if value is None or (isinstance(value, str) and value):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    raise ConfigError(f"{key}={show(value)}: must be a path")
