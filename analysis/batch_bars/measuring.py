"""Slowdowns of every rule on every population, kept in a file, so that a command that was stopped goes on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.batch_bars.populations import Asked, Populations
from analysis.batch_bars.rules import FAMILIES, Rule, Setting, family_rules, fixed_rules, mean_slowdown
from sched_rl.checkpoint import write_atomically
from sched_rl.errors import ConfigError


@dataclass(frozen=True)
class Measured:
    """A rule on the sequences of a population.

    Attributes:
        rule: who scheduled.
        slowdowns: float64 (n,), the mean bounded slowdown of each sequence.
        tuned: its parameter was chosen on other sequences.
    """

    rule: Rule
    slowdowns: NDArray[np.float64]
    tuned: bool

    @property
    def mean(self) -> float:
        """Over the sequences."""
        return float(self.slowdowns.mean())


class Bars:
    """Measures what the file does not have yet, and writes after every rule."""

    def __init__(self, asked: Asked, file: Path) -> None:
        """Read what an earlier command left.

        Raises:
            ConfigError: a file of other sequences, or none of this command's.
        """
        self._file, self._populations, self._sequences = file, Populations(asked), dict[str, list[Any]]()
        self._rows: dict[str, list[float]] = {}
        if file.exists():
            try:
                document = json.loads(file.read_text())
                known, self._rows = document["asked"], document["slowdowns"]
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise ConfigError(f"output={file}: cannot be read as bars ({error})") from error
            if known != asked.record():
                raise ConfigError(f"output={file}: holds bars of other sequences, {known}; name another file")
        self._asked = asked

    def of(self, population: str, setting: Setting) -> list[Measured]:
        """Every fixed rule and the tuned families of a setting, the best on the population first."""
        found = [self._measured(rule, population, setting, tuned=False) for rule in fixed_rules(setting)]
        for family in FAMILIES:
            rule = min(
                family_rules(setting, family),
                key=lambda rule: np.mean(self._slowdowns(rule, f"tuning for {population}", setting)),
            )
            found.append(self._measured(rule, population, setting, tuned=True))
        return sorted(found, key=lambda one: one.mean)

    def _measured(self, rule: Rule, population: str, setting: Setting, *, tuned: bool) -> Measured:
        slowdowns = np.array(self._slowdowns(rule, population, setting))
        return Measured(rule, slowdowns, tuned)

    def _slowdowns(self, rule: Rule, population: str, setting: Setting) -> Sequence[float]:
        key = f"{population}|{setting}|{rule.label}"
        if key not in self._rows:
            sequences = self._parts(population, setting)
            self._rows[key] = [round(mean_slowdown(rule, setting, jobs), 6) for jobs in sequences]
            document = {"asked": self._asked.record(), "slowdowns": self._rows}
            try:
                write_atomically(self._file, (json.dumps(document) + "\n").encode())
            except OSError as error:
                raise ConfigError(f"output={self._file}: cannot be written ({error.strerror})") from error
        return self._rows[key]

    def _parts(self, population: str, setting: Setting) -> list[Any]:
        place = f"{population}|{setting}"
        if place not in self._sequences:
            self._sequences.clear()  # a population at a time is kept
            name = population.removeprefix("tuning for ")
            make = self._populations.tuning if name != population else self._populations.measured
            self._sequences[place] = make(name, setting)
        return self._sequences[place]
