from __future__ import annotations

import numpy as np
import pytest

from sched_rl.agents.return_scale import ReturnScaler


def rewards(seed, mean=0.0):
    generator = np.random.default_rng(seed)
    reward = mean + generator.standard_normal((20, 3))
    done = generator.random((20, 3)) < 0.1
    return reward, np.full((20, 3), 0.9), done


def test_scale_is_the_deviation_of_discounted_returns_across_rollouts_and_episodes():
    batches = [rewards(seed) for seed in range(3)]
    scaler = ReturnScaler(3, enabled=True)
    seen, running = [], np.zeros(3)
    for reward, discount, done in batches:
        scaler.update(reward, discount, done)
        for t in range(len(reward)):
            running = 0.9 * running + reward[t]
            seen.append(running.copy())
            running = np.where(done[t], 0.0, running)
    assert scaler.scale == pytest.approx(np.std(seen), rel=1e-12)


def test_scale_is_one_when_off_unseen_or_all_zero():
    off, on = ReturnScaler(3, enabled=False), ReturnScaler(3, enabled=True)
    assert on.scale == 1.0
    off.update(*rewards(0))
    on.update(np.zeros((4, 3)), np.ones((4, 3)), np.zeros((4, 3), np.bool_))
    assert off.scale == on.scale == 1.0


def test_rewards_that_never_vary_are_not_blown_up():
    scaler = ReturnScaler(2, enabled=True)
    scaler.update(np.full((5, 2), 7.0), np.ones((5, 2)), np.ones((5, 2), np.bool_))
    assert scaler.scale == pytest.approx(0.7)


def test_continues_from_its_state():
    whole, first = ReturnScaler(3, enabled=True), ReturnScaler(3, enabled=True)
    for seed in range(2):
        whole.update(*rewards(seed))
    first.update(*rewards(0))
    second = ReturnScaler(3, enabled=True)
    second.load_state(first.state())
    first.update(*rewards(5))  # a state is a copy: what happens to its origin does not matter
    second.update(*rewards(1))
    assert second.scale == whole.scale
