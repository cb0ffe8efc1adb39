"""A learner that denies itself the no-op while a job fits, and one that takes a cut episode as over."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sched_rl.agents import build_ppo


@pytest.mark.parametrize("kernel", ["dense", "packed", "fused"])
@pytest.mark.parametrize("network", ["mlp", "scorer"])
def test_it_waits_only_where_nothing_fits(network, kernel, learner, rich_layout, draw_states):
    ppo, env = learner(network=network, kernel=kernel, voluntary_waits=False)
    ppo.collect(env)
    fits, waits = ppo.buffer.mask[:-1, :, 1:].any(-1), ppo.buffer.action == 0
    np.testing.assert_array_equal(waits, ~fits)
    assert waits.any()
    assert fits.any()
    observation, mask = draw_states(rich_layout, 100, np.random.default_rng(0))
    before = mask.copy()
    np.testing.assert_array_equal(ppo.greedy_actions(observation, mask) == 0, ~mask[:, 1:].any(1))
    np.testing.assert_array_equal(mask, before)


def test_the_kernels_learn_the_same_from_it(learner):
    learned = []
    for kernel in ("dense", "packed", "fused"):
        ppo, env = learner(kernel=kernel, voluntary_waits=False)
        ppo.collect(env)
        metrics = ppo.update()
        learned.append(torch.cat([parameter.detach().flatten() for parameter in ppo.network.parameters()]))
        assert metrics["noop_feasible_frac"] == 0.0
    for other in learned[1:]:
        torch.testing.assert_close(other, learned[0], atol=2e-4, rtol=0)


@pytest.mark.parametrize("shape_rewards", [False, True])
def test_a_cut_episode_taken_as_over_is_worth_what_it_paid(
    shape_rewards, make_config, small_layout, probe_env
):
    """Two steps that pay 1 each: with lambda 1 the targets are 2 and 1, less the potential left behind."""
    config = make_config(
        gamma=1.0, gae_lambda=1.0, bootstrap_truncated=False, shape_rewards=shape_rewards, rollout_steps=4
    )
    env = probe_env(8, lambda actions, phase, choices: np.ones(8), length=2, ending="truncated")
    env.potential_before = env.potential_after = np.full(8, 0.25)
    env.reset()
    ppo = build_ppo(config, small_layout, 0)
    ppo.collect(env)
    ppo.update()
    expected = np.array([2.0, 1.0, 2.0, 1.0]) - 0.25 * shape_rewards
    np.testing.assert_allclose(ppo.buffer.target, np.tile(expected[:, None], 8), atol=1e-5)
