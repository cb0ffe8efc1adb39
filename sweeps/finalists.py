"""Who stands for promotion: the best trials of a sweep and its default configuration, each on the same fresh seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sched_rl.seeding import TRAINING_SEED_HIGH, TRAINING_SEED_LOW, stream
from sweeps.study import SweepError, best_trials, sweep_info, trial_infos

if TYPE_CHECKING:
    from optuna import Study

#: The name of the sweep's settings without what a sampler chose.
DEFAULT = "default"


@dataclass(frozen=True)
class Finalist:
    """A configuration to train again.

    Attributes:
        name: `trial 12`, or `default`.
        overrides: the configuration, as typed; without a seed.
        selection_score: the worst val block that made it a finalist; None for the default.
        trial: number of the trial; None for the default.
    """

    name: str
    overrides: tuple[str, ...]
    selection_score: float | None
    trial: int | None

    @property
    def folder_name(self) -> str:
        """Where its retrainings go, below the promotion's folder."""
        return self.name.replace(" ", "_")


@dataclass(frozen=True)
class Retraining:
    """One training of a finalist, in its own folder."""

    finalist: Finalist
    seed: int
    folder: Path


def choose_finalists(study: Study, top: int) -> list[Finalist]:
    """The best feasible trials, the best first, then the default configuration.

    A trial that repeats the parameters of a better one is passed over: it would be the same finalist.

    Args:
        study: of the sweep.
        top: how many trials.

    Raises:
        SweepError: when no trial is complete and feasible.
    """
    info = sweep_info(study)
    finalists: list[Finalist] = []
    for trial in best_trials(study):
        overrides = (*info.base_overrides, *trial.overrides)
        if len(finalists) < top and all(overrides != other.overrides for other in finalists):
            finalists.append(Finalist(f"trial {trial.number}", overrides, trial.values[0], trial.number))
    if not finalists:
        done = sum(trial.state == "COMPLETE" for trial in trial_infos(study))
        raise SweepError(
            f"{info.name}: nothing to promote, none of its {done} complete trials is feasible"
            if done
            else f"{info.name}: nothing to promote, no trial is complete yet"
        )
    return [*finalists, Finalist(DEFAULT, info.base_overrides, None, None)]


def fresh_seeds(study: Study, count: int) -> list[int]:
    """Seeds for retraining that no trial of the sweep has used; the same every time for the same sweep.

    They come from [2^31, 2^32), where nobody types a seed, and depend on the sweep's name alone, so that more seeds
    later add to those trained already.

    Args:
        study: of the sweep.
        count: how many.
    """
    used = {trial.attrs.get("seed") for trial in trial_infos(study)}
    draws = stream(int.from_bytes(study.study_name.encode()[:16]), "promotion")
    seeds: list[int] = []
    while len(seeds) < count:
        seed = int(draws.integers(TRAINING_SEED_LOW, TRAINING_SEED_HIGH, dtype=np.int64))
        if seed not in used and seed not in seeds:
            seeds.append(seed)
    return seeds


def retrainings(finalists: Sequence[Finalist], seeds: Sequence[int], folder: Path) -> list[Retraining]:
    """Every finalist on every seed, seed by seed, so that a table of the first few seeds is whole.

    Args:
        finalists: to train again.
        seeds: of the trainings.
        folder: of the promotion.
    """
    return [
        Retraining(finalist, seed, folder / finalist.folder_name / f"seed_{seed}")
        for seed in seeds
        for finalist in finalists
    ]
