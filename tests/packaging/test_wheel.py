"""The wheel carries all that a training needs, nothing of the workshop, and trains from an empty folder."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("sched_rl", "sweeps", "analysis", "conf", "tests")
FILES = ("pyproject.toml", "LICENSE", "README.md", ".gitignore")
LITTER = (".venv/lib/left.py", "runs/a/config.yaml", "sched_rl/__pycache__/kernel-1.py311.nbi", "mlflow.db")


def run(command: list[str], cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **env}, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)} exited {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel, built from a copy of the sources in which somebody has worked and trained."""
    tree = tmp_path_factory.mktemp("tree")
    for name in FOLDERS:
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, tree / name)
    for name in LITTER:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text("")
    run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", "dist"], cwd=tree)
    (built,) = (tree / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def content(wheel) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """A folder that holds the wheel's content and none of its dependencies."""
    target = tmp_path_factory.mktemp("installed")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    run([*command, "--target", str(target), str(wheel)], cwd=target)
    return target


def test_only_the_packages_and_their_metadata_are_in_the_wheel(content):
    tops = {name.partition("/")[0] for name in content if ".dist-info/" not in name}
    assert tops <= {"sched_rl", "sweeps", "analysis", "hydra_plugins"}
    assert {"sched_rl", "sweeps", "analysis"} <= tops
    assert not [name for name in content if name.startswith("analysis/results")]
    assert not [name for name in content if "__pycache__" in name or name.endswith((".nbi", ".nbc", ".db"))]


@pytest.mark.parametrize(
    ("folder", "place"),
    [("sched_rl", "sched_rl"), ("sweeps", "sweeps"), ("analysis", "analysis"), ("conf", "sched_rl/conf")],
)
def test_every_source_file_is_in_the_wheel(content, folder, place):
    plugins = ROOT / "sweeps" / "hydra_plugins"
    missing = []
    for path in (ROOT / folder).rglob("*"):
        is_picture = path.parent == ROOT / "analysis" / "results"  # for readers of the repository
        if path.is_dir() or is_picture or "__pycache__" in path.parts:
            continue
        home = ("hydra_plugins", plugins) if path.is_relative_to(plugins) else (place, ROOT / folder)
        if f"{home[0]}/{path.relative_to(home[1]).as_posix()}" not in content:
            missing.append(str(path.relative_to(ROOT)))
    assert not missing


def test_the_wheel_is_marked_as_typed(content):
    assert "sched_rl/py.typed" in content


def test_a_tiny_training_runs_from_an_empty_folder(installed, tmp_path, tmp_path_factory):
    cache = tmp_path_factory.mktemp("cache")
    code = "import sched_rl; print(sched_rl.__file__)"
    found = run([sys.executable, "-c", code], cwd=tmp_path, PYTHONPATH=str(installed)).stdout.strip()
    assert Path(found).is_relative_to(installed), "this would exercise the checkout, not the wheel"

    command = [sys.executable, "-m", "sched_rl.train", "debug=smoke", "tracking=none"]
    # Kernels are cached by the path of their source, which is new every time: keep them out of the user's cache.
    run(command, cwd=tmp_path, PYTHONPATH=str(installed), XDG_CACHE_HOME=str(cache))

    assert [path.name for path in tmp_path.iterdir()] == ["runs"]
    (folder,) = (tmp_path / "runs").iterdir()
    assert (folder / "config.yaml").is_file()
    with (folder / "metrics.csv").open() as table:
        rows = list(csv.DictReader(table))
    assert rows, "metrics.csv has a row an update"
    assert [int(row["update"]) for row in rows] == sorted({int(row["update"]) for row in rows})


def test_the_wheel_brings_the_sweeper_where_hydra_looks_for_it(
    installed, content, tmp_path, tmp_path_factory
):
    assert "hydra_plugins/sched_rl_sweeper/sched_optuna.py" in content
    assert "hydra_plugins/__init__.py" not in content, "a namespace that other plugins share"
    assert not [name for name in content if name.startswith("sweeps/hydra_plugins")]
    cache = tmp_path_factory.mktemp("sweep_cache")
    command = [sys.executable, "-m", "sched_rl.train", "sweep=ppo_quick", "debug=smoke", "tracking=none"]
    out = run(
        [*command, "sweep.n_trials=2", "env.jobs_per_episode=10"],
        cwd=tmp_path,
        PYTHONPATH=str(installed),
        XDG_CACHE_HOME=str(cache),
    ).stdout
    assert "2 of 2 trials finished (2 complete)" in out
    (entry,) = [name for name in content if name.endswith(".dist-info/entry_points.txt")]
    declared = (installed / entry).read_text()
    assert "sched_rl_sweeper = hydra_plugins.sched_rl_sweeper.sched_optuna:SchedOptunaSweeper" in declared
