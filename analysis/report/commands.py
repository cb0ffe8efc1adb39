"""The command lines that make a problem's runs again: one for each variant, its seeds as a grid."""

from __future__ import annotations

import shlex

from analysis.compare.grouping import Problem
from sched_rl.config.compose import ConfigSources
from sched_rl.config.overrides import argument
from sched_rl.config.relaunch import relaunch_overrides
from sched_rl.errors import ConfigError


def commands_of(problem: Problem) -> list[str]:
    """A command a variant; a comment where another version's configuration cannot be made today."""
    sources = ConfigSources()
    commands = []
    for variant in problem.variants:
        run = next(iter(variant.runs.values()))
        try:
            overrides = [text for text in relaunch_overrides(run.config, sources) if _key(text) != "seed"]
        except ConfigError as error:
            commands.append(f"# {variant.label}: not with this version ({error})")
            continue
        seeds = ",".join(map(str, variant.seeds))
        flag = " -m" if len(variant.seeds) > 1 else ""
        words = [_word(text) for text in overrides]
        commands.append(" ".join([f"python -m sched_rl.train{flag}", *words, f"seed={seeds}"]))
    return commands


def _key(text: str) -> str:
    return text.partition("=")[0]


def _word(text: str) -> str:
    key, _, value = text.partition("=")
    return shlex.quote(text) if "[" in value else argument(key, value)
