"""A run goes on with the configuration that it was begun with, unless someone insists."""

from __future__ import annotations

import json
import shutil

import pytest
import yaml

from sched_rl.train import main

TRAINING = ["debug=smoke", "progress=off", "tracking=none", "baselines=[sjf]"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("changed") / "run"
    assert main([*TRAINING, f"run.folder={folder}"]) == 0
    return folder


@pytest.fixture
def copy(run, tmp_path):
    return shutil.copytree(run, tmp_path / "run")


@pytest.mark.parametrize(
    ("override", "difference"),
    [
        ("agent.lr_schedule.end_frac=0.5", "agent.lr_schedule.end_frac: was 0.05, is 0.5"),
        ("agent.total_steps=2048", "agent.total_steps: was 1024, is 2048"),
        ("env.num_gpus=9", "env.num_gpus: was 8, is 9"),
        ("seed=2", "seed: was 1, is 2"),
    ],
)
def test_a_changed_config_is_refused_with_the_difference(copy, capsys, override, difference):
    before = (copy / "metrics.csv").read_bytes()
    assert main([f"resume={copy}", override]) == 2
    said = capsys.readouterr().err
    assert difference in said
    assert "resume_with_changes=true" in said
    assert said.count("\n") == 1
    assert (copy / "metrics.csv").read_bytes() == before


def test_what_decides_no_result_may_change(copy):
    assert main([f"resume={copy}", "run.name=other", "progress=plain", "tracking=none"]) == 0


def test_who_insists_goes_on_and_the_record_says_so(copy):
    assert main([f"resume={copy}", "agent.total_steps=2048", "resume_with_changes=true"]) == 0
    assert len((copy / "metrics.csv").read_text().splitlines()) == 10
    events = [json.loads(line) for line in (copy / "events.jsonl").read_text().splitlines()]
    (change,) = [event for event in events if event["kind"] == "changed_config"]
    assert change["changes"] == ["agent.total_steps: was 1024, is 2048"]
    assert yaml.safe_load((copy / "config.yaml").read_text())["agent"]["total_steps"] == 2048
    assert main([f"resume={copy}"]) == 0


def test_insisting_takes_true_or_false(copy, capsys):
    assert main([f"resume={copy}", "resume_with_changes=perhaps"]) == 2
    assert "resume_with_changes=perhaps: must be true or false" in capsys.readouterr().err
