"""A sweep before its first trial: what is fixed, what is searched, who it is, and whether all of it can run."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import Override

from sched_rl.config.changes import leaves
from sched_rl.config.choices import is_choice
from sched_rl.config.compose import ConfigSources
from sched_rl.config.convert import config_to_dict, show
from sched_rl.config.load import load_command
from sched_rl.config.overrides import argument, parse_overrides
from sched_rl.config.schema import Config, SweepConfig
from sched_rl.errors import ConfigError
from sched_rl.sweep_job import SweepJob
from sweeps.grammar import make_space
from sweeps.pruners import check_pruner
from sweeps.samplers import check_sampler
from sweeps.space import Space
from sweeps.study import SWEEPS, SweepError, storage_address
from sweeps.trial import cached_sources

#: Sections that say where and how trials are watched; two commands of one sweep may differ in them.
_FREE = (
    "trial",
    "run",
    "tracking",
    "device",
    "threads",
    "progress",
    "diagnosis",
    "baselines",
    "baseline_agents",
)

#: Keys of `sweep` that two commands of one sweep share: they decide which trials there are and who is pruned.
_SHARED = ("sampler", "seed", "pruner", "startup_trials", "warmup_frac", "objectives", "constraints")


@dataclass(frozen=True)
class SweepPlan:
    """Everything that a sweep needs to begin or to go on.

    Attributes:
        name: of the sweep and its study.
        recipe: option of the group `sweep`.
        command: what was typed.
        fixed: overrides that every trial gets.
        base_overrides: overrides that train with the fixed settings without `sweep=`.
        config: the configuration around the space.
        sweep: its section `sweep`.
        space: what is searched.
        n_trials: finished trials at the end; a grid has no more than its points.
        storage: absolute address.
        folder: absolute; holds a folder for each trial.
        shared: what every command of this sweep must have in common.
    """

    name: str
    recipe: str
    command: tuple[str, ...]
    fixed: tuple[str, ...]
    base_overrides: tuple[str, ...]
    config: Config
    sweep: SweepConfig
    space: Space
    n_trials: int
    storage: str
    folder: Path
    shared: dict[str, Any]

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of `shared`."""
        return hashlib.sha256(json.dumps(self.shared, sort_keys=True).encode()).hexdigest()


def make_plan(arguments: Sequence[str], job: SweepJob) -> SweepPlan:
    """Read and check a sweep's command line.

    Args:
        arguments: what was typed, Hydra's own overrides left out.
        job: how trials run.

    Raises:
        ConfigError: naming what no trial could run with.
    """
    sources = cached_sources(job.config_dirs)
    parsed = parse_overrides(arguments)
    searched = {each.key_or_group: _value_text(each) for each in parsed if each.is_sweep_override()}
    typed = [each for each in parsed if not each.is_sweep_override() and each.key_or_group != "resume"]
    _refuse_reserved(typed)
    fixed = _fixed(typed)
    config = load_command("train", fixed, sources).config
    sweep = config.sweep
    if sweep is None:
        raise ConfigError(
            "hydra/sweeper=sched_optuna: searches what a sweep says; choose one with sweep=NAME"
        )
    choices = _choices(typed, sources)
    recipe = str(choices.get("sweep"))
    entries = _entries(recipe, sweep, typed, searched)
    base = config_to_dict(config)
    space = make_space(entries, base, choices)
    check_sampler(sweep, space)
    check_pruner(sweep)
    _check_corners(fixed, space, sources, job)
    name = _name(sweep, recipe, config, searched)
    folder = _folder(typed, SWEEPS / name)
    return SweepPlan(
        name=name,
        recipe=recipe,
        command=tuple(arguments),
        fixed=tuple(fixed),
        base_overrides=tuple(_base_overrides(typed, config, choices, sources)),
        config=config,
        sweep=sweep,
        space=space,
        n_trials=min(sweep.n_trials, len(space.grid())) if sweep.sampler == "grid" else sweep.n_trials,
        storage=storage_address(sweep.storage, folder),
        folder=folder,
        shared=_shared(base, entries),
    )


def _refuse_reserved(typed: Sequence[Override]) -> None:
    for override in typed:
        if override.key_or_group.startswith("trial."):
            raise ConfigError(f"{override.input_line}: set by the sweep itself, for each trial")


def _fixed(typed: Sequence[Override]) -> list[str]:
    """What every trial gets: what was typed, no live display, and never a look at the report blocks."""
    fixed = [str(each.input_line) for each in typed if each.key_or_group != "run.folder"]
    if not any(each.key_or_group == "progress" for each in typed):
        fixed.append("progress=off")
    return [*fixed, "eval.final_report=false"]


def _value_text(override: Override) -> str:
    return str(override.input_line).partition("=")[2]


def _choices(typed: Sequence[Override], sources: ConfigSources) -> dict[str, str | None]:
    """Group to option, those that presets choose included."""
    texts = [f"{each.key_or_group}={show(each.value())}" for each in typed if is_choice(each, sources)]
    return sources.compose("train", texts).chosen


def _entries(
    recipe: str, sweep: SweepConfig, typed: Sequence[Override], searched: Mapping[str, str]
) -> dict[str, tuple[str, str | None]]:
    """The file's space, without what the command line fixes, under what it searches."""
    fixed = {each.key_or_group for each in typed}
    entries: dict[str, tuple[str, str | None]] = {
        key: (entry.values, entry.when)
        for key, entry in sweep.space.items()
        if key not in fixed and key.rpartition(".")[0] not in fixed
    }
    for key, text in searched.items():
        condition = entries[key][1] if key in entries else None
        entries[key] = (text, condition)
    if not entries:
        raise ConfigError(
            f"sweep={recipe}: nothing to search; give a key several values, such as "
            "'agent.lr=tag(log,interval(1e-4,1e-2))'"
        )
    return entries


def _check_corners(fixed: Sequence[str], space: Space, sources: ConfigSources, job: SweepJob) -> None:
    """Compose the ends of every dimension, so that a range out of bounds is known before an hour of training."""
    for corner in space.corners():
        overrides = space.overrides(corner)
        try:
            config = load_command("train", [*fixed, *overrides], sources).config
        except ConfigError as error:
            raise ConfigError(
                f"sweep.space: a trial with {' '.join(overrides)} could not run: {error}"
            ) from error
    job.check(config)


def _name(sweep: SweepConfig, recipe: str, config: Config, searched: Mapping[str, str]) -> str:
    if sweep.name is None:
        agent = "agents" if "agent" in {*sweep.space, *searched} else config.agent.name
        return f"{recipe}-{agent}-{config.env.name}"
    if not re.fullmatch(r"[\w.-]+", sweep.name) or sweep.name.startswith("."):
        raise ConfigError(f"sweep.name={sweep.name}: names a folder; letters, digits, _, - and . only")
    return sweep.name


def _folder(typed: Sequence[Override], default: Path) -> Path:
    named = [each.value() for each in typed if each.key_or_group == "run.folder"]
    folder = (default if not named or named[-1] is None else Path(str(named[-1]))).absolute()
    if folder.is_file():
        raise SweepError(f"{folder}: is a file; the sweep needs a folder")
    return folder


def _shared(base: Mapping[str, Any], entries: Mapping[str, tuple[str, str | None]]) -> dict[str, Any]:
    tree = {key: value for key, value in base.items() if key not in (*_FREE, "sweep")}
    sweep = {key: base["sweep"][key] for key in _SHARED}
    space = {key: text if when is None else f"{text} when {when}" for key, (text, when) in entries.items()}
    shared: dict[str, Any] = json.loads(json.dumps({**tree, "sweep": {**sweep, "space": space}}))
    return shared


def _base_overrides(
    typed: Sequence[Override], config: Config, choices: Mapping[str, str | None], sources: ConfigSources
) -> list[str]:
    """What was typed and what the sweep's file sets beside the search, as overrides of a plain run."""
    kept = [
        each
        for each in typed
        if each.key_or_group.partition(".")[0] not in ("sweep", "run", "progress", "baselines", "tracking")
        and each.key_or_group != "eval.final_report"
    ]
    texts = [str(each.input_line) for each in kept]
    plain_choices = _choices(kept, sources)
    chosen = [
        f"{group}={option}"
        for group, option in choices.items()
        if option is not None and group != "sweep" and plain_choices.get(group) != option
    ]
    plain = load_command("train", [*texts, *chosen], sources).config
    own, other = (dict(leaves(_compared(each))) for each in (config, plain))
    return [*texts, *chosen, *(argument(key, show(own[key])) for key in own if own[key] != other.get(key))]


def _compared(config: Config) -> dict[str, Any]:
    left_out = (*_FREE, "sweep", "families")
    tree = {key: value for key, value in config_to_dict(config).items() if key not in left_out}
    tree["eval"] = {key: value for key, value in tree["eval"].items() if key != "final_report"}
    return tree
