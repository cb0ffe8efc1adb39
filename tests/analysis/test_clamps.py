from __future__ import annotations

import csv

import pytest

from analysis.clamps import clamp_uses, main
from sched_rl.train import main as train


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Steps so long that every clamp is needed."""
    folder = tmp_path_factory.mktemp("runs") / "wild"
    wild = [
        "agent.lr=0.05",
        "agent.max_grad_norm=0.01",
        "agent.entropy_jump_clip=0.01",
        "agent.vf_clip_coef=0.01",
        "agent.target_kl=0.005",
        "agent.num_minibatches=8",
        "agent.lr_schedule.end_frac=1.0",
    ]
    assert (
        train(["debug=smoke", "tracking=none", "progress=off", "baselines=[]", f"run.folder={folder}", *wild])
        == 0
    )
    return folder


def test_every_clamp_is_seen_to_bind(run):
    uses = {use.clamp.key: use for use in clamp_uses(run)}
    assert len(uses) == 6
    for key, use in uses.items():
        assert use.bound_updates > 0, key
        assert 0 < use.largest_share <= 1, key


def test_the_largest_share_is_that_of_the_table(run):
    with (run / "metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["lr"]]
    use = next(use for use in clamp_uses(run) if use.clamp.column == "clipfrac")
    assert use.largest_share == max(float(row["clipfrac"]) for row in rows)
    assert use.updates == len(rows)


def test_switched_off_clamps_never_bind(tmp_path):
    folder = tmp_path / "free"
    off = ["clip_coef", "vf_clip_coef", "max_grad_norm", "entropy_jump_clip", "target_kl"]
    switches = [f"agent.{key}=0" for key in off] + ["agent.mask_actions=false", "agent.kernel=dense"]
    options = ["debug=smoke", "tracking=none", "progress=off", "baselines=[]", f"run.folder={folder}"]
    assert train([*options, *switches]) == 0
    assert [use.bound_updates for use in clamp_uses(folder)] == [0] * 6


def test_a_folder_that_is_no_run_is_one_line(tmp_path, capsys):
    assert main([str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
