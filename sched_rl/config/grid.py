"""A plain grid (`-m agent.clip_coef=0.1,0.2 seed=1,2,3`) as the list of its jobs, each checked before any runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.types import Override

from sched_rl.config.compose import ConfigSources
from sched_rl.config.families import LEARNED_KINDS
from sched_rl.config.load import load_command
from sched_rl.config.overrides import refuse_unbounded_sweep
from sched_rl.config.schema import Config
from sched_rl.errors import ConfigError


@dataclass(frozen=True)
class Grid:
    """The jobs of a plain multirun.

    Attributes:
        keys: what is swept, in the order of the command line.
        jobs: the overrides of each job, by its number.
    """

    keys: tuple[str, ...]
    jobs: tuple[tuple[str, ...], ...]

    def values(self, number: int) -> dict[str, str]:
        """What tells a job from the others: swept key to its value's text."""
        given = dict(_key_and_value(text) for text in self.jobs[number])
        return {key: given[key] for key in self.keys}


def check_grid(
    overrides: Sequence[Override], sources: ConfigSources, check: Callable[[Config], None]
) -> Grid:
    """List the jobs and refuse a bad one before the first trains for an hour.

    Args:
        overrides: of the configuration, sweeps included; none of Hydra's own.
        sources: where the options are.
        check: refuses what a configuration asks of the machine in vain.

    Raises:
        ConfigError: naming the first job's fault.
    """
    for override in overrides:
        refuse_unbounded_sweep(override)
    jobs: list[tuple[str, ...]] = []
    for batch in BasicSweeper.split_arguments(list(overrides), max_batch_size=None):
        for job in batch:
            _check_job(job, sources, check)
            jobs.append(tuple(job))
    swept = [override.key_or_group for override in overrides if override.is_sweep_override()]
    return Grid(tuple(dict.fromkeys(swept)), tuple(jobs))


def _check_job(job: Sequence[str], sources: ConfigSources, check: Callable[[Config], None]) -> None:
    try:
        config = load_command("train", job, sources).config
    except ConfigError as error:
        _refuse_learners_keys(job, sources, error)
        raise
    check(config)


def _refuse_learners_keys(job: Sequence[str], sources: ConfigSources, error: ConfigError) -> None:
    """A grid over learned and fixed schedulers with the former's keys has a better form.

    Raises:
        ConfigError: showing it, where that is what is wrong with the job.
    """
    given = dict(_key_and_value(text) for text in job)
    name = given.get("agent", "")
    keys = [key for key in given if key.startswith(("agent.", "agent/"))]
    if not keys or name not in sources.options("agent"):
        return
    if sources.option("agent", name)["agent"].get("kind") in LEARNED_KINDS:
        return
    raise ConfigError(
        f"{error}: {name} does not learn; leave it out of the grid and have it judged beside every run: "
        f"baselines=[{name}]"
    ) from error


def _key_and_value(text: str) -> tuple[str, str]:
    key, _, value = text.partition("=")
    return key.lstrip("+"), value
