"""Tiny problems with known answers, learned in a few updates."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sched_rl.agents import build_ppo
from sched_rl.agents.networks.layers import NOOP_INITIAL_BIAS

KINDS = ("mlp", "scorer", "attention")
KERNELS = ("dense", "packed", "fused")


def train(ppo, env, updates):
    env.reset()
    metrics = []
    for _ in range(updates):
        ppo.collect(env)
        metrics.append(ppo.update())
    return metrics


def probe(make_config, layout, num_updates, **changes):
    config = make_config(**{"num_envs": 16, "num_minibatches": 2, "update_epochs": 4, "lr": 1e-2, **changes})
    return build_ppo(config, layout, 0, "cpu", num_updates)


@pytest.mark.parametrize(
    ("kind", "scale_returns"), [("mlp", False), ("scorer", True), ("scorer", False), ("attention", True)]
)
def test_constant_reward_values_count_the_steps_left(
    kind, scale_returns, make_config, small_layout, probe_env
):
    env = probe_env(16, lambda actions, phase, choices: np.ones(16), length=4)
    ppo = probe(make_config, small_layout, 30, network=kind, scale_returns=scale_returns, lr=1e-2)
    metrics = train(ppo, env, 30)
    raw_values = ppo.buffer.value[:4, 0] * metrics[-1]["return_scale"]
    np.testing.assert_allclose(raw_values, [3.439, 2.71, 1.9, 1.0], atol=0.15)
    assert metrics[-1]["mean_ep_return"] == 4.0
    assert metrics[-1]["mean_ep_length"] == 4.0
    assert metrics[-1]["num_episodes"] == 16 * 4
    assert metrics[-1]["reward_mean"] == 1.0, "raw, whatever the critic sees"


@pytest.mark.parametrize(("ending", "value"), [("truncated", 5.0), ("terminated", 1.0)])
def test_truncation_goes_on_in_the_value_and_termination_does_not(
    ending, value, make_config, small_layout, probe_env
):
    """One-step episodes that look alike: 1 + g + g^2 + ... = 5 when cut by time, 1 when over."""
    env = probe_env(16, lambda actions, phase, choices: np.ones(16), ending=ending, shows_phase=False)
    ppo = probe(make_config, small_layout, 50, network="mlp", gamma=0.8)
    train(ppo, env, 50)
    assert ppo.buffer.value.mean() == pytest.approx(value, abs=0.3)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("kind", KINDS)
def test_two_action_choice(kind, kernel, make_config, small_layout, probe_env):
    env = probe_env(16, lambda actions, phase, choices: np.where(actions == 2, 1.0, 0.0))
    ppo = probe(make_config, small_layout, 20, network=kind, kernel=kernel, lr=3e-3)
    metrics = train(ppo, env, 20)
    assert metrics[-1]["reward_mean"] > 0.9
    assert metrics[-1]["entropy_frac"] < 0.5 < metrics[0]["entropy_frac"]
    assert (ppo.greedy_actions(env.observation, env.action_mask) == 2).all()


def test_delayed_reward_is_credited_to_the_first_choice(make_config, small_layout, probe_env):
    """The action of phase 0 decides the reward of phase 4; the state does not remember it."""
    env = probe_env(
        16, lambda actions, phase, choices: np.where((choices == 1) & (phase == 4), 1.0, 0.0), length=5
    )
    ppo = probe(make_config, small_layout, 40, network="scorer", gamma=1.0, gae_lambda=1.0, rollout_steps=25)
    train(ppo, env, 40)
    first, mask = env.observation.copy(), env.action_mask
    assert env.phase == 0
    logits = ppo.network.logits(torch.from_numpy(first[:1])).softmax(-1)
    assert logits[0, 1] > 0.8
    assert (ppo.greedy_actions(first, mask) == 1).all()


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_masked_action_is_never_taken_however_well_it_would_pay(
    kernel, make_config, small_layout, probe_env
):
    env = probe_env(
        16,
        lambda actions, phase, choices: np.where(actions == 2, 10.0, 0.1 * actions),
        legal=(True, True, False),
    )
    ppo = probe(make_config, small_layout, 15, kernel=kernel)
    for metrics in train(ppo, env, 15):
        assert metrics["invalid_frac"] == 0.0
        assert metrics["legal_actions_mean"] == 2.0
    assert not (ppo.buffer.action == 2).any()
    assert metrics["noop_frac"] < 0.2
    assert metrics["noop_feasible_frac"] == metrics["noop_frac"]
    assert (ppo.greedy_actions(env.observation, env.action_mask) == 1).all()


@pytest.mark.parametrize("kernel", KERNELS)
def test_without_the_mask_the_policy_tries_everything_and_the_env_reports_it(
    kernel, make_config, small_layout, probe_env
):
    env = probe_env(
        16, lambda actions, phase, choices: np.where(actions == 2, -1.0, 0.0), legal=(True, True, False)
    )
    ppo = probe(make_config, small_layout, 15, kernel=kernel, mask_actions=False)
    metrics = train(ppo, env, 15)
    assert metrics[0]["invalid_frac"] > 0.2
    assert metrics[-1]["invalid_frac"] < 0.05, "it learns what the mask would have told it"
    assert metrics[0]["legal_actions_mean"] == 2.0
    noop = np.exp(NOOP_INITIAL_BIAS) / (2 + np.exp(NOOP_INITIAL_BIAS))
    nats = -noop * np.log(noop) - (1 - noop) * np.log((1 - noop) / 2)
    assert metrics[0]["entropy_frac"] == pytest.approx(nats / np.log(3), abs=0.03), "all three can be drawn"


def test_the_value_path_has_its_own_learning_rate(make_config, small_layout, probe_env):
    env = probe_env(16, lambda actions, phase, choices: actions.astype(np.float64))
    ppo = probe(make_config, small_layout, 2, value_lr_scale=0.0)
    before = {name: tensor.clone() for name, tensor in ppo.network.state_dict().items()}
    train(ppo, env, 2)
    moved = {
        name for name, tensor in ppo.network.state_dict().items() if not torch.equal(tensor, before[name])
    }
    assert moved
    assert all(name.startswith("policy.") for name in moved)


def test_learns_on_the_device(device, make_config, small_layout, probe_env):
    env = probe_env(16, lambda actions, phase, choices: np.where(actions == 1, 1.0, 0.0))
    for kernel in KERNELS:
        config = make_config(num_envs=16, num_minibatches=2, lr=1e-2, update_epochs=4, kernel=kernel)
        ppo = build_ppo(config, small_layout, 0, device, 15)
        assert next(ppo.network.parameters()).device.type == device
        assert train(ppo, env, 15)[-1]["reward_mean"] > 0.9
