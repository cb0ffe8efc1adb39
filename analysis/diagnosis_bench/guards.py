"""What guards save: `python -m analysis.diagnosis_bench.guards [seeds=5] [kinds=a,b] [folder=DIR]`.

Trains kinds of conf/pathology/ with guard=none, stop and rollback from the same seeds, one after another; a run that is
there is not trained again. Prints the table and writes it to analysis/results/guards.md. Differences are paired by
seed; the last evaluation is that of the policy that the run ends with, the best one that of its best checkpoint.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sched_rl.checkpoint import write_atomically
from sched_rl.config.load import load_config
from sched_rl.errors import ConfigError, SchedRLError
from sched_rl.statistics import mean_interval
from sched_rl.tracking.reading import final_status, read_events, read_metrics

RESULT = Path("analysis/results/guards.md")
#: Failures that a guard may see, and a run that it must leave alone.
KINDS = ("overshoot", "noop_collapse_bonus", "slow_drift", "premature_determinism", "mask_bug", "healthy")
GUARDS = ("none", "stop", "rollback")
_CLUSTER = "env=heavy"
_ALWAYS = ("tracking=none", "progress=off", "baselines=[sjf,linear_score]")


@dataclass(frozen=True)
class Outcome:
    """What came of a run.

    Attributes:
        steps: environment steps that it took.
        total_steps: that it was to take.
        last: eval_mean_return of the last evaluation.
        best: of the best evaluation, by worst block.
        acts: how often the guard acted.
    """

    steps: int
    total_steps: int
    last: float
    best: float
    acts: int


def main(arguments: Sequence[str]) -> int:
    """Run the command; returns the exit code."""
    try:
        kinds, seeds, folder = _parse(arguments)
        lines = table(kinds, seeds, folder)
    except SchedRLError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print("\n".join(lines))
    shown = [argument for argument in arguments if not argument.startswith("folder=")]
    command = " ".join(["python -m analysis.diagnosis_bench.guards", *shown])
    head = f"What guards save on runs that fail on purpose, printed by `{command}`."
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(RESULT, "\n".join([head, "", *lines, ""]).encode())
    print(f"wrote {RESULT}")
    return 0


def table(kinds: Sequence[str], seeds: int, folder: Path) -> list[str]:
    """The table in Markdown, training what is missing.

    Args:
        kinds: of conf/pathology/.
        seeds: 1 to this.
        folder: of the runs.
    """
    lines = [
        "| run | stopped | steps saved by `stop` | best, `stop` minus `none` | returned | last, `none` "
        "| last, `rollback` | last, `rollback` minus `none` [95 %] |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for kind in kinds:
        outcomes = {
            guard: [_outcome(kind, guard, seed, folder) for seed in range(1, seeds + 1)] for guard in GUARDS
        }
        lines.append(_line(kind, outcomes))
    return [*lines, "", f"{_CLUSTER}, seeds 1 to {seeds}, {_total(kinds):,} steps a run; means over seeds."]


def _line(kind: str, outcomes: dict[str, list[Outcome]]) -> str:
    none, stop, rollback = (outcomes[guard] for guard in GUARDS)
    stopped = sum(run.acts > 0 for run in stop)
    saved = np.mean([1 - run.steps / run.total_steps for run in stop])
    lost = np.mean([a.best - b.best for a, b in zip(stop, none, strict=True)])
    returned = sum(run.acts > 0 for run in rollback)
    differences = np.array([a.last - b.last for a, b in zip(rollback, none, strict=True)])
    gained = mean_interval(differences, seed=0).format() if len(differences) > 1 else f"{differences[0]:.3f}"
    last = [float(np.mean([run.last for run in runs])) for runs in (none, rollback)]
    return (
        f"| `{kind}` | {stopped} of {len(stop)} | {saved:.0%} | {lost:.3f} | {returned} of {len(rollback)} "
        f"| {last[0]:.3f} | {last[1]:.3f} | {gained} |"
    )


def _outcome(kind: str, guard: str, seed: int, root: Path) -> Outcome:
    folder = root / f"{kind}-{guard}-{seed}"
    if not _is_finished(folder):
        _train(kind, guard, seed, folder)
    columns = read_metrics(folder)
    worst, mean = columns["eval_min_block_return"], columns["eval_mean_return"]
    known = np.flatnonzero(np.isfinite(worst))
    best = known[np.argmax(worst[known])]
    return Outcome(
        steps=int(columns["timesteps"][-1]),
        total_steps=_total([kind]),
        last=float(mean[known[-1]]),
        best=float(mean[best]),
        acts=sum(event["kind"].startswith("guard_") for event in read_events(folder)),
    )


def _train(kind: str, guard: str, seed: int, folder: Path) -> None:
    from sched_rl.config.compose import ConfigSources
    from sched_rl.config.load import load_command
    from sched_rl.train import run_training

    shutil.rmtree(folder, ignore_errors=True)
    overrides = [_CLUSTER, f"pathology={kind}", f"guard={guard}", f"seed={seed}", *_ALWAYS]
    command = load_command("train", [*overrides, f"run.folder={folder}"], ConfigSources())
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        run_training(command)


def _total(kinds: Sequence[str]) -> int:
    agent = load_config("train", [_CLUSTER, f"pathology={kinds[0]}"]).agent
    if agent.kind != "ppo":
        raise ConfigError(f"pathology={kinds[0]}: does not learn")
    return agent.total_steps


def _is_finished(folder: Path) -> bool:
    try:
        return final_status(folder) == "FINISHED"
    except SchedRLError:
        return False


def _parse(arguments: Sequence[str]) -> tuple[tuple[str, ...], int, Path]:
    given = dict(argument.partition("=")[::2] for argument in arguments)
    if unknown := sorted(set(given) - {"kinds", "seeds", "folder"}):
        raise ConfigError(f"{unknown[0]}: must be kinds=, seeds= or folder=")
    kinds = tuple(given["kinds"].split(",")) if "kinds" in given else KINDS
    if odd := [kind for kind in kinds if kind not in KINDS]:
        raise ConfigError(f"kinds={given['kinds']}: {odd[0]} is none of {', '.join(KINDS)}")
    seeds = given.get("seeds", "5")
    if not seeds.isdigit() or int(seeds) < 1:
        raise ConfigError(f"seeds={seeds}: must be a whole number of at least 1")
    return kinds, int(seeds), Path(given.get("folder", "runs/guards"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
