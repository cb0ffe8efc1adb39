"""What MLflow's pages are given: names that tell runs apart, a view that judges, addresses that open on it."""

from __future__ import annotations

import json
import re
from urllib.parse import parse_qs

import pytest

from sched_rl.tracking.__main__ import main
from sched_rl.tracking.description import last_step, run_name, varied_text
from sched_rl.tracking.grid_record import GridJob, grid_tags, write_grid
from sched_rl.tracking.mlflow_store import ensure_experiment, open_client
from sched_rl.tracking.mlflow_view import VIEW_TAG
from sched_rl.tracking.ui import page_lines

from .conftest import CONFIG


@pytest.mark.parametrize(
    ("name", "tags", "expected"),
    [
        (None, {}, "ppo heavy seed=3"),
        ("first try", {}, "first try"),
        (None, {"varied": "clip_coef=0.2"}, "ppo heavy seed=3 clip_coef=0.2"),
        (None, {"varied": "clip_coef=0.2 seed=3"}, "ppo heavy clip_coef=0.2 seed=3"),
        (None, {"trial": "7", "varied": "lr=0.001"}, "trial 7 lr=0.001"),
        ("wide", {"trial": "7", "varied": "lr=0.001"}, "wide trial 7 lr=0.001"),
    ],
)
def test_a_run_is_named_by_what_sets_it_apart(name, tags, expected):
    assert run_name(CONFIG | {"run": {"name": name}}, tags) == expected


def test_a_grids_job_knows_what_was_varied(tmp_path):
    values = {"agent.clip_coef": "0.2", "agent/network": "mlp", "seed": "3"}
    write_grid(tmp_path, [GridJob(0, {}, ()), GridJob(1, values, ())])
    assert grid_tags(tmp_path / "1") == {"varied": "clip_coef=0.2 network=mlp seed=3"}
    assert grid_tags(tmp_path / "elsewhere" / "1") == {}
    assert varied_text({"agent.lr": 0.00271249, "agent.layers": [64, 64]}) == "lr=0.00271 layers=[64, 64]"


def test_a_baseline_is_a_line_over_the_whole_training():
    sized = {"agent": {"total_steps": 1000, "num_envs": 4, "rollout_steps": 64}}
    assert last_step(sized) == 768
    assert last_step({"agent": {"kind": "sjf"}}) == 0


def test_an_experiment_opens_with_its_view_and_gets_it_back(tracking):
    client = open_client(tracking.uri)
    identifier = ensure_experiment(client, tracking.uri, "tests")
    runs, charts = page_lines(tracking.uri, 5001)
    address = runs.partition("runs:")[2].strip()
    assert address.startswith(f"http://127.0.0.1:5001/#/experiments/{identifier}/runs?")
    query = parse_qs(address.partition("?")[2])
    assert query["workflowType"] == ["machine_learning"]
    assert VIEW_TAG.endswith(query["viewStateShareKey"][0])
    assert "compareRunsMode=CHART" in charts
    client.delete_experiment_tag(identifier, VIEW_TAG)
    page_lines(tracking.uri, 5001)
    view = json.loads(client.get_experiment(identifier).tags[VIEW_TAG])
    state = json.loads(view["state"])
    opened = {section["uuid"] for section in state["compareRunSections"] if section["display"]}
    assert {chart["metricSectionId"] for chart in state["compareRunCharts"]} == opened
    assert len(opened) < len(state["compareRunSections"])  # what MLflow adds by itself is folded
    assert all(re.fullmatch(r"(metrics|params|tags)\.`[\w.]+`", name) for name in state["selectedColumns"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["ui", "uri=sqlite:///absent.db"], "there is no such store yet; train first"),
        (["ui", "prot=5000"], "must be uri=ADDRESS or port=NUMBER (did you mean port?)"),
        (["ui", "port=0"], "port=0: must be a whole number from 1 to 65535"),
    ],
)
def test_pages_that_cannot_be_shown_say_why(tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
