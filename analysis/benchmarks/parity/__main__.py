"""`python -m analysis.benchmarks.parity [problems=a,b] [seeds=10] [folder=DIR] [output=FILE.md] [override ...]`.

Trains this project's PPO and sb3-contrib's MaskablePPO with the same environment, network and hyperparameters, and
holds their learning curves against each other. What is there is kept; stopped, the same command goes on.

problems  playbook, playbook_scorer, cartpole (all)
seeds     trainings of each: seeds 1 to this (10)
folder    of the curves (runs/parity)
output    the page, its picture beside it (analysis/results/parity.md)
Overrides go to every training.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from analysis.benchmarks.arguments import count, names_among, read_arguments
from analysis.benchmarks.parity.learning import learning_curve
from analysis.benchmarks.parity.page import OURS, PEER, Curves, write_page
from analysis.benchmarks.parity.problems import POINTS, PROBLEMS, UNSHUFFLED, load_problem
from analysis.benchmarks.parity.same_update import largest_weight_difference
from sched_rl.checkpoint import write_atomically
from sched_rl.config.record import config_digest
from sched_rl.errors import ConfigError, SchedRLError
from sched_rl.interrupts import Interrupts

_READERS = {
    "problems": names_among(list(PROBLEMS)),
    "seeds": count,
    "folder": lambda _, text: Path(text),
    "output": lambda _, text: Path(text),
}


def main(arguments: Sequence[str]) -> int:
    """Run the command; returns the exit code."""
    if any(argument in ("-h", "--help") for argument in arguments):
        print(__doc__)
        return 0
    try:
        own, more = read_arguments(arguments, _READERS)
        with Interrupts() as interrupts:
            _run(own, more, interrupts)
        return interrupts.exit_code
    except SchedRLError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code


def _run(own: dict[str, Any], more: Sequence[str], interrupts: Interrupts) -> None:
    names, num_seeds = own.get("problems", tuple(PROBLEMS)), own.get("seeds", 10)
    folder, page = (
        own.get("folder", Path("runs/parity")),
        own.get("output", Path("analysis/results/parity.md")),
    )
    if not page.absolute().parent.is_dir():
        raise ConfigError(f"output={page}: there is no folder {page.parent}")
    folder.mkdir(parents=True, exist_ok=True)
    apart = {
        name: largest_weight_difference(load_problem(name, seed=1, more=[*more, UNSHUFFLED]))
        for name in names
    }

    def write() -> None:
        found = {name: _read(folder, name, num_seeds, more) for name in names}
        write_page(page, found, apart, num_seeds, more)

    for name, player, seed in _planned(names, num_seeds):
        path = _place(folder, name, player, seed, more)
        if interrupts.requested or path.is_file():
            continue
        started_s = time.monotonic()
        curve = learning_curve(player, load_problem(name, seed, more), lambda: bool(interrupts.requested))
        if curve is None:
            continue
        write_atomically(path, json.dumps(curve).encode())
        seconds = time.monotonic() - started_s
        print(
            f"{name}, {player}, seed {seed}: area {np.trapezoid(curve) / (POINTS - 1):.3f}, {seconds:.0f} s",
            flush=True,
        )
        write()
    write()
    print(f"wrote {page}")


def _planned(names: Sequence[str], num_seeds: int) -> Iterator[tuple[str, str, int]]:
    """Seed by seed, so that a run that is stopped has pairs."""
    for name in names:
        for seed in range(1, num_seeds + 1):
            yield name, OURS, seed
            yield name, PEER, seed


def _place(folder: Path, name: str, player: str, seed: int, more: Sequence[str]) -> Path:
    digest = config_digest(load_problem(name, seed, more).config)[:8]
    return folder / f"{name}-{player}-seed{seed}-{digest}.sampled.json"


def _read(folder: Path, name: str, num_seeds: int, more: Sequence[str]) -> Curves:
    """The curves that are there, each player's in the order of the seeds; pairs stay pairs."""
    curves = {}
    for player in (OURS, PEER):
        paths = [_place(folder, name, player, seed, more) for seed in range(1, num_seeds + 1)]
        found = [json.loads(path.read_bytes()) for path in paths if path.is_file()]
        curves[player] = np.array(found, np.float64).reshape(len(found), POINTS)
    return curves


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
