"""A password in an address, a secret of the environment: nowhere afterwards, not said, not on disk, not in MLflow."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from sched_rl.config.convert import config_to_dict
from sched_rl.config.load import load_config
from sched_rl.tracking.importing import import_run
from sched_rl.train import main

PASSWORD, TOKEN, SECRET = "hunter2-in-an-address", "token-in-an-address", "secret-of-the-environment"


def files_with(folder: Path, secret: str) -> list[str]:
    return [
        str(path) for path in folder.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()
    ]


def test_the_password_of_a_tracking_store_stays_with_its_user(tmp_path, capfd, caplog, monkeypatch):
    folder = tmp_path / "run"
    uri = f"http://user:{PASSWORD}@127.0.0.1:9?token={TOKEN}"
    words = ["debug=smoke", "agent.total_steps=512", "progress=plain", f'tracking.uri="{uri}"']
    assert main([*words[:-1], f"tracking.uri={uri}"]) == 2  # not quoted, and repeated in the error
    # as the shell would have it: the command line is recorded
    monkeypatch.setattr("sys.orig_argv", ["python", "-m", "sched_rl.train", *words])
    assert main([*words, "baselines=[]", f"run.folder={folder}"]) == 0
    out, err = capfd.readouterr()
    said = out + err + caplog.text
    assert "user:***@127.0.0.1:9" in (folder / "provenance.json").read_text()
    import_run(folder, f"sqlite:///{tmp_path}/mlflow.db", "tests")
    for secret in (PASSWORD, TOKEN):
        assert secret not in said
        assert files_with(tmp_path, secret) == []


CALLS = ("${oc.env:MY_SECRET}", "a ${oc.decode:${oc.env:MY_SECRET}}", "${oc.${agent.name}:MY_SECRET}")


@pytest.mark.parametrize("call", CALLS)
def test_an_interpolation_reads_no_environment(tmp_path, capfd, monkeypatch, call):
    """Neither on the command line nor in a record that somebody else wrote nor in a folder of configuration."""
    monkeypatch.setenv("MY_SECRET", SECRET)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "theirs" / "env").mkdir(parents=True)
    (tmp_path / "theirs" / "env" / "mine.yaml").write_text(
        f"defaults: [playbook, _self_]\nname: '{call}'\n", encoding="utf-8"
    )
    recorded = config_to_dict(load_config("train", ["debug=smoke", "tracking=none"]))
    recorded["run"]["name"] = call
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(recorded))
    quiet = ["debug=smoke", "tracking=none", "progress=off"]
    for words in (
        [*quiet, f"run.name='{call}'"],
        [*quiet, f"run.name={call}"],
        [*quiet, "--config-dir", "theirs", "env=mine"],
        [f"resume={tmp_path}"],
    ):
        assert main(words) == 2, words
        out, err = capfd.readouterr()
        assert SECRET not in out + err
        assert err.count("\n") == 1, err
    assert files_with(tmp_path, SECRET) == []
