"""`--help` teaches: every group and option, the keys of what was chosen, quickly."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sched_rl import evaluate, train
from sched_rl.config.compose import ConfigSources
from sched_rl.config.load import load_config


def page(main, capsys, *arguments):
    assert main([*arguments, "--help"]) == 0
    return capsys.readouterr().out


def line_of(text, start):
    return " ".join(next(line for line in text.splitlines() if line.strip().startswith(start)).split())


def test_every_option_is_there_with_its_line(capsys):
    text = page(train.main, capsys)
    sources = ConfigSources()
    for group in sources.groups():
        for option in sources.options(group):
            (line,) = [line for line in text.splitlines() if f" {option}  " in f"{line[20:46]}  "][:1]
            assert len(line[46:].strip()) > 10, f"{group}={option} lacks a description"


def test_keys_come_with_value_range_and_unit(capsys):
    text = page(train.main, capsys, "agent.lr=0.002")
    assert line_of(text, "agent.lr ") == "agent.lr 0.002 in (0, 1] learning rate of the policy at the start"
    assert line_of(text, "env.arrival_span ") == (
        "env.arrival_span null > 0 or null jobs arrive within it; seconds (null: max_duration)"
    )
    assert "agent.network.pool_size" in text


def test_the_keys_are_those_of_the_choice(capsys):
    text = page(train.main, capsys, "agent=linear_score", "env=deadline")
    assert "Keys of agent=linear_score" in text
    assert "agent.noop_threshold" in text
    assert "agent.lr " not in text
    assert line_of(text, "env.due_slack_max ").startswith("env.due_slack_max 6.0 >= 0 or null")


def test_evaluate_shows_its_own_keys_only(capsys):
    text = page(evaluate.main, capsys)
    assert "checkpoint=RUN_FOLDER_OR_FILE" in text
    assert "schedule_output" in text
    assert "Keys of agent" not in text
    assert "run.folder  " not in text
    assert "--multirun" not in text


def test_the_examples_compose(capsys):
    text = page(train.main, capsys)
    lines = [line for line in text.splitlines() if line.startswith("  python -m sched_rl.train ")]
    commands = [line.removeprefix("  python -m sched_rl.train ").split("  ")[0].split() for line in lines]
    singles = [
        command for command in commands if "-m" not in command and not command[0].startswith("resume=")
    ]
    assert len(singles) == 5
    for command in singles:
        load_config("train", command)


def test_wrong_overrides_are_refused_in_one_line(capsys):
    assert train.main(["agent.lrr=1", "--help"]) == 2
    assert capsys.readouterr().err == "error: unknown key agent.lrr (did you mean agent.lr?)\n"


def test_cfg_prints_the_resolved_configuration(capsys, tmp_path):
    from sched_rl.config.record import load_config_file

    assert train.main(["--cfg", "job", "env=mixed", "agent.lr=0.002"]) == 0
    (tmp_path / "config.yaml").write_text(capsys.readouterr().out)
    assert load_config_file(tmp_path / "config.yaml") == load_config("train", ["env=mixed", "agent.lr=0.002"])


@pytest.mark.parametrize("module", ["sched_rl.train", "sched_rl.evaluate"])
def test_the_page_needs_nothing_slow(module):
    code = (
        f"import sys, {module}; {module}.main(['--help']);"
        "sys.exit(','.join({'torch', 'mlflow', 'numba', 'scipy', 'optuna', 'gymnasium'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
