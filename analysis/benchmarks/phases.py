"""Where the seconds of one command go: `python -m analysis.benchmarks.phases TRAIN_ARGUMENTS`, JSON on the last line.

Functions that begin a phase and every import are timed from outside; a phase inside another counts for itself alone.
"""

from __future__ import annotations

import builtins
import functools
import importlib
import json
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

#: Phase, and the functions that it is made of.
PHASES: dict[str, tuple[str, ...]] = {
    "configuration": ("sched_rl.config.load:load_command", "sched_rl.multirun:asks_for_multirun"),
    "provenance": ("sched_rl.run_session:collect_provenance",),
    "kernels": ("numba.core.dispatcher:Dispatcher._compile_for_args",),
    "baselines": ("sched_rl.run_session:judge_baselines",),
    "probe states": ("sched_rl.trainer:probe_states",),
    "learner": ("sched_rl.trainer:build_ppo",),
    "first episodes": ("sched_rl.envs.vector:VectorClusterEnv.stagger",),
    "update": ("sched_rl.agents.ppo:PPO.collect", "sched_rl.agents.ppo:PPO.update"),
    "evaluations": ("sched_rl.trainer:evaluate",),
    "checkpoints": (
        "sched_rl.checkpoint.store:CheckpointStore.save_best",
        "sched_rl.checkpoint.store:CheckpointStore.save_periodic",
    ),
    "tables": ("sched_rl.run_session:final_table",),
    "mlflow": ("sched_rl.tracking.process_writer:ProcessWriter.finish",),
}
#: Libraries whose imports are told apart; the others count as one.
LIBRARIES = ("torch", "numba", "mlflow", "hydra", "scipy", "rich", "matplotlib", "optuna")


class Stopwatch:
    """Seconds by phase on the main thread, each phase without those that it contains."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._open: list[str] = ["rest"]
        self._since_s = time.perf_counter()

    def enter(self, phase: str) -> None:
        """Begin a phase."""
        self._charge()
        self._open.append(phase)

    def leave(self) -> None:
        """End the innermost phase."""
        self._charge()
        self._open.pop()

    def _charge(self) -> None:
        now_s = time.perf_counter()
        phase = self._open[-1]
        self.seconds[phase] = self.seconds.get(phase, 0.0) + now_s - self._since_s
        self._since_s = now_s

    @property
    def phase(self) -> str:
        """The innermost phase."""
        return self._open[-1]


def time_imports(watch: Stopwatch) -> None:
    """Charge what an import statement imports to its library; what a library imports counts as its own."""
    original = builtins.__import__

    def timed(name: str, *arguments: Any, **options: Any) -> Any:
        top = name.partition(".")[0]
        phase = f"import {top}" if top in LIBRARIES else "import others"
        inside = watch.phase.removeprefix("import ") in LIBRARIES
        if inside or threading.current_thread() is not threading.main_thread():
            return original(name, *arguments, **options)
        watch.enter(phase)
        try:
            return original(name, *arguments, **options)
        finally:
            watch.leave()

    builtins.__import__ = timed


def time_function(watch: Stopwatch, phase: str, place: str) -> None:
    """Charge a function, `module:name` or `module:Class.name`, to a phase."""
    module, _, path = place.partition(":")
    *owners, name = path.split(".")
    owner: Any = functools.reduce(getattr, owners, importlib.import_module(module))
    original: Callable[..., Any] = getattr(owner, name)

    @functools.wraps(original)
    def timed(*arguments: Any, **options: Any) -> Any:
        watch.enter(phase)
        try:
            return original(*arguments, **options)
        finally:
            watch.leave()

    setattr(owner, name, timed)


def main() -> int:
    """Run the training and print seconds by phase."""
    watch = Stopwatch()
    time_imports(watch)
    from sched_rl import train

    for phase, places in PHASES.items():
        for place in places:
            time_function(watch, phase, place)
    exit_code = train.main(sys.argv[1:])
    watch.enter("end")
    print(json.dumps(watch.seconds))
    return exit_code


if __name__ == "__main__":
    sys.exit(main())
