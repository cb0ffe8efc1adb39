"""A real file system that is full or read-only, which needs the right to mount one, and a limit such as a quota."""

from __future__ import annotations

import errno
import os
import resource
import subprocess

import pytest

from sched_rl.checkpoint import CheckpointStore
from sched_rl.train import main

TRAINING = ["debug=smoke", "progress=off", "tracking=none", "baselines=[]", "run.checkpoint_every_updates=1"]


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, capture_output=True, timeout=20)


@pytest.fixture
def small_disk(tmp_path):
    place = tmp_path / "disk"
    place.mkdir()
    try:
        mount("-t", "tmpfs", "-o", "size=3m", "tmpfs", str(place))
    except (OSError, subprocess.SubprocessError):
        pytest.skip("this user may not mount a file system")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True, timeout=20)


def test_a_disk_that_fills_up_costs_nothing_that_was_saved(small_disk, tmp_path, capsys):
    run = small_disk / "run"
    assert main([*TRAINING, f"run.folder={run}", "agent.total_steps=8192", "run.keep_checkpoints=50"]) == 2
    said = capsys.readouterr().err
    assert "No space left on device" in said
    assert "make room" in said
    assert said.count("\n") == 1
    latest = CheckpointStore(run / "checkpoints").latest()
    assert latest is not None
    assert latest.update > 2
    # With room again the run goes on where it was.
    mount("-o", "remount,size=60m", str(small_disk))
    assert main([f"resume={run}"]) == 0
    assert main([*TRAINING, f"run.folder={tmp_path / 'whole'}", "agent.total_steps=8192"]) == 0
    assert (run / "metrics.csv").read_bytes() == (tmp_path / "whole" / "metrics.csv").read_bytes()


def test_a_read_only_disk_is_noticed_before_training(small_disk, capsys):
    mount("-o", "remount,ro", str(small_disk))
    assert main([*TRAINING, f"run.folder={small_disk / 'run'}"]) == 2
    said = capsys.readouterr().err
    assert "Read-only file system" in said
    assert said.count("\n") == 1
    assert os.listdir(small_disk) == []


@pytest.mark.parametrize("limit", ["size of a file", "quota"])
def test_a_limit_that_is_met_in_a_save_leaves_the_checkpoint_before(tmp_path, monkeypatch, capsys, limit):
    """The kernel takes no more bytes of a file; a quota's answer is put in its mouth, few kernels can be given one."""
    save, saved = CheckpointStore.save_periodic, []
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limited(store, update, state):
        with pytest.MonkeyPatch.context() as patch:
            if saved and limit == "quota":
                patch.setattr(os, "fsync", refuse)
            elif saved:
                resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
            saved.append(update)
            try:
                return save(store, update, state)
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    def refuse(_):
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    monkeypatch.setattr(CheckpointStore, "save_periodic", limited)
    words = [*TRAINING, "agent.total_steps=2048", f"run.folder={tmp_path / 'run'}"]
    assert main(words) == 2
    said = capsys.readouterr().err
    assert ("Disk quota exceeded" if limit == "quota" else "File too large") in said
    assert "make room" in said
    assert said.count("\n") == 1
    latest = CheckpointStore(tmp_path / "run" / "checkpoints").latest()
    assert latest is not None
    assert latest.update == saved[0]
    monkeypatch.undo()
    assert main([f"resume={tmp_path / 'run'}"]) == 0
