"""What the policy learns from: advantages of true choices, rewards shaped by a potential."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sched_rl.agents import build_ppo
from sched_rl.agents.environment import ShapedEnvironment
from sched_rl.agents.losses import normalized
from sched_rl.config.load import load_config
from sched_rl.envs.layout import observation_layout
from sched_rl.envs.vector import VectorClusterEnv
from sched_rl.errors import ConfigError


def test_normalisation_over_choices_ignores_forced_states():
    advantage = torch.tensor([1.0, 2.0, 3.0, 50.0, 60.0])
    choice = torch.tensor([True, True, True, False, False])
    result = normalized(advantage, choice)
    torch.testing.assert_close(result[:3], torch.tensor([-1.0, 0.0, 1.0]))
    assert result[3:].tolist() == [0.0, 0.0]


def test_normalisation_over_choices_equals_the_plain_one_where_all_choose():
    advantage = torch.randn(64, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(normalized(advantage, torch.ones(64, dtype=torch.bool)), normalized(advantage))


@pytest.mark.parametrize("num_choices", [0, 1])
def test_too_few_choices_are_left_as_they_are(num_choices):
    advantage, choice = torch.tensor([2.0, 5.0]), torch.tensor([num_choices == 1, False])
    assert normalized(advantage, choice).tolist() == [2.0 * num_choices, 0.0]


def test_a_forced_state_is_no_choice(learner):
    ppo, env = learner()
    ppo.collect(env)
    np.testing.assert_array_equal(ppo.buffer.has_choice, ppo.buffer.mask[:-1].sum(axis=-1) > 1)


def test_shaping_telescopes(learner):
    """With gamma 1 and lambda 1 a shaped advantage differs from the raw one by minus the first potential alone."""
    advantages = []
    for shape in (False, True):
        ppo, env = learner(gamma=1.0, gae_lambda=1.0, shape_rewards=shape, scale_returns=False)
        worth = np.random.default_rng(5).normal(size=(ppo.buffer.num_steps + 1, env.num_envs))
        env.potential_before = env.potential_after = np.zeros(env.num_envs)
        ppo.collect(env)
        ppo.buffer.potential_before[:] = worth[:-1]
        ppo.buffer.potential_after[:] = worth[1:]
        ppo.buffer.terminated[:] = ppo.buffer.truncated[:] = False
        ppo._estimate_advantages()
        advantages.append(ppo.buffer.advantage.copy())
    np.testing.assert_allclose(advantages[1] - advantages[0], worth[-1] - worth[:-1], atol=1e-4)


def test_shaping_wants_an_environment_with_a_potential(learner):
    ppo, env = learner(shape_rewards=True)
    with pytest.raises(ConfigError, match=r"agent.shape_rewards=true: this environment has no potential"):
        ppo.collect(env)


def test_clusters_without_a_potential_are_no_shaped_ones():
    """Else a learner that is to shape its rewards would take zeros for it, and say nothing."""
    config = load_config("train", ["agent=ppo", "tracking=none", "agent.num_envs=4"])
    ppo = build_ppo(config.agent, observation_layout(config.env, "rich"), 0)
    env = VectorClusterEnv(config.env, "rich", 4, seed=0)
    env.reset()
    with pytest.raises(ConfigError, match=r"make a VectorClusterEnv with_potential=True"):
        ppo.collect(env)
    assert isinstance(VectorClusterEnv(config.env, "rich", 4, seed=0, with_potential=True), ShapedEnvironment)
