"""Multiruns: which jobs run, in which folders, and what a failing one does to the others."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from sched_rl.config.compose import ConfigSources
from sched_rl.errors import CheckpointError, ConfigError, RunFolderError
from sched_rl.multirun import asks_for_multirun, run_multirun


@dataclass
class Result:
    exit_code: int


class Jobs:
    """Stands in for training: remembers what it was given, writes a file, fails where told."""

    def __init__(self, failing=(), exit_codes=None):
        self.failing = failing
        self.exit_codes = exit_codes or {}
        self.seen = []

    def __call__(self, command, folder):
        seed = command.config.seed
        self.seen.append((seed, command.config.agent.name, folder))
        (folder / "trace").write_text(str(seed))
        if seed in self.failing:
            raise CheckpointError("no space left")
        return Result(self.exit_codes.get(seed, 0))


@pytest.fixture(autouse=True)
def working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def start(*overrides, run, config_dirs=()):
    return run_multirun(list(overrides), ConfigSources(config_dirs), run, lambda config: None)


def test_every_combination_runs_in_a_folder_of_its_own(tmp_path):
    jobs = Jobs()
    assert start("seed=range(1,3)", "agent=ppo,sjf", "env=heavy", run=jobs) == 0
    assert [job[:2] for job in jobs.seen] == [(1, "ppo"), (1, "sjf"), (2, "ppo"), (2, "sjf")]
    (sweep,) = (tmp_path / "runs").iterdir()
    assert [folder for *_, folder in jobs.seen] == [sweep / str(number) for number in range(4)]


def test_a_repeated_multirun_overwrites_nothing(tmp_path):
    for _ in range(2):
        start("seed=1,2", run=Jobs())
    traces = sorted((tmp_path / "runs").glob("*/*/trace"))
    assert [trace.read_text() for trace in traces] == ["1", "2", "1", "2"]


def test_run_folder_names_the_multirun_and_is_never_shared(tmp_path):
    jobs = Jobs()
    start("seed=1,2", 'run.folder="all=of,them"', run=jobs)
    assert [folder for *_, folder in jobs.seen] == [tmp_path / "all=of,them" / number for number in "01"]
    with pytest.raises(RunFolderError, match=r"^run.folder=all=of,them: not empty"):
        start("seed=1,2", 'run.folder="all=of,them"', run=jobs)


def test_a_wrong_job_is_found_before_the_first_one_starts(tmp_path):
    jobs = Jobs()
    with pytest.raises(ConfigError, match=r"^agent.lr=2.0: must be in \(0, 1\]$"):
        start("agent.lr=0.1,0.2,2", run=jobs)
    assert jobs.seen == []
    assert not (tmp_path / "runs").exists()


def test_a_failing_job_is_reported_and_the_others_run(capsys):
    jobs = Jobs(failing=[2])
    assert start("seed=1,2,3", run=jobs) == 2
    assert [seed for seed, *_ in jobs.seen] == [1, 2, 3]
    assert capsys.readouterr().err == "error: job 1: no space left\n"


def test_an_interrupted_job_ends_the_multirun_with_its_exit_code():
    jobs = Jobs(exit_codes={2: 130})
    assert start("seed=1,2,3", run=jobs) == 130
    assert [seed for seed, *_ in jobs.seen] == [1, 2]


def test_passwords_do_not_stay_in_hydras_record(tmp_path):
    start("seed=1,2", 'tracking.uri="postgresql://me:secret@host/db"', run=Jobs())
    (record,) = (tmp_path / "runs").glob("*/multirun.yaml")
    assert "secret" not in record.read_text()


def test_folders_of_others_reach_the_jobs(tmp_path):
    (tmp_path / "mine" / "env").mkdir(parents=True)
    (tmp_path / "mine" / "env" / "tiny.yaml").write_text(
        "defaults: [playbook, _self_]\nname: tiny\nnum_gpus: 2\n"
    )
    seen = []

    def run(command, folder):
        seen.append(command.config.env.num_gpus)
        return Result(0)

    start("env=tiny,light", run=run, config_dirs=(tmp_path / "mine",))
    assert seen == [2, 8]


def test_a_file_may_ask_for_a_multirun(tmp_path):
    (tmp_path / "mine" / "experiment").mkdir(parents=True)
    (tmp_path / "mine" / "experiment" / "seeds.yaml").write_text(
        "# @package _global_\n# Three seeds\nhydra: {mode: MULTIRUN, sweeper: {params: {seed: '4,5,6'}}}\n"
    )
    sources = ConfigSources((tmp_path / "mine",))
    assert asks_for_multirun("train", ["experiment=seeds"], sources)
    assert not asks_for_multirun("train", ["env=heavy"], sources)
    jobs = Jobs()
    start("experiment=seeds", run=jobs, config_dirs=(tmp_path / "mine",))
    assert [seed for seed, *_ in jobs.seen] == [4, 5, 6]


def test_it_works_inside_a_running_hydra_application(tmp_path):
    from hydra import initialize_config_dir

    (tmp_path / "conf").mkdir()
    with initialize_config_dir(str(tmp_path / "conf"), version_base="1.3"):
        from hydra.core.global_hydra import GlobalHydra

        outer = GlobalHydra.instance().hydra
        assert start("seed=1,2", run=Jobs()) == 0
        assert GlobalHydra.instance().hydra is outer


def test_job_folders_are_absolute_so_that_workers_elsewhere_find_them():
    jobs = Jobs()
    start("seed=1", run=jobs)
    assert all(Path(folder).is_absolute() for *_, folder in jobs.seen)
