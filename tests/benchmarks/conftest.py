from __future__ import annotations

import pytest
import torch

#: A task that takes no time: four clusters of twenty jobs, eight steps an update.
SMALL = (
    "env.jobs_per_episode=20",
    "agent.num_envs=4",
    "agent.rollout_steps=8",
    "agent.total_steps=32",
    "agent.num_minibatches=2",
    "agent.update_epochs=2",
)


@pytest.fixture(scope="session")
def small() -> tuple[str, ...]:
    return SMALL


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    torch.set_num_threads(1)
