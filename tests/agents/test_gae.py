from __future__ import annotations

import numpy as np
import pytest

from sched_rl.agents.gae import generalized_advantages


def naive(reward, discount, value, final_value, terminated, truncated, lam):
    """A_t as the discounted sum of the deltas up to the end of the episode that step t belongs to."""
    steps, num_envs = reward.shape
    advantage = np.zeros_like(reward)
    for n in range(num_envs):
        for t in range(steps):
            weight = 1.0
            for s in range(t, steps):
                if terminated[s, n]:
                    following = 0.0
                elif truncated[s, n]:
                    following = final_value[s, n]
                else:
                    following = value[s + 1, n]
                delta = reward[s, n] + discount[s, n] * following - value[s, n]
                advantage[t, n] += weight * delta
                weight *= discount[s, n] * lam
                if terminated[s, n] or truncated[s, n]:
                    break
    return advantage


@pytest.fixture
def rollout():
    generator = np.random.default_rng(5)
    steps, num_envs = 12, 4
    rollout = {
        "reward": generator.standard_normal((steps, num_envs)),
        "discount": generator.uniform(0.8, 1.0, (steps, num_envs)),
        "value": generator.standard_normal((steps + 1, num_envs)),
        "final_value": generator.standard_normal((steps, num_envs)),
        "terminated": np.zeros((steps, num_envs), np.bool_),
        "truncated": np.zeros((steps, num_envs), np.bool_),
    }
    rollout["terminated"][3, 0] = True  # a termination, then a truncation, in one rollout
    rollout["truncated"][8, 0] = True
    rollout["terminated"][11, 1] = True  # on the rollout's last step
    rollout["truncated"][0, 2] = rollout["truncated"][11, 2] = True
    rollout["terminated"][5, 3] = rollout["truncated"][5, 3] = True  # both at once
    return rollout


def computed(rollout, lam):
    advantage = np.zeros_like(rollout["reward"])
    target = np.zeros_like(advantage)
    generalized_advantages(*rollout.values(), lam, advantage, target)
    return advantage, target


@pytest.mark.parametrize("lam", [0.0, 0.95, 1.0])
def test_equals_the_sum_of_deltas_up_to_each_episodes_end(rollout, lam):
    advantage, target = computed(rollout, lam)
    np.testing.assert_allclose(advantage, naive(*rollout.values(), lam), rtol=0, atol=1e-12)
    np.testing.assert_allclose(target, advantage + rollout["value"][:-1], rtol=0, atol=1e-12)


def test_nothing_crosses_an_episode_boundary(rollout):
    before, _ = computed(rollout, 0.95)
    rollout["reward"][9:, 0] += 100.0
    after, _ = computed(rollout, 0.95)
    np.testing.assert_array_equal(after[:9, 0], before[:9, 0])
    assert (after[9:, 0] != before[9:, 0]).all()


def test_only_a_truncation_looks_at_the_final_observation(rollout):
    before, _ = computed(rollout, 0.95)
    rollout["final_value"][:] += 100.0
    after, _ = computed(rollout, 0.95)
    changed = np.abs(after - before) > 1.0
    assert changed[8, 0]
    assert changed[0, 2]
    assert changed[11, 2]
    assert not changed[:4, 0].any()
    assert not changed[:, 1].any()
    assert not changed[:, 3].any(), "an episode that ends by both is terminated"


def test_lambda_one_without_values_gives_discounted_returns():
    reward = np.array([[1.0], [2.0], [4.0]])
    nothing = np.zeros((4, 1))
    done = np.array([[False], [False], [True]])
    advantage, target = np.zeros((3, 1)), np.zeros((3, 1))
    generalized_advantages(
        reward, np.full((3, 1), 0.5), nothing, nothing[:3], done, ~done & done, 1.0, advantage, target
    )
    np.testing.assert_allclose(target[:, 0], [1 + 0.5 * (2 + 0.5 * 4), 2 + 0.5 * 4, 4])
