"""Errors as a shell sees them: a real process, one line on stderr, exit code 2, nothing left behind."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

CASES = [
    ("train +agent.clip_coeff=0.1", "unknown key agent.clip_coeff (did you mean agent.clip_coef?)"),
    ("train agent=sjf agent/network=mlp", "agent=sjf has no network"),
    ("train agent.clip_coef=7.0", "agent.clip_coef=7.0: must be in [0, 1)"),
    (
        "train run.folder=runs/a=b",
        "run.folder=runs/a=b: a value with '=', ',', '(' or ')' in it is quoted: 'run.folder=\"runs/a=b\"'",
    ),
    (
        "train '+hydra.callbacks.a._target_=os.system'",
        "+hydra.callbacks.a._target_=os.system: _target_ is refused: a configuration names a kind, never a Python "
        "object",
    ),
    ("train -m seed=1,2 agent.lr=-1", "agent.lr=-1.0: must be in (0, 1]"),
    ("evaluate", "nothing to evaluate: give agent=NAME or checkpoint=RUN_FOLDER_OR_FILE"),
]


@pytest.mark.parametrize(("command", "message"), CASES, ids=[case[0] for case in CASES])
def test_one_line_and_exit_code_2(command, message, tmp_path):
    done = run(command, tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"error: {message}\n")
    assert list(tmp_path.iterdir()) == []


def test_a_callback_in_a_file_of_others_never_runs(tmp_path):
    """Hydra would create the callback, and so run the function, before our code starts."""
    witness = tmp_path / "witness"
    folder = tmp_path / "conf" / "experiment"
    folder.mkdir(parents=True)
    (folder / "evil.yaml").write_text(
        f"# @package _global_\nhydra: {{callbacks: {{a: {{_target_: os.mkdir, path: {witness}}}}}}}\n"
    )
    done = run("train --config-dir conf experiment=evil -m seed=1,2", tmp_path)
    assert done.returncode == 2
    assert done.stderr == (
        "error: conf/experiment/evil.yaml: _target_ is refused: a configuration names a kind, never a Python object\n"
    )
    assert not witness.exists()


def run(command, folder):
    module, *arguments = shlex.split(command)
    return subprocess.run(
        [sys.executable, "-m", f"sched_rl.{module}", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_reader_that_has_seen_enough_is_no_error():
    """`python -m sched_rl.train --help | head -1`"""
    process = subprocess.Popen(
        [sys.executable, "-m", "sched_rl.train", "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.close()
    _, errors = process.communicate(timeout=60)
    assert errors == b""
    assert process.returncode == 141
