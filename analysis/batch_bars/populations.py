"""Sequences that bars are measured on and those that they are tuned on, which share no job."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sched_rl.config.load import load_config
from sched_rl.seeding import TRAINING_SEED_LOW
from sched_rl.workloads.site_source import site_source
from sched_rl.workloads.swf import read_swf
from sched_rl.workloads.trace_jobs import jobs_of

#: The first seed of the promote blocks of `eval=playbook`, which an evaluation of a policy plays as well.
UNSEEN_SEED = 7_000_001


@dataclass(frozen=True)
class Asked:
    """What is measured.

    Attributes:
        trace: a workload in SWF.
        starts: first jobs of its sequences.
        count: jobs of every sequence.
        load_factor: of generated sequences.
        unseen: how many of them are measured.
        tuning: how many others the families are tuned on.
    """

    trace: Path
    starts: tuple[int, ...]
    count: int
    load_factor: float
    unseen: int
    tuning: int

    def record(self) -> dict[str, Any]:
        """As JSON, without the folder of the trace."""
        return {**dataclasses.asdict(self), "trace": self.trace.name, "starts": list(self.starts)}


class Populations:
    """The sequences: `published` by setting (the game reads traces by rules of its own), `unseen`, and for tuning."""

    def __init__(self, asked: Asked) -> None:
        """Read the trace; sequences are generated when asked for."""
        trace = read_swf(asked.trace)
        self._traces = {rules: jobs_of(trace, rules) for rules in ("textbook", "game")}
        self._asked = asked
        overrides = [f"env.trace.load_factor={asked.load_factor}", f"env.trace.count={asked.count}"]
        machine = [f"env.lublin.num_procs={self._traces['textbook'].num_nodes}"]
        self._env = load_config("evaluate", ["agent=fcfs", "env=lublin", *overrides, *machine]).env

    def measured(self, population: str, setting: str) -> list[Any]:
        """The sequences of a population that a setting is measured on."""
        if population == "unseen":
            return self._generated(UNSEEN_SEED, self._asked.unseen)
        jobs = self._traces["game" if setting.startswith("game") else "textbook"]
        return [jobs.sequence(start, self._asked.count) for start in self._asked.starts]

    def tuning(self, population: str, setting: str) -> list[Any]:
        """Generated sequences that nobody is measured on, on the clock of those that are.

        F1 goes by the logarithm of the absolute submit time, so that its weight belongs to a clock: for a population
        on a trace's clock, tuning sequence i begins when the (i modulo their number)-th of its sequences does.
        """
        sequences = self._generated(TRAINING_SEED_LOW, self._asked.tuning)
        if population == "unseen":
            return sequences
        begins = [float(part.submit_s[0]) for part in self.measured(population, setting)]
        return [_moved(jobs, begins[i % len(begins)]) for i, jobs in enumerate(sequences)]

    def _generated(self, first_seed: int, count: int) -> list[Any]:
        source = site_source(self._env)
        return [source.sequence(first_seed + i) for i in range(count)]


def _moved(jobs: Any, begin_s: float) -> Any:
    return dataclasses.replace(jobs, submit_s=jobs.submit_s - jobs.submit_s[0] + begin_s)


def seeds_of(population: str, asked: Asked) -> Sequence[int]:
    """What the episodes of an evaluation JSON name a population's sequences by: `start` in the trace, or `seed`."""
    return asked.starts if population == "published" else range(UNSEEN_SEED, UNSEEN_SEED + asked.unseen)
