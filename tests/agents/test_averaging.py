"""The averaged policy: what it is the average of, and that it is what acts greedily."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sched_rl.agents import build_ppo, load_greedy_policy
from sched_rl.errors import CheckpointError


def weights(network):
    return torch.cat([parameter.detach().flatten() for parameter in network.policy.parameters()])


def test_the_average_is_the_recursion_and_the_learner_goes_its_own_way(learner):
    averaged, env = learner(num_updates=14, average_decay=0.5)
    plain, other_env = learner(num_updates=14)
    expected = weights(averaged.network)
    for update in range(1, 15):
        for ppo, its_env in ((averaged, env), (plain, other_env)):
            ppo.collect(its_env)
            ppo.update()
        kept = min(0.5, update / (update + 10))
        expected = kept * expected + (1 - kept) * weights(averaged.network)
    assert torch.equal(weights(averaged.network), weights(plain.network))
    average = torch.cat([tensor.flatten() for tensor in averaged.policy_parameters().values()])
    torch.testing.assert_close(average, expected)
    assert not torch.allclose(average, weights(averaged.network), atol=1e-4)


@pytest.mark.parametrize("kernel", ["dense", "fused"])
def test_greedy_actions_are_the_average_s(kernel, learner, make_config, rich_layout, draw_states):
    ppo, env = learner(average_decay=0.9, kernel=kernel, lr=0.05)
    for _ in range(5):
        ppo.collect(env)
        ppo.update()
    observation, mask = draw_states(rich_layout, 200, np.random.default_rng(0))
    plain = build_ppo(make_config(kernel=kernel), rich_layout, 0)
    plain.network.policy.load_state_dict(ppo.policy_parameters())
    chosen = ppo.greedy_actions(observation, mask)
    np.testing.assert_array_equal(chosen, plain.greedy_actions(observation, mask))
    plain.network.policy.load_state_dict(ppo.network.policy.state_dict())
    assert (chosen != plain.greedy_actions(observation, mask)).any()


def test_a_checkpoint_without_an_average_is_refused(make_config, learner, rich_layout):
    ppo, _ = learner()
    with pytest.raises(CheckpointError, match=r"no averaged policy.*agent.average_decay=0"):
        load_greedy_policy(make_config(average_decay=0.9), rich_layout, ppo.state())
