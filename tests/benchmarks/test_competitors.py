"""Every competitor does one update of the real thing, on clusters, networks and masks that are the same for all."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from analysis.benchmarks.peers.competitors import entrants, kernels
from analysis.benchmarks.peers.plain_loop import PlainLoop
from analysis.benchmarks.peers.staggered import LateVectorEnv
from analysis.benchmarks.peers.task import load_task
from analysis.benchmarks.peers.worker import play_round
from sched_rl.agents.gae import generalized_advantages
from sched_rl.errors import ConfigError

ENTRANTS = entrants()


@pytest.mark.parametrize("network", ["scorer", "mlp"])
@pytest.mark.parametrize("name", list(ENTRANTS))
def test_one_update(name, network, small):
    entrant = ENTRANTS[name]
    if entrant.needs is not None:
        pytest.importorskip(entrant.needs)
    task = load_task(network, [*small, *entrant.overrides])
    competitor = entrant.build(task)
    reference = ENTRANTS["ours_dense"].build(load_task(network, small))
    assert competitor.num_parameters == reference.num_parameters, "not the same network"
    competitor.play(1)  # the warm-up, in which some of them reset their clusters
    played = play_round(competitor, task, entrant, 1, profiled=True)
    assert played.steps == 32
    assert 0 < played.clusters_s <= played.env_s, "the clusters are part of the environment's time"
    parts = played.env_s + played.act_s + played.learn_s
    assert min(played.act_s, played.learn_s) > 0
    assert parts <= played.wall_s, "the split must not count anything twice"
    assert 1 <= played.legal_actions_mean <= 51
    assert played.peak_mib > 50


def test_every_kernel_of_the_configuration_takes_part():
    assert {f"ours_{name}" for name in kernels()} == {each.name for each in ENTRANTS.values() if each.is_ours}
    assert {"dense", "packed"} <= set(kernels())


@pytest.mark.parametrize("python_env", [False, True])
def test_the_plain_loop_takes_legal_actions_and_learns(python_env, small):
    loop = PlainLoop(load_task("scorer", small), python_env=python_env)
    before = [parameter.detach().clone() for parameter in loop._network.parameters()]
    loop.play(1)
    assert loop._masks.gather(-1, loop._actions.unsqueeze(-1)).all()
    after = loop._network.parameters()
    assert any((old != new).any() for old, new in zip(before, after, strict=True))


def test_the_plain_loop_estimates_the_same_advantages(small):
    task = load_task("scorer", [*small, "agent.gamma=0.97"])
    loop, draws, shape = PlainLoop(task, python_env=False), np.random.default_rng(0), (8, 4)
    value, reward = draws.normal(size=(9, 4)).astype(np.float32), draws.normal(size=shape)
    ended = draws.random(shape) < 0.2
    loop._rewards[:], loop._values[:] = torch.from_numpy(reward), torch.from_numpy(value[:-1])
    loop._dones[1:], loop._next_done = torch.from_numpy(ended[:-1]), torch.from_numpy(ended[-1]).float()
    advantage, target = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    never, final = np.zeros(shape, np.bool_), np.zeros(shape, np.float32)
    discount = np.full(shape, task.agent.gamma)
    generalized_advantages(
        reward, discount, value, final, ended, never, task.agent.gae_lambda, advantage, target
    )
    np.testing.assert_allclose(loop._advantages(torch.from_numpy(value[-1])), advantage, rtol=1e-4, atol=1e-5)


def test_the_library_sees_the_clusters_as_they_are(small):
    """Observations outlive one more step, as the library needs; ends of episodes come with their last observation."""
    pytest.importorskip("stable_baselines3")
    from analysis.benchmarks.peers.sb3_env import CompiledVecEnv

    task = load_task("scorer", small)
    adapted, plain = CompiledVecEnv(task), LateVectorEnv(task)
    observation, (wanted, info) = adapted.reset(), plain.reset()
    draws, ended = np.random.default_rng(0), 0
    for _ in range(120):
        masks = np.stack(adapted.env_method("action_masks"))
        np.testing.assert_array_equal(masks, info["action_mask"])
        actions = np.array([draws.choice(np.flatnonzero(row)) for row in masks])
        kept = observation
        observation, reward, done, infos = adapted.step(actions)
        np.testing.assert_array_equal(kept, wanted, err_msg="overwritten while the library still needs it")
        wanted, expected_reward, terminated, truncated, info = plain.step(actions)
        np.testing.assert_array_equal(observation, wanted)
        np.testing.assert_array_equal(reward, expected_reward.astype(np.float32))
        np.testing.assert_array_equal(done, terminated | truncated)
        for index in np.flatnonzero(done):
            ended += 1
            np.testing.assert_array_equal(infos[index]["terminal_observation"], info["final_obs"][index])
            assert infos[index]["TimeLimit.truncated"] == truncated[index]
        assert not any(infos[index] for index in np.flatnonzero(~done))
    assert ended >= 4


def test_an_agent_that_does_not_learn_is_refused(small):
    with pytest.raises(ConfigError):
        load_task("scorer", ["agent=sjf"])
