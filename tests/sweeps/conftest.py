from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from sched_rl.config.compose import ConfigSources
from sched_rl.multirun import run_multirun

_SPEC = importlib.util.spec_from_file_location("sweep_fakes", Path(__file__).with_name("fakes.py"))
fakes = importlib.util.module_from_spec(_SPEC)
sys.modules["sweep_fakes"] = fakes  # as in a worker: a task is sent by the name of its module
_SPEC.loader.exec_module(fakes)

LR = "agent.lr=tag(log,interval(1e-4,1e-2))"
CLIP = "agent.clip_coef=interval(0.05,0.4)"


@pytest.fixture(autouse=True)
def working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def sources():
    return ConfigSources(())


@pytest.fixture
def training():
    return fakes.Training


@pytest.fixture
def sweep(sources):
    """Type a sweep's command; returns its exit code."""

    def run(*overrides, run=None, name="s"):
        typed = ["sweep=custom", f"sweep.name={name}", "tracking=none", *overrides]
        return run_multirun(typed, sources, run or fakes.Training(), lambda config: None)

    return run


@pytest.fixture
def trials():
    """The trials of a sweep."""

    def read(name="s"):
        from sweeps.study import find_study, trial_infos

        return trial_infos(find_study(name))

    return read
