"""Scoring legal rows only is exact: losses and whole gradients agree with the dense path."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sched_rl.agents import build_ppo
from sched_rl.agents.distributions import action_log_prob, entropy, masked_log_softmax
from sched_rl.agents.losses import MinibatchSamples, ppo_loss
from sched_rl.agents.networks import build_network
from sched_rl.agents.networks.packed_ops import segment_categorical, segment_categorical_by_scatter
from sched_rl.agents.packed import pack
from sched_rl.envs.layout import ObservationLayout

LAYOUTS = {
    "rich": ObservationLayout("rich", 12, 7, 5, 6),
    "playbook": ObservationLayout("playbook", 9, 4, 8, 2),
}


def flat_gradient(loss, network):
    network.zero_grad()
    loss.backward()
    return torch.cat([parameter.grad.flatten() for parameter in network.parameters()])


def losses(kind, layout, dtype, seed, networks, make_config, draw_states):
    """(loss, gradient) of the dense path and of the packed one, on one random batch with all clamps at work."""
    generator = np.random.default_rng(seed)
    observation, mask = draw_states(layout, 300, generator)
    observation = observation.astype(np.float32 if dtype == torch.float32 else np.float64)
    action = np.array([generator.choice(np.flatnonzero(row)) for row in mask])
    config = make_config(network=kind, vf_clip_coef=0.3, entropy_jump_clip=0.2, ent_coef=0.1)
    noise = torch.from_numpy(generator.standard_normal((5, 300))).to(dtype)
    samples = MinibatchSamples(-noise[0].abs(), noise[1].abs(), noise[2], noise[3], noise[4], noise[0] < 9.0)

    dense = build_network(networks[kind], layout, seed=seed).to(dtype)
    fused = build_network(networks[kind], layout, seed=seed, fused=True).to(dtype)
    for network in (dense, fused):  # away from the near-uniform start
        for index, parameter in enumerate(network.parameters()):
            shift = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(index))
            parameter.data += 0.2 * shift.to(dtype)

    states, actions = torch.from_numpy(observation), torch.from_numpy(action)
    log_probs = masked_log_softmax(dense.logits(states), torch.from_numpy(mask))
    reference = ppo_loss(
        config,
        0.1,
        samples,
        action_log_prob(log_probs, actions),
        entropy(log_probs),
        dense.values(states),
    )
    packed = pack(observation, mask, np.arange(300), layout, int(mask.sum()))
    chosen = torch.from_numpy(
        np.array(
            [np.flatnonzero(packed.row_action[a:b] == c)[0] + int(a) for a, b, c in _segments(packed, action)]
        )
    )
    logits, values = fused.packed_logits_and_values(packed)
    log_prob, entropies = segment_categorical(logits, packed, chosen)
    terms = ppo_loss(config, 0.1, samples, log_prob, entropies, values)
    return (
        (reference.loss.detach(), flat_gradient(reference.loss, dense)),
        (terms.loss.detach(), flat_gradient(terms.loss, fused)),
    )


def _segments(packed, action):
    return zip(packed.offsets[:-1], packed.offsets[1:], action, strict=True)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
@pytest.mark.parametrize("encoding", LAYOUTS)
@pytest.mark.parametrize("kind", ["scorer", "attention"])
def test_loss_and_whole_gradient_agree(kind, encoding, dtype, tolerance, networks, make_config, draw_states):
    for seed in range(3):
        (loss, gradient), (packed_loss, packed_gradient) = losses(
            kind, LAYOUTS[encoding], dtype, seed, networks, make_config, draw_states
        )
        assert (packed_loss - loss).abs() <= tolerance * loss.abs()
        assert (packed_gradient - gradient).norm() <= tolerance * gradient.norm()


def test_scatter_form_of_the_segment_softmax_agrees(draw_states, rich_layout):
    """The form that devices without compiled passes use, and its gradient."""
    observation, mask = draw_states(rich_layout, 50, np.random.default_rng(0))
    packed = pack(observation, mask, np.arange(50), rich_layout, int(mask.sum()))
    logits = torch.randn(int(mask.sum()), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    weights = torch.randn(2, 50, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    results = []
    for form in (segment_categorical, segment_categorical_by_scatter):
        leaf = (3 * logits).requires_grad_()
        log_prob, entropies = form(leaf, packed, packed.offsets[:-1])
        (log_prob @ weights[0] + entropies @ weights[1]).backward()
        results.append((log_prob, entropies, leaf.grad))
    for first, second in zip(*results, strict=True):
        torch.testing.assert_close(first, second, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("kind", ["mlp", "scorer", "attention"])
def test_first_updates_of_a_run_agree(kind, make_config, rich_layout, random_env):
    runs = []
    for kernel in ("dense", "packed"):
        config = make_config(network=kind, kernel=kernel, target_kl=0.05, entropy_jump_clip=0.1)
        ppo, env = build_ppo(config, rich_layout, 0, "cpu", 3), random_env(8)
        env.reset()
        run = []
        for _ in range(3):
            ppo.collect(env)
            run.append((ppo.buffer.action.copy(), ppo.update()))
        runs.append(run)
    for (actions, dense), (packed_actions, packed) in zip(*runs, strict=True):
        np.testing.assert_array_equal(packed_actions, actions)
        for name, value in dense.items():
            assert packed[name] == pytest.approx(value, rel=1e-4, abs=1e-5), name
