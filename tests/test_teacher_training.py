"""`family_teachers.FAMILY=trained`: the teacher is a run of its own, made once, stopped and continued safely."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from sched_rl.checkpoint import file
from sched_rl.config.compose import ConfigSources
from sched_rl.config.load import load_command
from sched_rl.config.record import config_digest, load_config_file
from sched_rl.teacher_training import _alone
from sched_rl.tracking.reading import final_status, read_events
from sched_rl.train import main

KEY = "agent.warm_start.family_teachers"
LEARN = ["experiment=robust", "debug=smoke", "tracking=none", "progress=off", "baselines=[]"]
ONE = [*LEARN, *(f"{KEY}.{family}=sjf" for family in ("heavy", "bursty", "heavy_tail"))]


def command(*overrides: str):
    return load_command("train", overrides, ConfigSources())


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A finished run and its teacher."""
    place, before = tmp_path_factory.mktemp("taught"), Path.cwd()
    os.chdir(place)
    try:
        assert main([*ONE, "run.folder=pupil"]) == 0
    finally:
        os.chdir(before)
    return place


def the_teacher(place: Path) -> Path:
    (folder,) = (path for path in (place / "runs" / "teachers").iterdir() if path.is_dir())
    return folder


def test_the_teacher_is_a_finished_run_of_its_family_and_the_record_says_which(whole):
    teacher, recorded = the_teacher(whole), load_config_file(whole / "pupil" / "config.yaml")
    config = load_config_file(teacher / "config.yaml")
    assert (config.env.name, config.seed, final_status(teacher)) == ("playbook", 1, "FINISHED")
    assert config.env.jobs_per_episode == 40, "debug=smoke is the teacher's as well"
    assert config.baselines, "the pupil's baselines are not"
    start = recorded.agent.warm_start
    assert start.family_teachers["playbook"] == "trained"
    agent = start.family_teacher_agents["playbook"]
    assert (agent.kind, agent.folder) == ("trained", str(teacher.relative_to(whole)))
    assert agent.recipe == config_digest(config)
    (said,) = (event for event in read_events(whole / "pupil") if event["kind"] == "warm_start")
    assert agent.folder in said["teacher"]
    assert "sjf" in said["teacher"]


def test_a_second_run_finds_its_teacher_and_learns_the_same(whole, monkeypatch, capsys):
    monkeypatch.chdir(whole)
    assert main([*ONE, "run.folder=again"]) == 0
    assert f"{the_teacher(whole).relative_to(whole)}: trained before" in capsys.readouterr().out
    assert (whole / "again/metrics.csv").read_bytes() == (whole / "pupil/metrics.csv").read_bytes()


def test_a_run_that_is_stopped_while_its_teacher_learns_goes_on_by_the_same_command(
    whole, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    real = os.replace

    def interrupted(source, target):
        real(source, target)
        if Path(target).name.startswith("update_"):
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(file.os, "replace", interrupted)
    assert main([*ONE, "run.folder=pupil"]) == 130
    monkeypatch.setattr(file.os, "replace", real)
    assert "the same command goes on from here" in capsys.readouterr().out
    assert final_status(the_teacher(tmp_path)) == "KILLED"
    assert not (tmp_path / "pupil").exists(), "the run itself has not begun"
    assert main([*ONE, "run.folder=pupil"]) == 0
    assert "goes on" in capsys.readouterr().out
    assert (tmp_path / "pupil/metrics.csv").read_bytes() == (whole / "pupil/metrics.csv").read_bytes()


def test_a_folder_is_let_go_when_its_teacher_is_done(tmp_path):
    with _alone(tmp_path / "teacher") as lock:
        assert lock.is_locked
    assert not lock.is_locked


def test_a_run_goes_on_without_its_teachers(whole, tmp_path, monkeypatch):
    """They are asked before its first update only."""
    monkeypatch.chdir(tmp_path)
    assert command(f"resume={whole / 'pupil'}").teachers == ()


def test_teachers_have_the_seed_and_the_cluster_of_their_pupil_and_else_the_familys_defaults():
    teachers = {
        one.env.name: one for one in command(*LEARN, "seed=7", "env.num_gpus=16", "agent.lr=0.1").teachers
    }
    assert list(teachers) == ["playbook", "heavy", "bursty", "heavy_tail"]
    plain = command("agent=ppo", "env=heavy", "debug=smoke", "seed=7", "env.num_gpus=16").config
    assert config_digest(teachers["heavy"]) == config_digest(plain)
    assert len({one.run.folder for one in teachers.values()}) == 4
    assert command("agent=ppo", "env=mixed").teachers == ()


def test_the_digest_of_a_run_goes_by_the_recipes_of_its_teachers():
    def digest(*more: str) -> str:
        return config_digest(command(*LEARN, *more).config)

    assert digest() == digest("run.folder=elsewhere")
    assert digest() != digest(f"{KEY}.heavy=sjf")
    agent = command(*LEARN, "seed=2").config.agent.warm_start.family_teacher_agents["heavy"]
    assert agent.recipe != command(*LEARN).config.agent.warm_start.family_teacher_agents["heavy"].recipe
