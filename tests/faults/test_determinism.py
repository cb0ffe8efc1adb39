"""The same configuration twice gives the same tables to the bit, with one thread and with two."""

from __future__ import annotations

import json

import pytest

from sched_rl.train import main

TRAINING = [
    *("debug=smoke", "agent.total_steps=8192", "agent.num_envs=32", "baselines=[sjf]"),
    *("progress=off", "tracking=none", "eval.every_updates=2"),
]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kernel", ["fused", "dense"])
@pytest.mark.parametrize("threads", [1, 2])
def test_twice_is_equal_to_the_bit(tmp_path, threads, kernel):
    folders = [tmp_path / name for name in ("once", "again")]
    for folder in folders:
        words = [*TRAINING, f"threads={threads}", f"agent.kernel={kernel}", f"run.folder={folder}"]
        assert main(words) == 0
        assert json.loads((folder / "provenance.json").read_text())["threads"] == threads
    once, again = folders
    for name in ("metrics.csv", "evaluations.csv", "baselines.json"):
        assert (once / name).read_bytes() == (again / name).read_bytes(), name
