"""Whether a long training grows: resident memory at every tenth of it, and the slope. Prints, asserts nothing.

`python -m analysis.benchmarks.memory [--steps 10000000] [override ...]` trains a small network on short episodes in a
process of its own and reads that process's resident memory from /proc (Linux).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import stats

from sched_rl.config.load import load_config
from sched_rl.config.schema import PpoConfig

_MIB = 1 << 20
_PAGE_BYTES = 4096
_SAMPLE_EVERY_S = 0.25
#: Share of the run before the slope is taken: buffers, kernels and the allocator's reserve fill up.
WARM_UP = 0.2
DEFAULTS = (
    *(
        "agent/network=mlp",
        "agent.network.hidden_sizes=[16]",
        "agent.update_epochs=1",
        "agent.num_minibatches=4",
    ),
    *("env=heavy", "env.jobs_per_episode=40", "eval.every_updates=100", "eval.episodes_per_block=2"),
    *("baselines=[sjf]", "progress=plain", "tracking=none"),
)


class Sample(NamedTuple):
    """Updates that were recorded, and resident memory at that time, in MiB."""

    updates: int
    resident_mib: float


def follow(process: subprocess.Popen[bytes], metrics: Path, every_s: float = _SAMPLE_EVERY_S) -> list[Sample]:
    """Samples of a training until it ends.

    Args:
        process: the training.
        metrics: its metrics.csv, a row an update after the header and the row of update 0.
        every_s: seconds between samples.
    """
    samples: list[Sample] = []
    counted, offset = 0, 0
    while process.poll() is None:
        time.sleep(every_s)
        if metrics.exists():
            with metrics.open("rb") as file:
                file.seek(offset)
                text = file.read()
            counted, offset = counted + text.count(b"\n"), offset + len(text)
        resident = _resident_bytes(process.pid)
        if resident and counted > 2:
            samples.append(Sample(counted - 2, resident / _MIB))
    return samples


def _resident_bytes(pid: int) -> int:
    """0 once the process is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES
    except (OSError, IndexError):
        return 0


def slope(samples: Sequence[Sample], steps_per_update: int) -> tuple[float, float]:
    """Growth in MiB a million steps after the warm-up, and half the width of its 95 % interval.

    Left out is what comes after the last update as well: the report brings libraries of its own. The interval is that
    of a straight line with independent errors; allocators move in jumps, so it is narrow.
    """
    last = samples[-1].updates
    kept = [sample for sample in samples if WARM_UP * last <= sample.updates < last]
    millions = np.array([sample.updates for sample in kept]) * steps_per_update / 1e6
    fit = stats.linregress(millions, [sample.resident_mib for sample in kept])
    return float(fit.slope), float(fit.stderr * stats.t.ppf(0.975, len(kept) - 2))


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, print the table; returns the training's exit code."""
    parser = argparse.ArgumentParser(prog="python -m analysis.benchmarks.memory", description=__doc__)
    parser.add_argument("overrides", nargs="*", help=f"on top of {' '.join(DEFAULTS)}")
    parser.add_argument("--steps", type=int, default=10_000_000, help="of the training (default: 10000000)")
    options = parser.parse_args(arguments)
    overrides = [*DEFAULTS, *options.overrides, f"agent.total_steps={options.steps}"]
    agent = load_config("train", overrides).agent
    if not isinstance(agent, PpoConfig):
        parser.error("agent: must be one that learns")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "run"
        command = [sys.executable, "-m", "sched_rl.train", *overrides, f"run.folder={folder}"]
        with (
            (Path(scratch) / "output").open("wb") as output,
            subprocess.Popen(command, stdout=output) as process,
        ):
            samples = follow(process, folder / "metrics.csv")
        if process.returncode != 0 or len(samples) < 10:
            print(f"too short or failed (exit code {process.returncode}); take more --steps", file=sys.stderr)
            return process.returncode or 1
    report(samples, agent.num_envs * agent.rollout_steps)
    return 0


def report(samples: Sequence[Sample], steps_per_update: int) -> None:
    """Print the table."""
    last = samples[-1].updates
    print(f"{last * steps_per_update:,} steps, {last:,} updates, {len(samples)} samples of resident memory")
    print(f"{'done':>5}{'steps':>14}{'resident MiB':>14}")
    for tenth in range(1, 11):
        sample = next(sample for sample in samples if sample.updates >= last * tenth / 10)
        print(f"{tenth * 10:>4}%{sample.updates * steps_per_update:>14,}{sample.resident_mib:>14.1f}")
    growth, margin = slope(samples, steps_per_update)
    print(
        f"slope after the first {WARM_UP:.0%}, before the report: {growth:+.3f} +- {margin:.3f} MiB a million steps"
    )


if __name__ == "__main__":
    sys.exit(main())
