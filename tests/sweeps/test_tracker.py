"""A sweep in MLflow: one parent, trials below it with their outcome, the best one's values, plots."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from sched_rl.config.schema import TrackingConfig
from sched_rl.tracking.mlflow_store import ensure_experiment, open_client
from sweeps.plots import draw_plots
from sweeps.tracker import SweepTracker
from tests.sweeps.finished_sweeps import make_sweep


@pytest.fixture
def store(tmp_path):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    client = open_client(uri)
    return uri, client, ensure_experiment(client, uri, "sweeps")


def train_trial(store, study, number):
    """What the training of a trial leaves: a run in the store, and its id in the trial's folder."""
    uri, client, experiment = store
    run = client.create_run(experiment)
    folder = study.trials[number].user_attrs["folder"]
    Path(folder).mkdir(parents=True)
    entry = {"uri": uri, "experiment": "sweeps", "run_id": run.info.run_id}
    (Path(folder) / "tracking.json").write_text(json.dumps({"runs": [entry]}))
    return run.info.run_id


def tracker_of(store, study):
    return SweepTracker(study, TrackingConfig(kind="mlflow", uri=store[0], experiment="sweeps"))


def test_trials_hang_below_a_parent_that_follows_the_best(tmp_path, store):
    _, client, experiment = store
    study = make_sweep(tmp_path / "one", {0.1: 0.5, 0.2: 0.9, 0.3: 0.7, 0.4: 0.8}, infeasible=(0.2,))
    ids = [train_trial(store, study, number) for number in range(4)]
    tracker = tracker_of(store, study)
    tracker.begin()
    tracker.update()
    tracker.end("FINISHED")
    (parent,) = client.search_runs([experiment], "tags.kind = 'sweep'")
    children = [client.get_run(each) for each in ids]
    assert {child.data.tags["mlflow.parentRunId"] for child in children} == {parent.info.run_id}
    assert [child.data.tags["trial"] for child in children] == ["0", "1", "2", "3"]
    assert [child.data.tags["feasible"] for child in children] == ["true", "false", "true", "true"]
    assert {child.data.tags["trial_state"] for child in children} == {"complete"}
    assert (parent.info.status, parent.data.tags["best.trial"]) == ("FINISHED", "3")
    assert parent.data.metrics["best.min_block_return"] == 0.8
    assert parent.data.params["agent.lr"] == "0.4"
    shown = {artifact.path for artifact in client.list_artifacts(parent.info.run_id, "plots")}
    assert shown == {f"plots/{name}.png" for name in ("history", "slice", "parallel_coordinate")}


def test_a_resumed_sweep_goes_on_with_its_parent_and_new_best(tmp_path, store):
    _, client, experiment = store
    study = make_sweep(tmp_path / "one", {0.1: 0.5, 0.2: 0.9})
    first = tracker_of(store, study)
    first.begin()
    first.end("KILLED")
    better = make_sweep(tmp_path / "other", {0.7: 2.0}).trials[0]
    study.add_trial(better)
    second = tracker_of(store, study)
    second.begin()
    second.end("FINISHED")
    (parent,) = client.search_runs([experiment], "tags.kind = 'sweep'")
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["best.agent.lr"] == "0.7"
    assert parent.data.metrics["best.min_block_return"] == 2.0
    assert parent.data.params["agent.lr"] == "0.2", (
        "MLflow keeps a param's first value; the tag has the present one"
    )


def test_trials_learn_their_parent_from_the_study(tmp_path, store):
    study = make_sweep(tmp_path / "one", {0.1: 0.5})
    tracker = tracker_of(store, study)
    tracker.begin()
    (parent,) = store[1].search_runs([store[2]], "tags.kind = 'sweep'")
    assert study.user_attrs["run_tags"] == {"mlflow.parentRunId": parent.info.run_id}


def test_trouble_with_the_store_is_told_once_and_ends_nothing(tmp_path, caplog):
    study = make_sweep(tmp_path / "one", {0.1: 0.5})
    (tmp_path / "file").write_text("")
    tracker = SweepTracker(
        study, TrackingConfig(kind="mlflow", uri=f"sqlite:///{tmp_path}/file/mlflow.db", experiment="sweeps")
    )
    with caplog.at_level(logging.WARNING):
        tracker.begin()
        tracker.update()
        tracker.end("FINISHED")
    told = [record.message for record in caplog.records if record.name == "sweeps.tracker"]
    assert len(told) == 1
    assert told[0].endswith("The sweep goes on; MLflow's page of it stays as it is")


def test_without_tracking_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study = make_sweep(tmp_path / "one", {0.1: 0.5})
    tracker = SweepTracker(study, TrackingConfig(kind="none", uri=None, experiment="sweeps"))
    tracker.begin()
    tracker.end("FINISHED")
    assert "run_tags" not in study.user_attrs
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


def test_too_few_trials_draw_nothing_and_equal_ones_do_no_harm(tmp_path):
    assert draw_plots(make_sweep(tmp_path / "few", {0.1: 0.5}), tmp_path / "plots") == []
    level = make_sweep(tmp_path / "level", dict.fromkeys((0.1, 0.2, 0.3, 0.4, 0.5), 0.5))
    assert (tmp_path / "plots" / "history.png") in draw_plots(level, tmp_path / "plots")


def test_importances_are_those_that_status_prints(tmp_path):
    from sweeps.summary import importances

    study = make_sweep(tmp_path / "many", {step / 20: (step - 7) ** 2 / 100 for step in range(12)})
    assert list(importances(study)) == ["agent.lr"]
    assert (tmp_path / "plots" / "importance.png") in draw_plots(study, tmp_path / "plots")
