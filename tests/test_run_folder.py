"""Run folders: exclusive, well named, and refused in one line when they cannot be."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sched_rl import run_folder
from sched_rl.config.load import load_config
from sched_rl.errors import RunFolderError
from sched_rl.run_folder import check_resumable, create_fresh_folder, create_run_folder


@pytest.fixture(autouse=True)
def working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_runs_that_start_in_the_same_second_never_share_a_folder():
    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(lambda _: create_fresh_folder(), range(100)))
    assert len(set(folders)) == 100
    assert all(re.fullmatch(r"runs/\d{8}-\d{6}-[a-z0-9]{6}", str(folder)) for folder in folders)


def test_a_name_that_is_taken_is_drawn_again(monkeypatch):
    letters = iter("aaaaaa" + "aaaaaa" + "bbbbbb")
    monkeypatch.setattr(run_folder.secrets, "choice", lambda _: next(letters))
    monkeypatch.setattr(run_folder, "datetime", FrozenTime)
    first, second = create_fresh_folder(), create_fresh_folder()
    assert (first.name, second.name) == ("20261122-120000-aaaaaa", "20261122-120000-bbbbbb")


class FrozenTime:
    @staticmethod
    def now():
        return FrozenTime

    @staticmethod
    def strftime(_):
        return "20261122-120000"


def test_a_named_folder_may_be_new_or_empty():
    config = load_config("train", ["run.folder=deep/new"])
    assert create_run_folder(config) == Path("deep/new")
    assert create_run_folder(config) == Path("deep/new")


def test_a_folder_with_a_run_in_it_is_continued_not_overwritten(tmp_path):
    (tmp_path / "config.yaml").write_text("seed: 1")
    config = load_config("train", [f"run.folder={tmp_path}"])
    with pytest.raises(RunFolderError, match=f"not empty; continue it with resume={tmp_path}"):
        create_run_folder(config)


def test_resuming_needs_a_run(tmp_path):
    cases = [
        (tmp_path / "nowhere", "no such folder"),
        (tmp_path, "not a run folder, there is no config.yaml in it"),
    ]
    for folder, message in cases:
        with pytest.raises(RunFolderError, match=message):
            check_resumable(folder)
    (tmp_path / "config.yaml").write_text("")
    with pytest.raises(RunFolderError, match="is a file; give the run's folder"):
        check_resumable(tmp_path / "config.yaml")
    check_resumable(tmp_path)
