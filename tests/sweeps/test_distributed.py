"""Beyond one process: workers on one PostgreSQL, Ray, and SLURM; install_engines.sh brings what they need."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from sched_rl.tracking.reading import read_events, read_metrics
from sched_rl.tracking.tables import read_lines
from tests.sweeps.engines import postgresql_programs, postgresql_server, slurm_cluster
from tests.sweeps.finished_sweeps import TINY

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
HOW = "; tests/sweeps/install_engines.sh installs it"


def start(folder: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "sched_rl.train", *TINY, "tracking=none", "progress=off", *arguments]
    return subprocess.Popen(
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **environment},
    )


def finish(process: subprocess.Popen[str]) -> str:
    out, _ = process.communicate(timeout=600)
    assert process.returncode == 0, out
    return out


def comparison(folder: Path) -> list[dict[str, str]]:
    (table,) = folder.glob("runs/*/comparison.csv")
    with table.open() as file:
        return list(csv.DictReader(file))


def test_identical_workers_share_a_sweep_on_postgresql(tmp_path):
    programs = postgresql_programs()
    if programs is None or find_spec("psycopg") is None:
        pytest.skip(f"no PostgreSQL server or no psycopg here{HOW}")
    import optuna

    with postgresql_server(programs) as address:
        sweep = ["sweep=ppo_core", "sweep.name=shared", "sweep.n_trials=8", f'sweep.storage="{address}"']
        workers = [start(tmp_path, *sweep) for _ in range(3)]
        printed = [finish(worker) for worker in workers]
        storage = optuna.storages.RDBStorage(address)
        study = optuna.load_study(study_name="shared", storage=storage)
        trials = study.get_trials()
        storage.engine.dispose()
    done = [trial for trial in trials if trial.state.name in ("COMPLETE", "PRUNED")]
    assert len(done) == 8, printed
    assert len({tuple(sorted(trial.params.items())) for trial in done}) == 8, "no sample is drawn twice"
    assert len({trial.user_attrs["folder"] for trial in done}) == 8
    assert len({trial.user_attrs["pid"] for trial in done}) > 1, "one worker did everything"


def test_a_grid_runs_on_ray(tmp_path):
    if find_spec("ray") is None or find_spec("hydra_plugins.hydra_ray_launcher") is None:
        pytest.skip(f"no Ray here{HOW}")
    out = finish(start(tmp_path, "-m", "seed=1,2", "hydra/launcher=ray", RAY_USAGE_STATS_ENABLED="0"))
    (row,) = comparison(tmp_path)
    assert row["seeds"] == "1 2", out


def test_a_sweep_runs_on_ray(tmp_path):
    if find_spec("ray") is None or find_spec("hydra_plugins.hydra_ray_launcher") is None:
        pytest.skip(f"no Ray here{HOW}")
    sweep = ["sweep=ppo_core", "sweep.n_trials=4", "sweep.n_jobs=2", "hydra/launcher=ray"]
    finish(start(tmp_path, *sweep, RAY_USAGE_STATS_ENABLED="0"))
    assert len(list(tmp_path.glob("runs/sweeps/*/[0-9]*/metrics.csv"))) == 4


@pytest.fixture(scope="module")
def slurm():
    if os.getuid() != 0 or not (shutil.which("slurmctld") or Path("/usr/sbin/slurmctld").exists()):
        pytest.skip(f"no SLURM here, or not root{HOW}")
    with slurm_cluster() as environment:
        yield environment


#: What a node of two thousand megabytes has.
SMALL_JOBS = ("hydra/launcher=submitit_slurm", "hydra.launcher.mem_gb=null", "hydra.launcher.timeout_min=30")


def test_a_grid_runs_on_slurm(tmp_path, slurm):
    out = finish(start(tmp_path, "-m", "seed=1,2", *SMALL_JOBS, **slurm))
    (row,) = comparison(tmp_path)
    assert row["seeds"] == "1 2", out


def test_a_job_that_slurm_requeues_resumes_in_its_folder(tmp_path, slurm):
    process = start(tmp_path, "-m", "seed=1", "agent.total_steps=12800", *SMALL_JOBS, **slurm)
    deadline = time.monotonic() + 300
    while not (tables := list(tmp_path.glob("runs/*/0/metrics.csv"))) or len(read_lines(tables[0])) < 5:
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    subprocess.run(
        ["scancel", "--user", "root", "--signal", "USR1"], env={**os.environ, **slurm}, check=True, timeout=60
    )
    finish(process)
    folder = tables[0].parent
    kinds = [event["kind"] for event in read_events(folder)]
    assert [kind for kind in kinds if kind in ("signal", "resume", "end")] == [
        "signal",
        "end",
        "resume",
        "end",
    ]
    assert read_metrics(folder)["update"].tolist() == list(range(101))
