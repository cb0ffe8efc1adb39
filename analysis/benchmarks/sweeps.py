"""`python -m analysis.benchmarks.sweeps overhead|workers|pruning`: what a sweep costs, saves and gains by company.

Prints ratios measured in one run, asserts nothing. Sweeps go to a temporary folder.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sweeps.study import TrialInfo, best_trials, open_study, trial_infos

if TYPE_CHECKING:
    from optuna import Study

#: A training of a few seconds on the study's cluster, judged on 15 episodes.
SHORT = (
    "sweep=ppo_core",
    "env=playbook",
    "tracking=none",
    "eval.episodes_per_block=5",
    "eval.every_updates=2",
    "agent.num_envs=32",
    "agent.rollout_steps=64",
    "agent.num_minibatches=4",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmarks named; returns the exit code."""
    benchmarks = {"overhead": overhead, "workers": workers, "pruning": pruning}
    names = list(sys.argv[1:] if argv is None else argv)
    if not names or not set(names) <= set(benchmarks):
        print("usage: python -m analysis.benchmarks.sweeps overhead|workers|pruning ...")
        return 2
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            benchmarks[name](Path(folder))
    return 0


def overhead(folder: Path) -> None:
    """From the first trial's start to the last one's end, less what the trainings took."""
    count = 20
    _sweep(folder, "one", "agent.total_steps=8192", f"sweep.n_trials={count}", "sweep.pruner=median")
    trials = _trials(folder, "one")
    began = min(trial.began for trial in trials if trial.began)
    ended = max(trial.ended for trial in trials if trial.ended)
    whole_s, training_s = (ended - began).total_seconds(), sum(trial.attrs["wall_s"] for trial in trials)
    print(f"overhead: {count} trials in {whole_s:.1f} s, of which {training_s:.1f} s training; "
          f"{(whole_s - training_s) / count:.3f} s a trial beyond it")  # fmt: skip


def workers(folder: Path) -> None:
    """The same trials by one command, then by two identical ones on one storage, process starts included."""
    settings = ("agent.total_steps=65536", "sweep.n_trials=16", "sweep.sampler=qmc", "sweep.pruner=none")
    seconds = []
    for count in (1, 2):
        started = time.perf_counter()
        running = [_start(folder, f"by_{count}", *settings) for _ in range(count)]
        for process in running:
            _finish(process)
        seconds.append(time.perf_counter() - started)
    print(f"workers: 16 trials in {seconds[0]:.1f} s by one worker, in {seconds[1]:.1f} s by two: "
          f"{seconds[1] / seconds[0]:.2f} of the time")  # fmt: skip


def pruning(folder: Path) -> None:
    """The same 40 quasi-random configurations with the pruner off and on."""
    settings = ("agent.total_steps=32768", "sweep.n_trials=40", "sweep.sampler=qmc")
    found = {}
    for pruner in ("none", "median"):
        _sweep(folder, pruner, *settings, f"sweep.pruner={pruner}")
        found[pruner] = _trials(folder, pruner)
    same = [t.overrides for t in found["none"]] == [t.overrides for t in found["median"]]
    steps = {name: sum(trial.attrs["steps"] for trial in trials) for name, trials in found.items()}
    best = {name: best_trials(_study(folder, name))[0] for name in found}
    pruned = sum(trial.state == "PRUNED" for trial in found["median"])
    survives = found["median"][best["none"].number].state == "COMPLETE"
    print(f"pruning: 40 QMC configurations, the same in both sweeps: {'yes' if same else 'NO'}")
    print(f"  off: best trial {best['none'].number}, {best['none'].values[0]:.4f}, {steps['none']:,} steps")
    print(f"  on:  best trial {best['median'].number}, {best['median'].values[0]:.4f}, {steps['median']:,} steps "
          f"({steps['median'] / steps['none']:.0%}), {pruned} pruned; "
          f"the best one without pruning survives: {'yes' if survives else 'NO'}")  # fmt: skip


def _sweep(folder: Path, name: str, *settings: str) -> None:
    _finish(_start(folder, name, *settings))


def _start(folder: Path, name: str, *settings: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "sched_rl.train", *SHORT, *settings, f"sweep.name={name}"]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def _finish(process: subprocess.Popen[str]) -> None:
    printed, _ = process.communicate()
    if process.returncode:
        raise SystemExit(printed)


def _study(folder: Path, name: str) -> Study:
    return open_study(f"sqlite:///{folder / 'runs' / 'sweeps' / name / 'study.db'}")


def _trials(folder: Path, name: str) -> list[TrialInfo]:
    return [trial for trial in trial_infos(_study(folder, name)) if trial.state in ("COMPLETE", "PRUNED")]


if __name__ == "__main__":
    sys.exit(main())
