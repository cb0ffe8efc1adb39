"""A long tracked training: memory flat, files bounded, and nothing left behind when it ends.

Twenty million steps, about half an hour on a core of its own; SOAK_STEPS=NUMBER shortens it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from analysis.benchmarks.memory import DEFAULTS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(4 * 3600)]

STEPS = int(os.environ.get("SOAK_STEPS", 20_000_000))
#: What a run may grow by after its first fifth, when buffers, kernels and the allocator's reserve are full.
GROWTH_MIB = 24.0
STEPS_PER_UPDATE = 64 * 128
TRAINING = [
    *(word for word in DEFAULTS if not word.startswith(("tracking", "progress"))),
    *("agent.num_envs=64", "agent.rollout_steps=128", f"agent.total_steps={STEPS}", "progress=off"),
    *("run.folder=run", "run.checkpoint_every_updates=20", "tracking.uri=sqlite:///mlflow.db"),
]


class Sample(NamedTuple):
    """What the training and the process beside it hold at a moment."""

    updates: int
    resident_mib: float
    beside_mib: float
    open_files: int
    sockets: int
    processes: int


def tree(pid: int) -> list[int]:
    """A process and all that it has started, itself first."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(each for child in children for each in tree(int(child)))]


def resident_mib(pid: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / 2**20
    except (OSError, IndexError):
        return 0.0


def open_files(pid: int) -> list[str]:
    found = []
    try:
        for number in os.listdir(f"/proc/{pid}/fd"):
            found.append(os.readlink(f"/proc/{pid}/fd/{number}"))
    except OSError:
        pass
    return found


def rows(folder: Path) -> int:
    path = folder / "run" / "metrics.csv"
    return path.read_bytes().count(b"\n") - 2 if path.exists() else -1


def take(process: subprocess.Popen, folder: Path) -> Sample:
    known = tree(process.pid)
    files = [name for pid in known for name in open_files(pid)]
    return Sample(
        rows(folder),
        resident_mib(process.pid),
        sum(resident_mib(pid) for pid in known[1:]),
        len(files),
        sum(name.startswith("socket:") for name in files),
        len(known),
    )


def test_a_long_training_neither_grows_nor_leaks(tmp_path, capsys):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with (tmp_path / "output").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "sched_rl.train", *TRAINING],
            cwd=tmp_path,
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        samples, known = [], set()
        while process.poll() is None:
            samples.append(take(process, tmp_path))
            known |= set(tree(process.pid))
            time.sleep(max(STEPS / 20_000_000, 0.05))
    assert process.returncode == 0, (tmp_path / "output").read_text()
    updates = STEPS // STEPS_PER_UPDATE
    # the report after the last update brings libraries of its own
    kept = [sample for sample in samples if updates / 5 <= sample.updates < updates]
    assert len(kept) > 20, "too short to say anything; take more SOAK_STEPS"
    sizes = {path.name: path.stat().st_size for path in (tmp_path / "run").iterdir() if path.is_file()}
    checkpoints = list((tmp_path / "run" / "checkpoints").glob("*.pt"))
    with capsys.disabled():
        print_table(kept, sizes, len(checkpoints), (tmp_path / "mlflow.db").stat().st_size)
    for name in ("resident_mib", "beside_mib"):
        held = np.array([getattr(sample, name) for sample in kept])
        tenth = max(len(held) // 10, 1)
        assert np.median(held[-tenth:]) - np.median(held[:tenth]) < GROWTH_MIB, name
    for name in ("open_files", "sockets", "processes"):
        held = [getattr(sample, name) for sample in kept]
        assert np.median(held[-len(held) // 4 :]) <= np.median(held[: len(held) // 4]) + 1, name
    assert rows(tmp_path) == updates
    assert sum(sizes.values()) < 4000 * updates + 2_000_000
    assert len(checkpoints) < 12
    deadline = time.monotonic() + 60
    while left := [pid for pid in known if resident_mib(pid)]:
        assert time.monotonic() < deadline, left
        time.sleep(0.5)


def print_table(kept: list[Sample], sizes: dict[str, int], num_checkpoints: int, store_bytes: int) -> None:
    print(f"\n{STEPS:,} steps, {len(kept)} samples after the first fifth")
    print(
        f"{'steps':>12}{'resident MiB':>14}{'follower MiB':>14}{'open files':>12}{'sockets':>9}{'processes':>11}"
    )
    for place in np.linspace(0, len(kept) - 1, 9).astype(int):
        at = kept[place]
        print(
            f"{at.updates * STEPS_PER_UPDATE:>12,}{at.resident_mib:>14.1f}{at.beside_mib:>14.1f}"
            f"{at.open_files:>12}{at.sockets:>9}{at.processes:>11}"
        )
    largest = sorted(sizes.items(), key=lambda item: -item[1])[:4]
    listed = ", ".join(f"{name} {size / 2**20:.1f} MiB" for name, size in largest)
    print(f"{num_checkpoints} checkpoints, mlflow.db {store_bytes / 2**20:.1f} MiB, {listed}")
