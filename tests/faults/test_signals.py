"""SIGTERM and SIGINT, twice in a row and in the middle of a save: the run ends as killed and goes on to the bit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from sched_rl.checkpoint import CheckpointStore, file
from sched_rl.tracking.reading import final_status
from sched_rl.train import main

TRAINING = [
    *("debug=smoke", "agent.total_steps=2048", "run.checkpoint_every_updates=2", "eval.every_updates=4"),
    *("baselines=[]", "progress=off", "tracking=none"),
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("signals") / "whole"
    assert main([*TRAINING, f"run.folder={folder}"]) == 0
    return folder


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize("step_of_the_save", ["fsync", "replace"])
def test_two_signals_in_the_middle_of_a_save_lose_nothing(
    whole, tmp_path, monkeypatch, capsys, number, exit_code, step_of_the_save
):
    folder, real, saves = tmp_path / "run", getattr(os, step_of_the_save), []

    def interrupted(*arguments):
        saves.extend((folder / "checkpoints").glob("update_*.pt"))
        if saves:  # the first one is down: this is the second one's
            signal.raise_signal(number)
            signal.raise_signal(number)
        return real(*arguments)

    monkeypatch.setattr(file.os, step_of_the_save, interrupted)
    assert main([*TRAINING, f"run.folder={folder}"]) == exit_code
    monkeypatch.undo()
    assert f"resume={folder}" in capsys.readouterr().out
    assert final_status(folder) == "KILLED"
    latest = CheckpointStore(folder / "checkpoints").latest()
    assert latest is not None
    assert 2 <= latest.update < 8
    assert main([f"resume={folder}"]) == 0
    for name in ("metrics.csv", "evaluations.csv"):
        assert (folder / name).read_bytes() == (whole / name).read_bytes(), name


@pytest.mark.slow
@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_real_process_takes_two_signals_in_a_row(tmp_path, number, exit_code):
    folder = tmp_path / "run"
    words = [
        *TRAINING[:-2],
        "progress=plain",
        "tracking=none",
        "agent.total_steps=1000000",
        f"run.folder={folder}",
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "sched_rl.train", *words], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:  # the display's first lines come once training runs
        if "worst block" in line:
            break
    process.send_signal(number)
    process.send_signal(number)
    output, _ = process.communicate(timeout=240)
    assert process.returncode == exit_code
    assert f"resume={folder}" in output
    assert final_status(folder) == "KILLED"
    assert CheckpointStore(folder / "checkpoints").latest() is not None
