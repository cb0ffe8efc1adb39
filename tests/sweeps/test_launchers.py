"""Launchers: recipes that compose, absent ones that say what to install, jobs in other processes and their errors."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sched_rl.config import launchers
from sched_rl.config.compose import ConfigSources
from sched_rl.config.load import load_config
from sched_rl.config.record import config_to_yaml
from sched_rl.errors import ConfigError
from sched_rl.multirun import run_multirun
from sched_rl.run_folder import resume_started_job
from sched_rl.tracking.reading import read_events, read_metrics
from sched_rl.tracking.tables import read_lines
from tests.sweeps import jobs
from tests.sweeps.finished_sweeps import TINY

INSTALLED = ["joblib", "submitit_local", "submitit_slurm"]


def train(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sched_rl.train", *TINY, "tracking=none", "progress=off", *arguments]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=240, env={**os.environ, **environment}
    )


@pytest.mark.parametrize("name", INSTALLED)
def test_a_recipe_composes_over_its_plugin(name):
    node = ConfigSources().compose("train", [f"hydra/launcher={name}"])
    assert node.sweeper.endswith("BasicSweeper")


def test_every_recipe_has_an_extra_and_every_extra_a_recipe():
    options = set(ConfigSources().options("hydra/launcher"))
    assert set(launchers.EXTRAS) <= options
    assert options <= {*launchers.EXTRAS, "basic", "ray_aws"}


def test_an_absent_plugin_says_what_to_install(monkeypatch):
    monkeypatch.setitem(launchers.EXTRAS, "nowhere", "cloud")
    launchers.offer_plugin_nodes()
    node = launchers.ConfigStore.instance().load("hydra/launcher/plugin/nowhere.yaml").node
    with pytest.raises(ConfigError, match=r"^hydra/launcher=nowhere: .* pip install 'sched_rl\[cloud\]'$"):
        launchers.refuse_absent_launcher(node)


def test_an_absent_plugin_is_a_line_and_exit_code_2(tmp_path):
    if "ray" in sys.modules or _has_ray():
        pytest.skip("the extra ray is installed")
    done = train(tmp_path, "-m", "seed=1,2", "hydra/launcher=ray")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "error: hydra/launcher=ray: its plugin is not installed; the extra 'ray' brings it: "
        "pip install 'sched_rl[ray]'"
    ]
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("launcher", ["joblib", "submitit_local"])
def test_jobs_in_processes_of_their_own_end_in_one_table(tmp_path, launcher):
    done = train(
        tmp_path, "-m", "agent.lr=0.001,0.002", "seed=1,2", f"hydra/launcher={launcher}", *_steer(launcher)
    )
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "runs").iterdir()
    with (folder / "comparison.csv").open() as table:
        rows = list(csv.DictReader(table))
    assert [(row["agent.lr"], row["seeds"]) for row in rows] == [("0.001", "1 2"), ("0.002", "1 2")]
    assert rows[0]["difference"] == ""
    assert float(rows[1]["difference_low"]) <= float(rows[1]["difference"])


@pytest.mark.parametrize("launcher", ["joblib", "submitit_local"])
def test_a_users_error_in_a_worker_is_told_once_and_the_others_run(tmp_path, launcher):
    """The second job's store lies below a file, which only the job itself finds out."""
    (tmp_path / "file").write_text("")
    folders = "run.folder=one,file/two"
    done = train(tmp_path, "-m", folders, f"hydra/launcher={launcher}", *_steer(launcher))
    assert done.returncode == 2
    errors = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert errors == ["error: job 1: run.folder=file/two: is or lies below a file; give a new folder"]
    assert "Traceback" not in done.stderr + done.stdout
    assert (tmp_path / "one" / "metrics.csv").is_file()


def test_a_lost_worker_ends_with_a_line_and_a_table(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    grid = ["seed=1,2,3", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    assert run_multirun(grid, ConfigSources(), jobs.killed_at_seed_2, lambda config: None) == 2
    out, err = capsys.readouterr()
    assert err.startswith("error: the launcher gave up: ")
    assert "runs have no result" in out


def test_a_worker_that_was_stopped_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    grid = ["seed=1,2,3", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    assert run_multirun(grid, ConfigSources(), jobs.stopped_at_seed_2, lambda config: None) == 143
    assert capsys.readouterr().err == "error: job 1: stopped by SIGTERM\n"


def test_a_requeued_job_resumes_in_its_folder(tmp_path):
    """What SLURM does at the end of a job's time: SIGUSR1, then the same job again."""
    command = [sys.executable, "-m", "sched_rl.train", *TINY, "tracking=none", "progress=off", "-m", "seed=1"]
    command += ["agent.total_steps=12800", "hydra/launcher=submitit_local"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 200
    while not (tables := list(tmp_path.glob("runs/*/0/metrics.csv"))) or len(read_lines(tables[0])) < 5:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    (log,) = tables[0].parents[1].glob(".submitit/*/*_log.out")
    controller = log.parent.name
    (worker,) = Path(f"/proc/{controller}/task/{controller}/children").read_text().split()
    os.kill(int(worker), signal.SIGUSR1)
    assert process.wait(timeout=200) == 0, process.stderr.read()
    process.stderr.close()
    folder = tables[0].parent
    kinds = [event["kind"] for event in read_events(folder)]
    assert [kind for kind in kinds if kind in ("signal", "resume", "end")] == [
        "signal",
        "end",
        "resume",
        "end",
    ]
    assert read_metrics(folder)["update"].tolist() == list(range(101))


def test_a_start_before_the_first_checkpoint_is_set_aside_and_a_strangers_run_left_alone(tmp_path):
    config = load_config("train", ["seed=1"])
    folder = tmp_path / "3"
    folder.mkdir()
    assert not resume_started_job(folder, config)
    (folder / "config.yaml").write_text(config_to_yaml(config))
    assert not resume_started_job(folder, load_config("train", ["seed=2"]))
    assert (folder / "config.yaml").exists()
    assert not resume_started_job(folder, config)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["3", "3.cut_short_1"]
    assert not list(folder.iterdir())
    (folder / "config.yaml").write_text(config_to_yaml(config))
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "update_00000002.pt").write_text("")
    assert resume_started_job(folder, config)


def _steer(launcher: str) -> list[str]:
    return ["hydra.launcher.n_jobs=2"] if launcher == "joblib" else []


def _has_ray() -> bool:
    from importlib.util import find_spec

    return find_spec("hydra_plugins.hydra_ray_launcher") is not None
