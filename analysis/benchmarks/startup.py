"""How long short commands take, and where the time goes: prints, asserts nothing.

`python -m analysis.benchmarks.startup [--rounds 5] [override ...]` runs each command in a process of its own, round
robin, once before the first round to fill the caches. Let nothing else run on the machine meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

TRAIN = ("-m", "sched_rl.train")
#: A default training of one update, everything around it included.
ONE_UPDATE = ("agent.total_steps=8192", "progress=off")
COMMANDS: dict[str, tuple[str, ...]] = {
    "train --help": (*TRAIN, "--help"),
    "one update, tracking=none": (*TRAIN, *ONE_UPDATE, "tracking=none"),
    "one update, tracking=mlflow": (*TRAIN, *ONE_UPDATE, "tracking=mlflow"),
    "one update of debug=smoke": (
        *TRAIN,
        "debug=smoke",
        "agent.total_steps=256",
        "progress=off",
        "tracking=none",
    ),
    "evaluate agent=sjf": ("-m", "sched_rl.evaluate", "agent=sjf", "baselines=[]"),
}
PROFILED = ("one update, tracking=none", "one update, tracking=mlflow")


def run(arguments: Sequence[str], folder: Path) -> tuple[float, str]:
    """Wall seconds of one process and what it printed.

    Raises:
        RuntimeError: when it fails; with its last words.
    """
    checkout = str(Path(__file__).resolve().parents[2])
    paths = [checkout, *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    started_s = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )
    took_s = time.perf_counter() - started_s
    if done.returncode != 0:
        raise RuntimeError(
            f"{' '.join(arguments)}: exit code {done.returncode}: {done.stderr.strip()[-500:]}"
        )
    return took_s, done.stdout


def measure(commands: dict[str, tuple[str, ...]], rounds: int, folder: Path) -> dict[str, list[float]]:
    """Wall seconds of every round, by command."""
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name, arguments in commands.items():
            took_s, _ = run(arguments, folder)
            if number:
                seconds[name].append(took_s)
    return seconds


def phases(command: tuple[str, ...], folder: Path) -> dict[str, float]:
    """Seconds by phase of one training, largest first; Python's own start and end included."""
    took_s, printed = run(("-m", "analysis.benchmarks.phases", *command[len(TRAIN) :]), folder)
    found: dict[str, float] = json.loads(printed.splitlines()[-1])
    found["interpreter"] = took_s - sum(found.values())
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(prog="python -m analysis.benchmarks.startup", description=__doc__)
    parser.add_argument("overrides", nargs="*", help="config overrides of the trainings")
    parser.add_argument("--rounds", type=int, default=5, help="rounds; their median is reported (default: 5)")
    options = parser.parse_args(arguments)
    commands = {
        name: (*command, *(options.overrides if "train" in command[1] and "--help" not in command else ()))
        for name, command in COMMANDS.items()
    }
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        seconds = measure(commands, options.rounds, folder)
        print(f"wall seconds, median of {options.rounds} rounds, warm caches")
        print(f"{'command':<30}{'median':>8}{'fastest':>9}{'slowest':>9}")
        for name, values in seconds.items():
            print(f"{name:<30}{statistics.median(values):>8.2f}{min(values):>9.2f}{max(values):>9.2f}")
        for name in PROFILED:
            shares = phases(commands[name], folder)
            total_s = sum(shares.values())
            print(f"\n{name}: {total_s:.2f} s in one run with a stopwatch")
            for phase, spent_s in shares.items():
                print(f"  {phase:<20}{spent_s:>7.2f} s{spent_s / total_s:>8.1%}")


if __name__ == "__main__":
    main()
