"""A training that is killed with -9 at random moments ends as if nothing had happened."""

from __future__ import annotations

import collections
import os
import random
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sched_rl.checkpoint import CheckpointStore
from sched_rl.tracking.tables import read_lines
from sched_rl.train import main

#: A few seconds of training, a checkpoint every second update, tracked.
TRAINING = [
    "debug=smoke",
    "run.checkpoint_every_updates=2",
    "eval.every_updates=3",
    "baselines=[sjf]",
    "progress=off",
    "tracking.uri=sqlite:///mlflow.db",
]
#: A process that gets no further in this time hangs; nothing here waits for less.
PATIENCE_S = 300.0


def start(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-m", "sched_rl.train", *arguments]
    quiet = subprocess.DEVNULL
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=quiet, stderr=quiet)


def logged(folder: Path) -> list[tuple[str, int, float]]:
    with sqlite3.connect(folder / "mlflow.db") as connection:
        found = connection.execute("SELECT key, step, value FROM metrics ORDER BY key, step").fetchall()
    connection.close()
    return [row for row in found if not row[0].startswith("timing/")]


def train_with_kills(folder: Path, training: list[str], kills: list[int], draws: random.Random) -> int:
    """Kill the training at random moments; returns how often it was alive when it was killed.

    Every kill comes later than the last one: somewhere in an update, its evaluation or its save, which a row of
    metrics.csv and a moment after it choose, or (one in three) while the resumed process starts.

    Args:
        folder: where it runs.
        training: its command line.
        kills: the updates, in order.
        draws: of the moments.
    """
    run, alive = folder / "run", 0
    process = start(folder, *training)
    for update in kills:
        if alive and draws.random() < 1 / 3:
            time.sleep(draws.uniform(0.0, 1.5))
        else:
            wait_for_update(run, update, process)
            time.sleep(draws.uniform(0.0, 0.1))
        alive += process.poll() is None
        process.kill()
        process.wait()
        wait_until_free(run)
        process = start(folder, "resume=run")
    assert process.wait(timeout=PATIENCE_S) == 0
    return alive


def wait_for_update(run: Path, update: int, process: subprocess.Popen[bytes]) -> None:
    """Until the training has recorded an update and has a checkpoint to resume from."""
    deadline = time.monotonic() + PATIENCE_S
    while process.poll() is None:
        known = (run / "metrics.csv").exists() and len(read_lines(run / "metrics.csv")) > update + 1
        if known and list((run / "checkpoints").glob("update_*.pt")):
            return
        assert time.monotonic() < deadline
        time.sleep(0.005)


def wait_until_free(run: Path) -> None:
    """The process that writes to MLflow outlives the training by a moment, and holds the folder in it."""
    from sched_rl.errors import RunFolderError
    from sched_rl.tracking.record import lock_folder

    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            lock_folder(run).release()
        except RunFolderError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("kills", "num_updates"), [(1, 32), pytest.param(10, 96, marks=pytest.mark.slow)])
def test_kills_change_no_number(tmp_path, capsys, monkeypatch, kills, num_updates):
    whole, broken, draws = tmp_path / "whole", tmp_path / "broken", random.Random(kills)
    training = [*TRAINING, f"agent.total_steps={num_updates * 256}", "run.folder=run"]
    for folder in (whole, broken):
        folder.mkdir()
    monkeypatch.chdir(whole)
    assert main(training) == 0
    moments = sorted(draws.sample(range(4, num_updates - 20), kills))
    assert train_with_kills(broken, training, moments, draws) == kills
    for name in ("metrics.csv", "evaluations.csv", "baselines.json"):
        assert (broken / "run" / name).read_bytes() == (whole / "run" / name).read_bytes(), name
    states = [CheckpointStore(folder / "run" / "checkpoints").latest() for folder in (broken, whole)]
    ours, theirs = (state.state["ppo"]["network"] for state in states if state is not None)
    assert all(ours[name].equal(weights) for name, weights in theirs.items())
    rows = logged(broken)
    assert rows == logged(whole)
    counts = collections.Counter((key, step) for key, step, _ in rows)
    assert set(counts.values()) == {1}
    assert len(read_lines(broken / "run" / "metrics.csv")) == num_updates + 2
    with capsys.disabled():
        print(f" {kills} of {kills} kills, {len(rows):,} MLflow rows equal", end="")
