from __future__ import annotations

import pytest

from sched_rl.config.compose import ConfigSources
from sched_rl.multirun import run_multirun
from tests.sweeps.fakes import Training


@pytest.fixture(autouse=True)
def working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def sources():
    return ConfigSources(())


@pytest.fixture
def training():
    return Training


@pytest.fixture
def sweep(sources):
    """Type a sweep's command; returns its exit code."""

    def run(*overrides, run=None, name="s"):
        typed = ["sweep=custom", f"sweep.name={name}", "tracking=none", *overrides]
        return run_multirun(typed, sources, run or Training(), lambda config: None)

    return run


@pytest.fixture
def trials():
    """The trials of a sweep."""

    def read(name="s"):
        from sweeps.study import find_study, trial_infos

        return trial_infos(find_study(name))

    return read
