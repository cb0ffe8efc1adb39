"""Samplers whose k-th sample depends on the seed and k, not on how often the sweep was interrupted.

Optuna stores no sampler. One made anew with the same seed would replay its samples, and so would each of several
workers; so every trial draws with a generator seeded by (seed, number of the trial).
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler
from optuna.trial import TrialState

from sched_rl.config.schema import SweepConfig
from sched_rl.errors import ConfigError
from sweeps.space import Assignment, Space
from sweeps.storage import note

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

_LIVE = (TrialState.RUNNING, TrialState.COMPLETE, TrialState.PRUNED)


def make_sampler(sweep: SweepConfig, space: Space, study: Study) -> BaseSampler:
    """The sampler of a sweep, for a study that may have trials already."""
    if sweep.sampler == "qmc":
        return SobolByNumber(space, sweep.seed)
    if sweep.sampler == "grid":
        return GridByClaim(space, sweep.seed, study)
    return SeededByNumber(sweep.seed, _model(sweep, space))


def check_sampler(sweep: SweepConfig, space: Space) -> None:
    """Refuse a sampler that cannot search the space.

    Raises:
        ConfigError: naming the dimension and what can.
    """
    if sweep.sampler == "grid":
        space.grid()
    if sweep.sampler != "cmaes":
        return
    if len(sweep.objectives) > 1:
        raise ConfigError("sweep.sampler=cmaes: searches for one objective; take tpe or gp for several")
    for dimension in space.dimensions:
        if dimension.choices or dimension.condition is not None:
            what = "conditional" if dimension.condition else "a choice"
            raise ConfigError(
                f"sweep.sampler=cmaes: {dimension.key} is {what}, and CMA-ES searches plain numbers; take tpe"
            )
    if len(space.dimensions) < 2:
        raise ConfigError("sweep.sampler=cmaes: needs two dimensions or more; take tpe or gp for one")


class SeededByNumber(BaseSampler):
    """Delegates every trial to a sampler made for it."""

    def __init__(self, seed: int, make: Callable[[int], BaseSampler]) -> None:
        self._seed = seed
        self._make = make
        self._number = -1
        self._inner: BaseSampler | None = None

    def _of(self, trial: FrozenTrial) -> BaseSampler:
        if self._inner is None or trial.number != self._number:
            self._number = trial.number
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)
                self._inner = self._make(trial_seed(self._seed, trial.number))
        return self._inner

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """As the inner sampler."""
        self._of(trial).before_trial(study, trial)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """As the inner sampler."""
        return self._of(trial).infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """As the inner sampler."""
        return self._of(trial).sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """As the inner sampler."""
        return self._of(trial).sample_independent(study, trial, param_name, param_distribution)


class _ByNumber(BaseSampler):
    """All values of a trial at once; the space takes those whose conditions hold."""

    def __init__(self, space: Space) -> None:
        self._space = space

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The whole space, whatever earlier trials had."""
        return {dimension.key: dimension.distribution() for dimension in self._space.dimensions}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The trial's values."""
        return self.values(trial)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Never asked: `sample_relative` gives every value."""
        raise RuntimeError(f"{param_name}: not of the space")

    def values(self, trial: FrozenTrial) -> Assignment:
        """A value for every dimension."""
        raise NotImplementedError


class SobolByNumber(_ByNumber):
    """Point k of a scrambled Sobol sequence (Owen 1998) for trial k."""

    def __init__(self, space: Space, seed: int) -> None:
        super().__init__(space)
        self._seed = seed

    def values(self, trial: FrozenTrial) -> Assignment:
        """The point's place in every dimension."""
        from scipy.stats import qmc

        sequence = qmc.Sobol(len(self._space.dimensions), scramble=True, rng=self._seed)
        if trial.number:
            sequence.fast_forward(trial.number)
        places = sequence.random(1)[0]
        return {
            dimension.key: dimension.at(float(place))
            for dimension, place in zip(self._space.dimensions, places, strict=True)
        }


class GridByClaim(_ByNumber):
    """The first point of a shuffled grid that no live trial has claimed; a failed trial's point is free again."""

    def __init__(self, space: Space, seed: int, study: Study) -> None:
        super().__init__(space)
        self._study = study
        self._points = _shuffled_grid(space, seed)

    def values(self, trial: FrozenTrial) -> Assignment:
        """Claim a point; of two trials that claim one at once, the one with the lower number keeps it."""
        while True:
            taken = self._claims(trial.number)
            free = (index for index in range(len(self._points)) if index not in taken)
            point = next(free, trial.number % len(self._points))
            note(self._study, trial.number, {"grid_point": point})
            rival = self._claims(trial.number).get(point)
            if rival is None or rival > trial.number or len(taken) >= len(self._points):
                return self._points[point]

    def _claims(self, but: int) -> dict[int, int]:
        """Point to the lowest number of a trial that has it."""
        claims: dict[int, int] = {}
        for other in self._study.get_trials(deepcopy=False):
            point = other.user_attrs.get("grid_point")
            is_live = other.state in _LIVE or other.state == TrialState.WAITING
            if point is not None and is_live and other.number != but:
                claims.setdefault(int(point), other.number)
        return claims


def trial_seed(seed: int, number: int) -> int:
    """The seed of a trial's sampler, of 32 bits."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])


def _shuffled_grid(space: Space, seed: int) -> list[Assignment]:
    points = space.grid()
    random.Random(seed).shuffle(points)
    everywhere = {dimension.key: dimension.at(0.0) for dimension in space.dimensions}
    return [everywhere | point for point in points]


def _model(sweep: SweepConfig, space: Space) -> Callable[[int], BaseSampler]:
    samplers = optuna.samplers
    startup = sweep.startup_trials
    is_conditional = any(dimension.condition is not None for dimension in space.dimensions)
    is_single = len(sweep.objectives) == 1
    return {
        # constant_liar: what other workers are trying counts as bad, so that two do not try the same.
        "tpe": lambda seed: samplers.TPESampler(
            seed=seed,
            n_startup_trials=startup,
            constant_liar=True,
            multivariate=True if is_single or is_conditional else None,
            group=is_conditional,
        ),
        "gp": lambda seed: samplers.GPSampler(
            seed=seed, n_startup_trials=startup, warn_independent_sampling=False
        ),
        "cmaes": lambda seed: samplers.CmaEsSampler(
            seed=seed, n_startup_trials=1, warn_independent_sampling=False
        ),
        "random": lambda seed: samplers.RandomSampler(seed=seed),
    }[sweep.sampler]
