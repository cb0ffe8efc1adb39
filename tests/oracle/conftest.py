from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sched_rl.config.load import load_config
from sched_rl.config.schema import EnvConfig

FOLDER = Path(__file__).parent


def read_oracle(name: str) -> Any:
    """An oracle file; a missing one fails the test that wants it."""
    return json.loads((FOLDER / name).read_text())


@pytest.fixture(scope="session")
def playbook_env() -> EnvConfig:
    return load_config("train", ["env=playbook"]).env


@pytest.fixture(scope="session")
def oracle() -> Any:
    return read_oracle
