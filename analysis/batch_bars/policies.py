"""Trained policies beside the bars: the same sequences, paired, from the JSONs that `sched_rl.evaluate` wrote."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.batch_bars.populations import Asked, seeds_of
from sched_rl.errors import ConfigError
from sched_rl.evaluation.blocks import NAMED_STARTS
from sched_rl.statistics import Interval, mean_interval, paired_difference
from sched_rl.statistics.crossed import crossed_interval

_SEED = 0


@dataclass(frozen=True)
class Played:
    """What a training's policy reached on the sequences of a population; every array float64 (n,)."""

    slowdowns: NDArray[np.float64]
    mean_wait_s: NDArray[np.float64]
    max_wait_s: NDArray[np.float64]
    utilization: NDArray[np.float64]


def played(files: Sequence[Path], population: str, asked: Asked) -> list[Played]:
    """The policies of those files that hold a population's sequences.

    Raises:
        ConfigError: a file that is no evaluation, or that lacks some of the sequences.
    """
    found = []
    for file in files:
        try:
            document = json.loads(file.read_text())
            episodes, block = document["episodes"], document["blocks"][0]["name"]
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise ConfigError(f"{file}: cannot be read as an evaluation's JSON ({error})") from error
        if (block == NAMED_STARTS) == (population == "published"):
            found.append(_of_sequences(file, episodes, population, asked))
    return found


def _of_sequences(file: Path, episodes: list[dict[str, Any]], population: str, asked: Asked) -> Played:
    key = "start" if population == "published" else "seed"
    by_place = {episode[key]: episode for episode in episodes}
    wanted = seeds_of(population, asked)
    if absent := [place for place in wanted if place not in by_place]:
        raise ConfigError(
            f"{file}: has no episode of {key} {absent[0]}, one of the {len(wanted)} that the bars played"
        )

    def column(name: str) -> NDArray[np.float64]:
        return np.array([by_place[place][name] for place in wanted], np.float64)

    return Played(
        column("mean_bounded_slowdown"), column("mean_wait_s"), column("max_wait_s"), column("utilization")
    )


def difference(policies: Sequence[Played], bar: NDArray[np.float64]) -> Interval:
    """Policies minus a bar over paired sequences; with several trainings the interval covers their spread as well."""
    differences = np.array([policy.slowdowns - bar for policy in policies])
    if len(policies) == 1:
        return paired_difference(policies[0].slowdowns, bar, seed=_SEED)
    return crossed_interval(differences, seed=_SEED)


def spread(values: NDArray[np.float64]) -> Interval:
    """A mean over sequences with its interval."""
    return mean_interval(values, seed=_SEED)
