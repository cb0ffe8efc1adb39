"""The same comparison from run folders and from an MLflow store, also when the folders are gone."""

from __future__ import annotations

import json
import shutil

import pytest

from analysis.compare.__main__ import main
from sched_rl.tracking.importing import import_run
from sched_rl.tracking.provenance import collect_provenance


@pytest.mark.slow
def test_a_store_and_folders_say_the_same(make_run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    for seed in (1, 2, 3):
        for lr, level in ((0.001, 0.95), (0.01, 0.97)):
            folder = make_run(
                f"{lr}-{seed}", {"seed": seed, "agent.lr": lr, "tracking.experiment": "lrs"}, level=level
            )
            provenance = collect_provenance(seed=seed, threads=1, device="cpu", config_digest="x")
            (folder / "provenance.json").write_text(json.dumps(provenance))
            import_run(folder, uri)
    texts = []
    for source in ("source=folders", "source=mlflow"):
        assert main(["experiment=lrs", source, f"uri={uri}", "output=none"]) == 0
        texts.append(capsys.readouterr().out)
    shutil.rmtree(tmp_path / "runs")
    assert main(["experiment=lrs", f"uri={uri}", "output=none"]) == 0
    texts.append(capsys.readouterr().out)
    assert "agent.lr=0.01 beats agent.lr=0.001" in texts[0]
    assert texts[1] == texts[0]
    assert texts[2] == texts[0]
