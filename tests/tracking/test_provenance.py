from __future__ import annotations

import json
import subprocess
import sys

import pytest

from sched_rl.tracking.provenance import collect_provenance, git_state, installed_versions
from sched_rl.tracking.redaction import is_redacted, redact


def git(folder, *arguments):
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", "-C", folder, *identity, *arguments], check=True, capture_output=True)


def test_the_commit_and_the_dirty_flag_of_a_checkout(tmp_path):
    assert git_state(tmp_path) == (None, None)
    git(tmp_path, "init")
    (tmp_path / "sched_rl").mkdir()
    (tmp_path / "sched_rl/code.py").write_text("x = 1\n")
    assert git_state(tmp_path) == (None, None)  # no commit yet
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    commit, dirty = git_state(tmp_path)
    assert len(commit or "") == 40
    assert dirty is False
    (tmp_path / "notes.txt").write_text("no source\n")
    assert git_state(tmp_path) == (commit, False)
    (tmp_path / "sched_rl/new.py").write_text("y = 2\n")
    assert git_state(tmp_path) == (commit, True)


def test_an_installation_inside_a_foreign_repository_has_no_commit(tmp_path):
    git(tmp_path, "init")
    (tmp_path / "file").touch()
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    (tmp_path / "site-packages").mkdir()
    assert git_state(tmp_path / "site-packages") == (None, None)


def test_no_git_is_no_failure(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_state(tmp_path) == (None, None)


def test_provenance_is_plain_and_names_the_run():
    arguments = {"seed": 1, "threads": 2, "device": "cpu", "config_digest": "d"}
    first, second = collect_provenance(**arguments), collect_provenance(**arguments)
    assert json.loads(json.dumps(first)) == first
    assert first["run_uid"] != second["run_uid"]
    assert (first["seed"], first["threads"], first["config_digest"]) == (1, 2, "d")
    assert first["versions"] == installed_versions()
    assert {"numpy", "torch", "mlflow"} <= first["versions"].keys()


@pytest.mark.parametrize(
    "module", ["record", "reading", "provenance", "mlflow_writer", "importing", "__main__"]
)
def test_importing_the_record_imports_nothing_slow(module):
    code = f"import sys, sched_rl.tracking.{module}; print({{'torch', 'mlflow'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgresql://user:pw@host:5432/db", "postgresql://user:***@host:5432/db"),
        ("postgresql+psycopg2://user:p:w@d@host/db", "postgresql+psycopg2://user:***@host/db"),
        ("postgresql://user@host/db", "postgresql://user@host/db"),
        ("https://token@host/", "https://***@host/"),
        ("at HTTP://a:b@h and mysql://c:d@h", "at HTTP://a:***@h and mysql://c:***@h"),
        (
            "postgresql://h/db?user=u&password=pw&sslmode=on",
            "postgresql://h/db?user=u&password=***&sslmode=on",
        ),
        ("https://h/?api_key=k#x", "https://h/?api_key=***"),
        ("sqlite:////home/user/mlflow.db", "sqlite:////home/user/mlflow.db"),
        ("mail me@example.org: see http://h/@x", "mail me@example.org: see http://h/@x"),
    ],
)
def test_passwords_are_hidden(text, expected):
    assert redact(text) == expected
    assert redact(expected) == expected
    assert is_redacted(expected) == ("***" in expected)
