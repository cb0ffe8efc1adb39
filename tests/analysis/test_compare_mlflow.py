"""The same comparison from run folders and from an MLflow store, also when the folders are gone."""

from __future__ import annotations

import json
import shutil

import pytest

from analysis.compare.__main__ import main
from sched_rl.tracking.importing import import_run
from sched_rl.tracking.mlflow_sweep import MlflowSweep
from sched_rl.tracking.provenance import collect_provenance


def write_tracked(make_run, name, settings, level, uri):
    """A made-up run with all that MLflow needs of a run's folder, and in MLflow."""
    folder = make_run(name, {**settings, "tracking.experiment": "lrs"}, level=level)
    provenance = collect_provenance(seed=settings["seed"], threads=1, device="cpu", config_digest="x")
    (folder / "provenance.json").write_text(json.dumps(provenance))
    import_run(folder, uri)
    return folder


def printed(capsys, *words):
    assert main([*words, "output=none"]) == 0
    return capsys.readouterr().out


@pytest.mark.slow
def test_a_store_and_folders_say_the_same(make_run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    for seed in (1, 2, 3):
        for lr, level in ((0.001, 0.95), (0.01, 0.97)):
            write_tracked(make_run, f"{lr}-{seed}", {"seed": seed, "agent.lr": lr}, level, uri)
    texts = [
        printed(capsys, "experiment=lrs", source, f"uri={uri}")
        for source in ("source=folders", "source=mlflow")
    ]
    shutil.rmtree(tmp_path / "runs")
    texts.append(printed(capsys, "experiment=lrs", f"uri={uri}"))
    assert "agent.lr=0.01 beats agent.lr=0.001" in texts[0]
    assert texts[1] == texts[0]
    assert texts[2] == texts[0]


@pytest.mark.slow
def test_a_sweep_is_found_by_its_parent_in_the_store(make_run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    sweep = MlflowSweep(uri, "lrs")
    sweep.begin("rates", None, {})
    for number, (seed, lr) in enumerate(((1, 0.001), (2, 0.001), (1, 0.01), (2, 0.01))):
        settings = {"seed": seed, "agent.lr": lr}
        folder = write_tracked(make_run, f"sweeps/rates/{number}", settings, 0.9 + 10 * lr, uri)
        assert sweep.adopt(folder, {"trial": str(number)})
    write_tracked(make_run, "alone", {"seed": 3, "agent.lr": 0.1}, 2.0, uri)  # no trial of it
    texts = [
        printed(capsys, "sweep=rates", source, f"uri={uri}") for source in ("source=folders", "source=mlflow")
    ]
    assert "agent.lr=0.01 beats agent.lr=0.001" in texts[0]
    assert "agent.lr=0.1" not in texts[1]
    assert texts[1] == texts[0]
    assert main(["sweep=ratse", "source=mlflow", f"uri={uri}"]) == 2
    assert "sweep=ratse: no such sweep" in capsys.readouterr().err
