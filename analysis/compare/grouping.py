"""Runs as problems, variants of one problem, and seeds of one variant."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from analysis.compare.runs import Episodes, Run
from sched_rl.config.suggest import did_you_mean
from sched_rl.errors import ConfigError

#: Groups of options: what the command line calls them, and the key that names the choice.
CHOICES = {
    "agent": "agent.name",
    "agent/network": "agent.network.kind",
    "agent/lr_schedule": "agent.lr_schedule.kind",
    "agent/objective": "agent.objective.kind",
    "env": "env.name",
    "eval": "eval.name",
}
#: What makes a score another score: the jobs, the cluster, the reward, the blocks.
_PROBLEM = (
    "env.",
    "eval.first_seed",
    "eval.num_blocks",
    "eval.episodes_per_block",
    "eval.families",
    "families.",
)
#: What decides no result, is a replicate's name, or is the record of another key.
_IGNORED = (
    *(
        "seed",
        "run.",
        "tracking.",
        "progress",
        "diagnosis.",
        "device",
        "threads",
        "pathology",
        "trial.",
        "sweep",
    ),
    *("baselines", "baseline_agents.", "families.", "eval.split", "eval.final_report", "eval.every_updates"),
    *("debug", "experiment", "agent.kind", "guard."),
)


@dataclass(frozen=True)
class Variant:
    """Runs of one setting of the compared keys.

    Attributes:
        label: the setting as overrides, without the problem's.
        runs: by training seed, one a seed.
    """

    label: str
    runs: dict[int, Run]

    @property
    def seeds(self) -> tuple[int, ...]:
        """Training seeds, ascending."""
        return tuple(sorted(self.runs))


@dataclass(frozen=True)
class Problem:
    """Runs whose scores mean the same.

    Attributes:
        label: for example `env=heavy`.
        variants: by label, numbers as numbers, so that the order does not depend on where the runs came from.
    """

    label: str
    variants: tuple[Variant, ...]

    @property
    def runs(self) -> list[Run]:
        """All of them."""
        return [run for variant in self.variants for run in variant.runs.values()]


@dataclass(frozen=True)
class Grouping:
    """How the runs were divided.

    Attributes:
        keys: what tells the variants apart.
        problems: by label.
        notes: what a reader must know about the division.
    """

    keys: tuple[str, ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]


def group_runs(runs: Sequence[Run], by: Sequence[str] = ()) -> Grouping:
    """Divide runs into problems and variants; seeds become replicates.

    Args:
        runs: to compare.
        by: keys or groups of options, `agent.clip_coef`, `agent/network`; empty: every key in which the runs differ.

    Raises:
        ConfigError: a key that no run has.
    """
    for key in by:
        _check_key(key, runs)
    found = differing_keys(runs)
    keys = tuple(by) or tuple(key for key in found if not _is_problem(key))
    keys = tuple(key for key in keys if not _is_problem(key))
    problem_keys = tuple(key for key in found if _is_problem(key))
    notes = []
    hidden = [
        key for key in found if key not in keys and key not in problem_keys and not _is_implied(key, keys)
    ]
    if hidden:
        notes.append(f"runs of one row differ in {', '.join(hidden)} too: they are no pure replicates")
    problems: dict[str, list[Run]] = {}
    for run in runs:
        problem = label_of(run, problem_keys) or f"env={run.settings.get('env.name', '?')}"
        problems.setdefault(problem, []).append(run)
    ordered = sorted(problems.items(), key=lambda item: natural_order(item[0]))
    for label, members in ordered:
        notes += [
            f"{label}: {name} scored otherwise in some of the runs (other weights or another version); left out"
            for name in uneven_baselines(members)
        ]
    divided = tuple(Problem(label, _variants(members, keys, notes)) for label, members in ordered)
    return Grouping(keys, divided, tuple(notes))


def uneven_baselines(runs: Sequence[Run]) -> list[str]:
    """Baselines that two runs of a problem have by one name, but not with the same returns."""
    first: dict[str, Episodes] = {}
    uneven: dict[str, None] = {}
    for run in runs:
        for name, episodes in run.baselines.items():
            if not first.setdefault(name, episodes).equals(episodes):
                uneven[name] = None
    return list(uneven)


def _variants(runs: Sequence[Run], keys: Sequence[str], notes: list[str]) -> tuple[Variant, ...]:
    """The variants of one problem, named by the keys in which they differ there."""
    shown = [key for key in keys if _values(runs, CHOICES.get(key, key)) > 1]
    variants: dict[str, dict[int, Run]] = {}
    for run in runs:
        seeds = variants.setdefault(label_of(run, shown) or "all runs", {})
        if run.seed in seeds:
            notes.append(f"{run.folder}: the same seed as {seeds[run.seed].folder}; the latter is left out")
        seeds[run.seed] = run
    return tuple(
        Variant(label, dict(sorted(variants[label].items()))) for label in sorted(variants, key=natural_order)
    )


def differing_keys(runs: Sequence[Run]) -> list[str]:
    """The keys in which runs differ, as the command line names them; a group's choice stands for its own keys."""
    every = list(dict.fromkeys(key for run in runs for key in run.settings))
    ignored = [key for key in every if key.startswith(_IGNORED)]
    choices = {name: key for name, key in CHOICES.items() if _values(runs, key) > 1}
    named = {*CHOICES.values()}
    keys = list(choices)
    for key in every:
        if key in ignored or key in named:
            continue
        owners = [choice for choice in choices if key.startswith(_prefix(choice))]
        if _differs_within(runs, key, [CHOICES[choice] for choice in owners]):
            keys.append(key)
    return keys


def label_of(run: Run, keys: Iterable[str]) -> str:
    """A run's values of some keys as overrides."""
    return " ".join(f"{key}={run.settings.get(CHOICES.get(key, key), '-')}" for key in keys)


def natural_order(text: str) -> list[tuple[bool, float, str]]:
    """A key to sort texts by, the numbers in them as numbers: trial 2 before trial 10, 5e-4 before 0.01."""
    parts = re.split(r"(\d+(?:\.\d+)?(?:e-?\d+)?)", text)
    return [(index % 2 == 1, float(part) if index % 2 else 0.0, part) for index, part in enumerate(parts)]


def _values(runs: Sequence[Run], key: str) -> int:
    return len({run.settings.get(key) for run in runs})


def _differs_within(runs: Sequence[Run], key: str, choices: Sequence[str]) -> bool:
    """Whether a key differs among runs that made the same choices."""
    seen: dict[tuple[str | None, ...], str | None] = {}
    for run in runs:
        chosen = tuple(run.settings.get(choice) for choice in choices)
        if seen.setdefault(chosen, run.settings.get(key)) != run.settings.get(key):
            return True
    return False


def _prefix(choice: str) -> str:
    return choice.replace("/", ".") + "."


def _is_problem(key: str) -> bool:
    return key in ("env", "eval") or key.startswith(_PROBLEM)


def _is_implied(key: str, keys: Sequence[str]) -> bool:
    """Whether a key belongs to a group whose choice is compared."""
    return any(key.startswith(_prefix(choice)) for choice in keys if choice in CHOICES)


def _check_key(key: str, runs: Sequence[Run]) -> None:
    known = list(dict.fromkeys([*CHOICES, *(key for run in runs for key in run.settings)]))
    if key not in known:
        raise ConfigError(f"by={key}: no run has that key{did_you_mean(key, known)}")
    if key == "seed":
        raise ConfigError("by=seed: seeds are the replicates; leave it out")
