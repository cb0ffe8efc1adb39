"""Each clamp on its own: where it binds, what it does to the gradient, and that it can be switched off."""

from __future__ import annotations

import math

import pytest
import torch

from sched_rl.agents.clamps import entropy_bonus, kl_estimates, policy_loss, value_loss
from sched_rl.agents.losses import MinibatchSamples, normalized, ppo_loss


def gradient(value, leaf):
    (grad,) = torch.autograd.grad(value, leaf)
    return grad


@pytest.mark.parametrize(
    ("ratio", "advantage", "flows"),
    [(1.5, 1.0, False), (0.5, -1.0, False), (1.5, -1.0, True), (0.5, 1.0, True), (1.05, 1.0, True)],
)
def test_ratio_clip_stops_the_gradient_only_where_going_further_would_pay(ratio, advantage, flows):
    log_ratio = torch.tensor([math.log(ratio)], requires_grad=True)
    loss, bound_frac = policy_loss(log_ratio, torch.tensor([advantage]), 0.1)
    assert (gradient(loss, log_ratio) != 0).item() is flows
    assert bound_frac == float(abs(ratio - 1) > 0.1)


def test_ratio_clip_off():
    log_ratio = torch.tensor([1.0, -1.0], requires_grad=True)
    advantage = torch.tensor([1.0, -1.0])
    loss, bound_frac = policy_loss(log_ratio, advantage, 0.0)
    torch.testing.assert_close(gradient(loss, log_ratio), -advantage * log_ratio.exp() / 2)
    assert bound_frac == 0


def test_value_clip_takes_the_larger_error_and_holds_the_critic_back():
    old, target = torch.tensor([0.0, 0.0]), torch.tensor([2.0, 2.0])
    value = torch.tensor([1.0, 0.05], requires_grad=True)
    loss, bound_frac = value_loss(value, old, target, 0.1)
    assert loss.item() == pytest.approx((1.9**2 + 1.95**2) / 2)
    assert gradient(loss, value)[0] == 0
    assert gradient(value_loss(value, old, target, 0.1).value, value)[1] != 0
    assert bound_frac == 0.5


def test_value_clip_does_not_hide_an_error_made_by_moving_away():
    value = torch.tensor([-1.0], requires_grad=True)
    loss, _ = value_loss(value, torch.tensor([0.0]), torch.tensor([2.0]), 0.1)
    assert loss.item() == pytest.approx(9.0)
    assert gradient(loss, value) != 0


def test_value_clip_off():
    value = torch.tensor([1.0], requires_grad=True)
    loss, bound_frac = value_loss(value, torch.tensor([0.0]), torch.tensor([2.0]), 0.0)
    assert loss.item() == pytest.approx(1.0)
    assert gradient(loss, value) != 0
    assert bound_frac == 0


def test_entropy_jump_clip_is_per_sample():
    old = torch.tensor([1.0, 1.0, 1.0])
    new = torch.tensor([0.2, 1.05, 1.9], requires_grad=True)
    bonus, bound_frac = entropy_bonus(new, old, 0.1)
    assert bonus.item() == pytest.approx((0.9 + 1.05 + 1.1) / 3)
    torch.testing.assert_close(gradient(bonus, new), torch.tensor([0.0, 1 / 3, 0.0]))
    assert bound_frac == pytest.approx(2 / 3)


@pytest.mark.parametrize("off", [0.0, -1.0])
def test_entropy_jump_clip_off(off):
    new = torch.tensor([0.2, 1.9], requires_grad=True)
    bonus, bound_frac = entropy_bonus(new, torch.tensor([1.0, 1.0]), off)
    torch.testing.assert_close(gradient(bonus, new), torch.tensor([0.5, 0.5]))
    assert bound_frac == 0


def test_kl_estimates_agree_with_the_divergence_they_estimate():
    generator = torch.Generator().manual_seed(0)
    old = torch.log_softmax(torch.tensor([0.3, -0.2, 0.5], dtype=torch.float64), 0)
    new = torch.log_softmax(torch.tensor([0.1, 0.2, 0.4], dtype=torch.float64), 0)
    action = torch.multinomial(old.exp(), 200_000, replacement=True, generator=generator)
    exact = (old.exp() * (old - new)).sum().item()
    k1, k3 = kl_estimates((new - old)[action])
    assert k3.item() == pytest.approx(exact, rel=0.02)
    assert k1.item() == pytest.approx(exact, abs=0.003)
    assert kl_estimates(torch.zeros(4)) == (0, 0)


def test_kl_estimate_is_accurate_for_tiny_changes():
    log_ratio = torch.tensor([1e-4, -1e-4])
    assert kl_estimates(log_ratio).k3.item() == pytest.approx(0.5e-8, rel=1e-3)


def test_advantages_are_normalized_and_a_minibatch_of_one_is_left_alone():
    advantage = normalized(torch.tensor([1.0, 2.0, 6.0]))
    assert advantage.mean().item() == pytest.approx(0.0, abs=1e-6)
    assert advantage.std().item() == pytest.approx(1.0, abs=1e-6)
    assert normalized(torch.tensor([3.0])) == 3.0
    assert torch.isfinite(normalized(torch.tensor([3.0, 3.0]))).all()


def test_the_loss_is_policy_plus_value_minus_entropy(make_config):
    config = make_config(
        vf_coef=0.7, clip_coef=0.0, vf_clip_coef=0.0, entropy_jump_clip=0.1, normalize_advantages=False
    )
    samples = MinibatchSamples(
        log_prob=torch.zeros(2),
        entropy=torch.tensor([0.5, 0.5]),
        value=torch.zeros(2),
        advantage=torch.tensor([1.0, 3.0]),
        target=torch.tensor([1.0, 2.0]),
        has_choice=torch.tensor([True, True]),
    )
    terms = ppo_loss(config, 0.3, samples, torch.zeros(2), torch.tensor([0.5, 0.9]), torch.tensor([0.0, 0.0]))
    pg, v, clamped_entropy = -2.0, 2.5, 0.55
    assert terms.loss.item() == pytest.approx(pg + 0.7 * v - 0.3 * clamped_entropy)
    assert terms.entropy.item() == pytest.approx(0.7), "logged entropy is the unclamped one"
