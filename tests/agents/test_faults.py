"""What the learner refuses, and how it says so: one error that names the tensor, before any harm is done."""

from __future__ import annotations

import math

import pytest
import torch

from sched_rl.agents import build_ppo, load_greedy_policy
from sched_rl.errors import CheckpointError, ConfigError, SimulationError

KERNELS = ("dense", "packed", "fused")


def steps_taken(ppo):
    return int(next(iter(ppo.state()["optimizer"]["state"].values()), {"step": 0})["step"])


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("mask_actions", [True, False])
def test_a_state_without_a_legal_action_is_an_error(kernel, mask_actions, learner):
    ppo, env = learner(kernel=kernel, mask_actions=mask_actions)
    env.action_mask[3] = False
    with pytest.raises(SimulationError, match=r"action_mask\[3\] has no legal action"):
        ppo.collect(env)
    env.action_mask[3] = False
    with pytest.raises(SimulationError, match=r"action_mask\[3\] has no legal action"):
        ppo.greedy_actions(env.observation, env.action_mask)


@pytest.mark.parametrize("kernel", KERNELS)
def test_weights_that_are_not_finite_are_named(kernel, learner):
    ppo, env = learner(kernel=kernel)
    with torch.no_grad():
        ppo.network.policy.body[0].weight[0, 0] = math.nan
    with pytest.raises(SimulationError, match=r"policy\.body\.0\.weight is not finite"):
        ppo.collect(env)


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_critic_that_is_not_finite_is_named_before_the_step(kernel, learner):
    ppo, env = learner(kernel=kernel)
    ppo.collect(env)
    with torch.no_grad():
        ppo.network.value.head.bias[0] = math.inf
    with pytest.raises(SimulationError, match=r"value\.head\.bias is not finite; the optimizer step was not"):
        ppo.update()
    assert steps_taken(ppo) == 0


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_loss_that_overflows_is_named_before_the_step(kernel, learner):
    ppo, env = learner(kernel=kernel, normalize_advantages=False)
    ppo.collect(env)
    ppo.buffer.reward[:] = 1e30
    with pytest.raises(SimulationError, match=r"v_loss \(loss term\) is not finite"):
        ppo.update()
    assert steps_taken(ppo) == 0


def test_a_reward_that_is_not_finite_is_named(learner):
    ppo, env = learner()
    ppo.collect(env)
    ppo.buffer.reward[5, 2] = math.nan
    with pytest.raises(SimulationError, match="reward nan at step 5 of environment 2"):
        ppo.update()


def test_an_update_needs_a_new_rollout(learner):
    ppo, env = learner()
    ppo.collect(env)
    ppo.update()
    with pytest.raises(SimulationError, match=r"call collect\(env\) first"):
        ppo.update()


def test_an_environment_of_another_size_or_encoding_is_refused(learner, random_env, small_layout):
    ppo, _ = learner()
    with pytest.raises(ConfigError, match=r"agent\.num_envs=8: the environment runs 5"):
        ppo.collect(random_env(5))
    with pytest.raises(ConfigError, match=r"agent\.network\.observation=rich"):
        ppo.collect(random_env(8, small_layout))


def test_weights_of_another_network_are_refused(learner, make_config, rich_layout):
    ppo, _ = learner(network="mlp")
    other = make_config(network="scorer")
    with pytest.raises(CheckpointError, match="weights do not fit the network"):
        load_greedy_policy(other, rich_layout, ppo.state())
    with pytest.raises(CheckpointError, match="weights do not fit the network"):
        build_ppo(other, rich_layout, 0).load_state(ppo.state())


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_a_missing_device_is_refused(make_config, rich_layout):
    with pytest.raises(ConfigError, match="device=cuda: torch finds no CUDA device"):
        build_ppo(make_config(), rich_layout, 0, "cuda")
