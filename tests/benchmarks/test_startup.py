"""The start-up benchmark times what it says, and a training imports only what it uses."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

from analysis.benchmarks import startup
from analysis.benchmarks.phases import Stopwatch

SMOKE = ("debug=smoke", "agent.total_steps=256", "progress=off", "baselines=[sjf]")


def test_a_phase_counts_without_what_it_contains():
    watch = Stopwatch()
    watch.enter("outer")
    time.sleep(0.01)
    watch.enter("inner")
    time.sleep(0.05)
    watch.leave()
    watch.leave()
    watch.enter("end")
    assert watch.seconds["inner"] >= 0.05
    assert 0.01 <= watch.seconds["outer"] < watch.seconds["inner"]
    assert set(watch.seconds) == {"rest", "outer", "inner"}


def test_the_phases_of_a_training_are_all_there(tmp_path):
    found = startup.phases((*startup.TRAIN, *SMOKE, "tracking=mlflow"), tmp_path)
    assert {"import torch", "baselines", "evaluations", "update", "mlflow", "interpreter"} <= set(found)
    assert all(seconds >= 0 for seconds in found.values())
    assert (tmp_path / "mlflow.db").exists()


def test_a_command_that_fails_says_why(tmp_path):
    with pytest.raises(RuntimeError, match="exit code 2: error: unknown key nonsense"):
        startup.run((*startup.TRAIN, "nonsense=1"), tmp_path)


def test_a_training_without_tracking_imports_no_library_that_it_does_not_use(tmp_path):
    code = (
        "import json, sys; from sched_rl import train; train.main(sys.argv[1:]);"
        "print(json.dumps(sorted(name.partition('.')[0] for name in sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *SMOKE, "tracking=none"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    imported = set(json.loads(done.stdout.splitlines()[-1]))
    assert imported & {"mlflow", "matplotlib", "optuna", "pandas", "sqlalchemy", "sympy"} == set()
