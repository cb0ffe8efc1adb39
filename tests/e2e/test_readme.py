"""What the README tells people to type is understood, and what it shows of Python runs."""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path

import pytest

from sched_rl.config.compose import ConfigSources
from sched_rl.config.load import load_command
from sched_rl.train import main as train

README = (Path(__file__).parents[2] / "README.md").read_text()
COMMANDS = re.findall(r"`(python -m (?:sched_rl|analysis)[^`]*)`", README.replace("\n", " "))
SMALL = ["debug=smoke", "progress=off", "baselines=[sjf]"]


def arguments(command: str) -> tuple[str, list[str]]:
    """The module of a command and what follows it."""
    words = shlex.split(command)
    return words[2], words[3:]


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("readme") / "run"
    assert train([*SMALL, "tracking=none", f"run.folder={folder}"]) == 0
    return folder


def test_the_readme_shows_every_kind_of_command():
    modules = {arguments(command)[0] for command in COMMANDS}
    assert {
        "sched_rl.train",
        "sched_rl.evaluate",
        "sched_rl.tracking",
        "sched_rl.reporting.curves",
    } <= modules
    assert len(COMMANDS) >= 12


@pytest.mark.parametrize(
    "command", [c for c in COMMANDS if arguments(c)[0] == "sched_rl.train" and "resume" not in c]
)
def test_training_commands_compose(command, tmp_path):
    (tmp_path / "env").mkdir()
    (tmp_path / "env" / "mine.yaml").write_text("defaults:\n  - playbook\n  - _self_\n\nname: mine\n")
    words = arguments(command)[1]
    if "--help" in words:
        return
    config_dirs = [tmp_path] if "--config-dir" in words else []
    overrides = [word.split(",")[0] for word in words if "=" in word]
    assert load_command("train", overrides, ConfigSources(config_dirs)).config.agent.kind == "ppo"


@pytest.mark.parametrize("command", [c for c in COMMANDS if "FOLDER" in c or "sched_rl.evaluate" in c])
def test_commands_on_a_run_folder_run(command, run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    module, words = arguments(re.sub(r"(runs/FOLDER|RUN_FOLDER)", str(run), command))
    if module == "sched_rl.evaluate":
        words += ["eval.episodes_per_block=2", "env.jobs_per_episode=40"]
    place = importlib.import_module(module)
    main = place.main if hasattr(place, "main") else importlib.import_module(f"{module}.__main__").main
    assert main(words) == 0, capsys.readouterr().err


def test_the_python_of_the_readme_runs(run):
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    names: dict[str, object] = {}
    exec(code.replace("runs/FOLDER", str(run)), names)
    assert callable(getattr(names["scheduler"], "act"))  # noqa: B009
    assert names["envs"].num_envs == 64
