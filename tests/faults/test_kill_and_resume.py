"""A training that is killed with -9 at random moments ends as if nothing had happened."""

from __future__ import annotations

import collections
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sched_rl.checkpoint import CheckpointStore
from sched_rl.tracking.tables import read_lines

#: A few seconds of training, a checkpoint every second update, tracked.
TRAINING = [
    "debug=smoke",
    "agent.total_steps=12288",
    "run.checkpoint_every_updates=2",
    "eval.every_updates=3",
    "baselines=[sjf]",
    "progress=off",
    "tracking.uri=sqlite:///mlflow.db",
]


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


def train_with_kills(folder: Path, kills: int, draws: random.Random) -> int:
    """Kill the training at random moments, once there is a checkpoint to resume; returns how often it was alive."""
    run, done = folder / "run", 0
    process = start(folder, *TRAINING, "run.folder=run")
    while done < kills:
        deadline = time.monotonic() + 120
        while not list((run / "checkpoints").glob("update_*.pt")) and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        time.sleep(draws.uniform(0.0, 6.0))  # before it has resumed, in an update, while it saves or ends
        if process.poll() is not None:
            break
        process.send_signal(signal.SIGKILL)
        process.wait()
        done += 1
        wait_until_free(run)
        process = start(folder, "resume=run")
    assert process.wait(timeout=300) == 0
    return done


def wait_until_free(run: Path) -> None:
    """The process that writes to MLflow outlives the training by a moment, and holds the folder in it."""
    from sched_rl.errors import RunFolderError
    from sched_rl.tracking.record import lock_folder

    deadline = time.monotonic() + 60
    while True:
        try:
            lock_folder(run).release()
        except RunFolderError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return


@pytest.mark.timeout(900)
@pytest.mark.parametrize("kills", [1, pytest.param(10, marks=pytest.mark.slow)])
def test_kills_change_no_number(tmp_path, kills):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for folder in (whole, broken):
        folder.mkdir()
    assert start(whole, *TRAINING, "run.folder=run").wait(timeout=300) == 0
    done = train_with_kills(broken, kills, random.Random(kills))
    assert done > 0
    for name in ("metrics.csv", "evaluations.csv", "baselines.json"):
        assert (broken / "run" / name).read_bytes() == (whole / "run" / name).read_bytes(), name
    states = [CheckpointStore(folder / "run" / "checkpoints").latest() for folder in (broken, whole)]
    ours, theirs = (state.state["ppo"]["network"] for state in states if state is not None)
    assert all(ours[name].equal(weights) for name, weights in theirs.items())
    assert logged(broken) == logged(whole)
    counts = collections.Counter((key, step) for key, step, _ in logged(broken))
    assert set(counts.values()) == {1}
    assert len(list(read_lines(broken / "run" / "metrics.csv"))) == 50
