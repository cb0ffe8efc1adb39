from __future__ import annotations

import numpy as np
import pytest
import torch

from sched_rl.agents import build_ppo
from sched_rl.agents.networks import build_network
from sched_rl.envs.layout import ObservationLayout

KINDS = ("mlp", "scorer", "attention")
LAYOUTS = {
    "playbook": ObservationLayout("playbook", 50, 4, 8, 2),
    "rich": ObservationLayout("rich", 50, 12, 16, 13),
}


@pytest.mark.parametrize("kind", KINDS)
def test_shapes_and_separate_paths(kind, networks, rich_layout, draw_states):
    network = build_network(networks[kind], rich_layout, seed=0)
    observation = torch.from_numpy(draw_states(rich_layout, 6, np.random.default_rng(0))[0])
    assert network.logits(observation).shape == (6, rich_layout.num_actions)
    assert network.values(observation).shape == (6,)
    network.values(observation).sum().backward()
    assert all(parameter.grad is None for parameter in network.policy.parameters())
    assert all(parameter.grad is not None for parameter in network.value.parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_initial_weights_come_from_the_seed_alone(kind, networks, rich_layout):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = build_network(networks[kind], rich_layout, seed=3).state_dict()
    assert torch.equal(torch.get_rng_state(), before), "the global generator was advanced"
    torch.manual_seed(2)
    again = build_network(networks[kind], rich_layout, seed=3).state_dict()
    other = build_network(networks[kind], rich_layout, seed=4).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


@pytest.mark.parametrize("kind", KINDS)
def test_orthogonal_heads(kind, networks, rich_layout):
    network = build_network(networks[kind], rich_layout, seed=0)
    policy_head, value_head = network.policy.head.weight, network.value.head.weight
    assert torch.linalg.matrix_norm(policy_head, 2).item() == pytest.approx(0.01, rel=1e-4)
    assert torch.linalg.vector_norm(value_head).item() == pytest.approx(1.0, rel=1e-4)


@pytest.mark.parametrize("kind", ["scorer", "attention"])
def test_jobs_are_scored_alike_wherever_they_stand(kind, networks, rich_layout, draw_states):
    """Permuting the window permutes the logits and moves nothing else."""
    network = build_network(networks[kind], rich_layout, seed=0).double()
    observation = torch.from_numpy(draw_states(rich_layout, 5, np.random.default_rng(0))[0]).double()
    order = torch.randperm(rich_layout.window, generator=torch.Generator().manual_seed(0))
    jobs_end = rich_layout.window * rich_layout.job_features
    jobs = observation[:, :jobs_end].reshape(5, rich_layout.window, -1)[:, order].flatten(1)
    moved = network.logits(torch.cat((jobs, observation[:, jobs_end:]), 1))
    logits = network.logits(observation)
    torch.testing.assert_close(moved[:, 1:], logits[:, 1:][:, order])
    torch.testing.assert_close(moved[:, 0], logits[:, 0])


@pytest.mark.parametrize("kind", ["scorer", "attention"])
def test_empty_slots_change_nothing_for_the_jobs_that_are_there(kind, networks, draw_states):
    """The same queue in a longer window gets the same logits and value."""
    short, long = (ObservationLayout("rich", window, 7, 5, 6) for window in (4, 9))
    observation = torch.from_numpy(draw_states(short, 8, np.random.default_rng(0))[0]).double()
    jobs, rest = observation[:, : 4 * 7], observation[:, 4 * 7 :]
    padded = torch.cat((jobs, torch.zeros(8, 5 * 7, dtype=torch.float64), rest), 1)
    small, large = (build_network(networks[kind], layout, seed=0).double() for layout in (short, long))
    torch.testing.assert_close(large.logits(padded)[:, :5], small.logits(observation))
    torch.testing.assert_close(large.values(padded), small.values(observation))


def test_every_part_of_the_state_reaches_policy_and_value(networks, rich_layout, draw_states):
    observation = torch.from_numpy(draw_states(rich_layout, 32, np.random.default_rng(0))[0])
    jobs_end = rich_layout.window * rich_layout.job_features
    profile_end = jobs_end + rich_layout.profile_features
    for kind in KINDS:
        network = build_network(networks[kind], rich_layout, seed=0)
        for part in (slice(0, jobs_end), slice(jobs_end, profile_end), slice(profile_end, None)):
            leaf = observation.clone().requires_grad_()
            network.logits(leaf)[:, 1:].square().sum().backward()
            assert leaf.grad[:, part].abs().sum() > 0, (kind, part)
            leaf = observation.clone().requires_grad_()
            network.values(leaf).square().sum().backward()
            assert leaf.grad[:, part].abs().sum() > 0, (kind, part)


@pytest.mark.parametrize("present", [1, 2, 25, 50])
@pytest.mark.parametrize("encoding", ["playbook", "rich"])
@pytest.mark.parametrize("kind", KINDS)
def test_initial_greedy_policy_starts_jobs(kind, encoding, present, networks, make_config):
    """From a nearly empty window to a full one, with one job that fits or many, for several seeds."""
    layout, generator = LAYOUTS[encoding], np.random.default_rng(present)
    observation = generator.random((64, layout.size), dtype=np.float32)
    jobs_end = layout.window * layout.job_features
    jobs = observation[:, :jobs_end].reshape(64, layout.window, layout.job_features)
    jobs[:, present:] = 0.0
    mask = np.zeros((64, layout.num_actions), np.bool_)
    mask[:, :2] = True
    mask[32:, 1 : present + 1] = generator.random((32, present)) < 0.5
    mask[32:, 1] = True
    for seed in range(5):
        ppo = build_ppo(make_config(network=kind), layout, seed)
        assert (ppo.greedy_actions(observation, mask) != 0).all()
        chance = ppo.network.logits(torch.from_numpy(observation)).softmax(-1)
        assert (chance[:, 0] / chance[:, 1:].mean(1)).min() > 0.01, "the no-op must stay likely to be tried"


@pytest.mark.parametrize("kernel", ["dense", "packed", "fused"])
@pytest.mark.parametrize("kind", KINDS)
def test_actions_do_not_depend_on_how_states_are_grouped(kind, kernel, make_config, draw_states, device):
    """The untrained network is the hardest case: its logits differ in the third digit at most."""
    layout = LAYOUTS["rich"]
    ppo = build_ppo(make_config(network=kind, kernel=kernel), layout, 0, device)
    observation, mask = draw_states(layout, 600, np.random.default_rng(0))
    actions = ppo.greedy_actions(observation, mask)
    generator = np.random.default_rng(1)
    for size in (1, 2, 63, 64, 65, 300, 599, 600):
        order = generator.permutation(600)[:size]
        np.testing.assert_array_equal(ppo.greedy_actions(observation[order], mask[order]), actions[order])


@pytest.mark.parametrize("kernel", ["dense", "packed", "fused"])
def test_equal_jobs_tie_and_the_first_starts(kernel, make_config):
    """Wherever the row lies in a matrix product, equal jobs get equal scores after rounding."""
    layout = LAYOUTS["playbook"]
    ppo = build_ppo(make_config(kernel=kernel), layout, 0)
    observation = np.random.default_rng(0).random((100, layout.size), dtype=np.float32)
    jobs = observation[:, : layout.window * layout.job_features].reshape(100, layout.window, -1)
    jobs[:] = jobs[:, :1]
    mask = np.random.default_rng(1).random((100, layout.num_actions)) < 0.5
    mask[:, 0] = False
    np.testing.assert_array_equal(ppo.greedy_actions(observation, mask), mask.argmax(1))


def test_kernels_choose_alike(make_config, draw_states, networks):
    layout = LAYOUTS["rich"]
    observation, mask = draw_states(layout, 200, np.random.default_rng(0))
    for kind in KINDS:
        dense, packed, fused = (
            build_ppo(make_config(network=kind, kernel=kernel), layout, 0).greedy_actions(observation, mask)
            for kernel in ("dense", "packed", "fused")
        )
        np.testing.assert_array_equal(dense, packed)
        np.testing.assert_array_equal(dense, fused)
