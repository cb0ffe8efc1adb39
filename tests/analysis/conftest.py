"""Run folders with made-up numbers, as trainings would leave them."""

from __future__ import annotations

import pytest

from analysis.benchmarks.comparison import base_config, write_run


@pytest.fixture(scope="session")
def recorded_config():
    return base_config()


@pytest.fixture
def make_run(tmp_path, recorded_config):
    """Writes tmp_path/runs/NAME and returns it; keyword `level` is what its returns rise to."""

    def make(name: str, settings, **numbers):
        folder = tmp_path / "runs" / name
        write_run(folder, recorded_config, settings, **numbers)
        return folder

    return make
