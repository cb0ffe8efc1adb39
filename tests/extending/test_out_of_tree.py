"""A package that knows sched_rl, and that sched_rl does not know, adds a family, a heuristic and a rule."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from sched_rl.config.load import load_config
from sched_rl.diagnosis.registry import all_rules
from sched_rl.errors import ConfigError
from sched_rl.evaluate import main as evaluate
from sched_rl.schedulers.registry import build_scheduler
from sched_rl.train import main as train
from sched_rl.workloads import generators

PACKAGE = Path(__file__).resolve().parents[1] / "fixtures" / "out_of_tree"
CONF = ["--config-dir", str(PACKAGE / "conf")]
#: Where a subprocess is held to hang: a hundred times what it takes on a quiet machine.
_HANGS_S = 600
SMALL = ["debug=smoke", "tracking=none", "progress=off", "env=rush_hour"]


@pytest.fixture
def _installed(tmp_path, monkeypatch):
    """As an installer would leave it: the package's code and its entry points on the path."""
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]
    about = tmp_path / "site" / f"{project['name']}-{project['version']}.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    groups = project["entry-points"].items()
    lines = [f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in points.items()) for group, points in groups]
    (about / "entry_points.txt").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(about.parent)
    monkeypatch.syspath_prepend(PACKAGE)
    caches = (all_rules, generators._generator)
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()
    for name in [name for name in sys.modules if name.startswith("sched_rl_rush")]:
        del sys.modules[name]


@pytest.mark.usefixtures("_installed")
def test_its_family_is_trained_on_beside_its_heuristic_and_its_rule_speaks(tmp_path, capsys):
    folder = tmp_path / "run"
    baselines = "baselines=[short_unless_late,sjf,rand_feas_no0]"
    assert train([*CONF, *SMALL, baselines, f"run.folder={folder}"]) == 0
    judged = json.loads((folder / "baselines.json").read_text())
    assert set(judged) == {"short_unless_late", "sjf", "rand_feas_no0"}
    assert {episode["family"] for episode in judged["sjf"]["episodes"]} == {"rush_hour"}
    assert "short_unless_late" in capsys.readouterr().out
    assert "still_rising" in [rule.id for rule in all_rules()]
    assert train([*CONF, f"resume={folder}"]) == 0


@pytest.mark.usefixtures("_installed")
def test_its_options_reach_it(capsys, tmp_path):
    def waits(late_frac):
        output = tmp_path / f"{late_frac}.json"
        chosen = ["agent=short_unless_late", f"agent.options.late_frac={late_frac}", "eval.num_blocks=1"]
        assert evaluate([*CONF, *SMALL, *chosen, "env.generator_options.days=1", f"output={output}"]) == 0
        episodes = json.loads(output.read_text())["episodes"]
        return [episode["max_wait_s"] for episode in episodes]

    assert waits(0.01) != waits(1.0)


@pytest.mark.usefixtures("_installed")
def test_its_family_mixes_with_ours():
    config = load_config("train", ["env=mixed", "env.families=[heavy,rush_hour]"], [PACKAGE / "conf"])
    families = {config.families[name].generator for name in ("heavy", "rush_hour")}
    assert families == {"playbook", "rush_hour"}


def test_without_the_package_its_names_are_refused_with_what_there_is():
    config = load_config("evaluate", ["agent=short_unless_late", "env=rush_hour"], [PACKAGE / "conf"])
    with pytest.raises(ConfigError, match=r"env.generator=rush_hour: must be playbook; other packages"):
        generators.make_workload(config.env, 1)
    with pytest.raises(
        ConfigError, match=r"agent.scheduler=short_unless_late: no installed package brings one"
    ):
        build_scheduler(config.agent)


@pytest.mark.slow
def test_it_installs_as_any_package_does(tmp_path):
    site = tmp_path / "site"
    quiet = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation", "--no-index"]
    pip = [sys.executable, "-m", "pip", "install", *quiet, "--target", str(site), str(PACKAGE)]
    subprocess.run(pip, check=True, timeout=_HANGS_S)
    command = [sys.executable, "-m", "sched_rl.evaluate", *CONF, *SMALL, "agent=short_unless_late"]
    path = os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=_HANGS_S
    )
    assert done.returncode == 0, done.stderr
    assert "short_unless_late on rush_hour, val blocks" in done.stdout
