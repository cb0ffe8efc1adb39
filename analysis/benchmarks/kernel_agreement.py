"""Do the learner's kernels learn alike? `python -m analysis.benchmarks.kernel_agreement [key=value ...]`.

Every kernel trains on the same seeds for the same number of steps; the returns on the val blocks at the end are
compared seed by seed. Float rounding differs between the kernels, so the runs part after a while: only the
distribution of their results can agree, and the paired 95 % intervals should contain 0.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from analysis.benchmarks.kernels import KERNELS
from sched_rl.config.load import load_config
from sched_rl.statistics import paired_difference
from sched_rl.trainer import train

_SETTINGS = ["tracking=none", "progress=off", "baselines=[]", "run.checkpoint_every_updates=0"]


def final_return(overrides: Sequence[str], kernel: str, seed: int, folder: Path) -> float:
    """Mean return on the val blocks after the last update of one training."""
    config = load_config("train", [*_SETTINGS, *overrides, f"agent.kernel={kernel}", f"seed={seed}"])
    folder.mkdir()
    with contextlib.redirect_stdout(io.StringIO()):  # each training's own summary
        return train(config, folder).last_mean_return


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, then print every return and the paired differences."""
    parser = argparse.ArgumentParser(
        prog="python -m analysis.benchmarks.kernel_agreement", description=__doc__
    )
    parser.add_argument("overrides", nargs="*", help="config overrides (default: agent=ppo env=playbook)")
    parser.add_argument("--seeds", type=int, default=5, help="trainings a kernel (default: 5)")
    parser.add_argument("--steps", type=int, default=300_000, help="environment steps each (default: 300000)")
    options = parser.parse_args(arguments)
    overrides = ["agent=ppo", "env=playbook", f"agent.total_steps={options.steps}", *options.overrides]
    overrides.append("eval.every_updates=1000000")  # the last update is always judged
    returns: dict[str, list[float]] = {kernel: [] for kernel in KERNELS}
    with tempfile.TemporaryDirectory() as base:
        for seed in range(1, options.seeds + 1):
            for kernel in KERNELS:
                start_s = time.perf_counter()
                value = final_return(overrides, kernel, seed, Path(base) / f"{kernel}-{seed}")
                returns[kernel].append(value)
                print(
                    f"seed {seed}  {kernel:<7} {value:.4f}  {time.perf_counter() - start_s:.0f} s", flush=True
                )
    for kernel in KERNELS[1:]:
        difference = paired_difference(returns[kernel], returns["dense"], seed=0)
        verdict = "contains 0" if difference.includes_zero else "does not contain 0"
        print(
            f"{kernel} minus dense: {difference.format(4)}, {verdict} ({options.seeds} seeds, paired, 95 %)"
        )


if __name__ == "__main__":
    main()
